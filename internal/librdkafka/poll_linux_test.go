package librdkafka

import (
	"fmt"
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

// waits returns how many times the threads of this process's connections to brokers have waited.
func waits(t *testing.T) (n int) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range threads {
		status, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if !strings.HasPrefix(string(status), "Name:\trdk:broker") {
			continue
		}
		_, rest, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
		var one int
		if _, err := fmt.Sscan(rest, &one); err != nil {
			t.Fatal(err)
		}
		n += one
	}
	return n
}
