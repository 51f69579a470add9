package gateway

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
	"github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	flatbuffers "github.com/google/flatbuffers/go"
)

func actionWithoutTable() []byte {
	return build(0, func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		HTTPReqCall.RespStart(b)
		HTTPReqCall.RespAddActionType(b, HTTPReqCall.ActionStop)
		return HTTPReqCall.RespEnd(b)
	})
}

// A result built by hand must read, and be as long, as one that the generated code builds.
func TestExtraInfoIsWhatTheGeneratedCodeBuilds(t *testing.T) {
	for size := range 40 {
		for _, large := range []int{0, keepBytes} {
			body := bytes.Repeat([]byte{'a'}, size+large)
			want := build(len(body), func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
				v := b.CreateByteVector(body)
				ExtraInfo.RespStart(b)
				ExtraInfo.RespAddResult(b, v)
				return ExtraInfo.RespEnd(b)
			})
			e := newEncoder()
			pieces, err := e.extraInfo(body)
			if err != nil {
				t.Fatal(err)
			}
			got := bytes.Join(pieces, nil)
			e.release()
			if !bytes.Equal(got, frame(3, want)) {
				t.Fatalf("%d bytes:\n got %x\nwant %x", len(body), got[:32], frame(3, want)[:32])
			}
		}
	}
}

// FuzzDecode: whatever a runner sends, the decoders return.
func FuzzDecode(f *testing.F) {
	h := []Entry{{Name: "a", Value: "b"}, {Name: "c", NoValue: true}}
	stop := responsePayload(Response{Action: ActionStop, Status: 200, Headers: h, Body: []byte("body")})
	for _, seed := range [][]byte{
		nil, {0}, tokenPayload(7), errorPayload(2), stop, actionWithoutTable(),
		responsePayload(Response{Action: actionRewrite}),
		questionPayload(ExtraInfo.InfoVar, "x"), questionPayload(ExtraInfo.InfoReqBody, ""),
		binary.LittleEndian.AppendUint32(nil, 1<<31), stop[:len(stop)/2],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		decodeToken(payload)
		if decodeError(payload) == nil {
			t.Error("an error frame without an error")
		}
		if r, err := decodeReqCall(payload); err == nil && r == nil {
			t.Error("neither an answer nor an error")
		}
		decodeQuestion(payload)
	})
}
