package extplugin

import (
	"net/http"

	"github.com/api7/ext-plugin-proto/go/A6"
	hrespc "github.com/api7/ext-plugin-proto/go/A6/HTTPRespCall"
	pc "github.com/api7/ext-plugin-proto/go/A6/PrepareConf"
)

// Bodies of the two answers that the host gives itself, in the form that the
// plugin's replies have. They are no problem details (RFC 9457): only the plugin
// makes these, and it is not here or has failed.
const (
	badConfBody = `{"code":500,"message":"the route's configuration is invalid; the gateway's log says why","delivered":"no"}` + "\n"
	panicBody   = `{"code":500,"message":"internal error; the gateway's log has the details","delivered":"unknown"}` + "\n"
)

// prepareConf answers PrepareConf: a token for the configuration. A server that ends gives none: the next one would not know it, and
// APISIX, which tries three times, hands it to other requests.
func (s *session) prepareConf(frame []byte) error {
	if s.ending.Load() {
		s.srv.undismissed.Wait() // as for all calls that are to be made again
		return errTokenNotFound
	}
	key, texts, err := decodePrepareConf(frame)
	if err != nil {
		return err
	}
	token := s.srv.confs.prepare(key, texts)
	pc.RespStart(s.b)
	pc.RespAddConfToken(s.b, token)
	s.b.Finish(pc.RespEnd(s.b))
	return nil
}

// confText is a plugin's configuration as the route has it.
type confText struct{ name, text string }

func decodePrepareConf(frame []byte) (key string, texts []confText, err error) {
	defer malformed(&err)
	req := pc.GetRootAsReq(frame, 0)
	key = string(req.Key())
	all := entriesOf(frame, req.ConfLength())
	var e A6.TextEntry
	for i := range req.ConfLength() {
		if req.Conf(&e, i) {
			name, text := all.read(&e)
			texts = append(texts, confText{string(name), string(text)})
		}
	}
	return key, texts, nil
}

// httpReqCall answers HTTPReqCall with what the plugin says. A route whose conf names another plugin, or names the plugin
// with a configuration that cannot be used, is answered 500.
func (s *session) httpReqCall(frame []byte) error {
	defer s.req.end()
	token, id, err := s.beginRequest(frame)
	if err != nil {
		return err
	}
	rule, ok := s.srv.confs.get(token)
	if !ok {
		return errTokenNotFound
	}
	s.route = rule.route
	s.rsp.reset()
	for _, c := range rule.confs {
		if c.err != nil && c.conf == nil {
			s.answerItself(badConfBody)
			break
		}
		panicked := s.callPlugin(c.id.name, func() {
			s.srv.confs.plugin.RequestFilter(c.conf, &s.rsp, &s.req)
		})
		if s.req.ask.lost != nil {
			return errConnLost
		}
		if panicked {
			s.answerItself(panicBody)
		}
		if s.rsp.written() {
			break
		}
	}
	s.b.Reset()
	if s.rsp.written() {
		if len(s.rsp.body) > maxFrameLen-maxReplyOverhead {
			s.srv.log.Error("a plugin's reply is larger than a frame", "route", rule.route, "bytes", len(s.rsp.body))
			s.answerItself(panicBody)
		}
		s.rsp.appendTo(s.b, id)
	} else {
		appendPass(s.b, id)
	}
	return nil
}

// maxReplyOverhead is kept free in a frame for a reply's status and headers.
const maxReplyOverhead = 64 << 10

// answerItself makes the answer a 500 of the host's own.
func (s *session) answerItself(body string) {
	s.rsp.reset()
	s.rsp.Header()["content-type"] = jsonContentType
	s.rsp.WriteHeader(http.StatusInternalServerError)
	_, _ = s.rsp.Write([]byte(body))
}

var jsonContentType = []string{"application/json"}

func (s *session) beginRequest(frame []byte) (token, id uint32, err error) {
	defer malformed(&err)
	s.req.reset(s, frame)
	s.req.try(frame)
	return s.req.fb.ConfToken(), s.req.fb.Id(), nil
}

// httpRespCall answers HTTPRespCall, which APISIX sends where a route has the plugin under ext-plugin-post-resp: the
// upstream's response stays as it is.
func (s *session) httpRespCall(frame []byte) error {
	token, id, err := decodeRespCall(frame)
	if err != nil {
		return err
	}
	rule, ok := s.srv.confs.get(token)
	if !ok {
		return errTokenNotFound
	}
	s.route = rule.route
	hrespc.RespStart(s.b)
	hrespc.RespAddId(s.b, id)
	s.b.Finish(hrespc.RespEnd(s.b))
	return nil
}

func decodeRespCall(frame []byte) (token, id uint32, err error) {
	defer malformed(&err)
	req := hrespc.GetRootAsReq(frame, 0)
	return req.ConfToken(), req.Id(), nil
}
