package schema

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeRegistry answers as a schema registry does.
type fakeRegistry struct {
	*httptest.Server
	asked atomic.Int64 // requests so far

	mu      sync.Mutex
	answers map[string]Registered // by "subject/version"
	handler http.HandlerFunc      // instead of the answers
}

func newFakeRegistry(t testing.TB) *fakeRegistry {
	f := &fakeRegistry{answers: map[string]Registered{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeRegistry) serve(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	f.mu.Lock()
	handler := f.handler
	subject, version, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/subjects/"), "/versions/")
	answer, known := f.answers[subject+"/"+version]
	f.mu.Unlock()
	switch {
	case handler != nil:
		handler(w, r)
	case !ok || !known:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error_code": 40401, "message": "Subject not found."}`)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"subject": subject, "version": 1, "id": answer.ID,
			"schemaType": answer.Type, "schema": answer.Schema, "references": answer.References})
	}
}

func (f *fakeRegistry) set(name string, id int, schema string, refs ...Reference) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[name] = Registered{id, "JSON", schema, refs}
}

func (f *fakeRegistry) handle(h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = h
}

func (f *fakeRegistry) registry(t testing.TB, opts Options) *Registry {
	t.Helper()
	r, err := NewRegistry(f.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func kindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return 0
}

// Nothing ends a compilation, and the end of the program does not wait for it.
func TestCompilationIsLeftAloneWhenTheQuestionEnds(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	release := make(chan struct{})
	defer close(release)
	_, err := unlessEnded(ended, func() (*Schema, error) {
		<-release
		return nil, nil
	})
	if kindOf(err) != KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestGet(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("a/b ../%2e/latest", 7, `{}`, Reference{"x.json", "x", 3})
	got, err := f.registry(t, Options{}).Get(t.Context(), Name{Subject: "a/b ../%2e", Version: "latest"})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != 7 || got.Type != "JSON" || got.Schema != "{}" || len(got.References) != 1 || got.References[0] != (Reference{"x.json", "x", 3}) {
		t.Errorf("got %+v", got)
	}
}

func TestRegistryMayBeAtAPath(t *testing.T) {
	f := newFakeRegistry(t)
	var asked atomic.Pointer[string]
	f.handle(func(_ http.ResponseWriter, r *http.Request) { asked.Store(new(r.URL.EscapedPath())) })
	r, err := NewRegistry(f.URL+"/apis/ccompat/v7/", Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.Get(t.Context(), Name{Subject: "a/b", Version: "3"})
	if got := *asked.Load(); got != "/apis/ccompat/v7/subjects/a%2Fb/versions/3" {
		t.Errorf("asked %s", got)
	}
}

func TestRegistrysAnswers(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	const noRegistry = "the registry's reply is not that of a schema registry"
	for _, c := range []struct {
		what    string
		handler http.HandlerFunc
		kind    Kind
		want    string
	}{
		{"no such subject", status(404), KindConfiguration, `the registry has no version 1 of the subject "s"`},
		{"an invalid version", status(422), KindConfiguration, `the registry has no version 1 of the subject "s"`},
		{"wrong credentials", status(401), KindUnavailable, `the registry refuses the credentials (status 401)`},
		{"no permission", status(403), KindUnavailable, `the registry refuses the credentials (status 403)`},
		{"too many requests", status(429), KindUnavailable, `the registry answers with status 429`},
		{"a bug", status(500), KindUnavailable, `the registry answers with status 500`},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/subjects/other/versions/1", http.StatusFound)
		}, KindUnavailable, `the registry redirects, which is not followed (status 302)`},
		{"a web page", text("<html>"), KindUnavailable, noRegistry},
		{"nothing", text(""), KindUnavailable, noRegistry},
		{"no id", text(`{"schema": "{}"}`), KindUnavailable, noRegistry},
		{"no schema", text(`{"id": 1}`), KindUnavailable, noRegistry},
		{"an id that is not on the wire", text(`{"id": 2147483648, "schema": "{}"}`), KindUnavailable, noRegistry},
		{"a negative id", text(`{"id": -1, "schema": "{}"}`), KindUnavailable, noRegistry},
		{"deep JSON", text(strings.Repeat("[", 1<<20)), KindUnavailable, noRegistry},
		{"a large reply", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.CopyN(w, endless{}, maxReply+1)
		}, KindUnavailable, `the registry's reply is larger than 4194304 bytes`},
		{"half a reply", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"id"`)
		}, KindUnavailable, `the registry's reply breaks off: unexpected EOF`},
		{"a reply that does not end", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"id"`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, KindUnavailable, `the registry's reply breaks off: `},
		{"no reply", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, KindUnavailable, `the registry does not answer: `},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := newFakeRegistry(t)
			f.handle(c.handler)
			timeout := 30 * time.Second
			if strings.HasSuffix(c.want, ": ") {
				timeout = 100 * time.Millisecond
			}
			_, err := f.registry(t, Options{Timeout: timeout}).Get(t.Context(), Name{Subject: "s", Version: "1"})
			if kindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v of kind %d, want %s", err, kindOf(err), c.want)
			}
			if n := f.asked.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestRegistryThatIsAwayIsUnavailable(t *testing.T) {
	f := newFakeRegistry(t)
	r := f.registry(t, Options{})
	f.Close()
	if _, err := r.Get(t.Context(), Name{Subject: "s", Version: "1"}); kindOf(err) != KindUnavailable || strings.Contains(err.Error(), "http://") {
		t.Errorf("got %v", err)
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	f := newFakeRegistry(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.handle(func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	if _, err := f.registry(t, Options{Timeout: time.Hour}).Get(ctx, Name{Subject: "s", Version: "1"}); kindOf(err) != KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestSubjectsAndVersionsThatCannotBe(t *testing.T) {
	f := newFakeRegistry(t)
	for _, name := range []Name{{Subject: "", Version: "1"}, {Subject: ".", Version: "1"}, {Subject: "..", Version: "1"}, {Subject: "s", Version: ""}, {Subject: "s", Version: "0"}, {Subject: "s", Version: "-1"}, {Subject: "s", Version: "+1"}, {Subject: "s", Version: "Latest"}, {Subject: "s", Version: "1/schema"}, {Subject: "s", Version: "2147483648"}, {}, {ID: -1}, {ID: 1, Subject: "s"}} {
		if _, err := f.registry(t, Options{}).Get(t.Context(), name); kindOf(err) != KindConfiguration {
			t.Errorf("%v: got %v", name, err)
		}
	}
	if n := f.asked.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestCredentials(t *testing.T) {
	password := "first"
	resolve := func(value string) (string, error) {
		switch value {
		case "$env://P":
			return password, nil
		case "$env://NONE":
			return "", errors.New("$env://NONE: the environment variable is empty or not set")
		}
		return value, nil
	}
	var got atomic.Pointer[string]
	f := newFakeRegistry(t)
	f.handle(func(w http.ResponseWriter, r *http.Request) {
		got.Store(new(r.Header.Get("Authorization")))
		w.WriteHeader(http.StatusUnauthorized)
	})
	for _, c := range []struct{ what, user, password, token, want, reason string }{
		{"none", "", "", "", "", "refuses"},
		{"basic", "u", "p", "", "Basic dTpw", "refuses"},
		{"a reference", "u", "$env://P", "", "Basic dTpmaXJzdA==", "refuses"},
		{"a token", "", "", "$env://P", "Bearer first", "refuses"},
		{"a reference to nothing", "u", "$env://NONE", "", "-", "the registry's credentials: $env://NONE: the environment variable is empty or not set"},
		{"a secret that is no header", "", "", "secret\n", "-", "does not answer"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got.Store(new("-"))
			r := f.registry(t, Options{Username: c.user, Password: c.password, Token: c.token, Resolve: resolve})
			_, err := r.Get(t.Context(), Name{Subject: "s", Version: "1"})
			if *got.Load() != c.want {
				t.Errorf("sent %q, want %q", *got.Load(), c.want)
			}
			if kindOf(err) != KindUnavailable || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %v", err)
			}
			if text := err.Error(); strings.Contains(text, "first") || strings.Contains(text, "secret\n") {
				t.Errorf("a secret in %s", text)
			}
		})
	}
	r := f.registry(t, Options{Username: "u", Password: "$env://P", Resolve: resolve})
	password = "second"
	_, _ = r.Get(t.Context(), Name{Subject: "s", Version: "1"})
	if *got.Load() != "Basic dTpzZWNvbmQ=" {
		t.Errorf("a secret that has changed is not read again: %s", *got.Load())
	}
}

func TestRedirectGetsNoCredentials(t *testing.T) {
	other, f := newFakeRegistry(t), newFakeRegistry(t)
	f.handle(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	for what, client := range map[string]*http.Client{"its own client": nil, "a given client": {}} {
		_, err := f.registry(t, Options{Token: "t", Client: client}).Get(t.Context(), Name{Subject: "s", Version: "1"})
		if kindOf(err) != KindUnavailable || other.asked.Load() != 0 {
			t.Errorf("%s: got %v, and %d requests to where it points", what, err, other.asked.Load())
		}
	}
}

// The file may come later and be replaced: as long as it is not right, the registry is away.
func TestCAFile(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id": 5, "schema": "{}", "schemaType": "JSON"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		kind Kind
	}{{file, 0}, {"", KindUnavailable}} {
		r, err := NewRegistry(server.URL, Options{CAFile: c.file})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(t.Context(), Name{Subject: "s", Version: "1"}); kindOf(err) != c.kind {
			t.Errorf("CA file %q: got %v", c.file, err)
		}
	}
	later := filepath.Join(t.TempDir(), "later.pem")
	r, err := NewRegistry(server.URL, Options{CAFile: later})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text []byte // nil: there is no file
		kind Kind
	}{{nil, KindUnavailable}, {[]byte("none"), KindUnavailable}, {text, 0}} {
		if c.text != nil {
			if err := os.WriteFile(later, c.text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Get(t.Context(), Name{Subject: "s", Version: "1"}); kindOf(err) != c.kind {
			t.Errorf("CA file with %q: got %v", c.text, err)
		}
	}
}

func TestNewRegistryRefuses(t *testing.T) {
	for _, c := range []struct {
		what, url string
		opts      Options
	}{
		{"no URL", "", Options{}},
		{"another scheme", "file:///hidden", Options{}},
		{"no host", "http:///hidden", Options{}},
		{"a password in the URL", "http://u:hidden@h", Options{}},
		{"a query", "http://h?hidden=1", Options{}},
		{"a fragment", "http://h#hidden", Options{}},
		{"no URL at all", "http://h\x00hidden", Options{}},
		{"two kinds of credentials", "http://h", Options{Username: "u", Password: "hidden", Token: "t"}},
		{"a password for nobody", "http://h", Options{Password: "hidden"}},
	} {
		_, err := NewRegistry(c.url, c.opts)
		if kindOf(err) != KindConfiguration || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v", c.what, err)
		}
	}
}

func TestReferences(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("order/latest", 1, `{"$id": "https://example.com/order.json", "properties": {"customer": {"$ref": "customer.json"}, "to": {"$ref": "https://example.org/common/address.json"}}}`,
		Reference{"customer.json", "customer", 2}, Reference{"https://example.org/common/address.json", "address", 1})
	f.set("customer/2", 2, `{"properties": {"at": {"$ref": "https://example.org/common/address.json#/$defs/a"}}}`,
		Reference{"https://example.org/common/address.json", "address", 1})
	f.set("address/1", 3, `{"$defs": {"a": {"$ref": "zip.json"}}, "$ref": "#/$defs/a"}`, Reference{"zip.json", "zip", -1})
	f.set("zip/latest", 4, `{"type": "integer"}`)
	c := NewCache(0, nil)
	defer c.Close()
	source := c.Source(f.registry(t, Options{}), Name{Subject: "order", Version: "latest", Format: JSONSchema})
	s, id, err := source.Current(t.Context())
	if err != nil || id != 1 {
		t.Fatal(id, err)
	}
	found, _ := validate(s, []byte(`{"customer": {"at": "x"}, "to": "y"}`))
	if got := strings.Join(sentences(found), "; "); got != "/customer/at must be integer, is string; /to must be integer, is string" {
		t.Errorf("got %s", got)
	}
}

func TestReferencesThatMeetAgainAreNotFollowedTwice(t *testing.T) {
	f := newFakeRegistry(t)
	for i := range 10 {
		next := fmt.Sprint(i + 1)
		f.set(fmt.Sprint(i, "/1"), 1, fmt.Sprintf(`{"title": "%d"}`, i), Reference{"a" + next, next, 1}, Reference{"b" + next, next, 1})
	}
	f.set("10/1", 1, `{}`)
	r := f.registry(t, Options{})
	root, err := r.Get(t.Context(), Name{Subject: "0", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.load(t.Context(), t.Context(), root, Name{}); err != nil || f.asked.Load() != 39 { // 1, then 2 from each of the 19 that have any
		t.Errorf("got %v after %d requests", err, f.asked.Load())
	}
}

func TestReferencesThatCannotBe(t *testing.T) {
	values := `{"enum": [` + strings.Repeat("1,", maxSchemaValues/2) + `1]}`
	for _, c := range []struct {
		what string
		set  func(*fakeRegistry)
		kind Kind
		want string
	}{
		{"a circle", func(f *fakeRegistry) {
			f.set("s/1", 1, `{}`, Reference{"a", "a", 1})
			f.set("a/1", 2, `{}`, Reference{"b", "b", 1})
			f.set("b/1", 3, `{}`, Reference{"a2", "a", 1})
		}, KindConfiguration, `the references of the subject "a" lead back to it`},
		{"itself", func(f *fakeRegistry) { f.set("s/1", 1, `{}`, Reference{"a", "s", 1}) }, KindConfiguration, `the references of the subject "s" lead back to it`},
		{"many", func(f *fakeRegistry) {
			var refs []Reference
			for i := range maxReferences + 1 {
				refs = append(refs, Reference{fmt.Sprint("r", i), "a", 1})
			}
			f.set("s/1", 1, `{}`, refs...)
			f.set("a/1", 2, `{}`)
		}, KindConfiguration, `the schema has more than 50 references`},
		{"no end", func(f *fakeRegistry) {
			f.handle(func(w http.ResponseWriter, _ *http.Request) {
				n := f.asked.Load()
				fmt.Fprintf(w, `{"id": 1, "schemaType": "JSON", "schema": "{}", "references": [{"name": "%d", "subject": "%d", "version": 1}]}`, n, n)
			})
		}, KindConfiguration, `the schema has more than 50 references`},
		{"one that is not there", func(f *fakeRegistry) { f.set("s/1", 1, `{}`, Reference{"a", "a", 1}) }, KindConfiguration, `the registry has no version 1 of the subject "a"`},
		{"one of another type", func(f *fakeRegistry) {
			f.set("s/1", 1, `{}`, Reference{"a", "a", 1})
			f.answers["a/1"] = Registered{2, "PROTOBUF", `{}`, nil}
		}, KindConfiguration, `the registered schema is of the type "PROTOBUF", not JSON`},
		{"one that is no schema", func(f *fakeRegistry) {
			f.set("s/1", 1, `{"$ref": "a"}`, Reference{"a", "a", 1})
			f.set("a/1", 2, `{"type": 1}`)
		}, KindConfiguration, `it is no JSON Schema: at "a#/type" must be one of`},
		{"one by a name that the schema does not use", func(f *fakeRegistry) {
			f.set("s/1", 1, `{"$ref": "http://127.0.0.1/x"}`, Reference{"a", "a", 1})
			f.set("a/1", 2, `{}`)
		}, KindConfiguration, `it refers to "http://127.0.0.1/x", which is not a part of it; nothing is fetched`},
		{"no name", func(f *fakeRegistry) { f.set("s/1", 1, `{}`, Reference{"", "a", 1}) }, KindConfiguration, `a reference's name is no URL: ""`},
		{"two of one name", func(f *fakeRegistry) {
			f.set("s/1", 1, `{}`, Reference{"a", "a", 1}, Reference{"a", "b", 1})
			f.set("a/1", 2, `{}`)
			f.set("b/1", 3, `true`)
		}, KindConfiguration, `two references have the same name "a"`},
		{"a metaschema", func(f *fakeRegistry) {
			f.set("s/1", 1, `{"$ref": "https://json-schema.org/x"}`, Reference{"https://json-schema.org/x", "a", 1})
			f.set("a/1", 2, `{"multipleOf": 0}`)
		}, KindConfiguration, `a reference's name is one of the JSON Schema metaschemas`},
		{"too much together", func(f *fakeRegistry) {
			f.set("s/1", 1, values, Reference{"a", "a", 1})
			f.set("a/1", 2, values)
		}, KindConfiguration, `the schema and its references have more than 1048576 bytes or 10000 values`},
		{"a schema of Avro, which the registry does not name", func(f *fakeRegistry) { f.answers["s/1"] = Registered{1, "", `"string"`, nil} }, KindConfiguration, `the registered schema is of the type "AVRO", not JSON`},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := newFakeRegistry(t)
			c.set(f)
			cache := NewCache(0, nil)
			defer cache.Close()
			source := cache.Source(f.registry(t, Options{}), Name{Subject: "s", Version: "1", Format: JSONSchema})
			_, _, err := source.Current(t.Context())
			if kindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if n := f.asked.Load(); n > maxReferences+1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Confluent's libraries take a schema without "$schema" for one of draft-07; for an inline one it is the current draft.
func TestRegisteredSchemaThatDoesNotSayItsDraftIsOfDraft7(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("s/1", 1, `{"items": [{"type": "string"}], "format": "ipv4"}`)
	c, _ := newTestCache(t, nil)
	s, _, err := source(c, f.registry(t, Options{}), "s", "1").Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{`[1]`: "/0 must be string, is number", `"x"`: `the value must be of the format "ipv4"`} {
		if found, _ := validate(s, []byte(value)); strings.Join(sentences(found), ";") != want {
			t.Errorf("%s: got %v, want %s", value, found, want)
		}
	}
	if _, err := Compile([]byte(`{"items": [{"type": "string"}]}`)); err == nil {
		t.Error("inline, draft-07's items are taken")
	}
}

// Nobody has seen these patterns when a route is loaded.
func TestRegisteredPatterns(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("look-around/1", 1, `{"pattern": "^(?!.*--)[a-z-]+$"}`)
	f.set("back-reference/1", 2, `{"pattern": "^(?i)(a+)\\1$"}`)
	f.set("atomic/1", 3, `{"properties": {"a": {"pattern": "(?>a)"}}}`)
	c, _ := newTestCache(t, nil)
	for _, w := range []struct{ subject, value, want string }{
		{"look-around", `"a-b"`, ""},
		{"look-around", `"a--b"`, `the value must match "^(?!.*--)[a-z-]+$"`},
		{"back-reference", `"aA"`, ""},
		{"back-reference", `"aaa"`, `the value must match "^(?i)(a+)\\1$"`},
		{"back-reference", `"` + strings.Repeat("a", 100_001) + `"`, `the value takes too many steps to validate`},
	} {
		s, _, err := source(c, f.registry(t, Options{}), w.subject, "1").Current(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, _ := validate(s, []byte(w.value))
		if got := strings.Join(sentences(found), "; "); got != w.want {
			t.Errorf("%s: %.20s: got %q, want %q", w.subject, w.value, got, w.want)
		}
	}
	_, _, err := source(c, f.registry(t, Options{}), "atomic", "1").Current(t.Context())
	const want = `version 1 of the subject "atomic" (id 3): "#/properties/a/pattern" is not a pattern that RE2 knows, or RE2 with look-around and back-references: invalid or unsupported Perl syntax: "(?>"`
	if kindOf(err) != KindConfiguration || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestReferencesOfAvroAndProtobuf(t *testing.T) {
	f := newFakeRegistry(t)
	f.answers["o/1"] = Registered{7, "AVRO", `{"type": "record", "name": "O", "namespace": "n", "fields": [{"name": "c", "type": "n.C"}, {"name": "m", "type": "m.M"}]}`, []Reference{{"n.C", "c", 1}, {"m.M", "m", 2}}}
	f.answers["c/1"] = Registered{8, "", `{"type": "record", "name": "n.C", "fields": [{"name": "m", "type": "m.M", "default": "B"}]}`, []Reference{{"m.M", "m", 2}}}
	f.answers["m/2"] = Registered{9, "", `{"type": "enum", "name": "m.M", "symbols": ["A", "B"]}`, nil}
	f.answers["p/1"] = Registered{10, "PROTOBUF", `syntax = "proto3"; import "a/b.proto"; import "c.proto"; message O { b.B b = 1; C c = 2; }`, []Reference{{"a/b.proto", "b", 1}, {"c.proto", "pc", 1}}}
	f.answers["b/1"] = Registered{11, "PROTOBUF", `syntax = "proto3"; package b; import public "c.proto"; message B { C c = 1; }`, []Reference{{"c.proto", "pc", 1}}}
	f.answers["pc/1"] = Registered{12, "PROTOBUF", `syntax = "proto3"; message C { int32 n = 1; }`, nil}
	f.answers["circle/1"] = Registered{13, "PROTOBUF", `syntax = "proto3"; import "x.proto"; message C {}`, []Reference{{"x.proto", "circle", 1}}}
	f.answers["mixed/1"] = Registered{14, "AVRO", `"n.C"`, []Reference{{"n.C", "pc", 1}}}
	c, _ := newTestCache(t, nil)
	for _, w := range []struct{ subject, value, want string }{
		{"o", `{"c": {}, "m": "A"}`, "0000000007" + "0200"},
		{"p", `{"b": {"c": {"n": 1}}, "c": {"n": 2}}`, "000000000a" + "00" + "0a040a020801" + "12020802"},
		{"circle", ``, `version 1 of the subject "circle" (id 13): the references of the subject "circle" lead back to it`},
		{"mixed", ``, `version 1 of the subject "mixed" (id 14): the registered schema is of the type "PROTOBUF", not AVRO`},
	} {
		s, id, err := source(c, f.registry(t, Options{}), w.subject, "1").Current(t.Context())
		if err != nil {
			if err.Error() != w.want {
				t.Errorf("%s: %v", w.subject, err)
			}
			continue
		}
		if encoded, found, _ := encode(s, []byte(w.value), id, 100); hex.EncodeToString(encoded) != w.want {
			t.Errorf("%s: got %x, %v, want %s", w.subject, encoded, found, w.want)
		}
	}
}
