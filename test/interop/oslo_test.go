package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// call is one of an endpoint's method.
type call struct {
	Method      string
	PublisherID string `json:"publisher_id"`
	EventType   string `json:"event_type"`
	Payload     any
	Context     map[string]any
	Metadata    struct {
		MessageID string `json:"message_id"`
		Timestamp string
	}
}

// listen starts a real listener, and returns when it reads: what its start meets is lost.
func listen(t *testing.T, p python, transportURL, topic string) *program.Process {
	t.Helper()
	listener := p.start(t, nil, "oslo/listener.py", transportURL, topic)
	await.True(t, "oslo.messaging's listener listens", func() bool {
		return slices.Contains(listener.Stdout.Lines(), "listening") || listener.Ended()
	})
	return listener
}

func TestListenersEndpointIsCalledWithWhatIsPosted(t *testing.T) {
	p := install(t, "oslo")
	k := kafkatest.Run(t, kafkatest.Options{})
	priorities := []string{"audit", "debug", "info", "warn", "error", "critical", "sample"}
	for _, priority := range priorities {
		createTopics(t, k, "notifications."+priority)
	}
	listener := listen(t, p, "kafka://"+k.Bootstrap()+"/", "notifications")
	gateway := startDev(t, k.Bootstrap(), "../../examples/neighbours/oslo/route.json")
	called := func(t *testing.T, event string) (c call) {
		t.Helper()
		await.True(t, "the endpoint is called for "+event, func() bool {
			if listener.Ended() {
				t.Fatal("the listener has ended")
			}
			all := jsonLines[call](t, listener.Stdout)
			i := slices.IndexFunc(all, func(c call) bool { return c.EventType == event })
			if i >= 0 {
				c = all[i]
			}
			return i >= 0
		})
		return c
	}

	for _, priority := range priorities {
		gateway.want(t, 200, "/", "application/json", fmt.Sprintf(
			`{"event_type": "as.%s", "publisher_id": "gateway", "priority": %q, "payload": {"name": "Zoë 𝄞", "n": 1.5, "nested": ["\"\\"]}}`,
			priority, strings.ToUpper(priority)))
		c := called(t, "as."+priority)
		if c.Method != priority || c.PublisherID != "gateway" || fmt.Sprint(c.Payload) != `map[n:1.5 name:Zoë 𝄞 nested:["\]]` {
			t.Errorf("%s: got %+v", priority, c)
		}
		if len(c.Metadata.MessageID) != 36 || len(c.Metadata.Timestamp) != len("2026-11-22 10:00:00.000000") || len(c.Context) != 0 {
			t.Errorf("%s: got %+v", priority, c)
		}
	}

	t.Run("the document's curl", func(t *testing.T) { gateway.documented(t, "oslo.messaging", listener) })
	t.Run("a batch, each element with its priority", func(t *testing.T) {
		gateway.want(t, 200, "/", "application/x-ndjson", `{"event_type": "b.1", "publisher_id": "p", "payload": 1}
{"event_type": "b.2", "publisher_id": "p", "payload": "2", "priority": "error"}
{"event_type": "b.3", "publisher_id": "p", "payload": null, "priority": "Warn", "message_id": "mine", "timestamp": "then", "_context": {"user": "Zoë"}}`)
		for event, want := range map[string]string{"b.1": "info 1", "b.2": "error 2", "b.3": "warn <nil>"} {
			if c := called(t, event); fmt.Sprint(c.Method, " ", c.Payload) != want {
				t.Errorf("%s: got %+v, want %s", event, c, want)
			}
		}
		if c := called(t, "b.3"); c.Metadata.MessageID != "mine" || c.Metadata.Timestamp != "then" || c.Context["user"] != "Zoë" {
			t.Errorf("got %+v", c)
		}
	})
	for _, attempt := range []struct {
		says, contentType, body string
		status                  int
	}{
		{"a null value", "application/vnd.kafka.json.v2+json", `{"records": [{"value": null}]}`, 422},
		{"a priority that the listener does not know", "application/json", `{"event_type": "e", "publisher_id": "p", "payload": 1, "priority": "fatal"}`, 422},
		{"nothing of a notification", "application/json", `{"payload": 1}`, 422},
		{"not UTF-8", "application/json", "{\"event_type\": \"\xff\", \"publisher_id\": \"p\", \"payload\": 1}", 400},
		{"deeper than Python reads", "application/json", `{"event_type": "e", "publisher_id": "p", "payload": ` +
			strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 422},
		{"a number that Python does not read", "application/json", `{"event_type": "e", "publisher_id": "p", "payload": ` + strings.Repeat("9", 5000) + `}`, 422},
		{"as deep as the envelope lets through, with half a surrogate pair and a long number", "application/json", `{"event_type": "\ud800", "publisher_id": "p", "payload": [` +
			strings.Repeat("9", 300) + `, ` + strings.Repeat("[", 90) + strings.Repeat("]", 90) + `]}`, 200},
	} {
		t.Run(attempt.says, func(t *testing.T) {
			gateway.want(t, attempt.status, "/", attempt.contentType, attempt.body)
			event := strings.ReplaceAll("after "+attempt.says, " ", ".")
			gateway.want(t, 200, "/", "application/json", fmt.Sprintf(`{"event_type": %q, "publisher_id": "p", "payload": 1}`, event))
			called(t, event)
		})
	}
	if log := listener.Stderr.String(); strings.Contains(log, "Traceback") {
		t.Errorf("the listener had trouble:\n%s", log)
	}
}

