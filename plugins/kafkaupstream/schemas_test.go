package kafkaupstream

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

func TestSchemaOfARegistryIsUsedAndItsIDPutBeforeTheValue(t *testing.T) {
	var asked atomic.Int32
	away := atomic.Bool{}
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		user, password, _ := r.BasicAuth()
		switch {
		case away.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case user != "u" || password != "p" || r.URL.Path != "/subjects/orders-value/versions/2":
			w.WriteHeader(http.StatusNotFound)
		default:
			fmt.Fprint(w, `{"subject":"orders-value","version":2,"id":258,"schemaType":"JSON","schema":"{\"type\":\"object\"}"}`)
		}
	}))
	defer registry.Close()
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	prepared := func(subject string) *Served {
		return mustPrepare(t, handler, mustParse(t, fmt.Sprintf(`{%s,"topic":"t","schema":{"registry":%q,"subject":%q,"version":2,"username":"u","password":"p","wire_format":true}}`,
			brokers, registry.URL, subject)))
	}
	post := func(route *Served, body string) Reply {
		return handler.Handle(route, &fakeRequest{method: "POST", headers: h{"content-type": jsonType}, body: body})
	}
	route := prepared("orders-value")
	if reply := post(route, `{"a": 1}`); reply.Status != 200 {
		t.Fatalf("got %+v", reply)
	}
	if got := string(sender.sent[0].Value); got != "\x00\x00\x00\x01\x02"+`{"a":1}` {
		t.Errorf("the value is %q", got)
	}
	if reply := post(route, `[]`); reply.Status != 422 || reply.Delivered != DeliveredNo {
		t.Errorf("what does not match: %+v", reply)
	}
	away.Store(true)
	if reply := post(prepared("orders-value"), `{}`); reply.Status != 200 {
		t.Errorf("another route with the same schema, the registry away: %+v", reply)
	}
	if reply := post(prepared("others-value"), `{}`); reply.Status != 503 || reply.RetryAfter == 0 {
		t.Errorf("a schema that is not known, the registry away: %+v", reply)
	}
	away.Store(false)
	if reply := post(prepared("unknown-value"), `{}`); reply.Status != 500 {
		t.Errorf("a subject that there is not: %+v", reply)
	}
	if len(sender.sent) != 2 {
		t.Errorf("%d records were produced", len(sender.sent))
	}
}
