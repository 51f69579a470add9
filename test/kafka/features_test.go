package kafka

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

func TestRecordsHeadersTimestampAndTombstoneReachKafka(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 1, nil)
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	a.route("r", conf(k.Bootstrap(), fmt.Sprintf(
		`"topic":%q,"key":"$http_x_key","delivery":"sync","tombstone_on_delete":true,"overrides":["headers","timestamp"],"record_headers":{"source":"gateway $method"}`, topic)))
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	headers := map[string]string{"x-key": "k", "header-bytes-bin": "/wD+", "timestamp": fmt.Sprint(at.UnixMilli())}
	a.post("r", headers, "x").want(t, 200, "yes")
	got, err := a.do("DELETE", "r", map[string]string{"x-key": "k"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, 200, "yes")
	recs := records(t, k, topic, 2)
	if rec := recs[0]; !rec.Timestamp.Equal(at) || string(rec.Key) != "k" || fmt.Sprint(rec.Headers) != fmt.Sprint([]kafkatest.Header{
		{Key: "source", Value: []byte("gateway POST")}, {Key: "bytes", Value: []byte{0xff, 0, 0xfe}}}) {
		t.Errorf("got %+v", rec)
	}
	if rec := recs[1]; rec.Value != nil || string(rec.Key) != "k" {
		t.Errorf("the tombstone is %+v", rec)
	}
}

func TestTransactionIsSeenWholeOrNotAtAll(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 3, map[string]string{"max.message.bytes": "1000"})
	spool := "KAFKAUPSTREAM_SPOOL_DIR=" + filepath.Join(t.TempDir(), "spool")
	r := startRunner(t, "", spool)
	a := startGateway(t, r.socket)
	a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"batch":true,"transactional":true,"timeout_ms":20000`, topic)))
	lines := map[string]string{"content-type": "application/x-ndjson"}
	a.post("r", lines, "1\n2\n3").want(t, 200, "yes")
	a.post("r", lines, "4\n\""+strings.Repeat("x", 2000)+"\"\n6").want(t, 413, "no")
	a.post("r", lines, "7\n8").want(t, 200, "yes")
	if code := r.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	startRunner(t, r.socket, spool)
	a.post("r", lines, "9").want(t, 200, "yes")

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	recs, err := k.WaitRecords(ctx, topic, 6, kafkatest.ReadCommitted)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range values(recs) {
		seen[v] = true
	}
	if len(recs) != 6 || seen["4"] || seen["6"] || !seen["1"] || !seen["9"] {
		t.Errorf("a consumer of what is committed sees %v", values(recs))
	}
}

func TestBatchIsAnsweredRecordByRecord(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 1, map[string]string{"max.message.bytes": "1000"})
	for _, delivery := range []string{"sync", "durable"} {
		t.Run(delivery, func(t *testing.T) {
			r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+filepath.Join(t.TempDir(), "spool"))
			a := startGateway(t, r.socket)
			// Records of one batch of the producer's share its fate: each has its own.
			a.route("r", fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"batch.num.messages":1},"topic":%q,"batch":true,"delivery":%q,"timeout_ms":20000}`, k.Bootstrap(), topic, delivery))
			got := a.post("r", map[string]string{"content-type": "application/json"}, `[1, "`+strings.Repeat("x", 2000)+`", 3]`)
			got.want(t, 207, "unknown")
			want := []int{200, 413, 200}
			for i, rec := range got.Records {
				if rec.Code != want[i] {
					t.Errorf("record %d: %+v", i, rec)
				}
			}
			if len(got.Records) != 3 {
				t.Errorf("got %+v", got)
			}
		})
	}
	if got := fmt.Sprint(values(records(t, k, topic, 4))); got != "[1 3 1 3]" {
		t.Errorf("the topic has %s", got)
	}
}

func TestDurableBatchIsKeptInOrder(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	topic := topicOf(t, k, 1, nil)
	r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+filepath.Join(t.TempDir(), "spool"))
	a := startGateway(t, r.socket)
	a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"batch":true,"delivery":"durable","timeout_ms":1500`, topic)))
	lines := map[string]string{"content-type": "application/x-ndjson"}
	n := 0
	post := func(status int, delivered string) {
		t.Helper()
		var body strings.Builder
		for range 100 {
			fmt.Fprintln(&body, n)
			n++
		}
		a.post("r", lines, body.String()).want(t, status, delivered)
	}
	post(200, "yes")
	if err := k.Pause(1); err != nil {
		t.Fatal(err)
	}
	post(202, "pending")
	post(202, "pending")
	if err := k.Resume(1); err != nil {
		t.Fatal(err)
	}
	numbered(t, records(t, k, topic, n))
}

func TestIdempotencyKeyIsKnownAfterARestart(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 1, nil)
	spool := "KAFKAUPSTREAM_SPOOL_DIR=" + filepath.Join(t.TempDir(), "spool")
	r := startRunner(t, "", spool)
	a := startGateway(t, r.socket)
	a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":"sync","idempotency":{}`, topic)))
	key := map[string]string{"idempotency-key": `"5f1e"`}
	first := a.post("r", key, "x")
	first.want(t, 200, "yes")
	for _, how := range []string{"stopped", "killed"} {
		if how == "killed" {
			_ = r.Process.Kill()
			<-r.exited
		} else if code := r.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		r = startRunner(t, r.socket, spool)
		again := a.post("r", key, "x")
		again.want(t, 200, "yes")
		if *again.Offset != *first.Offset {
			t.Errorf("after the runner was %s the reply names offset %d, and before %d", how, *again.Offset, *first.Offset)
		}
		if other := a.post("r", key, "y"); other.Status != 422 {
			t.Errorf("another request with the key: %+v", other)
		}
	}
	records(t, k, topic, 1)
}

