package extplugin

import (
	"errors"
	"fmt"

	"github.com/apache/apisix-go-plugin-runner/pkg/common"
	a6err "github.com/api7/ext-plugin-proto/go/A6/Err"
	flatbuffers "github.com/google/flatbuffers/go"
)

// Frame types (apisix/constants.lua, RPC_*).
const (
	typeError        = 0
	typePrepareConf  = 1
	typeHTTPReqCall  = 2
	typeExtraInfo    = 3
	typeHTTPRespCall = 4
)

const (
	frameHeaderLen = 4
	// maxFrameLen is the largest payload that the 3-byte length can say, in bytes.
	maxFrameLen = 1<<24 - 1
)

var (
	// errTokenNotFound: APISIX used a token that this process did not give out, or
	// gave out too long ago. It is answered with the protocol's own code, on which
	// APISIX prepares the configuration again.
	errTokenNotFound = errors.New("conf token not found")
	// errMalformed: a frame is not the FlatBuffer its type promises.
	errMalformed = errors.New("malformed frame")
	// errConnLost: the connection broke in the middle of a call; nobody is left
	// to answer to. It is what the plugin contract promises from Body and Var.
	errConnLost = common.ErrConnClosed
)

type unknownTypeError byte

func (t unknownTypeError) Error() string { return fmt.Sprintf("unknown frame type %d", byte(t)) }

// errorCode maps an error of a call to the protocol's codes (A6.Err.Code).
func errorCode(err error) a6err.Code {
	var unknown unknownTypeError
	switch {
	case errors.Is(err, errTokenNotFound):
		return a6err.CodeCONF_TOKEN_NOT_FOUND
	case errors.Is(err, errMalformed), errors.As(err, &unknown):
		return a6err.CodeBAD_REQUEST
	default:
		return a6err.CodeSERVICE_UNAVAILABLE
	}
}

func parseFrameHeader(h []byte) (typ byte, length int) {
	return h[0], int(h[1])<<16 | int(h[2])<<8 | int(h[3])
}

// finishFrame puts the frame header in front of a finished FlatBuffer, in place,
// and returns the whole frame. ok is false when the payload does not fit a frame.
func finishFrame(b *flatbuffers.Builder, typ byte) (frame []byte, ok bool) {
	n := len(b.FinishedBytes())
	if n > maxFrameLen {
		return nil, false
	}
	b.Prep(1, frameHeaderLen-1) // room for the header; one byte needs no alignment
	head := int(b.Head())
	frame = b.Bytes[head-frameHeaderLen:]
	frame[0], frame[1], frame[2], frame[3] = typ, byte(n>>16), byte(n>>8), byte(n)
	return frame, true
}
