package gateway

import (
	"cmp"
	"fmt"

	"github.com/api7/ext-plugin-proto/go/A6"
	"github.com/api7/ext-plugin-proto/go/A6/Err"
	"github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
	"github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	"github.com/api7/ext-plugin-proto/go/A6/PrepareConf"
	flatbuffers "github.com/google/flatbuffers/go"
)

// unreadable turns the panic with which FlatBuffers' accessors meet malformed data into an error. It is deferred by
// functions that do nothing but decode.
func unreadable(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: malformed message: %v", ErrProtocol, r)
	}
}

func decodeToken(payload []byte) (token uint32, err error) {
	defer unreadable(&err)
	return PrepareConf.GetRootAsResp(payload, 0).ConfToken(), nil
}

// decodeError gives the RunnerError that an error frame carries.
func decodeError(payload []byte) (err error) {
	defer unreadable(&err)
	return RunnerError(Err.GetRootAsResp(payload, 0).Code())
}

// decodeReqCall reads the runner's answer. Every action but a stop lets the request pass: only an upstream, which this
// gateway does not have, would see what a rewrite changes, and APISIX ignores actions that it does not know.
func decodeReqCall(payload []byte) (r *Response, err error) {
	defer unreadable(&err)
	resp := HTTPReqCall.GetRootAsResp(payload, 0)
	r = &Response{ID: resp.Id()}
	if resp.ActionType() != HTTPReqCall.ActionStop {
		return r, nil
	}
	var action flatbuffers.Table
	if !resp.Action(&action) {
		return nil, fmt.Errorf("%w: an action without its table", ErrProtocol)
	}
	decodeStop(r, action)
	return r, nil
}

func decodeStop(r *Response, action flatbuffers.Table) {
	var stop HTTPReqCall.Stop
	stop.Init(action.Bytes, action.Pos)
	r.Action = ActionStop
	r.Status = cmp.Or(int(stop.Status()), 200)
	r.Body = append(r.Body, stop.BodyBytes()...)
	var e A6.TextEntry
	for i := range stop.HeadersLength() {
		stop.Headers(&e, i)
		r.Headers = append(r.Headers, Entry{Name: string(e.Name()), Value: string(e.Value()), NoValue: e.Value() == nil})
	}
}

// question is what the runner asks in an ExtraInfo frame; name is a variable's.
type question struct {
	info ExtraInfo.Info
	name string
}

func decodeQuestion(payload []byte) (q question, err error) {
	defer unreadable(&err)
	req := ExtraInfo.GetRootAsReq(payload, 0)
	q.info = req.InfoType()
	if q.info != ExtraInfo.InfoVar {
		return q, nil
	}
	var table flatbuffers.Table
	if !req.Info(&table) {
		return q, fmt.Errorf("%w: a question without its table", ErrProtocol)
	}
	var v ExtraInfo.Var
	v.Init(table.Bytes, table.Pos)
	q.name = string(v.Name())
	return q, nil
}
