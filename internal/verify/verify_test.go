package verify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

type cluster struct {
	*kfake.Cluster
	t        *testing.T
	changing atomic.Bool // the test itself changes the cluster
}

const partitions = 3

func startKafka(t *testing.T, opts ...kfake.Opt) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	k := &cluster{Cluster: c, t: t}
	for _, changing := range []kmsg.Request{
		&kmsg.CreateTopicsRequest{}, &kmsg.DeleteTopicsRequest{}, &kmsg.CreatePartitionsRequest{}, &kmsg.AlterConfigsRequest{}, &kmsg.IncrementalAlterConfigsRequest{},
		&kmsg.DeleteRecordsRequest{}, &kmsg.JoinGroupRequest{}, &kmsg.ConsumerGroupHeartbeatRequest{}, &kmsg.OffsetCommitRequest{}, &kmsg.DeleteGroupsRequest{},
	} {
		c.ControlKey(changing.Key(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if !k.changing.Load() {
				t.Errorf("verify touches the cluster: %T", req)
			}
			return nil, nil, false
		})
	}
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if r := req.(*kmsg.MetadataRequest); r.AllowAutoTopicCreation && len(r.Topics) > 0 {
			t.Errorf("verify has the cluster create %+v", r.Topics)
		}
		return nil, nil, false
	})
	return k
}

func (k *cluster) brokers() string { return strings.Join(k.ListenAddrs(), ",") }

// client makes a producer that puts each record where its Partition says.
func (k *cluster) client(opts ...kgo.Opt) *kgo.Client {
	k.t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(client.Close)
	return client
}

// request is what a gateway of a test was sent.
type request struct {
	key    string
	number int
	body   []byte
}

// partition is the one to which a key belongs.
func (r *request) partition() int32 {
	n, _ := strconv.Atoi(strings.TrimPrefix(r.key, "key-"))
	return int32(n % partitions)
}

// record is the request's record as an honest gateway makes it.
func (r *request) record() *kgo.Record {
	return &kgo.Record{Topic: "orders", Partition: r.partition(), Key: []byte(r.key), Value: r.body}
}

// gateway is a server that a test answers as it likes.
func (k *cluster) gateway(answer func(w http.ResponseWriter, r *request, produce func(...*kgo.Record))) *httptest.Server {
	client := k.client()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var of struct {
			Key    string
			Number int
		}
		if err != nil || json.Unmarshal(body, &of) != nil {
			k.t.Errorf("%v: %s", err, body)
		}
		answer(w, &request{of.Key, of.Number, body}, func(records ...*kgo.Record) {
			if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				k.t.Error(err)
			}
		})
	}))
	k.t.Cleanup(server.Close)
	return server
}

// reply answers in the plugin's form.
func reply(w http.ResponseWriter, status int, delivered string, more ...any) {
	w.WriteHeader(status)
	text := fmt.Sprintf(`{"code":%d,"delivered":%q`, status, delivered)
	for i := 0; i < len(more); i += 2 {
		text += fmt.Sprintf(`,%q:%v`, more[i], more[i+1])
	}
	_, _ = io.WriteString(w, text+"}")
}

// options of a short run.
func (k *cluster) options(url string) Options {
	return Options{
		URL: url, Body: ValueMark, Topic: "orders", Properties: map[string]string{"bootstrap.servers": k.brokers()},
		Records: 100, Connections: 4, Keys: 8, Size: 200, Timeout: patience,
	}
}

// patience is more than a busy machine needs.
const patience = 20 * time.Second

