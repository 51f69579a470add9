package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// Units are transactional and durable: a client sends them one after another, each with
// a key of its own under which it repeats what got no answer. Whatever becomes of the
// network and of the runner, each is in Kafka whole, once and in order.
func TestUnitsAreInKafkaWholeOnceAndInOrder(t *testing.T) {
	t.Parallel()
	g := behindANetwork(t, kafkatest.Options{})
	l := &lane{t: t, mode: "units", topic: "units", runner: newRunner(t, nil)}
	l.keep()
	s := &scene{ground: g, t: t, random: rand.New(rand.NewPCG(*flagSeed, 0)), lanes: []*lane{l}}
	s.must(g.CreateTopic(l.topic, 1, 1, nil))
	l.start()
	u := startUnits(l, fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"topic":"units","partition":0,"batch":true,
		"transactional":true,"delivery":"durable","idempotency":{"required":true},"timeout_ms":1500}`, g.network.addrs()))
	u.after(&u.direct, 10)
	for range again() / 2 {
		u.strikes(s)
	}
	u.after(&u.direct, 10)
	close(u.stop)
	<-u.stopped
	s.within("nothing is on disk", func() bool {
		_, pending := l.onDisk()
		return pending == 0
	})
	l.term()
	l.stopped()
	ctx, cancel := context.WithTimeout(context.Background(), progressLimit)
	defer cancel()
	topic, err := g.Records(ctx, l.topic, kafkatest.ReadCommitted)
	if err != nil {
		t.Fatal(err)
	}
	u.judge(topic)
}

// strikes breaks one thing after another, each while a transaction is under way.
func (u *unitClient) strikes(s *scene) {
	l := u.lane
	for name, strike := range map[string]func(){
		"answers are swallowed until a unit is kept": func() {
			before := u.kept.Load()
			s.within("a unit is kept", func() bool { return u.kept.Load() > before })
			s.network.become(fair)
		},
		"SIGKILL": func() {
			l.kill()
			ended(s.t, l.process)
			s.network.become(fair)
			l.start()
		},
		"SIGTERM": func() {
			l.term()
			ended(s.t, l.process)
			s.network.become(fair)
			l.start()
		},
		"SIGKILL, and the network stays broken": func() {
			l.kill()
			ended(s.t, l.process)
			l.start()
			u.after(&u.done, 1)
			s.network.become(fair)
		},
		"connections are cut": func() {
			s.network.become(fair)
			s.network.cut()
		},
	} {
		u.after(&u.direct, 1+s.random.IntN(20))                           // the disk is empty again
		<-time.After(time.Duration(s.random.IntN(20)) * time.Millisecond) // a moment in a transaction, whichever it is
		before := s.network.swallowed()
		s.network.become(swallowing)
		s.within("an answer is swallowed", func() bool { return s.network.swallowed() > before })
		s.t.Log(name)
		strike()
		u.after(&u.done, 3)
	}
}

// unitClient sends units of one to five records, and knows how many it has sent.
type unitClient struct {
	lane    *lane
	url     string
	client  *http.Client
	stop    chan struct{}
	stopped chan struct{}

	done, kept, direct, repeated, before atomic.Int64

	sizes []int // the units' records; the client's until stopped is closed
}

func startUnits(l *lane, conf string) *unitClient {
	l.t.Helper()
	c := gateway.NewClient(l.socket, gateway.ClientOptions{})
	g := gateway.New(c, gateway.Options{})
	if err := g.PutRoute(gateway.Route{ID: "r", URIs: []string{"/r"}, Conf: []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}}}); err != nil {
		l.t.Fatal(err)
	}
	server := httptest.NewServer(g)
	u := &unitClient{lane: l, url: server.URL + "/r", client: server.Client(), stop: make(chan struct{}), stopped: make(chan struct{})}
	go u.run(rand.New(rand.NewPCG(*flagSeed, 1)))
	l.t.Cleanup(func() {
		server.Close()
		c.Close()
	})
	return u
}

func (u *unitClient) run(random *rand.Rand) {
	defer close(u.stopped)
	for {
		select {
		case <-u.stop:
			return
		default:
		}
		size := 1 + random.IntN(5)
		u.sizes = append(u.sizes, size)
		for !u.send(len(u.sizes)-1, size) {
			u.repeated.Add(1)
		}
		u.done.Add(1)
	}
}

// send sends a unit and reports whether it was taken.
func (u *unitClient) send(n, size int) bool {
	var body strings.Builder
	for i := range size {
		fmt.Fprintf(&body, "\"%d.%d\"\n", n, i)
	}
	req, err := http.NewRequest(http.MethodPost, u.url, strings.NewReader(body.String()))
	if err != nil {
		u.lane.t.Error(err)
		return true
	}
	req.Header.Set("content-type", "application/x-ndjson")
	req.Header.Set("idempotency-key", fmt.Sprintf("unit-%d", n))
	resp, err := u.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var reply struct {
		Code    int
		Records []struct{ Code int }
	}
	if err != nil || json.Unmarshal(text, &reply) != nil {
		return false
	}
	switch {
	case reply.Code == 202:
		u.kept.Add(1)
		return true
	case reply.Code == 200:
		if u.direct.Add(1); len(reply.Records) == 0 {
			u.before.Add(1)
		}
		return true
	case reply.Code == 503 || reply.Code == 504 || reply.Code == 409:
		return false
	}
	u.lane.t.Errorf("unit %d: %s", n, text)
	return true
}

// after waits for n more units of those that are counted.
func (u *unitClient) after(count *atomic.Int64, n int) {
	u.lane.t.Helper()
	until := count.Load() + int64(n)
	(&scene{t: u.lane.t}).within(fmt.Sprint(n, " more units"), func() bool { return count.Load() >= until })
}

func (u *unitClient) judge(topic []kafkatest.Record) {
	var want []string
	for n, size := range u.sizes {
		for i := range size {
			want = append(want, fmt.Sprintf("%q", fmt.Sprintf("%d.%d", n, i)))
		}
	}
	for i, r := range topic {
		if i >= len(want) || string(r.Value) != want[i] {
			u.lane.t.Fatalf("record %d of the topic is %s, want %v", i, r.Value, want[min(i, len(want)-1):min(i+3, len(want))])
		}
	}
	if len(topic) < len(want) {
		u.lane.t.Errorf("%d records are in the topic of %d", len(topic), len(want))
	}
	u.lane.t.Logf("%d units, %d kept on disk, %d requests repeated, %d of which were in Kafka already",
		len(u.sizes), u.kept.Load(), u.repeated.Load(), u.before.Load())
}
