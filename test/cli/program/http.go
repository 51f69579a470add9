package program

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Reply is a whole HTTP reply.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Send sends a request and fails the test where it gets no reply. headers are names and values in turn; of a name given twice the
// last value counts.
func Send(t testing.TB, method, url, body string, headers ...string) Reply {
	t.Helper()
	r, err := Try(method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Try is Send where a server may not answer.
func Try(method, url, body string, headers ...string) (Reply, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	for header := range slices.Chunk(headers, 2) {
		req.Header.Set(header[0], header[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Reply{resp.StatusCode, resp.Header, string(text)}, err
}