func mustRun(t *testing.T, o Options) *Report {
	t.Helper()
	if wrong := o.Check(); wrong != "" {
		t.Fatal(wrong)
	}
	r, err := Run(context.Background(), context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// honest is a gateway that produces the record before it replies.
func honest(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
	record := r.record()
	produce(record)
	reply(w, 200, "yes", "partition", record.Partition, "offset", record.Offset)
}

func TestVerifyFindsNothingWhereNothingIsBroken(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	var sizes sync.Map
	g := k.gateway(func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
		sizes.Store(len(r.body), true)
		honest(w, r, produce)
	})
	others := k.client()
	for i := range 50 { // of others, before and after the run begins
		others.Produce(context.Background(), &kgo.Record{Topic: "orders", Partition: int32(i % partitions), Value: []byte(`{"run":"x","key":"key-1","number":1}`)}, nil)
	}
	r := mustRun(t, k.options(g.URL))
	if !r.OK || r.Records != 100 || r.Promised != 100 || r.Acknowledged != 100 || r.Statuses["200"] != 100 || r.PerSecond <= 0 {
		t.Errorf("%+v", r)
	}
	if l := r.Latency; l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max {
		t.Errorf("latency %+v", l)
	}
	sizes.Range(func(size, _ any) bool {
		if size != 200 {
			t.Errorf("a body of %v bytes", size)
		}
		return true
	})
}

// withTheFifth answers all records honestly but the fifth of each key.
func withTheFifth(lie func(w http.ResponseWriter, r *request, produce func(...*kgo.Record))) func(http.ResponseWriter, *request, func(...*kgo.Record)) {
	return func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
		if r.number == 5 {
			lie(w, r, produce)
			return
		}
		honest(w, r, produce)
	}
}

func TestVerifyNamesEachKindOfLie(t *testing.T) {
	t.Parallel()
	type answer = func(w http.ResponseWriter, r *request, produce func(...*kgo.Record))
	var held sync.Map // by key, a record that was answered and not produced
	cases := []struct {
		says string
		lie  answer
		// count is of the report's kinds the one that is 8, of 8 keys; violation is in the text.
		count     func(*Report) int
		violation string // "": it is no lie
	}{
		{"acknowledged and not produced", func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			reply(w, 200, "yes", "partition", 0, "offset", 0)
		}, func(r *Report) int { return r.Lost }, "8 promised records are lost, such as [key-"},
		{"on disk and never produced", func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			reply(w, 202, "pending", "receipt", `"r"`)
		}, func(r *Report) int { return r.Lost }, "8 promised records are lost"},
		{"a 2xx of another gateway's and not produced", func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			w.WriteHeader(204)
		}, func(r *Report) int { return r.Lost }, "8 promised records are lost"},
		{"produced twice", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			produce(r.record())
			honest(w, r, produce)
		}, func(r *Report) int { return r.Duplicates }, "8 records are there again, where 0 may be"},
		{"answered no and produced", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			produce(r.record())
			reply(w, 503, "no")
		}, func(r *Report) int { return r.UntrueNo }, "8 records were answered `delivered: no` and are in the topic"},
		{"produced behind the next record of the key", func(w http.ResponseWriter, r *request, _ func(...*kgo.Record)) {
			held.Store(r.key, r.record())
			reply(w, 200, "unknown")
		}, func(r *Report) int { return r.OutOfOrder }, "8 promised records are not in the order in which they were sent"},
		{"produced to another partition", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			record := r.record()
			record.Partition = (record.Partition + 1) % partitions
			produce(record)
			reply(w, 200, "yes", "partition", record.Partition, "offset", record.Offset)
		}, func(r *Report) int { return boolean(r.OutOfOrder > 0) * 8 }, "promised records are not in the order"},
		{"another record's offset", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			record := r.record()
			produce(record)
			reply(w, 200, "yes", "partition", record.Partition, "offset", record.Offset+1)
		}, func(r *Report) int { return r.Misplaced }, "8 acknowledged records are not where the reply says"},
		{"a status that contradicts itself", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			produce(r.record())
			reply(w, 200, "no")
		}, func(r *Report) int { return r.Contradictory }, "8 replies contradict themselves"},
		{"another value", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			record := r.record()
			record.Value = []byte(strings.Replace(string(record.Value), `"padding":"`, `"padding":"x`, 1))
			produce(record)
			reply(w, 504, "unknown")
		}, func(r *Report) int { return r.Altered }, "8 records in the topic are not what was sent"},

		{"an error that says nothing, and produced", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			produce(r.record())
			w.WriteHeader(500)
		}, func(r *Report) int { return r.Failed.There }, ""},
		{"an error that says nothing, and not produced", func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			w.WriteHeader(500)
		}, func(r *Report) int { return r.Failed.Missing }, ""},
		{"unknown and produced", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			produce(r.record())
			reply(w, 504, "unknown")
		}, func(r *Report) int { return r.Unknown.There }, ""},
		{"unknown and not produced", func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			reply(w, 504, "unknown")
		}, func(r *Report) int { return r.Unknown.Missing }, ""},
		{"no reply, and produced", func(_ http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			produce(r.record())
			panic(http.ErrAbortHandler)
		}, func(r *Report) int { return r.NoReply.There }, ""},
		{"a redirect, which is not followed", func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			w.Header().Set("location", "/again")
			w.WriteHeader(307)
		}, func(r *Report) int { return r.Failed.Missing }, ""},
		{"refused and not produced", func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			reply(w, 503, "no")
		}, func(r *Report) int { return r.No }, ""},
		{"in an envelope", func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			record := r.record()
			record.Value = fmt.Appendf(nil, `{"request":{"body":%q}}`, r.body)
			produce(record)
			reply(w, 200, "yes", "partition", record.Partition, "offset", record.Offset)
		}, func(r *Report) int { return r.Wrapped }, ""},
	}
	k := startKafka(t)
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			lie := withTheFifth(c.lie)
			g := k.gateway(func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
				lie(w, r, produce)
				if late, ok := held.Load(r.key); ok && r.number == 6 {
					held.Delete(r.key)
					produce(late.(*kgo.Record))
				}
			})
			o := k.options(g.URL)
			o.Connections = 1 // each key has as many records
			r := mustRun(t, o)
			if got := c.count(r); got != 8 || r.OK != (c.violation == "") || len(r.Violations) != boolean(c.violation != "") {
				t.Fatalf("%d of the kind: %+v", got, r)
			}
			if c.violation != "" && !strings.Contains(r.Violations[0], c.violation) {
				t.Errorf("violations %q, want %q", r.Violations, c.violation)
			}
			var text strings.Builder
			if r.Print(&text) != nil || strings.Contains(text.String(), "BROKEN") == r.OK || !strings.Contains(text.String(), c.violation) {
				t.Errorf("%s", &text)
			}
		})
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A record that is on disk comes later.
func TestVerifyWaitsForWhatWasPromised(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	var waiting sync.Map
	var answered atomic.Int32
	g := k.gateway(func(w http.ResponseWriter, r *request, _ func(...*kgo.Record)) {
		waiting.Store(string(r.body), r.record())
		answered.Add(1)
		reply(w, 202, "pending", "receipt", `"r"`)
	})
	o := k.options(g.URL)
	o.Records, o.Connections, o.Wait = 8, 1, patience // one record of each key
	producer := k.client()
	var missing atomic.Int32
	o.Progress = func(p Progress) {
		if !p.Reading {
			return
		}
		missing.Store(int32(p.Missing))
		waiting.Range(func(value, record any) bool { // once it is known that they are missing
			waiting.Delete(value)
			producer.Produce(context.Background(), record.(*kgo.Record), nil)
			return true
		})
	}
	r := mustRun(t, o)
	if !r.OK || r.OnDisk != 8 || missing.Load() == 0 {
		t.Errorf("%d were missing: %+v", missing.Load(), r)
	}
}

