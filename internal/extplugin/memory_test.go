package extplugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
	a6err "github.com/api7/ext-plugin-proto/go/A6/Err"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// limitedMemory counts what is held of a limit.
type limitedMemory struct {
	limit      int64
	held, most atomic.Int64
}

func (m *limitedMemory) Hold(n int) bool {
	held := m.held.Add(int64(n))
	if held > m.limit {
		m.held.Add(-int64(n))
		return false
	}
	for most := m.most.Load(); held > most && !m.most.CompareAndSwap(most, held); most = m.most.Load() {
	}
	return true
}

func (m *limitedMemory) Release(n int) { m.held.Add(-int64(n)) }

// limitedRoom is a call's Room of a memory.
type limitedRoom struct {
	*limitedMemory
	bytes int
}

var errFull = errors.New("full")

func (r *limitedRoom) Hold(bytes int) error {
	if more := bytes - r.bytes; more > 0 {
		if !r.limitedMemory.Hold(more) {
			return errFull
		}
		r.bytes = bytes
	}
	return nil
}

// buffers is what the call's session has in memory, in bytes.
func buffers(r pkghttp.Request) int {
	in := &r.(*request).s.in
	sum := len(in.buf)
	for _, b := range in.old {
		sum += len(b)
	}
	return sum
}

// bounded answers 200 and the body's length, or 503 when there was no room for it; what
// its session takes beyond what was counted goes to excess.
func bounded(memory *limitedMemory, excess *atomic.Int64) func(any, http.ResponseWriter, pkghttp.Request) {
	return func(_ any, w http.ResponseWriter, r pkghttp.Request) {
		room := &limitedRoom{limitedMemory: memory}
		body, err := r.(*request).BodyWithin(room)
		defer func() { memory.Release(room.bytes) }()
		if more := int64(buffers(r) - room.bytes); more > excess.Load() {
			excess.Store(more)
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(strings.Repeat(".", len(body)>>20)))
	}
}

func TestBodyWithoutRoomIsThrownAwayAndTheConnectionGoesOn(t *testing.T) {
	memory, excess := &limitedMemory{limit: 1 << 20}, &atomic.Int64{}
	h := startHost(t, "", &fakePlugin{name: "p", request: bounded(memory, excess)})
	c := dialRaw(t, h)
	token := c.prepare()
	for _, size := range []int{100, 2 << 20, 1, gateway.MaxBody, 1<<20 - 100, 1 << 20, 65 << 10, 0} {
		c.send(reqCallFrame(token))
		if typ, _ := c.receive(); typ != typeExtraInfo {
			t.Fatalf("type %d", typ)
		}
		c.send(extraInfoFrame(bytes.Repeat([]byte("x"), size)))
		typ, payload := c.receive()
		if typ != typeHTTPReqCall {
			t.Fatalf("%d bytes: type %d", size, typ)
		}
		if refused := bytes.Contains(payload, []byte{0xf7, 0x01}); refused != (size >= 1<<20) { // 503
			t.Errorf("%d bytes: refused is %v", size, refused)
		}
	}
	if n := excess.Load(); n > 2*keptBuffer {
		t.Errorf("%d bytes of a connection were not counted", n)
	}
	if n := memory.held.Load(); n != 0 {
		t.Errorf("%d bytes are held after the calls", n)
	}
}

func TestConnectionsTakeNoMoreThanTheLimitTogether(t *testing.T) {
	const connections, limit = 64, 64 << 20
	memory, excess := &limitedMemory{limit: limit}, &atomic.Int64{}
	var inside atomic.Int64
	answer := bounded(memory, excess)
	h := startHost(t, "", &fakePlugin{name: "p", request: func(conf any, w http.ResponseWriter, r pkghttp.Request) {
		inside.Add(1)
		answer(conf, w, r)
	}})
	token := h.token(t, "k", conf("p", "{}"))
	body := bytes.Repeat([]byte("x"), gateway.MaxBody)
	all := make(chan struct{}) // closed when every connection has a call
	var answers [2]atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			resp, err := h.Call(context.Background(), token, &gateway.Request{Method: "POST", Body: func() ([]byte, error) {
				<-all // so that they come together
				return body, nil
			}})
			if err != nil {
				t.Error(err)
				return
			}
			answers[min(len(resp.Body), 1)].Add(1)
		})
	}
	await.True(t, "every connection has a call", func() bool { return inside.Load() == connections })
	close(all)
	wg.Wait()
	if most := memory.most.Load(); most > limit || most < gateway.MaxBody {
		t.Errorf("at most %d bytes were held of %d", most, limit)
	}
	if n := excess.Load(); n > 2*keptBuffer {
		t.Errorf("%d bytes of a connection were not counted", n)
	}
	if answers[1].Load() == 0 || answers[0].Load()+answers[1].Load() != connections {
		t.Errorf("%d were served and %d refused of %d", answers[1].Load(), answers[0].Load(), connections)
	}
	if n := memory.held.Load(); n != 0 {
		t.Errorf("%d bytes are held after the calls", n)
	}
}

func TestFramesThatAreNoBodiesAreCountedToo(t *testing.T) {
	memory := &limitedMemory{limit: 1 << 20}
	h := startHostWith(t, Options{Memory: memory}, &fakePlugin{name: "p", request: nosy})
	c := dialRaw(t, h)
	large, fits := prepareConfFrame("k", "p", strings.Repeat("x", 2<<20)), prepareConfFrame("k", "p", strings.Repeat("x", 1<<19-100))
	for _, f := range []struct {
		says  string
		frame []byte
		typ   byte
	}{
		{"a frame without room is answered with an error", large, typeError},
		{"one with room is served after it", fits, typePrepareConf},
		{"a malformed one without room is an error of room", rawFrame(typeHTTPReqCall, make([]byte, maxFrameLen)), typeError},
		{"and the next is served", fits, typePrepareConf},
	} {
		t.Run(f.says, func(t *testing.T) {
			c.send(f.frame)
			typ, payload := c.receive()
			if typ != f.typ {
				t.Fatalf("type %d, want %d", typ, f.typ)
			}
			if typ == typeError && a6err.GetRootAsResp(payload, 0).Code() != a6err.CodeSERVICE_UNAVAILABLE {
				t.Errorf("code %v", a6err.GetRootAsResp(payload, 0).Code())
			}
		})
	}
	c.send(large[:1000]) // and the connection breaks in what is thrown away
	c.Close()
	await.True(t, "all memory is given back", func() bool { return memory.held.Load() == 0 })
	if memory.most.Load() == 0 {
		t.Error("nothing was counted")
	}
}

func TestVariableWithoutRoomEndsTheConnection(t *testing.T) {
	h := startHostWith(t, Options{Memory: &limitedMemory{limit: 1 << 20}}, &fakePlugin{name: "p",
		request: func(_ any, w http.ResponseWriter, r pkghttp.Request) {
			_, err := r.Var("request_body")
			_, _ = w.Write([]byte("taken for a variable without a value"))
			if err == nil {
				t.Error("the variable was read")
			}
		}})
	c := dialRaw(t, h)
	c.send(reqCallFrame(c.prepare()))
	if typ, _ := c.receive(); typ != typeExtraInfo {
		t.Fatalf("type %d", typ)
	}
	c.send(extraInfoFrame(make([]byte, 2<<20)))
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("got %d bytes, %v", len(rest), err)
	}
}
