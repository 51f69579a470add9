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

	"github.com/klauspost/compress/zstd"
)

const (
	// maxRatio bounds how many times larger than its compressed form a body may be,
	// from ratioBytes on: text shrinks to a tenth or a fiftieth, bombs to less.
	maxRatio   = 200
	ratioBytes = 1 << 20
	// zstdWindow bounds the memory of the zstd decoder, which every encoder keeps to
	// (RFC 8878, 3.1.1.1.2).
	zstdWindow = 8 << 20
)

// decoded returns the body without its content-encoding (RFC 9110, 8.4), or the body
// itself where there is none.
func (r *Route) decoded(body []byte, encoding string, w *work) ([]byte, *Reply) {
	encoding = strings.ToLower(strings.TrimSpace(encoding))
	if encoding == "" || encoding == "identity" || len(body) == 0 {
		return body, nil
	}
	src, err := decoder(encoding, body)
	if err == errEncoding {
		return nil, refuse(415, "content-encoding: the plugin knows gzip, deflate and zstd")
	}
	if err != nil {
		return nil, badEncoding(encoding)
	}
	defer src.Close()
	limit := r.maxBody
	var out bytes.Buffer
	for chunk := int64(64 << 10); ; {
		if !w.hold(len(body) + out.Len() + int(chunk)) {
			return nil, unavailable("too many requests are in flight")
		}
		n, err := io.CopyN(&out, src, chunk)
		switch {
		case out.Len() > limit:
			return nil, refuse(413, fmt.Sprintf("the body has more than %d bytes without its content-encoding, which is the limit", limit))
		case out.Len() > ratioBytes && out.Len()/maxRatio > len(body):
			return nil, refuse(413, fmt.Sprintf("the body is more than %d times larger without its content-encoding", maxRatio))
		case errors.Is(err, io.EOF):
			return out.Bytes(), nil
		case err != nil:
			return nil, badEncoding(encoding)
		}
		chunk = min(2*n, 1<<20)
	}
}

var errEncoding = errors.New("unknown encoding")

func decoder(encoding string, body []byte) (io.ReadCloser, error) {
	src := bytes.NewReader(body)
	switch encoding {
	case "gzip", "x-gzip":
		return gzip.NewReader(src)
	case "deflate":
		// It is zlib's format; some clients leave its header out.
		if z, err := zlib.NewReader(src); err == nil {
			return z, nil
		}
		return flate.NewReader(bytes.NewReader(body)), nil
	case "zstd":
		z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, errEncoding
}

func badEncoding(encoding string) *Reply {
	return refuse(400, fmt.Sprintf("the body is not valid %s, as its content-encoding says", encoding))
}