// net/http repeats a request by itself where the connection breaks and a header says that
// it is idempotent. What a gateway then gets twice would be counted as its duplicate.
func TestVerifySendsEachRecordOnce(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		t.Run(header, func(t *testing.T) {
			g := k.gateway(withTheFifth(func(_ http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
				produce(r.record())
				panic(http.ErrAbortHandler)
			}))
			o := k.options(g.URL)
			o.Connections, o.Headers = 1, []Header{{header, ValueMark}}
			if r := mustRun(t, o); !r.OK || r.NoReply.There != 8 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A record that is not to come may come, and one of which nobody knows, too: verify reads
// for --wait, not only until the promised ones are there.
func TestVerifyWaitsForWhatWasNotPromised(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	for _, c := range []struct {
		says  string
		reply func(http.ResponseWriter)
		there func(*Report) int
	}{
		{"no", func(w http.ResponseWriter) { reply(w, 503, "no") }, func(r *Report) int { return r.UntrueNo }},
		{"unknown", func(w http.ResponseWriter) { reply(w, 504, "unknown") }, func(r *Report) int { return r.Unknown.There }},
		{"an error that says nothing", func(w http.ResponseWriter) { w.WriteHeader(502) }, func(r *Report) int { return r.Failed.There }},
		{"no reply", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, func(r *Report) int { return r.NoReply.There }},
	} {
		t.Run(c.says, func(t *testing.T) {
			held := make(chan *kgo.Record, 8)
			g := k.gateway(withTheFifth(func(w http.ResponseWriter, r *request, _ func(...*kgo.Record)) {
				held <- r.record()
				c.reply(w)
			}))
			o := k.options(g.URL)
			o.Connections, o.Wait = 1, patience
			producer := k.client()
			o.Progress = func(p Progress) {
				if p.Reading && p.Missing == cap(held) { // all others are found
					for len(held) > 0 {
						producer.Produce(context.Background(), <-held, nil)
					}
				}
			}
			if r := mustRun(t, o); c.there(r) != 8 || r.OK != (r.UntrueNo == 0) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// late is a run whose records, answered with 202, arrive only when the topic's ends have
// been asked for and the wait is over: now produces them then. They are to be found.
func (k *cluster) late(now func(records []*kgo.Record)) {
	k.t.Helper()
	records := make(chan *kgo.Record, 8)
	g := k.gateway(func(w http.ResponseWriter, r *request, _ func(...*kgo.Record)) {
		records <- r.record()
		reply(w, 202, "pending", "receipt", `"r"`)
	})
	o := k.options(g.URL)
	o.Records = cap(records)
	var once sync.Once
	o.Progress = func(p Progress) {
		if p.Reading {
			once.Do(func() {
				close(records)
				var all []*kgo.Record
				for r := range records {
					all = append(all, r)
				}
				now(all)
			})
		}
	}
	if r := mustRun(k.t, o); !r.OK || r.OnDisk != 8 {
		k.t.Errorf("%+v", r)
	}
}

// To read what others have written can take longer than --wait.
func TestVerifyFindsWhatArrivesWhileItReads(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	producer := k.client()
	k.late(func(records []*kgo.Record) {
		if err := producer.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
			t.Error(err)
		}
	})
}

func TestVerifyReadsPartitionsThatAreAddedWhileItReads(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	k.late(func(records []*kgo.Record) {
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = "orders", partitions+1
		more := kmsg.NewPtrCreatePartitionsRequest()
		more.Topics = append(more.Topics, topic)
		producer := k.client()
		k.changing.Store(true)
		if _, err := more.RequestWith(context.Background(), producer); err != nil {
			t.Error(err)
		}
		k.changing.Store(false)
		for _, record := range records {
			record.Partition = partitions
		}
		if err := producer.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
			t.Error(err)
		}
	})
}

func TestVerifyDoesNotCallLostWhatATransactionHides(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	g := k.gateway(honest)
	other := k.client(kgo.TransactionalID("other"))
	o := k.options(g.URL)
	o.Wait = time.Second
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := other.ProduceSync(context.Background(), &kgo.Record{Topic: "orders", Partition: 1, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	_, err := Run(context.Background(), context.Background(), o)
	if err == nil || !strings.Contains(err.Error(), "partition 1 of the topic \"orders\" shows nothing behind offset") {
		t.Errorf("%v", err)
	}
}

func TestVerifySendsWhatItIsTold(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	client := k.client()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body struct {
			Records []struct {
				Key   string
				Value json.RawMessage
			}
		}
		if err := json.NewDecoder(req.Body).Decode(&body); err != nil || len(body.Records) != 1 {
			t.Errorf("%v: %+v", err, body)
			return
		}
		r := &request{key: body.Records[0].Key, body: body.Records[0].Value}
		if req.URL.Path != "/topics/"+r.key || req.Header.Get("content-type") != "application/vnd.kafka.json.v2+json" ||
			req.Header.Get("X-Key") != r.key || req.Host != "gateway.example" {
			t.Errorf("%s %v %s", req.URL, req.Header, req.Host)
		}
		record := r.record()
		if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, `{"offsets":[{"partition":%d,"offset":%d,"error_code":null,"error":null}]}`, record.Partition, record.Offset)
	}))
	t.Cleanup(server.Close)
	o := k.options(server.URL + "/topics/{key}")
	o.Body = `{"records":[{"key":"{key}","value":{value}}]}`
	o.Headers = []Header{{"content-type", "application/vnd.kafka.json.v2+json"}, {"X-Key", "{key}"}, {"Host", "gateway.example"}}
	if r := mustRun(t, o); !r.OK || r.Accepted != 100 {
		t.Errorf("%+v", r)
	}
}

// Reports are kept and sent around; a log-in of the URL is not for them.
func TestVerifyReportsTheURLWithoutSecrets(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	asked := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { asked <- req }))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	o := k.options("http://alice:wonder@" + host + "/topics/a%2Fb/{key}?apikey=sesame#open")
	o.Records = 1
	r := mustRun(t, o)
	if want := server.URL + "/topics/a%2Fb/{key}"; r.URL != want {
		t.Errorf("url %q, want %q", r.URL, want)
	}
	var text strings.Builder
	if r.Print(&text) != nil || !strings.Contains(text.String(), "to "+r.URL+", topic") {
		t.Errorf("%s", &text)
	}
	req := <-asked // which has them
	if user, password, _ := req.BasicAuth(); user != "alice" || password != "wonder" || req.URL.RawQuery != "apikey=sesame" {
		t.Errorf("%s %s %s", req.URL, user, password)
	}
}

// An answer that comes later than verify waits for it is lost, and the next question waits longer.
func TestVerifyReadsATopicFarAway(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	k.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		k.SleepControl(func() { time.Sleep(2 * pollMillis * time.Millisecond) })
		return nil, nil, false
	})
	topic, err := openTopic(t.Context(), map[string]string{"bootstrap.servers": k.brokers()}, "orders")
	if err != nil {
		t.Fatal(err)
	}
	topic.close()
}

