package schema

import (
	"bytes"
	"context"
	"encoding/binary"
	"runtime"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
)

// wirePrefix is the length of what stands before the value of a record with a registered schema: a zero byte, and the schema's
// id as four bytes, big endian. Behind it, Protobuf has which of the schema's messages the value is
// (https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format).
const wirePrefix = 5

// turns bounds the encodings at once, and with them the memory for decoded values.
var turns = make(chan struct{}, min(runtime.GOMAXPROCS(0), maxEvaluators))

// Encode returns the value of a record for a JSON text, or like [Schema.Validate] why there is none: the text itself under a
// JSON Schema, otherwise its binary form, of at most limit bytes. It begins with the wire format's prefix for the id, unless
// that is negative. It waits, and fails, as Validate does.
func (s *Schema) Encode(ctx context.Context, value []byte, id, limit int) (encoded []byte, found []Problem, more int, err error) {
	var prefix []byte
	if id >= 0 {
		prefix = binary.BigEndian.AppendUint32(append(make([]byte, 0, wirePrefix+len(value)), 0), uint32(id))
	}
	if s.binary != nil {
		encoded, bad, err := s.encodeBinary(ctx, prefix, value, limit)
		if bad != nil {
			return nil, []Problem{*bad}, 0, nil
		}
		return encoded, nil, 0, err
	}
	found, more, err = s.Validate(ctx, value)
	if prefix == nil || len(found) > 0 || err != nil {
		return value, found, more, err
	}
	return append(prefix, value...), nil, 0, nil
}

func (s *Schema) encodeBinary(ctx context.Context, prefix, value []byte, limit int) ([]byte, *Problem, error) {
	if bytes.Contains(value, []byte(`\u`)) && jsonvalue.LoneSurrogate(string(value)) {
		return nil, problem("has half of a surrogate pair, such as \\ud800, which is no character"), nil
	}
	if prefix != nil {
		prefix = s.binary.appendIndex(prefix)
	}
	select {
	case turns <- struct{}{}:
	default:
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, errBusy
		}
	}
	defer func() { <-turns }()
	encoded, bad := s.binary.encode(prefix, value, limit)
	if bad == nil && encoded == nil {
		encoded = []byte{} // no bytes, which are not null
	}
	return encoded, bad, nil
}
