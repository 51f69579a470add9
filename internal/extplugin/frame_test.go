package extplugin

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/api7/ext-plugin-proto/go/A6"
	a6err "github.com/api7/ext-plugin-proto/go/A6/Err"
	ei "github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
	hrc "github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	hrespc "github.com/api7/ext-plugin-proto/go/A6/HTTPRespCall"
	pc "github.com/api7/ext-plugin-proto/go/A6/PrepareConf"
	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

var discard = slog.New(slog.DiscardHandler)

func rawFrame(typ byte, payload []byte) []byte {
	n := len(payload)
	return append([]byte{typ, byte(n >> 16), byte(n >> 8), byte(n)}, payload...)
}

func prepareConfFrame(key, name, text string) []byte {
	b := flatbuffers.NewBuilder(0)
	k, n, v := b.CreateString(key), b.CreateString(name), b.CreateString(text)
	A6.TextEntryStart(b)
	A6.TextEntryAddName(b, n)
	A6.TextEntryAddValue(b, v)
	entry := A6.TextEntryEnd(b)
	vec := b.CreateVectorOfTables([]flatbuffers.UOffsetT{entry})
	pc.ReqStart(b)
	pc.ReqAddKey(b, k)
	pc.ReqAddConf(b, vec)
	b.Finish(pc.ReqEnd(b))
	return rawFrame(typePrepareConf, b.FinishedBytes())
}

func reqCallFrame(token uint32) []byte {
	b := flatbuffers.NewBuilder(0)
	path := b.CreateString("/path")
	headers := b.CreateVectorOfTables([]flatbuffers.UOffsetT{textEntry(b, "content-length", "v")})
	name := b.CreateString("arg")
	A6.TextEntryStart(b)
	A6.TextEntryAddName(b, name)
	args := b.CreateVectorOfTables([]flatbuffers.UOffsetT{A6.TextEntryEnd(b)})
	hrc.ReqStart(b)
	hrc.ReqAddConfToken(b, token)
	hrc.ReqAddPath(b, path)
	hrc.ReqAddHeaders(b, headers)
	hrc.ReqAddArgs(b, args)
	b.Finish(hrc.ReqEnd(b))
	return rawFrame(typeHTTPReqCall, b.FinishedBytes())
}

func respCallFrame(token, id uint32) []byte {
	b := flatbuffers.NewBuilder(0)
	hrespc.ReqStart(b)
	hrespc.ReqAddId(b, id)
	hrespc.ReqAddStatus(b, 200)
	hrespc.ReqAddConfToken(b, token)
	b.Finish(hrespc.ReqEnd(b))
	return rawFrame(typeHTTPRespCall, b.FinishedBytes())
}

func extraInfoFrame(result []byte) []byte {
	b := flatbuffers.NewBuilder(0)
	v := b.CreateByteVector(result)
	ei.RespStart(b)
	ei.RespAddResult(b, v)
	b.Finish(ei.RespEnd(b))
	return rawFrame(typeExtraInfo, b.FinishedBytes())
}

// nosy reads all of a request.
func nosy(_ any, w http.ResponseWriter, r pkghttp.Request) {
	body, _ := r.Body()
	v, _ := r.Var("x")
	fmt.Fprint(w, r.Method(), r.Path(), r.SrcIP(), r.ID(), r.Args(), r.Header().View(), r.Header().Get("content-length"), body, v)
}

type rawConn struct {
	net.Conn
	t testing.TB
}

func dialRaw(t testing.TB, h *testHost) rawConn {
	t.Helper()
	c, err := net.Dial("unix", h.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return rawConn{c, t}
}

func (c rawConn) send(p ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(bytes.Join(p, nil)); err != nil {
		c.t.Fatal(err)
	}
}

func (c rawConn) receive() (typ byte, payload []byte) {
	c.t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		c.t.Fatal(err)
	}
	typ, n := parseFrameHeader(head)
	payload = make([]byte, n)
	if _, err := io.ReadFull(c, payload); err != nil {
		c.t.Fatal(err)
	}
	return typ, payload
}

// readable reports whether something can be read without waiting.
func (c rawConn) readable() (yes bool) {
	c.t.Helper()
	raw, err := c.Conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		yes = err == nil
	})
	return yes
}

func (c rawConn) prepare() uint32 {
	c.t.Helper()
	c.send(prepareConfFrame("key", "p", "{}"))
	typ, payload := c.receive()
	if typ != typePrepareConf {
		c.t.Fatalf("type %d", typ)
	}
	return pc.GetRootAsResp(payload, 0).ConfToken()
}