// What verify itself finds on a port is the reason where librdkafka cannot use it, and nothing where it can.
func TestVerifyUsesAClusterThatLibrdkafkaCanUse(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	k.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if req.GetVersion() > 0 { // librdkafka's
			return nil, nil, false
		}
		return nil, errors.New("the connection is closed"), true
	})
	topic, err := openTopic(t.Context(), map[string]string{"bootstrap.servers": k.brokers()}, "orders")
	if err != nil {
		t.Fatal(err)
	}
	topic.close()
}

func TestVerifySaysWhyNoBrokerAnswers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := openTopic(ctx, map[string]string{"bootstrap.servers": "127.0.0.1:1"}, "orders")
	if err == nil || !strings.HasPrefix(err.Error(), "no broker answers: 127.0.0.1:1: connection refused: ") {
		t.Errorf("got %v", err)
	}
}

// A gateway that is offered HTTP/2 chooses it, and verify speaks HTTP/1.1.
func TestVerifySpeaksHTTP1WithAGatewayThatOffersHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		reply(w, 200, "yes", "partition", req.ProtoMajor, "offset", 0)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	l := newLoad(&Options{URL: server.URL, Body: ValueMark, Connections: 1, Timeout: patience}, newRun())
	transport := l.client.Transport.(*http.Transport)
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	var e ledger.Entry
	if l.post(t.Context(), &e); e.Status != 200 || e.Partition != 1 {
		t.Errorf("%v, in HTTP/%d", &e, e.Partition)
	}
}

