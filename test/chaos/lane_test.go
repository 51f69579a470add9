package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// workers is how many clients a lane has where the scenario says nothing else; each
// waits for its answer before it sends the next record.
const workers = 16

// run is in all records: nobody else writes to the topics.
const run = ledger.Run("chaos")

// settle holds entries against a topic, in which all is to be as it was sent.
func settle(entries []ledger.Entry, topic []kafkatest.Record, known ledger.Evidence) *ledger.Account {
	s := ledger.NewSettlement(run, entries, true)
	for i := range topic {
		r := &topic[i]
		at := ledger.Place{Partition: int32(r.Partition), Offset: r.Offset, Producer: r.ProducerID, Epoch: r.ProducerEpoch}
		s.Read(ledger.Record{Place: at, Key: r.Key, Value: r.Value})
	}
	return s.Account(known)
}

// lane is one delivery mode under a scenario's load: a topic, a runner, a gateway
// in front of it, clients, and what they wrote down. The lanes of a scenario see
// the same fault at the same time.
type lane struct {
	*runner
	t        *testing.T
	mode     string
	name     string // the mode, in the table
	topic    string
	contents func(*rand.Rand) ledger.Content
	workers  int
	batch    int // the most records of a request; 0: one, and not as a batch

	url    string
	client *http.Client
	// disconnect waits until the clients have ended and closes what is between them and the runner.
	disconnect func()

	ledger   ledger.Ledger
	pace     *ledger.Pace
	answered atomic.Int64
	clients  sync.WaitGroup

	terms  ledger.Terms
	losses losses // what the runners' logs say, once it is judged
	// seen are records that were in the topic before it was deleted.
	seen map[ledger.ID]bool
	// emptied is when the files on disk were taken away; zero: they were not.
	emptied time.Time
}

// begin starts the clients, and what is between them and the runner.
func (l *lane) begin(conf string, seed uint64) {
	l.t.Helper()
	var disconnect func()
	if l.routes == "" {
		disconnect = l.connectThroughGateway(conf)
	} else {
		disconnect = l.connect()
	}
	for worker := range l.workers {
		random := rand.New(rand.NewPCG(seed, uint64(worker)))
		l.clients.Go(func() { l.work(int32(worker), random) })
	}
	l.disconnect = sync.OnceFunc(func() {
		l.pace.End()
		l.clients.Wait()
		disconnect()
	})
	l.t.Cleanup(l.disconnect)
}

// connectThroughGateway starts the gateway with one route to the runner.
func (l *lane) connectThroughGateway(conf string) (disconnect func()) {
	l.t.Helper()
	c := gateway.NewClient(l.socket, gateway.ClientOptions{})
	g := gateway.New(c, gateway.Options{})
	route := gateway.Route{ID: "r", URIs: []string{"/r"}, Conf: []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}}}
	if err := g.PutRoute(route); err != nil {
		l.t.Fatal(err)
	}
	server := httptest.NewServer(g)
	transport := &http.Transport{MaxIdleConnsPerHost: l.workers}
	l.url, l.client = server.URL+"/r", &http.Client{Transport: transport}
	return func() {
		transport.CloseIdleConnections()
		server.Close()
		c.Close()
	}
}

// work is one client: it sends a number once, whatever becomes of it.
func (l *lane) work(worker int32, random *rand.Rand) {
	for number := int32(1); ; {
		most := 1
		if l.batch > 0 {
			most += random.IntN(l.batch)
		}
		n := l.pace.Take(most)
		if n == 0 {
			return
		}
		request := make([]ledger.Entry, n)
		for i := range request {
			request[i] = ledger.Entry{ID: ledger.ID{Key: worker, Number: number}, Content: l.contents(random)}
			number++
		}
		l.send(request)
		l.ledger.Write(request...)
		l.answered.Add(int64(n))
	}
}

// send posts a request and enters the reply, for each record its own. What is not a
// reply of the plugin's leaves the entries without a status.
func (l *lane) send(request []ledger.Entry) {
	for i := range request {
		request[i].Send()
	}
	answer := l.post(request)
	for i := range request {
		e := &request[i]
		e.Answered()
		switch {
		case answer == nil:
		case l.batch > 0 && len(answer.Records) == len(request):
			answer.Records[i].Enter(e)
		default:
			answer.Enter(e)
		}
	}
}

