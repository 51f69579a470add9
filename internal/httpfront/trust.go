package httpfront

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// SecretHeader carries the secret by which a gateway proves itself.
const SecretHeader = "X-Gateway-Secret"

// Trust says which peers are the gateway, whose word counts on who the client is.
type Trust struct {
	Socket      bool   // all peers: they have come through a Unix socket, which only the gateway may open
	Certificate bool   // peers with a client certificate, which TLS has verified
	Secret      string // peers that send it in SecretHeader; "": none
	// Variables are the headers, in canonical form, in which the gateway says a variable's value, by the
	// variable's name.
	Variables map[string]string
}

var headerName = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]+$") // RFC 9110, 5.6.2

// ParseVariable reads NAME=HEADER, an entry of [Trust.Variables].
func ParseVariable(text string) (name, header string, err error) {
	name, header, ok := strings.Cut(text, "=")
	header = textproto.CanonicalMIMEHeaderKey(header)
	switch {
	case !ok || name == "" || header == "":
		return "", "", errors.New("it has the form NAME=HEADER")
	case !fromGateway(name):
		return "", "", fmt.Errorf("$%.80s is the request's own, and no header says it", name)
	case !headerName.MatchString(header) || header == "Host" || header == SecretHeader:
		return "", "", fmt.Errorf("%.80q is no header in which a gateway can say it", header)
	}
	return name, header, nil
}

// possible reports whether a peer can prove to be the gateway.
func (t *Trust) possible() bool { return t.Socket || t.Certificate || t.Secret != "" }

// proven reports whether the request's peer is the gateway.
func (t *Trust) proven(r *http.Request) bool {
	switch {
	case t.Socket, t.Certificate && r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return true
	case t.Secret == "":
		return false
	}
	return subtle.ConstantTimeCompare([]byte(r.Header.Get(SecretHeader)), []byte(t.Secret)) == 1
}

// repeated returns the header of a variable that the request has more than once, "" if there is none: a gateway that adds its
// own to a client's, where it should replace that, has said nothing.
func (t *Trust) repeated(r *http.Request) string {
	for _, header := range t.Variables {
		if len(r.Header[header]) > 1 {
			return header
		}
	}
	return ""
}

// requestVariables are the variables that the request has, or that the program makes of it.
var requestVariables = map[string]func(*request) string{
	"args":           func(r *request) string { return r.http.URL.RawQuery },
	"query_string":   func(r *request) string { return r.http.URL.RawQuery },
	"uri":            func(r *request) string { return r.http.URL.Path },
	"request_uri":    func(r *request) string { return r.http.RequestURI },
	"request_method": func(r *request) string { return r.http.Method },
	"host":           func(r *request) string { return hostOf(r.http) },
	"content_type":   func(r *request) string { return r.http.Header.Get("Content-Type") },
	"content_length": func(r *request) string { return r.http.Header.Get("Content-Length") },
	"remote_addr":    func(r *request) string { return r.SourceIP() },
	"scheme":         (*request).scheme,
	"route_id":       func(r *request) string { return r.route.id },
}

// fromGateway reports whether a variable is neither of the request nor made of it.
func fromGateway(name string) bool {
	_, known := requestVariables[name]
	return !known && !kafkaupstream.OfRequest(name) && !strings.HasPrefix(name, cookiePrefix)
}

// lacks says why a variable of the gateway's cannot be had, "" where it can.
func (t *Trust) lacks(name string) string {
	header, given := t.Variables[name]
	switch {
	case !given:
		return fmt.Sprintf("the variable $%s is APISIX's; name the header in which the gateway says it: --variable %s=X-NAME", name, name)
	case !t.possible():
		return fmt.Sprintf("the variable $%s is what %s says, and any client could send that: serve on a Unix socket that not everybody may open, or with --tls-client-ca or --gateway-secret-file, "+
			"so that the gateway can prove itself", name, header)
	}
	return ""
}