func TestVerifyDoesNotCallLostWhatIsInAnotherTopic(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	g := k.gateway(withTheFifth(func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
		reply(w, 200, "yes", "topic", `"order\n"`, "partition", 0, "offset", 0)
	}))
	r, err := Run(t.Context(), t.Context(), k.options(g.URL))
	if err == nil || err.Error() != `the run cannot be judged: replies say that records are in the topic "order\n", not in "orders"` {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestVerifySaysWhyThereIsNoReply(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	g := k.gateway(func(http.ResponseWriter, *request, func(...*kgo.Record)) { panic(http.ErrAbortHandler) })
	r, err := Run(t.Context(), t.Context(), k.options(g.URL+"/?apikey=sesame"))
	var text strings.Builder
	if r == nil || r.NoReplyReason == "" || r.Print(&text) != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, said := range []string{err.Error(), text.String()} {
		if !strings.Contains(said, "100 × none (the first: "+r.NoReplyReason+")") || strings.Contains(said, "sesame") {
			t.Error(said)
		}
	}
}

func TestVerifyKeepsToItsRateAndTime(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	g := k.gateway(honest)
	o := k.options(g.URL)
	o.Records, o.Rate, o.Duration = MaxRecords, 100, 2*time.Second
	if r := mustRun(t, o); !r.OK || r.Records == 0 || float64(r.Records) > 1+o.Rate*r.Seconds || r.Seconds < 2 { // a busy machine makes it fewer, and longer
		t.Errorf("%+v", r)
	}
}

func TestVerifyEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	start := func(answer func(w http.ResponseWriter, r *request, produce func(...*kgo.Record))) (end, endAtOnce func(), result func() (*Report, error)) {
		g := k.gateway(answer)
		sending, end := context.WithCancel(context.Background())
		whole, endAtOnce := context.WithCancel(context.Background())
		o := k.options(g.URL)
		o.Records, o.Wait = MaxRecords, time.Hour
		type outcome struct {
			r   *Report
			err error
		}
		done := make(chan outcome, 1)
		go func() {
			r, err := Run(sending, whole, o)
			done <- outcome{r, err}
		}()
		return end, endAtOnce, func() (*Report, error) {
			o := <-done
			return o.r, o.err
		}
	}
	t.Run("what was sent is judged", func(t *testing.T) {
		var answered atomic.Int32
		end, _, result := start(func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
			honest(w, r, produce)
			answered.Add(1)
		})
		await.True(t, "records are sent", func() bool { return answered.Load() > 20 })
		end()
		if r, err := result(); err != nil || !r.OK || r.Records < 20 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("the second time it ends at once, while a reply is awaited", func(t *testing.T) {
		hold := make(chan struct{})
		defer close(hold)
		var asked atomic.Int32
		end, endAtOnce, result := start(func(http.ResponseWriter, *request, func(...*kgo.Record)) {
			asked.Add(1)
			<-hold
		})
		await.True(t, "a record is sent", func() bool { return asked.Load() > 0 })
		end()
		endAtOnce()
		if r, err := result(); err != ErrInterrupted {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("the second time it ends at once, while records are awaited", func(t *testing.T) {
		var answered atomic.Int32
		end, endAtOnce, result := start(func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) {
			reply(w, 200, "unknown")
			answered.Add(1)
		})
		await.True(t, "records are sent", func() bool { return answered.Load() > 20 })
		end()
		endAtOnce()
		if r, err := result(); err != ErrInterrupted {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestVerifySaysWhyItCannotJudge(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	asked := atomic.Int32{}
	g := k.gateway(func(w http.ResponseWriter, r *request, produce func(...*kgo.Record)) {
		asked.Add(1)
		honest(w, r, produce)
	})
	page, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { page.Close() })
	go func() {
		for c, err := page.Accept(); err == nil; c, err = page.Accept() {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}
	}()
	locked := startKafka(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "secret"), kfake.User("PLAIN", "alice", "wonder"))
	locked.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		locked.KeepControl()
		if !bytes.Contains(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes, []byte("wrong")) {
			return nil, nil, false
		}
		refused := req.ResponseKind().(*kmsg.SASLAuthenticateResponse) // as Kafka does; kfake closes the connection
		refused.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return refused, nil, true
	})
	login := func(user, password string) func(*Options) {
		return func(o *Options) {
			o.Properties = map[string]string{"bootstrap.servers": locked.brokers(), "security.protocol": "sasl_plaintext",
				"sasl.mechanisms": "PLAIN", "sasl.username": user, "sasl.password": password}
		}
	}
	for name, policy := range map[string]string{"compacted": "compact", "both": "compact,delete"} {
		if err := k.CreateTopic(name, 1, map[string]string{"cleanup.policy": policy}); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		says   string
		change func(*Options)
		want   string
	}{
		{"no gateway", func(o *Options) { o.URL = "http://127.0.0.1:1/" }, "the gateway cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"a gateway without TLS", func(o *Options) { o.URL = strings.Replace(g.URL, "http:", "https:", 1) }, "the gateway cannot be reached: "},
		{"a broker that is none", func(o *Options) {
			o.Properties = map[string]string{"bootstrap.servers": page.Addr().String()}
		}, ": this is not Kafka: an HTTP server answers"},
		{"no such topic, and not all brokers answer", func(o *Options) {
			o.Topic, o.Properties["bootstrap.servers"] = "order", "127.0.0.1:1,"+k.brokers()
		}, `there is no topic "order", and verify creates none`},
		{"no such topic", func(o *Options) { o.Topic = "order" }, `there is no topic "order", and verify creates none`},
		{"a wrong password", login("root", "wrong"), "the cluster refuses the log-in; wrong user or password: "},
		{"a user without rights", login("alice", "wonder"), `the credentials may not see the topic "orders", or there is none of this name; verify needs READ on it`},
		{"a compacted topic", func(o *Options) { o.Topic = "compacted" }, `the topic "compacted" is compacted: Kafka itself removes records of it; verify a topic with cleanup.policy=delete`},
		{"a topic that is also compacted", func(o *Options) { o.Topic = "both" }, `the topic "both" is compacted: `},
		{"a property that contradicts another", func(o *Options) {
			o.Properties["session.timeout.ms"] = "1"
			o.Properties["heartbeat.interval.ms"] = "x"
		}, "librdkafka refuses the configuration: "},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			o := k.options(g.URL)
			c.change(&o)
			r, err := Run(context.Background(), context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || asked.Load() > 0 {
				t.Errorf("%+v, %v; %d records were sent", r, err, asked.Load())
			}
		})
	}
	t.Run("nothing is promised", func(t *testing.T) {
		t.Parallel()
		g := k.gateway(func(w http.ResponseWriter, _ *request, _ func(...*kgo.Record)) { w.WriteHeader(404) })
		o := k.options(g.URL)
		o.Wait = time.Hour // which nothing that comes could be worth
		_, err := Run(context.Background(), context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), "of 100 records none was promised; the replies are 100 × 404") {
			t.Errorf("%v", err)
		}
	})
}

// To describe a topic's configuration is a right that verify does not need.
func TestVerifyJudgesWithoutTheTopicsConfiguration(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	var asked atomic.Int32
	k.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked.Add(1)
		refused := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, of := range req.(*kmsg.DescribeConfigsRequest).Resources {
			r := kmsg.NewDescribeConfigsResponseResource()
			r.ResourceType, r.ResourceName, r.ErrorCode = of.ResourceType, of.ResourceName, kerr.TopicAuthorizationFailed.Code
			refused.Resources = append(refused.Resources, r)
		}
		return refused, nil, true
	})
	g := k.gateway(honest)
	if r := mustRun(t, k.options(g.URL)); !r.OK || asked.Load() != 1 {
		t.Errorf("asked %d times: %+v", asked.Load(), r)
	}
}

