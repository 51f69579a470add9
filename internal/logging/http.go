package logging

import (
	"log"
	"log/slog"
	"strings"
)

// HTTPErrors returns the ErrorLog of an http.Server: lines at debug of what clients do wrong. net/http quotes what a client
// has sent, such as the beginning of a request with its query, and shows what a handler panicked with; neither is in a line.
func HTTPErrors(to *slog.Logger) *log.Logger { return log.New(httpErrors{to}, "", 0) }

type httpErrors struct{ to *slog.Logger }

func (h httpErrors) Write(line []byte) (int, error) {
	text, _, _ := strings.Cut(strings.TrimSpace(string(line)), "\n")
	text, _, _ = strings.Cut(text, `"`)
	if before, _, ok := strings.Cut(text, "panic serving"); ok {
		text = before + "panic serving a client"
	}
	h.to.Debug("an HTTP server's error", "text", text)
	return len(line), nil
}
