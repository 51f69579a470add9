package schema

import "encoding/binary"

// WirePrefixLen is the length of what [AppendWirePrefix] appends, in bytes.
const WirePrefixLen = 5

// AppendWirePrefix appends to dst what stands before the value of a record with a
// registered schema: a zero byte, and the schema's id as four bytes, big endian
// (https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format).
// The id is that of [Source.Current].
func AppendWirePrefix(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}
