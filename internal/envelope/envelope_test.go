package envelope

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

const roomy = 1_000_000

var random = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|[0-9a-f]{12}4[0-9a-f]{19}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}`)

// wrap wraps a body and has N for what is random or the time in the value.
func wrap(name, body string) string {
	w, err := table[name].Wrap(context.Background(), []byte(body), roomy)
	if err != nil {
		return err.Error()
	}
	return w.Suffix + " " + random.ReplaceAllString(string(w.Value), "N")
}

func TestOPALReads(t *testing.T) {
	cases := []struct{ says, body, want string }{
		{"a whole notification stays as it is",
			`{"topics":["a/b"],"notifier_id":"me","data":{"entries":[{"url":""}]}}`,
			`{"topics":["a/b"],"notifier_id":"me","data":{"entries":[{"url":""}]}}`},
		{"an update gets what the model has for what is not there",
			`{"entries":[{"url":"u"}]}`,
			`{"notifier_id":"N","topics":["policy_data"],"data":{"id":"N","entries":[{"url":"u","config":null,"topics":["policy_data"],` +
				`"dst_path":"","save_method":"PUT"}],"reason":null,"callback":{"callbacks":[]}}}`},
		{"what is there stays, in the model's order, and members that it does not know behind it",
			`{"x":[1.50],"callback":{"callbacks":["c"]},"reason":"é","id":"i","entries":[{"data":{"a":1e3},"y":"z","save_method":"PUT","dst_path":"/p","topics":["t"],"config":{},"url":"u"}]}`,
			`{"notifier_id":"N","topics":["t"],"data":{"id":"i","entries":[{"url":"u","config":{},"topics":["t"],"dst_path":"/p","save_method":"PUT",` +
				`"data":{"a":1e3},"y":"z"}],"reason":"é","callback":{"callbacks":["c"]},"x":[1.50]}}`},
		{"a patch without data stays without: its clients refuse null",
			`{"entries":[{"url":"u","save_method":"PATCH"}]}`,
			`{"notifier_id":"N","topics":["policy_data"],"data":{"id":"N","entries":[{"url":"u","config":null,"topics":["policy_data"],` +
				`"dst_path":"","save_method":"PATCH"}],"reason":null,"callback":{"callbacks":[]}}}`},
		{"topics stand for those above them, and are gathered once, in order",
			`{"id":null,"entries":[{"url":"u","topics":["a/b/c","a/b"]},{"url":"v","topics":[]},{"url":"w","topics":["p:q:a/b","a","\u0078","é\"/"]}]}`,
			`{"notifier_id":"N","topics":["a","a/b","a/b/c","p:q:a","p:q:a/b","x","é\"","é\"/"],"data":{"id":"N","entries":[` +
				`{"url":"u","config":null,"topics":["a","a/b","a/b/c","a","a/b"],"dst_path":"","save_method":"PUT"},` +
				`{"url":"v","config":null,"topics":[],"dst_path":"","save_method":"PUT"},` +
				`{"url":"w","config":null,"topics":["p:q:a","p:q:a/b","a","x","é\"","é\"/"],"dst_path":"","save_method":"PUT"}],"reason":null,"callback":{"callbacks":[]}}}`},
	}
	for _, c := range cases {
		if got := wrap("opal", c.body); got != " "+c.want {
			t.Errorf("%s:\ngot  %s\nwant  %s", c.says, got, c.want)
		}
	}
	first, _ := table["opal"].Wrap(context.Background(), []byte(`{"entries":[{"url":"u"}]}`), roomy)
	second, _ := table["opal"].Wrap(context.Background(), []byte(`{"entries":[{"url":"u"}]}`), roomy)
	if bytes.Equal(first.Value, second.Value) {
		t.Error("two updates have the same ids")
	}
}

// TestOPALsModelsRefuse: test/interop asks the models themselves for their verdicts.
func TestOPALsModelsRefuse(t *testing.T) {
	text, err := os.ReadFile("testdata/opal.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Says   string
		Body   json.RawMessage
		Models bool
		At     []string
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		compact, err := utils.CompactJSON(nil, c.Body)
		if err != nil {
			t.Fatal(err)
		}
		var at []string
		_, failed := table["opal"].Wrap(context.Background(), compact, roomy)
		var refused *Refused
		if errors.As(failed, &refused) {
			for _, p := range refused.Problems {
				at = append(at, p.Pointer)
			}
		}
		if !slices.Equal(at, c.At) {
			t.Errorf("%s: problems at %q, want %q: %v", c.Says, at, c.At, failed)
		}
		if !c.Models && failed == nil {
			t.Errorf("%s: the models refuse it, and the envelope does not", c.Says)
		}
	}
}

func TestOsloReads(t *testing.T) {
	cases := []struct{ says, body, want string }{
		{"the least notification", `{"event_type":"e","publisher_id":"p","payload":null}`,
			`.info {"oslo.version":"2.0","oslo.message":"{\"message_id\":\"N\",\"publisher_id\":\"p\",\"event_type\":\"e\",\"priority\":\"INFO\",\"payload\":null,\"timestamp\":\"N\",\"_context\":{}}"}`},
		{"everything", `{"_context":{"user":"u"},"timestamp":"t","message_id":"m","payload":{"n":1.50,"é":["\"\\/","\u00e9","𝄞","` + "\x7f" + `"]},"priority":"Error","publisher_id":"p","event_type":"e\n"}`,
			`.error {"oslo.version":"2.0","oslo.message":"{\"message_id\":\"m\",\"publisher_id\":\"p\",\"event_type\":\"e\\n\",\"priority\":\"ERROR\",` +
				`\"payload\":{\"n\":1.50,\"\\u00e9\":[\"\\\"\\\\/\",\"\\u00e9\",\"\\ud834\\udd1e\",\"\\u007f\"]},\"timestamp\":\"t\",\"_context\":{\"user\":\"u\"}}"}`},
	}
	for _, c := range cases {
		if got := wrap("oslo", c.body); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.says, got, c.want)
		}
	}
	for _, p := range osloPriorities {
		got := wrap("oslo", `{"event_type":"e","publisher_id":"p","payload":1,"priority":"`+strings.ToLower(p)+`"}`)
		if !strings.HasPrefix(got, "."+strings.ToLower(p)+" ") || !strings.Contains(got, `\"priority\":\"`+p+`\"`) {
			t.Errorf("%s: got %s", p, got)
		}
	}
}

