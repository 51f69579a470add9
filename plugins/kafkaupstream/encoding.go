package kafkaupstream

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxRatio bounds how many times larger than its compressed form a body may be,
	// from ratioBytes on: text shrinks to a tenth or a fiftieth, bombs to less.
	maxRatio   = 200
	ratioBytes = 1 << 20
	// minExpanded is the least memory that a body is decoded into, in bytes.
	minExpanded = 4 << 10
	// inflateMemory is what a decoder of gzip or deflate takes beside its output, in
	// bytes: a window of 32 kB and tables.
	inflateMemory = 48 << 10
)

// decoded returns the body without its content-encoding (RFC 9110, 8.4), or the body
// itself where there is none.
func (r *Served) decoded(body []byte, encoding string, w *work) ([]byte, *Reply) {
	encoding = strings.ToLower(strings.TrimSpace(encoding))
	if encoding == "" || encoding == "identity" || len(body) == 0 {
		return body, nil
	}
	e := expansion{w: w, limit: r.MaxBody, compressed: len(body)}
	var refused *Reply
	var err error
	switch encoding {
	case "gzip", "x-gzip", "deflate":
		refused, err = e.inflate(body, encoding)
	case "zstd":
		refused, err = e.unzstd(body)
	default:
		return nil, refuse(415, "content-encoding: the plugin knows gzip, deflate and zstd")
	}
	if refused == nil && err == nil {
		refused = e.tooLarge(len(e.out))
	}
	if refused == nil && err != nil {
		refused = refuse(400, fmt.Sprintf("the body is not valid %s, as its content-encoding says", encoding))
	}
	return e.out, refused
}

// expansion is a body as it is decoded. Its memory is taken before it is allocated.
type expansion struct {
	w          *work
	limit      int // of the decoded body, in bytes
	compressed int // bytes of the body as it came
	slack      int // bytes that out has room for beyond size
	size       int // a decoded body of so many bytes fits
	out        []byte
}

// room makes out an empty or larger buffer for size bytes, in which what it has is kept.
func (e *expansion) room(size int) *Reply {
	e.size = min(max(size, minExpanded), e.limit+1)
	if e.w.holdMore(e.size+e.slack) != nil {
		return noRoom()
	}
	e.out = append(make([]byte, 0, e.size+e.slack), e.out...)
	return nil
}

// grow is room for a body that has more than size bytes, or as many and is not at its end.
func (e *expansion) grow() *Reply {
	if refused := e.tooLarge(e.size); refused != nil {
		return refused
	}
	return e.room(2 * e.size)
}

// tooLarge refuses a body that comes to n bytes or more.
func (e *expansion) tooLarge(n int) *Reply {
	switch {
	case n > e.limit:
		return refuse(413, fmt.Sprintf("the body has more than %d bytes without its content-encoding, which is the limit", e.limit))
	case n > ratioBytes && n/maxRatio > e.compressed:
		return refuse(413, fmt.Sprintf("the body is more than %d times larger without its content-encoding", maxRatio))
	}
	return nil
}

func (e *expansion) inflate(body []byte, encoding string) (refused *Reply, err error) {
	if e.w.holdMore(inflateMemory) != nil {
		return noRoom(), nil
	}
	src, err := inflater(body, encoding)
	if err != nil {
		return nil, err
	}
	if refused := e.room(4 * len(body)); refused != nil {
		return refused, nil
	}
	for {
		if len(e.out) == e.size {
			if refused := e.grow(); refused != nil {
				return refused, nil
			}
		}
		n, err := src.Read(e.out[len(e.out):e.size])
		e.out = e.out[:len(e.out)+n]
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func inflater(body []byte, encoding string) (io.Reader, error) {
	src := bytes.NewReader(body)
	if encoding != "deflate" {
		return gzip.NewReader(src)
	}
	// It is zlib's format; some clients leave its header out.
	if z, err := zlib.NewReader(src); err == nil {
		return z, nil
	}
	return flate.NewReader(bytes.NewReader(body)), nil
}

const (
	// zstdWindow is the largest window of zstd that is taken, in bytes: a body that is one
	// segment has a window of its own size. It costs no memory, see zstdDecoder.
	zstdWindow = 16 << 20
	// zstdBlock is the most that one block of zstd comes to, in bytes (RFC 8878, 3.1.1.2.4).
	zstdBlock = 128 << 10
)

// zstdDecoder decodes whole bodies, of which the output is the window: a stream's decoder
// would allocate the window that the first bytes of the body ask for, 8 MB for 20 bytes.
// It has as many decoders as there are processors; requests wait for one.
var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // of an option
	}
	return d
})

// unzstd decodes from the beginning again each time that out is too small. Since out
// doubles, all tries together cost no more than two decodings.
//
// The decoder has no error of its own for an output that is full. With room for a block
// more than is asked for, one that has stopped before the last block's room was stopped
// by the body.
func (e *expansion) unzstd(body []byte) (refused *Reply, err error) {
	e.slack = zstdBlock
	size := 4 * len(body)
	var head zstd.Header
	if head.Decode(body) == nil && head.HasFCS {
		size = int(min(head.FrameContentSize, uint64(e.limit)+1))
		if refused := e.tooLarge(size); refused != nil {
			return refused, nil
		}
	}
	for refused = e.room(size); refused == nil; refused = e.grow() {
		out, err := zstdDecoder().DecodeAll(body, e.out[:0])
		full := errors.Is(err, zstd.ErrDecoderSizeExceeded) || err != nil && len(out) > e.size
		if !full {
			e.out = out
			return nil, err
		}
	}
	return refused, nil
}
