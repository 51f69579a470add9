package kafkaupstream

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

// What keys have of their own goes before what values have, and credentials go to nobody's registry but their own.
func TestSchemaOfKeysTakesFromThatOfValuesWhatItLacks(t *testing.T) {
	asked := make(chan string, 2) // what, and by whom
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := r.Header.Get("Authorization")
		if user, password, ok := r.BasicAuth(); ok {
			who = user + ":" + password
		}
		asked <- r.URL.Path + " " + who
		fmt.Fprint(w, `{"id":1,"schemaType":"JSON","schema":"{}"}`)
	}))
	defer registry.Close()
	for _, c := range []struct{ what, values, keys, want string }{
		{"nothing of its own", `"username":"v","password":"pv"`, ``, "v:pv"},
		{"a user", `"username":"v","password":"pv"`, `,"username":"k","password":"pk"`, "k:pk"},
		{"a user without a password", `"username":"v","password":"pv"`, `,"username":"k"`, "k:"},
		{"a token where values have a user", `"username":"v","password":"pv"`, `,"token":"tk"`, "Bearer tk"},
		{"a user where values have a token", `"token":"tv"`, `,"username":"k","password":"pk"`, "k:pk"},
		{"a registry without credentials", `"username":"v","password":"pv"`, `,"registry":"R/own"`, ""},
		{"a registry and a user", `"token":"tv"`, `,"registry":"R/own","username":"k"`, "k:"},
	} {
		t.Run(c.what, func(t *testing.T) {
			text := fmt.Sprintf(`{%s,"topic":"t","jsonkey":"id","schema":{"registry":"R","subject":"v",%s},"key_schema":{"subject":"k"%s}}`, brokers, c.values, c.keys)
			reply := serve(t, newHandler(&fakeSender{}, nil), mustParse(t, strings.ReplaceAll(text, `"R`, `"`+registry.URL)),
				&fakeRequest{method: "POST", headers: h{"content-type": jsonType}, body: `{"id":1}`})
			if reply.Status != 200 {
				t.Fatalf("got %s", reply.AppendJSON(nil))
			}
			for range 2 {
				path, who, _ := strings.Cut(<-asked, " ")
				if strings.Contains(path, "/k/") && who != c.want {
					t.Errorf("%s is asked for by %q, want %q", path, who, c.want)
				}
			}
		})
	}
}

// A CA file of its own is as good as any credentials, which are those of values then.
func TestSchemaOfKeysMayHaveACAFileOfItsOwn(t *testing.T) {
	registry := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user != "v" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"id":1,"schemaType":"JSON","schema":"{}"}`)
	}))
	registry.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	registry.StartTLS()
	defer registry.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: registry.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		values, keys string
		status       int
	}{
		{ca, "", 200},
		{ca, ca, 200},
		{ca, "/no/such/file", 503},
	} {
		own := ""
		if c.keys != "" {
			own = fmt.Sprintf(`,"ca_file":%q`, c.keys)
		}
		text := fmt.Sprintf(`{%s,"topic":"t","jsonkey":"id","schema":{"registry":%q,"subject":"v","username":"v","ca_file":%q},"key_schema":{"subject":"k"%s}}`, brokers, registry.URL, c.values, own)
		reply := serve(t, newHandler(&fakeSender{}, nil), mustParse(t, text), &fakeRequest{method: "POST", headers: h{"content-type": jsonType}, body: `{"id":1}`})
		if reply.Status != c.status {
			t.Errorf("with %q for keys: %s", c.keys, reply.AppendJSON(nil))
		}
	}
}

// dearSchema is one that small values cost much: what two alternatives have in common is tried twice at each level.
const dearSchema = `{"$defs":{"n":{"oneOf":[{"type":"object","required":["and"],"properties":{"and":{"type":"array","items":{"$ref":"#/$defs/n"}},"note":{"type":"string"}}},
	{"type":"object","required":["and"],"properties":{"and":{"type":"array","items":{"$ref":"#/$defs/n"}},"weight":{"type":"number"}}},{"type":"object","required":["field"]}]}},"$ref":"#/$defs/n"}`

// Each value has a bound, and a body has ten thousand of them: whoever sends them would keep others from the schema for minutes.
func TestBatchIsNotValidatedBeyondItsTime(t *testing.T) {
	const levels, records = 10, 3000
	refused, valid := strings.Repeat(`{"and":[`, levels)+`{}`+strings.Repeat(`]}`, levels), strings.Repeat(`{"and":[`, levels)+`{"field":1}`+strings.Repeat(`],"note":1}`, levels)
	for name, c := range map[string]struct{ config, path, media, record string }{
		"each record has a reply of its own":         {`"dialects":["confluent"]`, "/v3/clusters/c/topics/t/records", jsonType, `{"value":{"type":"JSON","data":` + refused + `}}`},
		"the first that is refused ends the request": {`"batch":true`, "/", "application/x-ndjson", valid},
	} {
		t.Run(name, func(t *testing.T) {
			sender := &fakeSender{}
			handler := newHandler(sender, nil)
			route := mustPrepare(t, handler, mustParse(t, fmt.Sprintf(`{%s,"topic":"t",%s,"timeout_ms":100,"schema":{"inline":%s}}`, brokers, c.config, dearSchema)))
			reply := handler.Handle(route, &fakeRequest{method: "POST", path: c.path, headers: h{"content-type": c.media}, body: strings.Repeat(c.record+"\n", records)})
			if reply.Status != 503 || reply.Delivered != DeliveredNo || len(sender.sent) > 0 {
				t.Errorf("%d %s, %d records", reply.Status, reply.AppendBody(nil), len(sender.sent))
			}
		})
	}
}