func TestRefusalNamesThePlace(t *testing.T) {
	deep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	cases := []struct{ says, envelope, body, want string }{
		{"null", "opal", "", "the value is null, which its readers cannot take"},
		{"null", "oslo", "", "the value is null, which its readers cannot take"},
		{"JSON's null", "opal", "null", "the value must be object, is null"},
		{"not UTF-8", "opal", "{\"entries\":[{\"url\":\"\xff\"}]}", "the value is not UTF-8"},
		{"not UTF-8", "oslo", "{\"event_type\":\"\xff\",\"publisher_id\":\"p\",\"payload\":1}", "the value is not UTF-8"},
		{"a name twice: the last counts in Python", "opal", `{"entries":[{"url":"u"}],"entries":0}`, "the value has an object with the same name twice"},
		{"a name twice", "oslo", `{"event_type":"e","publisher_id":"p","payload":{"a":1,"\u0061":2}}`, "the value has an object with the same name twice"},
		{"half a surrogate pair in a topic", "opal", `{"entries":[{"url":"u"},{"url":"u","topics":["a","\ud800"]}]}`,
			"/entries/1/topics/1 has a character that is none: U+FFFD, or half a surrogate pair"},
		{"nested so deep that Python gives up", "oslo", `{"event_type":"e","publisher_id":"p","payload":` + deep + `}`,
			"the value has more than 100 arrays and objects inside one another"},
		{"a number that Python does not read", "oslo", `{"event_type":"e","publisher_id":"p","payload":` + strings.Repeat("9", 5000) + `}`,
			"/payload is a number with more than 400 characters or an exponent beyond 400"},
		{"not an object", "oslo", `[]`, "the value must be object, is array"},
		{"nothing that a notification needs", "oslo", `{}`, `the value has no "event_type, payload, publisher_id"`},
		{"a priority that no listener knows", "oslo", `{"event_type":"e","publisher_id":"p","payload":1,"priority":"WARNING"}`,
			"/priority must be one of AUDIT, DEBUG, INFO, WARN, ERROR, CRITICAL, SAMPLE, in capitals or not"},
		{"a priority that is null", "oslo", `{"event_type":"e","publisher_id":"p","payload":1,"priority":null}`, "/priority must be string, is null"},
		{"a context that is none", "oslo", `{"event_type":"e","publisher_id":"p","payload":1,"_context":[]}`, "/_context must be object, is array"},
		{"a member that means nothing", "oslo", `{"event_type":"e","publisher_id":"p","payload":1,"prio":"x"}`, `the value has properties that are not allowed: "prio"`},
	}
	for _, c := range cases {
		body := []byte(c.body)
		if c.body == "" {
			body = nil
		}
		_, err := table[c.envelope].Wrap(context.Background(), body, roomy)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s, %s: got %v, want %s", c.envelope, c.says, err, c.want)
		}
	}
}

