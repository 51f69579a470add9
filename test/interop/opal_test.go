package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/envelope"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// update is what an OPAL server sends to a client.
type update struct {
	Topic string
	Data  struct {
		ID     string
		Reason *string
	}
}

// opal is a real OPAL server with a client, and the gateway beside it.
type opal struct {
	python     python
	server     *program.Process
	subscriber *program.Process
	gateway    *dev
	number     int
}

const opalRoute = "../../examples/neighbours/opal/route.json"

func startOPAL(t *testing.T, k *kafkatest.Cluster) *opal {
	t.Helper()
	o := &opal{python: install(t, "opal")}
	createTopics(t, k, "EventNotifier")
	address := program.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	o.server = o.python.startIn(t, t.TempDir(), []string{ // it writes keys into its folder
		"OPAL_BROADCAST_URI=kafka://" + k.Bootstrap(), "OPAL_REPO_WATCHER_ENABLED=false", "OPAL_STATISTICS_ENABLED=true",
		"OPAL_LOG_LEVEL=DEBUG", "OPAL_LOG_COLORIZE=false", "OPAL_LEADER_LOCK_FILE_PATH=" + t.TempDir() + "/leader", "HOME=" + t.TempDir(),
	}, "-m", "uvicorn", "opal_server.main:app", "--host", host, "--port", port, "--workers", "1")
	await.True(t, "OPAL's server reads its channel", func() bool {
		log := o.serverLog()
		_, assigned, ok := strings.Cut(log, "Broadcaster listener connected to channel 'EventNotifier'")
		return ok && strings.Contains(assigned, "Adding fetch request for partition") || o.server.Ended()
	})
	o.subscriber = o.python.start(t, nil, "opal/subscriber.py", "ws://"+address+"/ws", "policy_data")
	await.True(t, "a client is subscribed", func() bool {
		return slices.Contains(o.subscriber.Stdout.Lines(), "subscribed") || o.subscriber.Ended()
	})
	o.gateway = startDev(t, k.Bootstrap(), opalRoute)
	o.healthy(t, "http://"+address)
	return o
}

func (o *opal) serverLog() string { return o.server.Stdout.String() + o.server.Stderr.String() }

func (o *opal) healthy(t *testing.T, url string) {
	t.Helper()
	if got := program.Send(t, "GET", url+"/healthcheck", ""); got.Status != 200 {
		t.Fatalf("health: %d", got.Status)
	}
}

// next is an id that no update has had.
func (o *opal) next() string {
	o.number++
	return fmt.Sprintf("update-%d", o.number)
}

// arrives waits until the client has received the update with this id.
func (o *opal) arrives(t *testing.T, id string) (told update) {
	t.Helper()
	await.True(t, "the client receives "+id, func() bool {
		if o.server.Ended() || o.subscriber.Ended() {
			t.Fatal("the server or its client has ended")
		}
		all := jsonLines[update](t, o.subscriber.Stdout)
		i := slices.IndexFunc(all, func(u update) bool { return u.Data.ID == id })
		if i >= 0 {
			told = all[i]
		}
		return i >= 0
	})
	return told
}

// stillReads shows that the server reads on: an update that is sent now arrives.
func (o *opal) stillReads(t *testing.T) {
	t.Helper()
	id := o.next()
	o.gateway.want(t, 200, "/opal", "application/json", fmt.Sprintf(`{"id": %q, "entries": [{"url": "", "data": {}}]}`, id))
	o.arrives(t, id)
}

