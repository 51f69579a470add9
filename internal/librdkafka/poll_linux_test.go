package librdkafka

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// With poll_linux.c taken away, the thread asks without ever waiting, and this number stays.
func TestProducerWaitsWhileRecordsThatItMayNotSendAreQueued(t *testing.T) {
	cluster := startFake(t)
	arrived, release := hold(cluster)
	defer release()
	c := &collector{}
	p := start(t, cluster.ListenAddrs()[0], c, "enable.idempotence", "true", "linger.ms", "0")
	defer p.Close()
	topic := topicOf(t, p, "t")
	const records = 20
	produce := func() {
		for range records {
			if err := p.Produce(&Message{Topic: topic, Value: []byte("v")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	produce()
	<-arrived // the topic was not known yet: they have gone as one batch
	produce()
	before := waits(t)
	await.True(t, "the broker's thread has waited many times", func() bool { return waits(t) > before+1000 })
	release()
	await.True(t, "all are reported", func() bool { return c.reported() == 2*records })
}

// With the pipe's ends left blocking, each producer keeps a thread of Go's.
func TestProducersWaitForReportsWithoutAThreadEach(t *testing.T) {
	const producers = 40
	before := others(t)
	collectors := make([]collector, producers)
	for i := range collectors {
		p := start(t, "127.0.0.1:1", &collectors[i]) // nobody listens there
		defer p.Close()
		defer p.Purge(true)
		if err := p.Produce(&Message{Topic: topicOf(t, p, "t"), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range collectors {
		await.True(t, "the producer's events are read", func() bool { return collectors[i].failed() })
	}
	if n := others(t) - before; n >= producers/2 {
		t.Errorf("%d producers that wait have taken %d threads that are not librdkafka's", producers, n)
	}
}

// waits returns how many times the threads of this process's connections to brokers have waited.
func waits(t *testing.T) (n int) {
	for status := range threads(t) {
		if !strings.HasPrefix(status, "Name:\trdk:broker") {
			continue
		}
		_, rest, _ := strings.Cut(status, "\nvoluntary_ctxt_switches:")
		var one int
		if _, err := fmt.Sscan(rest, &one); err != nil {
			t.Fatal(err)
		}
		n += one
	}
	return n
}

// others returns how many threads of this process are not librdkafka's.
func others(t *testing.T) (n int) {
	for status := range threads(t) {
		if !strings.HasPrefix(status, "Name:\trdk:") {
			n++
		}
	}
	return n
}

// threads returns what the kernel says of each thread of this process.
func threads(t *testing.T) iter.Seq[string] {
	t.Helper()
	all, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string) bool) {
		for _, name := range all {
			status, err := os.ReadFile(name)
			if err == nil && !yield(string(status)) { // or it has ended
				return
			}
		}
	}
}