func TestFramesThatAreNotTheProtocolsAreRefusedAndTheConnectionGoesOn(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: nosy})
	c := dialRaw(t, h)
	garbage := bytes.Repeat([]byte{0xff}, 64)
	for _, f := range []struct {
		says string
		typ  byte
		body []byte
	}{
		{"an unknown type", 9, nil},
		{"an error frame, which only the runner sends", typeError, nil},
		{"an answer that was not asked for", typeExtraInfo, garbage},
		{"an empty PrepareConf", typePrepareConf, nil},
		{"an empty HTTPReqCall", typeHTTPReqCall, nil},
		{"an empty HTTPRespCall", typeHTTPRespCall, nil},
		{"garbage as PrepareConf", typePrepareConf, garbage},
		{"garbage as HTTPReqCall", typeHTTPReqCall, garbage},
		{"garbage as HTTPRespCall", typeHTTPRespCall, garbage},
	} {
		t.Run(f.says, func(t *testing.T) {
			c.send(rawFrame(f.typ, f.body))
			typ, payload := c.receive()
			if typ != typeError || a6err.GetRootAsResp(payload, 0).Code() != a6err.CodeBAD_REQUEST {
				t.Errorf("got type %d %v", typ, payload)
			}
		})
	}
	c.prepare()
}

func TestEntriesThatShareTheirTextsAreRefused(t *testing.T) {
	c := dialRaw(t, startHost(t, "", &fakePlugin{name: "p"}))
	token := c.prepare()
	type offset = flatbuffers.UOffsetT
	conf := func(b *flatbuffers.Builder, entries offset) offset {
		pc.ReqStart(b)
		pc.ReqAddConf(b, entries)
		return pc.ReqEnd(b)
	}
	call := func(lists ...func(*flatbuffers.Builder, offset)) func(*flatbuffers.Builder, offset) offset {
		return func(b *flatbuffers.Builder, entries offset) offset {
			hrc.ReqStart(b)
			hrc.ReqAddConfToken(b, token)
			for _, add := range lists {
				add(b, entries)
			}
			return hrc.ReqEnd(b)
		}
	}
	headers, args := hrc.ReqAddHeaders, hrc.ReqAddArgs
	text := strings.Repeat("x", 1000)
	for _, f := range []struct {
		says           string
		typ            byte
		frame          func(b *flatbuffers.Builder, entries offset) offset
		entries, texts int // so many entries of so many different ones
		text           string
		served         bool
	}{
		{"configurations", typePrepareConf, conf, 100, 100, text, true},
		{"configurations with the same text", typePrepareConf, conf, 2, 1, text, false},
		{"more configurations than anybody has", typePrepareConf, conf, maxEntries + 1, 1, "", false},
		{"headers", typeHTTPReqCall, call(headers), 100, 100, text, true},
		{"headers with the same text", typeHTTPReqCall, call(headers), 2, 1, text, false},
		{"arguments with the same text", typeHTTPReqCall, call(args), 2, 1, text, false},
		{"a header with the text of an argument", typeHTTPReqCall, call(headers, args), 1, 1, text, false},
	} {
		t.Run(f.says, func(t *testing.T) {
			b := flatbuffers.NewBuilder(0)
			var entries []offset
			for range f.texts {
				entries = append(entries, textEntry(b, f.text, f.text))
			}
			for len(entries) < f.entries {
				entries = append(entries, entries[0])
			}
			b.Finish(f.frame(b, b.CreateVectorOfTables(entries)))
			c.send(rawFrame(f.typ, b.FinishedBytes()))
			want := f.typ
			if !f.served {
				want = typeError
			}
			if typ, payload := c.receive(); typ != want || typ == typeError && a6err.GetRootAsResp(payload, 0).Code() != a6err.CodeBAD_REQUEST {
				t.Errorf("got type %d %v", typ, payload)
			}
		})
	}
}

