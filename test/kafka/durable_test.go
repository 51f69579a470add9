package kafka

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

func values(recs []kafkatest.Record) []string {
	var all []string
	for _, r := range recs {
		all = append(all, string(r.Value))
	}
	return all
}

func numbered(t *testing.T, recs []kafkatest.Record) {
	t.Helper()
	for i, v := range values(recs) {
		if v != fmt.Sprint(i) {
			t.Fatalf("record %d is %s; all: %v", i, v, values(recs))
		}
	}
}

func TestDurableRouteKeepsWhatKafkaDoesNotTakeAndSendsItInOrder(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	topic := topicOf(t, k, 1, nil)
	dir := t.TempDir()
	r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+filepath.Join(dir, "spool"))
	a := startGateway(t, r.socket)
	a.route("orders", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":"durable","timeout_ms":1500`, topic)))

	n := 0
	post := func(status int, delivered string) answer {
		t.Helper()
		got := a.post("orders", nil, fmt.Sprint(n))
		n++
		got.want(t, status, delivered)
		if (got.Receipt != "") != (status == 202) {
			t.Errorf("status %d with receipt %q", status, got.Receipt)
		}
		return got
	}
	post(200, "yes")
	if left, _ := filepath.Glob(filepath.Join(dir, "spool", "[0-9a-f]*", "*")); len(left) > 0 {
		t.Errorf("on disk while Kafka answers: %v", left)
	}
	if err := k.Pause(1); err != nil {
		t.Fatal(err)
	}
	receipts := map[string]bool{}
	for range 20 {
		receipts[post(202, "pending").Receipt] = true
	}
	if len(receipts) != 20 {
		t.Errorf("%d receipts for 20 records", len(receipts))
	}
	if err := k.Resume(1); err != nil {
		t.Fatal(err)
	}
	records(t, k, topic, n)
	await.True(t, "the stream is empty", func() bool {
		left, _ := filepath.Glob(filepath.Join(dir, "spool", "[0-9a-f]*", "*"))
		return len(left) == 0
	})
	post(200, "yes")
	if err := k.Kill(1); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		post(202, "pending")
	}
	if code := r.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if err := k.Restart(1); err != nil {
		t.Fatal(err)
	}
	// No request comes: the records go by themselves.
	startRunner(t, r.socket, "KAFKAUPSTREAM_SPOOL_DIR="+filepath.Join(dir, "spool"))
	numbered(t, records(t, k, topic, n))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if recs, err := k.WaitRecords(ctx, topic, n+1); err == nil {
		t.Errorf("%d records, want %d", len(recs), n)
	}
}

func TestRecordsStillQueuedAtSIGTERMGoToTheSpoolWhateverTheMode(t *testing.T) {
	for _, delivery := range []string{"async", "durable"} {
		t.Run(delivery, func(t *testing.T) {
			k := kafkatest.Run(t, kafkatest.Options{})
			topic := topicOf(t, k, 1, nil)
			spool := filepath.Join(t.TempDir(), "spool")
			r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+spool)
			a := startGateway(t, r.socket)
			a.route("orders", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":%q`, topic, delivery)))
			a.post("orders", nil, "0")
			records(t, k, topic, 1)
			if err := k.Pause(1); err != nil {
				t.Fatal(err)
			}
			const n = 200
			var durable chan answer
			if delivery == "durable" { // a request waits for Kafka when the signal comes
				durable = make(chan answer, 1)
				go func() { durable <- a.post("orders", nil, "1") }()
			} else {
				for i := range n {
					a.post("orders", nil, fmt.Sprint(i+1)).want(t, 200, "unknown")
				}
			}
			if code := r.stop(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			want := n + 1
			if durable != nil {
				(<-durable).want(t, 202, "pending")
				want = 2
			} else if !strings.Contains(r.log.String(), "they are on disk and will be sent") || !strings.Contains(r.log.String(), fmt.Sprintf("records=%d", n)) {
				t.Errorf("the log does not say that %d records were kept", n)
			}
			if err := k.Resume(1); err != nil {
				t.Fatal(err)
			}
			// What was under way when the runner ended may be in Kafka: it is sent again.
			startRunner(t, r.socket, "KAFKAUPSTREAM_SPOOL_DIR="+spool)
			got := map[string]bool{}
			await.True(t, "all records are in Kafka", func() bool {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				recs, err := k.Records(ctx, topic)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range values(recs) {
					got[v] = true
				}
				return len(got) == want
			})
		})
	}
}

func TestDurableRouteWithoutASpoolIsInvalid(t *testing.T) {
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	a.route("orders", conf("127.0.0.1:1", `"topic":"t","delivery":"durable"`))
	a.post("orders", nil, "x").want(t, 500, "no")
	await.True(t, "the log says why", func() bool {
		return strings.Contains(r.log.String(), "delivery: durable needs a directory to keep records in: --spool-dir")
	})
}