func TestOptionsThatMakeNoSenseAreNamed(t *testing.T) {
	good := Options{URL: "http://gateway/orders", Body: ValueMark, Topic: "t", Properties: map[string]string{"bootstrap.servers": "k:9092"},
		Records: 1, Connections: 1, Keys: 1, Size: 1, Timeout: 1}
	if wrong := good.Check(); wrong != "" {
		t.Fatal(wrong)
	}
	for name, change := range map[string]func(*Options){
		"--url is":         func(o *Options) { o.URL = "gateway/orders" },
		"--url":            func(o *Options) { o.URL = "ftp://gateway/" },
		"--topic":          func(o *Options) { o.Topic = "" },
		"--brokers":        func(o *Options) { o.Properties = nil },
		"--records":        func(o *Options) { o.Records = 0 },
		"--size":           func(o *Options) { o.Size = MaxSize + 1 },
		"--connections":    func(o *Options) { o.Connections = -1 },
		"--keys is at":     func(o *Options) { o.Connections = 2 },
		"--rate":           func(o *Options) { o.Rate = -1 },
		"--timeout":        func(o *Options) { o.Timeout = 0 },
		"--body":           func(o *Options) { o.Body = "{}" },
		"--header":         func(o *Options) { o.Headers = []Header{{"a b", "c"}} },
		"--header is 'Nam": func(o *Options) { o.Headers = []Header{{"a", "c\nd"}} },
	} {
		o := good
		change(&o)
		if wrong := o.Check(); !strings.Contains(wrong, name) {
			t.Errorf("%q, want %q", wrong, name)
		}
	}
}
