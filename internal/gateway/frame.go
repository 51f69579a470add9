package gateway

import (
	"encoding/binary"
)

// A frame is one type byte, three bytes of payload length (big endian), and the payload, a FlatBuffer.
const (
	headerLen = 4
	// MaxFramePayload is the largest payload of a frame in bytes.
	MaxFramePayload = 1<<24 - 1
	// MaxBody is the largest request body in bytes that fits into the answer to the runner's question.
	MaxBody = (MaxFramePayload - resultOverhead) / 4 * 4

	// resultOverhead is what A6.ExtraInfo.Resp adds in front of its bytes.
	resultOverhead = 24
)

type frameType byte

const (
	frameError       frameType = 0
	framePrepareConf frameType = 1
	frameReqCall     frameType = 2
	frameExtraInfo   frameType = 3
)

// putHeader writes a frame's header into the first four bytes of b; n is at most MaxFramePayload.
func putHeader(b []byte, t frameType, n int) {
	binary.BigEndian.PutUint32(b, uint32(t)<<24|uint32(n))
}

func parseHeader(b []byte) (frameType, int) {
	h := binary.BigEndian.Uint32(b)
	return frameType(h >> 24), int(h & MaxFramePayload)
}