func TestCloudEventIsWhatTheKafkaBindingSays(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 1, nil)
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":"sync","cloudevents":true`, topic)))
	a.post("r", map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "com.example", "ce-partitionkey": "p",
		"content-type": "application/json"}, `{"a": 1}`).want(t, 200, "yes")
	rec := records(t, k, topic, 1)[0]
	headers := map[string]string{}
	for _, h := range rec.Headers {
		headers[h.Key] = string(h.Value)
	}
	want := map[string]string{"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "com.example", "ce_partitionkey": "p", "content-type": "application/json"}
	if !maps.Equal(headers, want) || string(rec.Key) != "p" || string(rec.Value) != `{"a":1}` {
		t.Errorf("got key %s value %s headers %v", rec.Key, rec.Value, headers)
	}
}

// A transaction that a killed process leaves open is ended by the next one, which has
// its id: its records are never seen, and nothing is held up behind it.
func TestTransactionsAreWholeWhenTheRunnerIsKilled(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 2, nil)
	spool := "KAFKAUPSTREAM_SPOOL_DIR=" + filepath.Join(t.TempDir(), "spool")
	r := startRunner(t, "", spool)
	a := startGateway(t, r.socket)
	a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"batch":true,"transactional":true,"timeout_ms":20000`, topic)))
	lines := map[string]string{"content-type": "application/x-ndjson"}
	var done atomic.Int64
	committed := make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			got, err := a.do("POST", "r", lines, fmt.Appendf(nil, "%d\n%d", 2*n, 2*n+1))
			if err != nil || got.Status != 200 {
				break
			}
			done.Add(1)
		}
		committed <- n
	}()
	await.True(t, "transactions are under way", func() bool { return done.Load() > 20 })
	_ = r.Process.Kill()
	<-r.exited
	n := <-committed
	startRunner(t, r.socket, spool)
	a.post("r", lines, "-1\n-2").want(t, 200, "yes")

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	recs, err := k.WaitRecords(ctx, topic, 2*n+2, kafkatest.ReadCommitted)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, v := range values(recs) {
		times[v]++
	}
	for i := range n + 1 {
		first, second := times[fmt.Sprint(2*i)], times[fmt.Sprint(2*i+1)]
		if first != second || first > 1 || first == 0 && i < n {
			t.Errorf("of transaction %d of %d there are %d and %d records", i, n, first, second)
		}
	}
}

// The stored times are read with kcat: franz-go's time of a record overflows as the one of confluent-kafka-go does.
func TestTimestampIsStoredAsItWasAskedOrRefused(t *testing.T) {
	k := sharedKafka(t)
	// Kafka removes a segment in which all is older than retention.ms, 1970's first record at once.
	ordinary := topicOf(t, k, 1, map[string]string{"retention.ms": "-1"}) // takes what is at most an hour ahead
	open := topicOf(t, k, 1, map[string]string{"retention.ms": "-1", "message.timestamp.after.max.ms": fmt.Sprint(int64(math.MaxInt64))})
	a := startGateway(t, startRunner(t, "").socket)
	a.routeAt("r", "/r/*", conf(k.Bootstrap(), `"delivery":"sync","batch":true,"overrides":["topic","timestamp"]`))
	now := time.Now().UnixMilli()
	var stored, storedOpen []int64
	for _, ms := range []int64{1, now, now + 2*3600_000, 1712832480000000, 9223372036854, 9223372036855, 1712832480000000000, math.MaxInt64} {
		t.Run(fmt.Sprint(ms), func(t *testing.T) {
			at := fmt.Sprint(ms)
			got := a.post("r/x", h{"topic": open, "timestamp": at}, at)
			got.want(t, 200, "yes")
			if *got.Timestamp != ms {
				t.Errorf("the reply says %d", *got.Timestamp)
			}
			storedOpen = append(storedOpen, ms)
			if got = a.post("r/x", h{"topic": ordinary, "timestamp": at}, at); ms > now {
				got.want(t, 422, "no")
				return
			}
			got.want(t, 200, "yes")
			stored = append(stored, ms)
		})
	}
	for _, at := range []string{"0", "-1", "9223372036854775808"} {
		a.post("r/x", h{"topic": open, "timestamp": at}, at).want(t, 400, "no")
	}
	v3 := func(at string) string { return fmt.Sprintf(`{"value":{"type":"JSON","data":1},"timestamp":%q}`, at) }
	path := "r/v3/clusters/c/topics/" + open + "/records"
	for at, want := range map[string]int{"9999-12-31T23:59:59Z": 200, "1970-01-01T00:00:00Z": 400} {
		if status, _, text, err := a.send("POST", path, jsonHeader, []byte(v3(at))); status != want || err != nil ||
			want == 200 && !strings.Contains(string(text), `"timestamp":"9999-12-31T23:59:59.000Z"`) {
			t.Errorf("%s: got %d %v: %s", at, status, err, text)
		}
	}
	storedOpen = append(storedOpen, 253402300799000)
	for topic, want := range map[string][]int64{ordinary: stored, open: storedOpen} {
		if got := timestamps(t, k, topic); !slices.Equal(got, want) {
			t.Errorf("stored are %d, want %d", got, want)
		}
	}
}

// timestamps are those of a topic's records, in milliseconds since 1970.
func timestamps(t *testing.T, k *kafkatest.Cluster, topic string) (all []int64) {
	t.Helper()
	out, err := exec.Command("kcat", "-C", "-b", k.Bootstrap(), "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%T\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(out)) {
		ms, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ms)
	}
	return all
}
