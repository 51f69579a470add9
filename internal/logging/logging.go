// Package logging makes the program's logger: structured lines that a caller never
// waits for, with repeated ones counted instead of written. APISIX reads the
// runner's output through a pipe and writes it to its error.log; a pipe that is
// full blocks whoever writes to it.
//
// What may be in a line is the caller's to decide. cmd/kafkaupstream calls it.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// backlog bounds the lines that wait for the writer; more are dropped and counted.
	// Lines that are alike are counted before, so that these are of many causes.
	backlog = 128
	// repeatWindow is how long a line like one before is only counted.
	repeatWindow = 10 * time.Second
	// minuteWindow is the same for a line with the context Minute.
	minuteWindow = time.Minute
	// maxKinds bounds the kinds of lines that are counted separately within a window, and
	// maxOfMessage those of them that have the same message: clients choose topics.
	maxKinds     = 1000
	maxOfMessage = 100
)

// Logger is a slog.Logger with a writer of its own.
type Logger struct {
	*slog.Logger
	out     *output
	repeats *repeats
	stop    func()
}

// Format is how lines are written.
type Format string

const (
	Text Format = "text" // name=value pairs
	JSON Format = "json" // an object a line
)

func ParseFormat(name string) (Format, error) {
	switch f := Format(strings.ToLower(name)); f {
	case Text, JSON:
		return f, nil
	}
	return Text, fmt.Errorf("log format %q: expected text or json", name)
}

func (f Format) handler(w io.Writer, level slog.Level) slog.Handler {
	opts := &slog.HandlerOptions{Level: level}
	if f == JSON {
		opts.ReplaceAttr = durationsAsText
		return slog.NewJSONHandler(w, opts)
	}
	return slog.NewTextHandler(w, opts)
}

// durationsAsText writes durations in JSON as they are in text, 1.5s: a number of nanoseconds names no unit.
func durationsAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// New returns a logger to w for lines of the level and above, as text.
func New(w io.Writer, level slog.Level) *Logger { return NewFormat(w, level, Text) }

func NewFormat(w io.Writer, level slog.Level, format Format) *Logger {
	out := &output{w: w, lines: make(chan []byte, backlog+1), done: make(chan struct{}), own: format.handler(w, slog.LevelWarn)}
	go out.run()
	r := &repeats{kinds: map[string]*kind{}, ofMessage: map[string]int{}}
	stop := make(chan struct{})
	l := &Logger{slog.New(&handler{next: format.handler(out, level), last: format.handler(lastOf{out}, level), repeats: r}), out, r, sync.OnceFunc(func() { close(stop) })}
	go l.summarize(stop)
	return l
}

// Every is the context for lines that are all to be written, because each carries
// a number of its own.
var Every = context.WithValue(context.Background(), window{}, time.Duration(0))

// Minute is the context for lines that are counted for a minute, because any client can cause them.
var Minute = context.WithValue(context.Background(), window{}, minuteWindow)

// Last is the context for the line that ends the log: what was counted so far is written before it, and it has a place of
// its own where that is more than the writer takes at once.
var Last = context.WithValue(context.Background(), window{}, lastLine)

// lastLine is Last's window, which is none.
const lastLine = time.Duration(-1)

// window is the key of a context for how long its lines are counted; repeatWindow without it.
type window struct{}

// Example is the name of an attribute that does not tell lines apart: of those that are counted, the last one's is shown.
const Example = "example"

// Dropped returns how many lines could not be written in time, since the beginning.
func (l *Logger) Dropped() int64 {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	return l.out.lost
}

// Close waits until the lines so far are written, for wait at most.
func (l *Logger) Close(wait time.Duration) {
	l.stop()
	l.repeats.summarize(time.Now().Add(minuteWindow))
	l.out.close()
	select {
	case <-l.out.done:
	case <-time.After(wait):
	}
}

// summarize says of each kind of line how often it was repeated.
func (l *Logger) summarize(stop <-chan struct{}) {
	tick := time.NewTicker(repeatWindow)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			l.repeats.summarize(now)
		case <-stop:
			return
		}
	}
}

// Panic says what a recovered value was without showing it: only the runtime's own
// errors are quoted, anything else may carry data of a request.
func Panic(recovered any) string {
	if err, ok := recovered.(runtime.Error); ok {
		return err.Error()
	}
	return "not a runtime error"
}

// ParseLevel reads the name of a level: debug, info, warn or error.
func ParseLevel(name string) (slog.Level, error) {
	var level slog.Level
	switch strings.ToLower(name) {
	case "debug", "info", "warn", "error":
		return level, level.UnmarshalText([]byte(name))
	}
	return level, fmt.Errorf("log level %q: expected debug, info, warn or error", name)
}

// output hands lines to a writer that may block.
type output struct {
	w     io.Writer
	own   slog.Handler // for the output's own lines, to w
	lines chan []byte  // backlog, and the last line
	done  chan struct{}

	mu      sync.Mutex
	closed  bool
	dropped int   // since the log said so
	lost    int64 // since it began
}

// Write takes one line. It never blocks: what does not fit is counted.
func (o *output) Write(line []byte) (int, error) { return o.take(line, backlog) }