// post is the reply to a request; nil: none of the plugin's.
func (l *lane) post(request []ledger.Entry) *ledger.Reply {
	var body bytes.Buffer
	for i := range request {
		body.Write(append(run.Value(request[i].ID, request[i].Content), '\n'))
	}
	req, err := http.NewRequest(http.MethodPost, l.url, &body)
	if err != nil {
		return nil
	}
	req.Header.Set("content-type", "application/json")
	if l.batch > 0 {
		req.Header.Set("content-type", "application/x-ndjson")
	}
	if request[0].Future { // 11 days ahead; brokers take an hour
		req.Header.Set("timestamp", fmt.Sprint(time.Now().UnixMilli()+1_000_000_000))
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var r ledger.Reply
	if err != nil || json.Unmarshal(text, &r) != nil || int(r.Code) != resp.StatusCode || r.Delivered == "" {
		return nil
	}
	return &r
}

// arrivalLimit is how long nothing of what was promised may arrive once all is well,
// until it is taken for lost.
const arrivalLimit = 2 * time.Minute

// lookPause is the longest between two looks at a topic in which records are missing.
const lookPause = 10 * time.Second

// awaitArrival reads the topic until everything promised is there or accounted for.
// What does not arrive is for the account to say.
func (l *lane) awaitArrival(s *scene) {
	missing, since := -1, time.Now()
	for time.Since(since) < arrivalLimit {
		topic, known := l.read(s.Cluster), l.evidence(s)
		lost := settle(l.ledger.Entries(), topic, known).Lost
		lost = slices.DeleteFunc(lost, func(i ledger.ID) bool { return known.Dead[i] }) // it is clear what became of them
		if l.terms.Unlogged && l.mode == "async" || len(lost) <= l.logged(l.topic).atMost() {
			return
		}
		if len(lost) != missing {
			missing, since = len(lost), time.Now()
		}
		// To read all of it again for each record that arrives would take the processors that
		// the rest needs to arrive.
		ctx, cancel := context.WithTimeout(context.Background(), lookPause)
		_, _ = s.WaitRecords(ctx, l.topic, len(topic)+len(lost)) // or not: then it is looked at again
		cancel()
	}
}

// read is the records of the lane's topic.
func (l *lane) read(k *kafkatest.Cluster) []kafkatest.Record {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), progressLimit)
	defer cancel()
	topic, err := k.Records(ctx, l.topic)
	if err != nil {
		l.t.Fatal(err)
	}
	return topic
}

// evidence is what is known of the lane's records beside replies and topic.
func (l *lane) evidence(s *scene) ledger.Evidence {
	v := ledger.Evidence{Seen: l.seen, Excused: func(e *ledger.Entry) bool {
		return e.Sent().Before(s.fresh) || e.Outcome() == ledger.Kept && e.Sent().Before(l.emptied)
	}}
	if s.letters {
		v.Dead = l.deadLetters(l.topic)
	}
	return v
}

// explainLost says what the replies to lost records were, and what is in their places.
func (l *lane) explainLost(entries []ledger.Entry, topic []kafkatest.Record, lost []ledger.ID) {
	for _, e := range entries {
		if l.mode == "async" || !slices.Contains(lost, e.ID) {
			continue
		}
		there := "nothing"
		for i := range topic {
			if r := &topic[i]; e.Outcome() == ledger.Acknowledged && r.Partition == int(e.Partition) && r.Offset == e.Offset {
				there = string(r.Value)
			}
		}
		l.t.Logf("%s: lost: %v, sent %s, answered %d %s after %v: partition %d offset %d, where %.60s is; receipt %q",
			l.name, e.ID, e.Sent().UTC().Format("15:04:05.000"), e.Status, e.Delivered, e.Wait, e.Partition, e.Offset, there, e.Receipt)
	}
}

// count is how many records that were sent at a time or later have one of the outcomes so far.
func (l *lane) count(since time.Time, outcomes ...ledger.Outcome) (n int) {
	entries := l.ledger.Entries()
	for i := range entries {
		if e := &entries[i]; !e.Sent().Before(since) && slices.Contains(outcomes, e.Outcome()) {
			n++
		}
	}
	return n
}

// judge compares the ledger with the topic and adds a row to the table.
func (l *lane) judge(s *scene) {
	topic, entries := l.read(s.Cluster), l.ledger.Entries()
	l.losses = l.logged(l.topic)
	l.terms.Logged = l.losses.ledger()
	l.terms.Duplicates += l.losses.underWay + l.workers*l.losses.replaced
	if s.renumbered { // what Kafka may have taken before it refused the batch is sent again by the next producer
		l.terms.Duplicates += l.workers * l.losses.refused
	}
	l.terms.Renumbered = s.renumbered || l.mode != "durable" // which has one batch under way
	a := settle(entries, topic, l.evidence(s))
	for _, violation := range a.Violations(l.terms) {
		l.t.Errorf("%s: %s", l.name, violation)
	}
	if !l.emptied.IsZero() && a.Excused > 0 && !saysFilesAreGone(l.all) {
		l.t.Errorf("%s: %d kept records are lost with their files, and the log does not say so", l.name, a.Excused)
	}
	l.explainLost(entries, topic, a.Lost[:min(len(a.Lost), 20)])
	for _, text := range slices.Concat(a.Elsewhere, a.Copies) {
		l.t.Logf("%s: %s", l.name, text)
	}
	r := newRow(s.fault, l, len(entries), a)
	results.add(r)
	l.t.Logf("%s: %s; of the unknown %d are there, of those without a reply %d; excused %d, duplicates granted %d, out of order %d",
		l.name, r.words(), a.Found[ledger.Unknown], a.Found[ledger.NoReply], a.Excused, l.terms.Duplicates, len(a.Swapped))
}
