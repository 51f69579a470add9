package gateway

// Entry is a name with its value, in headers and arguments. Without a value it is an argument without "=".
type Entry struct {
	Name    string
	Value   string
	NoValue bool
}

// ConfEntry is one plugin of a route with its configuration: the plugin's name in the runner and the text it parses.
type ConfEntry struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Request is what an HTTPReqCall frame carries (A6.HTTPReqCall.Req), and the answers to what the runner may ask back
// before it replies. The callbacks run in the caller's goroutine, during Call only.
type Request struct {
	// ID is for logs of the runner. 0 lets the client number the call.
	ID uint32
	// SrcIP is the client's address, 4 or 16 bytes.
	SrcIP []byte
	// Method is one of the fifteen that the protocol knows; Call returns ErrMethod for any other.
	Method string
	// Path is the decoded path without arguments.
	Path string
	// Args are the decoded arguments, one entry a value.
	Args []Entry
	// Headers have lower-case names, one entry a value; APISIX sends at most 100 and the Host as "host".
	Headers []Entry

	// Body gives the request body. nil, an error and no bytes all give the runner an empty result, as in APISIX;
	// ErrAbort ends the call. The bytes must stay unchanged until Call returns.
	Body func() ([]byte, error)
	// Var gives an nginx variable by its name without "$", and whether there is one. nil: there is none.
	Var func(name string) (string, bool)
}

// Action says what the runner wants done with a request.
type Action byte

const (
	// ActionNone lets the request pass.
	ActionNone Action = iota
	// ActionStop answers the client with the response's Status, Headers and Body.
	ActionStop
)

// Response is the runner's answer. It holds no part of any buffer: keep it as long as you like.
type Response struct {
	// ID is the request's.
	ID     uint32
	Action Action
	// Status is the HTTP status of a stop; 0 in the frame means 200 and is 200 here. Any 16-bit number can come: nothing here
	// says that it is one of HTTP's.
	Status int
	// Headers are a stop's.
	Headers []Entry
	// Body is a stop's. nil: none; the protocol as APISIX reads it cannot express an empty one.
	Body []byte
}
