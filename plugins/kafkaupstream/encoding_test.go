package kafkaupstream

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/klauspost/compress/zstd"
)

// compressors are the ways to write each content-encoding.
var compressors = map[string]func(w io.Writer) io.WriteCloser{
	"gzip":          func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate":       func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"deflate, bare": func(w io.Writer) io.WriteCloser { return must(flate.NewWriter(w, 6)) },
	"zstd":          func(w io.Writer) io.WriteCloser { return zstdWriter(w) },
	"zstd, a window of 8 MB": func(w io.Writer) io.WriteCloser {
		return zstdWriter(w, zstd.WithWindowSize(8<<20))
	},
	"zstd, a segment": func(w io.Writer) io.WriteCloser {
		return zstdWriter(w, zstd.WithSingleSegment(true))
	},
}

func zstdWriter(w io.Writer, opts ...zstd.EOption) io.WriteCloser {
	return must(zstd.NewWriter(w, append(opts, zstd.WithEncoderConcurrency(1))...))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func compressed(how string, text []byte) (body, encoding string) {
	var b bytes.Buffer
	w := compressors[how](&b)
	if z, ok := w.(*zstd.Encoder); ok && strings.HasSuffix(how, "segment") {
		b.Write(z.EncodeAll(text, nil)) // with its size
	} else {
		_ = must(w.Write(text))
		if f, ok := w.(*zstd.Encoder); ok {
			_ = f.Flush() // without its size
		}
		_ = w.Close()
	}
	encoding, _, _ = strings.Cut(how, ",")
	return b.String(), encoding
}

// mostHeld is a sender that knows how much was held at most.
type mostHeld struct {
	fakeSender
	most int
}

func (s *mostHeld) Hold(conn *kafkaconf.Connection, n int) bool {
	ok := s.fakeSender.Hold(conn, n)
	s.most = max(s.most, s.held)
	return ok
}

// decode decodes a body as a request's, in room bytes of memory.
func decode(t testing.TB, conf, body, encoding string, room int) (out []byte, refused *Reply, most int) {
	t.Helper()
	sender := &mostHeld{fakeSender: fakeSender{room: room}}
	w := &work{producers: sender}
	out, refused = (&Served{Route: mustParse(t, conf)}).decoded([]byte(body), encoding, w)
	return out, refused, sender.most
}

// words shrink to about a fifth.
var words = sync.OnceValue(func() []byte {
	random := rand.New(rand.NewPCG(1, 1))
	var b bytes.Buffer
	for b.Len() < 2_500_000 {
		fmt.Fprintf(&b, "%06d the same words, ", random.IntN(1e6))
	}
	return b.Bytes()
})

func text(n int) []byte { return words()[:n:n] }

const largeRoute = `{` + brokers + `,"topic":"t","max_body_bytes":1500000}`

func TestDecodingOfBodiesOfEveryEncodingAndSize(t *testing.T) {
	for how := range compressors {
		for _, n := range []int{2, minExpanded, minExpanded + 1, 100_000, 1 << 20, 1_500_000} {
			body, encoding := compressed(how, text(n))
			out, refused, _ := decode(t, largeRoute, body, encoding, 0)
			if refused != nil || !bytes.Equal(out, text(n)) {
				t.Errorf("%s, %d bytes: %d bytes, %+v", how, n, len(out), refused)
			}
		}
		one, encoding := compressed(how, text(5000))
		if out, refused, _ := decode(t, largeRoute, one+one, encoding, 0); encoding != "deflate" && (refused != nil || len(out) != 10_000) {
			t.Errorf("%s, two of them: %d bytes, %+v", how, len(out), refused)
		}
	}
}

func TestDecodingRefusesWhatIsInvalidOrTooLarge(t *testing.T) {
	bomb := bytes.Repeat([]byte(" "), 1_400_000)
	for how := range compressors {
		small, encoding := compressed(how, text(5000))
		cases := []struct {
			says   string
			text   []byte
			cut    int
			room   int
			status int
		}{
			{"one byte more than the route takes", text(1_500_001), 0, 0, 413},
			{"much more than the route takes", text(2_500_000), 0, 0, 413},
			{"a bomb", bomb, 0, 0, 413},
			{"a body that is cut off", text(5000), len(small) / 2, 0, 400},
			{"a body that is not in this encoding", nil, 0, 0, 400},
			{"a body for which there is no room", text(100_000), 0, 100_000, 503},
		}
		for _, c := range cases {
			body := "\xffno encoding at all"
			if c.text != nil {
				body, _ = compressed(how, c.text)
			}
			if c.cut > 0 {
				body = body[:c.cut]
			}
			_, refused, _ := decode(t, largeRoute, body, encoding, c.room)
			if refused == nil || refused.Status != c.status || refused.Delivered != DeliveredNo {
				t.Errorf("%s, %s: %+v", how, c.says, refused)
			}
		}
	}
}

func TestDecodingAllocatesWhatItHolds(t *testing.T) {
	allocated := func(f func()) int {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc - before.TotalAlloc)
	}
	bomb := bytes.Repeat([]byte(" "), 3_000_000)
	for how := range compressors {
		for says, plain := range map[string][]byte{"a small body": text(1000), "a large one": text(1_200_000), "a bomb": bomb} {
			body, encoding := compressed(how, plain)
			route := &Served{Route: mustParse(t, largeRoute)}
			sender := &mostHeld{}
			run := func() { _, _ = route.decoded([]byte(body), encoding, &work{producers: sender}) }
			run() // the decoders that all share are made
			sender.held, sender.most = 0, 0
			// What was held before it grew is garbage, and counted once; the zstd decoder may
			// grow its output by a quarter, once, before it notices the limit.
			if n := allocated(run); n > 3*sender.most+64<<10 {
				t.Errorf("%s, %s: %d bytes were allocated, and %d held", how, says, n, sender.most)
			}
		}
	}
}