// lastOf is an output for the last line, which has a place of its own.
type lastOf struct{ *output }

func (o lastOf) Write(line []byte) (int, error) { return o.take(line, backlog+1) }

// take takes one line where fewer than most wait.
func (o *output) take(line []byte, most int) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
	case len(o.lines) < most:
		o.lines <- append([]byte(nil), line...) // which has room: only this sends
	default:
		o.dropped++
		o.lost++
	}
	return len(line), nil
}

func (o *output) run() {
	defer close(o.done)
	for line := range o.lines {
		_, _ = o.w.Write(line) // there is nowhere to report it to
		o.mu.Lock()
		dropped := o.dropped
		o.dropped = 0
		o.mu.Unlock()
		if dropped > 0 {
			line := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped because they could not be written in time", 0)
			line.AddAttrs(slog.Int("lines", dropped))
			_ = o.own.Handle(context.Background(), line)
		}
	}
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		close(o.lines)
	}
}

// handler writes the first line of a kind and counts those like it that follow
// within its window; then the last of them is written with their number.
type handler struct {
	next    slog.Handler
	last    slog.Handler // of the last line
	context string       // attributes of With, which tell kinds apart
	repeats *repeats
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	counted, given := ctx.Value(window{}).(time.Duration)
	if !given {
		counted = repeatWindow
	}
	if counted == lastLine {
		h.repeats.summarize(time.Now().Add(minuteWindow))
		return h.last.Handle(ctx, r)
	}
	if counted > 0 && h.repeats.isRepeated(h.kindOf(&r), counted, h.next, r) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// kindOf names what a line is about: its message and its attributes. Of two lines that
// differ in numbers alone the second says nothing new: how many, how long, how often. So
// a number tells lines apart only where it comes first, and in a reason not at all.
func (h *handler) kindOf(r *slog.Record) string {
	b := make([]byte, 0, 256)
	b = append(append(append(b, h.context...), 0), r.Message...)
	first := true
	r.Attrs(func(a slog.Attr) bool {
		if number := isNumber(a.Value.Kind()); (first || !number) && a.Key != Example {
			b = append(append(append(b, 0), a.Key...), '=')
			text := a.Value.String()
			if a.Key == "error" || a.Key == "text" {
				b = appendWithoutNumbers(b, text)
			} else {
				b = append(b, text...)
			}
		}
		first = false
		return true
	})
	return string(b)
}

func isNumber(k slog.Kind) bool {
	switch k {
	case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime:
		return true
	}
	return false
}

// appendWithoutNumbers appends text with a 0 for each row of digits.
func appendWithoutNumbers(b []byte, text string) []byte {
	digit := false
	for i := range len(text) {
		c := text[i]
		if '0' <= c && c <= '9' {
			if !digit {
				b = append(b, '0')
			}
			digit = true
			continue
		}
		digit = false
		b = append(b, c)
	}
	return b
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.next.WithAttrs(attrs), h.last.WithAttrs(attrs), h.context + fmt.Sprint(attrs), h.repeats}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.next.WithGroup(name), h.last.WithGroup(name), h.context + name, h.repeats}
}

// repeats counts the lines of each kind since the last one that was written.
type repeats struct {
	mu        sync.Mutex
	kinds     map[string]*kind
	ofMessage map[string]int // how many of kinds have the message
}

type kind struct {
	until    time.Time
	message  string
	others   bool // the lines are of several kinds, for which there was no room
	repeated int
	to       slog.Handler
	last     slog.Record
}

// isRepeated reports whether the line is only counted.
func (r *repeats) isRepeated(name string, window time.Duration, to slog.Handler, line slog.Record) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, known := r.kinds[name]
	if !known && (len(r.kinds) >= maxKinds || r.ofMessage[line.Message] >= maxOfMessage) {
		// No kind of a line has this name: each begins with what With has added, and a 0.
		name = "others of " + line.Message
		if k, known = r.kinds[name]; !known && len(r.kinds) >= 2*maxKinds { // messages have no bound where they hold a number
			name = "others"
			k, known = r.kinds[name]
		}
		if !known {
			r.add(name, &kind{until: line.Time.Add(window), message: line.Message, others: true, repeated: 1, to: to, last: line})
			return true
		}
	}
	if known {
		k.repeated++
		k.to, k.last = to, line
		return true
	}
	r.add(name, &kind{until: line.Time.Add(window), message: line.Message})
	return false
}

func (r *repeats) add(name string, k *kind) {
	r.kinds[name] = k
	r.ofMessage[k.message]++
}

// summarize ends the windows that are over and writes what was counted in them.
func (r *repeats) summarize(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, k := range r.kinds {
		if now.Before(k.until) {
			continue
		}
		delete(r.kinds, name)
		if r.ofMessage[k.message]--; r.ofMessage[k.message] == 0 {
			delete(r.ofMessage, k.message)
		}
		if k.repeated == 0 {
			continue
		}
		line := k.last.Clone()
		if k.others {
			line.AddAttrs(slog.Int("others", k.repeated-1))
		} else {
			line.AddAttrs(slog.Int("repeated", k.repeated))
		}
		_ = k.to.Handle(context.Background(), line)
	}
}