// own are the id and the time that each notification has of its own.
var own = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?`)

// message is a record's message without what is its own, and without white space.
func message(t *testing.T, rec kafkatest.Record) string {
	t.Helper()
	var outer map[string]string
	if err := json.Unmarshal(rec.Value, &outer); err != nil {
		t.Fatal(err)
	}
	if len(outer) != 2 || outer["oslo.version"] != "2.0" || rec.Key != nil || rec.Headers != nil {
		t.Errorf("got %+v", rec)
	}
	for _, c := range rec.Value {
		if c > '~' {
			t.Errorf("not ASCII: %s", rec.Value)
		}
	}
	return own.ReplaceAllString(compact(t, []byte(outer["oslo.message"])), "N")
}

func TestTransportURLMeansTheSameToTheDriverAndToARoute(t *testing.T) {
	const user, password, topic = "gateway", "p:/@,%?#é+ w", "notifications.info.site-1"
	p := install(t, "oslo")
	k := kafkatest.Run(t, kafkatest.Options{SASL: true, Users: map[string]string{user: password}})
	createTopics(t, k, topic)
	if err := k.AllowWrite(user, topic); err != nil {
		t.Fatal(err)
	}
	transportURL := func(password string) string {
		return fmt.Sprintf("kafka://%s:%s@%s/site-1?security_protocol=SASL_PLAINTEXT&sasl_mechanism=PLAIN&producer_batch_timeout=0.01&producer_batch_size=100&compression_codec=gzip",
			url.PathEscape(user), strings.NewReplacer("@", "%40", ":", "%3A", ",", "%2C", "+", "%2B").Replace(url.PathEscape(password)), k.Bootstrap())
	}
	const given = `{"event_type": "e", "publisher_id": "p", "priority": "INFO", "payload": {"é": ["𝄞", "\"\\/\n", "` + "\x7f" + `", 1.5, 10000000000000000000000, null]}}`

	driver, code := program.Run(t, string(p), program.Options{
		Args: []string{"oslo/notifier.py", transportURL(password), "notifications"}, Stdin: strings.NewReader(given),
	})
	if code != 0 {
		t.Fatalf("the driver's own notifier: exit code %d: %s", code, driver.Stderr)
	}
	conf := func(transportURL string) string {
		return fmt.Sprintf(`{"transport_url":%q,"topic":"notifications","envelope":"oslo","delivery":"sync"}`, transportURL)
	}
	gateway := startDev(t, k.Bootstrap(), tempFile(t, "route.json", conf(transportURL(password))))
	gateway.want(t, 200, "/", "application/json", given)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records, err := k.WaitRecords(ctx, topic, 2)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, ours := message(t, records[0]), message(t, records[1]); theirs != ours {
		t.Errorf("the driver writes\n%s\nthe gateway\n%s", theirs, ours)
	}

	t.Run("a wrong password is neither in the reply nor in the log", func(t *testing.T) {
		const wrong = "s3cret-and-wrong"
		gateway.PutRoute(t, "wrong", conf(transportURL(wrong)))
		reply := gateway.want(t, 503, "/wrong", "application/json", given)
		program.Until(t, "the refusal is logged", func() bool { return strings.Contains(gateway.Stderr.String(), "level=") })
		if all := reply + gateway.Stderr.String() + gateway.Stdout.String(); strings.Contains(all, wrong) {
			t.Errorf("the password is in what it says:\n%s", all)
		}
	})
}
