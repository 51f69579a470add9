package gateway

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/api7/ext-plugin-proto/go/A6"
	"github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
	"github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	"github.com/api7/ext-plugin-proto/go/A6/PrepareConf"
	flatbuffers "github.com/google/flatbuffers/go"
)

// keepBytes is the largest buffer that goes back to a pool: one large message must not stay allocated.
const keepBytes = 64 << 10

// encoder builds frames. It is pooled: what it returns is valid until release.
type encoder struct {
	builder *flatbuffers.Builder
	offsets []flatbuffers.UOffsetT
	result  []byte
}

var encoders = sync.Pool{New: func() any { return &encoder{builder: flatbuffers.NewBuilder(1 << 10)} }}

func newEncoder() *encoder { return encoders.Get().(*encoder) }

func (e *encoder) release() {
	if cap(e.builder.Bytes) > keepBytes || cap(e.result) > keepBytes || cap(e.offsets) > keepBytes/4 {
		return
	}
	e.builder.Reset()
	encoders.Put(e)
}

// finish turns the table into a frame: the size that FinishSizePrefixed puts in front of a FlatBuffer takes exactly
// the four bytes of the frame's header, which then replaces it. So a frame is built, and written, in one piece.
func (e *encoder) finish(t frameType, root flatbuffers.UOffsetT) ([]byte, error) {
	e.builder.FinishSizePrefixed(root)
	frame := e.builder.FinishedBytes()
	n := len(frame) - headerLen
	if n > MaxFramePayload {
		return nil, tooLarge(n)
	}
	putHeader(frame, t, n)
	return frame, nil
}

func tooLarge(n int) error {
	return fmt.Errorf("%w: the max length of data is %d but got %d", ErrFrameTooLarge, MaxFramePayload, n)
}

func (e *encoder) prepareConf(key string, conf []ConfEntry) ([]byte, error) {
	size := len(key)
	for _, c := range conf {
		size += len(c.Name) + len(c.Value)
	}
	if size > MaxFramePayload {
		return nil, tooLarge(size)
	}
	b := e.builder
	e.offsets = e.offsets[:0]
	for _, c := range conf {
		e.offsets = append(e.offsets, e.entry(c.Name, c.Value, false))
	}
	vector := b.CreateVectorOfTables(e.offsets)
	k := b.CreateString(key)
	PrepareConf.ReqStart(b)
	PrepareConf.ReqAddKey(b, k)
	PrepareConf.ReqAddConf(b, vector)
	return e.finish(framePrepareConf, PrepareConf.ReqEnd(b))
}

func (e *encoder) reqCall(token, id uint32, r *Request) ([]byte, error) {
	method, ok := A6.EnumValuesMethod[r.Method]
	if !ok {
		return nil, fmt.Errorf("%w: %.64q", ErrMethod, r.Method)
	}
	if size := len(r.Path) + len(r.SrcIP) + entriesSize(r.Args) + entriesSize(r.Headers); size > MaxFramePayload {
		return nil, tooLarge(size)
	}
	b := e.builder
	path := b.CreateString(r.Path)
	src := b.CreateByteVector(r.SrcIP)
	args := e.entries(r.Args)
	headers := e.entries(r.Headers)
	HTTPReqCall.ReqStart(b)
	HTTPReqCall.ReqAddId(b, id)
	HTTPReqCall.ReqAddConfToken(b, token)
	HTTPReqCall.ReqAddSrcIp(b, src)
	HTTPReqCall.ReqAddPath(b, path)
	HTTPReqCall.ReqAddArgs(b, args)
	HTTPReqCall.ReqAddHeaders(b, headers)
	HTTPReqCall.ReqAddMethod(b, method)
	return e.finish(frameReqCall, HTTPReqCall.ReqEnd(b))
}

func entriesSize(entries []Entry) int {
	n := 0
	for i := range entries {
		n += len(entries[i].Name) + len(entries[i].Value)
	}
	return n
}

func (e *encoder) entries(entries []Entry) flatbuffers.UOffsetT {
	e.offsets = e.offsets[:0]
	for i := range entries {
		e.offsets = append(e.offsets, e.entry(entries[i].Name, entries[i].Value, entries[i].NoValue))
	}
	return e.builder.CreateVectorOfTables(e.offsets)
}

func (e *encoder) entry(name, value string, noValue bool) flatbuffers.UOffsetT {
	b := e.builder
	n := b.CreateString(name)
	var v flatbuffers.UOffsetT
	if !noValue {
		v = b.CreateString(value)
	}
	A6.TextEntryStart(b)
	A6.TextEntryAddName(b, n)
	if !noValue {
		A6.TextEntryAddValue(b, v)
	}
	return A6.TextEntryEnd(b)
}

// resultPrefix is the FlatBuffer of an A6.ExtraInfo.Resp up to its bytes, which are all that is missing. Building it by
// hand saves copying a body into a builder: it goes to the socket from where it is.
//
//	0  root: table at 12      6  vtable: 6 bytes, table of 8, result at 4
//	12 table: vtable 6 back   16 result: vector at 20      20 length
var resultPrefix = [resultOverhead]byte{0: 12, 6: 6, 8: 8, 10: 4, 12: 6, 16: 4}

var padding [3]byte

// noResult is the frame that says that there is no such body or variable.
var noResult = func() []byte {
	e := &encoder{builder: flatbuffers.NewBuilder(32)}
	ExtraInfo.RespStart(e.builder)
	frame, err := e.finish(frameExtraInfo, ExtraInfo.RespEnd(e.builder))
	if err != nil {
		panic(err)
	}
	return frame
}()

// extraInfo is the answer to a question, in pieces: a large result is not copied, and goes to the socket from where it is.
func (e *encoder) extraInfo(result []byte) ([][]byte, error) {
	padded := (len(result) + 3) &^ 3 // as the Builder pads, so that what fits into a frame fits with APISIX too
	n := resultOverhead + padded
	if n > MaxFramePayload {
		return nil, tooLarge(n)
	}
	head := append(e.result[:0], make([]byte, headerLen)...)
	head = append(head, resultPrefix[:]...)
	putHeader(head, frameExtraInfo, n)
	binary.LittleEndian.PutUint32(head[headerLen+resultOverhead-4:], uint32(len(result)))
	pad := padding[:padded-len(result)]
	e.result = head
	if len(result) > keepBytes/2 {
		return [][]byte{head, result, pad}, nil
	}
	e.result = append(append(head, result...), pad...)
	return [][]byte{e.result}, nil
}