func TestPluginNeverSeesAMalformedFrame(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: func(conf any, w http.ResponseWriter, r pkghttp.Request) {
		defer func() { // as a plugin does that answers for its own bugs
			if p := recover(); p != nil {
				t.Errorf("the plugin panicked: %v", p)
			}
		}()
		nosy(conf, w, r)
	}})
	c := dialRaw(t, h)
	call := reqCallFrame(c.prepare())
	refused := 0
	for i := frameHeaderLen; i < len(call); i++ {
		for _, b := range []byte{0, 1, 0x7f, 0xff} {
			frame := bytes.Clone(call)
			frame[i] = b
			c.send(frame)
			typ, payload := c.receive()
			for ; typ == typeExtraInfo; typ, payload = c.receive() {
				c.send(extraInfoFrame(nil))
			}
			if typ == typeError && a6err.GetRootAsResp(payload, 0).Code() == a6err.CodeBAD_REQUEST {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("no frame was refused")
	}
	if text := h.log.String(); strings.Contains(text, "panic") || strings.Contains(text, "stack") || !strings.Contains(text, "malformed frame") {
		t.Errorf("the log:\n%.2000s", text)
	}
}

func TestFramesMayComeInAnyPieces(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: echo})
	c := dialRaw(t, h)
	token := c.prepare()
	for _, b := range reqCallFrame(token) {
		c.send([]byte{b})
	}
	if typ, _ := c.receive(); typ != typeExtraInfo {
		t.Fatalf("type %d", typ)
	}
	for _, b := range extraInfoFrame([]byte("body")) {
		c.send([]byte{b})
	}
	if typ, _ := c.receive(); typ != typeHTTPReqCall {
		t.Fatalf("type %d", typ)
	}
	// and in one piece, ahead of what they answer
	c.send(reqCallFrame(token), extraInfoFrame([]byte("1")), reqCallFrame(token), extraInfoFrame([]byte("2")))
	for _, want := range []byte{typeExtraInfo, typeHTTPReqCall, typeExtraInfo, typeHTTPReqCall} {
		if typ, _ := c.receive(); typ != want {
			t.Fatalf("type %d, want %d", typ, want)
		}
	}
}

func TestConnectionThatBreaksInAFrameIsForgotten(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: echo})
	for _, part := range [][]byte{{1}, {1, 0, 0, 9}, {1, 0, 0, 9, 1, 2}} {
		c := dialRaw(t, h)
		c.send(part)
		c.Close()
	}
	await.True(t, "the sessions end", func() bool {
		n := 0
		h.eachSession(func(*session) { n++ })
		return n == 0
	})
}

func TestResponsesAreLeftAsTheyAre(t *testing.T) {
	c := dialRaw(t, startHost(t, "", &fakePlugin{name: "p"}))
	token := c.prepare()
	c.send(respCallFrame(token, 5))
	typ, payload := c.receive()
	if r := hrespc.GetRootAsResp(payload, 0); typ != typeHTTPRespCall || r.Id() != 5 || r.Status() != 0 || r.HeadersLength() != 0 || r.BodyLength() != 0 {
		t.Errorf("got type %d %v", typ, payload)
	}
	c.send(respCallFrame(token+1, 5))
	if typ, payload = c.receive(); typ != typeError || a6err.GetRootAsResp(payload, 0).Code() != a6err.CodeCONF_TOKEN_NOT_FOUND {
		t.Errorf("an unknown token: got type %d %v", typ, payload)
	}
}

// FuzzFrames sends frames that are almost right: the host must answer each or
// close the connection, and live.
func FuzzFrames(f *testing.F) {
	h := startHost(f, "", &fakePlugin{name: "p", request: nosy})
	token := dialRaw(f, h).prepare()
	f.Add(byte(typePrepareConf), prepareConfFrame("k", "p", "{}")[4:], []byte{})
	f.Add(byte(typeHTTPReqCall), reqCallFrame(token)[4:], extraInfoFrame([]byte("b"))[4:])
	f.Add(byte(typeHTTPRespCall), respCallFrame(token, 1)[4:], extraInfoFrame(nil)[4:])
	f.Fuzz(func(t *testing.T, typ byte, payload, answer []byte) {
		c := dialRaw(t, h)
		c.send(rawFrame(typ, payload[:min(len(payload), 1<<20)]))
		for {
			head := make([]byte, 4)
			if _, err := io.ReadFull(c, head); err != nil {
				if err == io.EOF { // closed: the answer was no answer
					return
				}
				t.Fatal(err)
			}
			got, n := parseFrameHeader(head)
			if _, err := io.CopyN(io.Discard, c, int64(n)); err != nil {
				t.Fatal(err)
			}
			if got != typeExtraInfo {
				return
			}
			c.send(rawFrame(typeExtraInfo, answer[:min(len(answer), 1<<20)]))
		}
	})
}
