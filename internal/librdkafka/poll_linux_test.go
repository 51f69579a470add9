package librdkafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// With poll_linux.c taken away, the thread asks without ever waiting, and this number stays.
func TestProducerWaitsWhileRecordsThatItMayNotSendAreQueued(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		arrived <- struct{}{}
		<-release
		return nil, nil, false
	})
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
	close(release)
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