func TestValueMayNotGrowBeyondTheLimit(t *testing.T) {
	segments := strings.Repeat("a/", 5_000) // stands for 25 MB of topics, twice
	for name, body := range map[string]string{
		"opal": `{"entries":[{"url":"u","topics":["` + segments + `"]}]}`,
		"oslo": `{"event_type":"e","publisher_id":"p","payload":"` + strings.Repeat("\x7f", 300_000) + `"}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := table[name].Wrap(context.Background(), []byte(body), roomy); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 20*roomy {
			t.Errorf("%s: it took %d bytes to find that out", name, took)
		}
		small := `{"entries":[{"url":"u"}]}`
		if name == "oslo" {
			small = `{"event_type":"e","publisher_id":"p","payload":0}`
		}
		w, err := table[name].Wrap(context.Background(), []byte(small), roomy)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table[name].Wrap(context.Background(), []byte(small), len(w.Value)); err != nil {
			t.Errorf("%s: %v with exactly as much room as it takes", name, err)
		}
		if _, err := table[name].Wrap(context.Background(), []byte(small), len(w.Value)-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v with a byte too few", name, err)
		}
	}
}

// fuzz wraps any JSON, and calls check for what comes of it.
func fuzz(f *testing.F, name string, check func(given, wrapped []byte, suffix string) error) {
	f.Fuzz(func(t *testing.T, body []byte, limit uint16) {
		compact, err := utils.CompactJSON(nil, body)
		if err != nil {
			return
		}
		given := bytes.Clone(compact)
		w, err := table[name].Wrap(context.Background(), compact, int(limit)*8)
		if !bytes.Equal(given, compact) {
			t.Fatal("the value that was given has changed")
		}
		var refused *Refused
		switch {
		case errors.Is(err, ErrTooLarge):
		case errors.As(err, &refused):
			if n := len(refused.Problems); n < 1 || n > 10 {
				t.Errorf("%d problems", n)
			}
		case err != nil:
			t.Errorf("got %v", err)
		case len(w.Value) > int(limit)*8 || !utf8.Valid(w.Value) || !json.Valid(w.Value):
			t.Errorf("got %d bytes: %q", len(w.Value), w.Value)
		default:
			if err := check(given, w.Value, w.Suffix); err != nil {
				t.Errorf("%v: %s made of %s", err, w.Value, given)
			}
		}
	})
}

func FuzzOPAL(f *testing.F) {
	text, err := os.ReadFile("testdata/opal.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []struct{ Body json.RawMessage }
	if err := json.Unmarshal(text, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add([]byte(c.Body), uint16(9999))
	}
	fuzz(f, "opal", func(_, wrapped []byte, suffix string) error {
		// What was made of a body is itself a whole notification that is taken.
		again, err := table["opal"].Wrap(context.Background(), wrapped, len(wrapped))
		if err != nil || !bytes.Equal(again.Value, wrapped) || suffix != "" {
			return fmt.Errorf("not taken: %v", err)
		}
		return nil
	})
}

func FuzzOslo(f *testing.F) {
	f.Add([]byte(`{"event_type":"e","publisher_id":"p","payload":{"é":"\ud834\udd1e"},"priority":"warn"}`), uint16(9999))
	f.Add([]byte(`{"event_type":"\"\\","publisher_id":"p","payload":1e400,"_context":{},"message_id":"m","timestamp":"t"}`), uint16(50))
	fuzz(f, "oslo", func(given, wrapped []byte, suffix string) error {
		var outer struct {
			Version string `json:"oslo.version"`
			Message string `json:"oslo.message"`
		}
		var inner, sent struct {
			Payload   json.RawMessage
			Priority  any
			Publisher any `json:"publisher_id"`
			Event     any `json:"event_type"`
			Context   any `json:"_context"`
		}
		for _, c := range wrapped {
			if c >= 0x7f || c < ' ' {
				return errors.New("not ASCII")
			}
		}
		if err := errors.Join(json.Unmarshal(wrapped, &outer), json.Unmarshal([]byte(outer.Message), &inner), json.Unmarshal(given, &sent)); err != nil {
			return err
		}
		got, _ := json.Marshal([]any{exact(inner.Payload), inner.Publisher, inner.Event})
		want, _ := json.Marshal([]any{exact(sent.Payload), sent.Publisher, sent.Event})
		if !bytes.Equal(got, want) || inner.Context == nil || suffix != "."+strings.ToLower(fmt.Sprint(inner.Priority)) {
			return fmt.Errorf("something was lost: %s", got)
		}
		return nil
	})
}

// exact decodes with all digits of numbers.
func exact(text []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err.Error()
	}
	return v
}