func TestOPALServerBroadcastsWhatIsPosted(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	o := startOPAL(t, k)

	t.Run("the document's curl", func(t *testing.T) { o.gateway.documented(t, "OPAL", o.subscriber) })
	t.Run("a DataUpdate", func(t *testing.T) {
		id := o.next()
		o.gateway.want(t, 200, "/opal", "application/json", fmt.Sprintf(
			`{"id": %q, "reason": "Zoë moved", "entries": [{"url": "https://example.com/zoe", "topics": ["policy_data/users"], "dst_path": "/users/zoe"}]}`, id))
		u := o.arrives(t, id)
		if u.Topic != "policy_data" || u.Data.Reason == nil || *u.Data.Reason != "Zoë moved" {
			t.Errorf("got %+v", u)
		}
	})
	t.Run("a whole BroadcastNotification", func(t *testing.T) {
		id := o.next()
		o.gateway.want(t, 200, "/opal", "application/json", fmt.Sprintf(
			`{"notifier_id": "9a9a97df1da64486a1a56a070f1c3db3", "topics": ["policy_data"], "data": {"id": %q, "entries": [{"url": ""}]}}`, id))
		o.arrives(t, id)
		if !strings.Contains(o.serverLog(), "Handling incoming broadcast event: {'topics': ['policy_data'], 'src': '9a9a97df1da64486a1a56a070f1c3db3'}") {
			t.Error("the server's log has no word of it")
		}
	})
	t.Run("gzip", func(t *testing.T) {
		o.gateway.PutRoute(t, "gzip", `{"config":{"compression.type":"gzip"},"topic":"EventNotifier","envelope":"opal","delivery":"sync"}`)
		id := o.next()
		o.gateway.want(t, 200, "/gzip", "application/json", fmt.Sprintf(
			`{"id": %q, "reason": %q, "entries": [{"url": ""}]}`, id, strings.Repeat("a", 10_000)))
		o.arrives(t, id)
	})

	o.gateway.PutRoute(t, "batch", `{"config":{},"topic":"EventNotifier","envelope":"opal","batch":true,"delivery":"sync"}`)
	deep := strings.Repeat("[", 90) + strings.Repeat("]", 90)
	for _, attempt := range []struct {
		says, method, path, contentType, body string
		status                                int
	}{
		{"a null value", "POST", "/batch", "application/vnd.kafka.json.v2+json", `{"records": [{"key": "k", "value": null}]}`, 422},
		{"a null value by DELETE", "DELETE", "/opal", "", "", 405},
		{"JSON's null", "POST", "/opal", "application/json", `null`, 422},
		{"a value that is not UTF-8", "POST", "/opal", "application/json", "{\"entries\": [{\"url\": \"\xff\"}]}", 400},
		{"a value that is not UTF-8, in base64", "POST", "/batch", "application/vnd.kafka.binary.v2+json", `{"records": [{"value": "//8="}]}`, 415},
		{"a value that is not JSON", "POST", "/opal", "text/plain", `{"entries": [{"url": ""}]}`, 415},
		{"an update that OPAL's models refuse", "POST", "/opal", "application/json", `{"entries": [{}]}`, 422},
		{"half a surrogate pair, which is text to Python", "POST", "/opal", "application/json", `{"notifier_id": "\ud800", "topics": ["\udfff", "policy_data"], "data": {"entries": [{"url": "\ud800"}]}}`, 200},
		{"as deep as the envelope lets through", "POST", "/opal", "application/json", `{"entries": [{"url": "", "data": ` + deep + `}]}`, 200},
	} {
		t.Run(attempt.says, func(t *testing.T) {
			got := program.Send(t, attempt.method, o.gateway.URL+attempt.path, attempt.body, "content-type", attempt.contentType)
			if got.Status != attempt.status {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, attempt.status)
			}
			o.stillReads(t)
		})
	}
	for _, codec := range []string{"snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			conf := fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"compression.type":%q},"topic":"EventNotifier","envelope":"opal","delivery":"sync"}`, k.Bootstrap(), codec)
			p, code := program.Run(t, binary, program.Options{Args: []string{"dev", "--listen", "127.0.0.1:0", "--brokers", k.Bootstrap(), "-f", tempFile(t, "route.json", conf)}})
			if code != 1 || !strings.Contains(p.Stderr.String(), "config.compression.type: with \"envelope\": \"opal\" the compression can be none or gzip only: ") {
				t.Errorf("exit code %d: %s", code, p.Stderr)
			}
			o.gateway.PutRoute(t, codec, conf)
			o.gateway.want(t, 500, "/"+codec, "application/json", `{"entries": [{"url": ""}]}`)
			o.stillReads(t)
		})
	}
}

func TestEnvelopeRefusesWhatOPALsModelsRefuse(t *testing.T) {
	const file = "../../internal/envelope/testdata/opal.json"
	p := install(t, "opal")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type opalCase struct {
		Says   string
		Body   json.RawMessage
		Models bool
		At     []string
	}
	var cases []opalCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}

	// That the envelope refuses what the file says the models refuse is a test beside it.
	verdicts := p.start(t, nil, "opal/models.py", file)
	if verdicts.Exit() != 0 {
		t.Fatal("the models gave no verdict")
	}
	said := jsonLines[opalCase](t, verdicts.Stdout)
	if len(said) != len(cases) {
		t.Fatalf("%d verdicts on %d cases", len(said), len(cases))
	}
	for i, c := range cases {
		if said[i].Models != c.Models {
			t.Errorf("%s: the models say %v", c.Says, said[i].Models)
		}
	}

	published := p.start(t, nil, "opal/published.py", file)
	if published.Exit() != 0 {
		t.Fatal("the server published nothing")
	}
	type record struct {
		Says   string
		Topics []string
		Data   any
	}
	theirs := jsonLines[record](t, published.Stdout)
	if len(theirs) < 5 {
		t.Fatalf("the server published %d updates", len(theirs))
	}
	for _, their := range theirs {
		c := cases[slices.IndexFunc(cases, func(c opalCase) bool { return c.Says == their.Says })]
		w, err := envelope.Named()["opal"].Wrap(t.Context(), []byte(compact(t, c.Body)), 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		var our record
		if err := json.Unmarshal(w.Value, &our); err != nil {
			t.Fatal(err)
		}
		sort.Strings(our.Topics)
		if !slices.Equal(our.Topics, their.Topics) || !reflect.DeepEqual(alike(our.Data), alike(their.Data)) {
			t.Errorf("%s:\nOPAL %+v\nours %+v", their.Says, their, our)
		}
	}
}

// alike leaves out what the two do differently on purpose: the id, which the server
// leaves null; members that are null, which the server adds to data; and those of no model.
func alike(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil || slices.Contains([]string{"id", "x", "y"}, name) {
				delete(v, name)
			} else {
				v[name] = alike(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = alike(v[i])
		}
	}
	return v
}
