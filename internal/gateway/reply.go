package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// setHeaders adds the runner's headers to an answer that has none yet. net/http sees to the length and the encoding,
// and leaves out names that HTTP does not allow.
func setHeaders(h http.Header, entries []Entry) {
	for _, e := range entries {
		switch name := strings.ToLower(e.Name); {
		case e.NoValue, name == "", name == "content-length", name == "transfer-encoding":
		default:
			h.Add(e.Name, e.Value)
		}
	}
}

// writeStop answers as the runner says. A status without meaning would end the server's connection, or leave the
// client waiting for another answer (1xx): it is 500.
func writeStop(w http.ResponseWriter, resp *Response) {
	if resp.Status < 200 || resp.Status > 599 {
		errorPage(w, http.StatusInternalServerError)
		return
	}
	setHeaders(w.Header(), resp.Headers)
	if len(resp.Body) == 0 && resp.Status >= 300 && bodyAllowed(resp.Status) {
		errorPage(w, resp.Status) // nginx fills in its own page
		return
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain") // nginx's default_type; no guessing from the body
	}
	h.Set("Content-Length", strconv.Itoa(len(resp.Body)))
	w.WriteHeader(resp.Status)
	w.Write(resp.Body) // net/http leaves it out for HEAD, 204 and 304; an error is the client's going away
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// errorPage answers as nginx does for a status without a body.
func errorPage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	title := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%[1]s</h1></center>\r\n"+
		"<hr><center>kafkaupstream development gateway</center>\r\n</body>\r\n</html>\r\n", title)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // an error is the client's going away
}
