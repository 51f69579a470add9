package apisix_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"

	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	kafkarecord "github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// cutOff is a request whose connection to APISIX breaks with the first variable that is asked for.
type cutOff struct {
	pkghttp.Request
	header http.Header
	body   string
}

func (r *cutOff) Method() string             { return "POST" }
func (r *cutOff) Path() []byte               { return []byte("/orders") }
func (r *cutOff) SrcIP() net.IP              { return nil }
func (r *cutOff) Header() pkghttp.Header     { return fields{r.header} }
func (r *cutOff) Args() url.Values           { return nil }
func (r *cutOff) Var(string) ([]byte, error) { return nil, errors.New("the connection is lost") }
func (r *cutOff) Body() ([]byte, error)      { return []byte(r.body), nil }

// promise is a request whose client says how long its body is, and takes its time to send it.
type promise struct {
	cutOff
	comes func()
}

func (r *promise) Var(string) ([]byte, error) { return nil, nil }

func (r *promise) Body() ([]byte, error) {
	r.comes()
	return r.cutOff.Body()
}

type fields struct{ http.Header }

func (h fields) View() http.Header { return h.Header }

// taken counts what Kafka gets, and what is held for requests.
type taken struct{ records, held int }

func (k *taken) Way(*kafkaconf.Connection, bool) kafkarecord.Way { return k }
func (k *taken) Together(*kafkaconf.Connection) kafkarecord.Way  { return k }
func (k *taken) Transactions() bool                              { return false }
func (k *taken) Warm(*kafkaconf.Connection)                      {}
func (k *taken) Release(_ *kafkaconf.Connection, n int)          { k.held -= n }
func (k *taken) Hold(_ *kafkaconf.Connection, n int) bool        { k.held += n; return true }
func (k *taken) Deliver(_ context.Context, b *kafkarecord.Batch) { k.records += len(b.Records) }

// The client sends such a request again, since APISIX cannot answer it. What could not be asked for is not to be taken for
// absent: the record would go under no consumer's idempotency key, to another topic, or be empty.
func TestRequestWhoseConnectionIsLostMakesNoRecord(t *testing.T) {
	for name, c := range map[string]struct {
		rest   string // of the configuration
		header http.Header
		lines  int // of other headers
		body   string
	}{
		"before it is known whose the idempotency key is":   {`,"idempotency":{}`, http.Header{"Idempotency-Key": {"k"}}, 0, "x"},
		"before it is known whether there is a key":         {`,"idempotency":{}`, http.Header{}, 99, "x"},
		"before it is known whether a topic is named":       {``, http.Header{}, 99, "x"},
		"before it is known whether a body is really empty": {``, http.Header{"Transfer-Encoding": {"chunked"}}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			log, kafka := slog.New(slog.DiscardHandler), &taken{}
			store, err := idempotency.New(idempotency.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := apisix.New(kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: kafka, Idempotency: store, Log: log}), log)
			conf, _, err := p.Parse([]byte(`{"config":{"bootstrap.servers":"a"},"topic":"t"` + c.rest + `}`))
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.lines {
				c.header.Set("x-"+strconv.Itoa(i), "y")
			}
			reply := httptest.NewRecorder()
			p.RequestFilter(conf, reply, &cutOff{header: c.header, body: c.body})
			if kafka.records != 0 || reply.Code != 503 {
				t.Errorf("%d records, %d %s", kafka.records, reply.Code, reply.Body)
			}
		})
	}
}

// APISIX reads a body when it is asked for it, and a client may have it wait: some that promise much would take all memory.
func TestBodyTakesNoMemoryBeforeItHasCome(t *testing.T) {
	log, kafka, held := slog.New(slog.DiscardHandler), &taken{}, -1
	p := apisix.New(kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: kafka, Log: log}), log)
	conf, _, err := p.Parse([]byte(`{"config":{"bootstrap.servers":"a"},"topic":"t"}`))
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 1000)
	r := &promise{cutOff{header: http.Header{"Content-Length": {"1000"}}, body: body}, func() { held = kafka.held }}
	p.RequestFilter(conf, httptest.NewRecorder(), r)
	if kafka.records != 1 || held != 0 || kafka.held != 0 {
		t.Errorf("%d records; held are %d bytes before the body comes, %d at the end", kafka.records, held, kafka.held)
	}
}
