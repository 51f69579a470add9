package logging

import (
	"fmt"
	"log"
	"log/slog"
	"runtime"
	"strings"
)

// HTTPErrors returns the ErrorLog of an http.Server: lines at debug of what clients do wrong, and at error of a handler that panics.
// net/http quotes what a client has sent, such as the beginning of a request with its query, and shows what a handler panicked with;
// neither is in a line.
func HTTPErrors(to *slog.Logger) *log.Logger { return log.New(httpErrors{to}, "", 0) }

type httpErrors struct{ to *slog.Logger }

func (h httpErrors) Write(line []byte) (int, error) {
	text, _, _ := strings.Cut(strings.TrimSpace(string(line)), "\n")
	text, _, _ = strings.Cut(text, `"`)
	if strings.Contains(text, "panic serving") {
		h.to.Error("bug: a handler of an HTTP server panicked", "at", panicked())
	} else {
		h.to.Debug("an HTTP server's error", "text", text)
	}
	return len(line), nil
}

// panicked returns the place of a panic that net/http is just logging: that is a deferred function's call, above the panic's frames.
func panicked() string {
	callers := make([]uintptr, 64)
	frames, behind := runtime.CallersFrames(callers[:runtime.Callers(2, callers)]), false
	for frame, more := frames.Next(); more; frame, more = frames.Next() {
		if behind = behind || frame.Function == "runtime.gopanic"; behind && !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s, %s:%d", frame.Function, frame.File, frame.Line)
		}
	}
	return "a place that is not known"
}
