package durable

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

// put puts records on disk as Send does when Kafka is away, with one fsync: n of each
// topic, in turns.
func (g *gateway) put(conn *kafkaconf.Connection, n int, topics ...string) {
	g.T.Helper()
	var recs []record.Record
	for i := range n {
		for _, topic := range topics {
			recs = append(recs, *durabletest.RecordOf(topic, fmt.Sprint(i)))
		}
	}
	g.putRecords(conn, recs)
}

func (g *gateway) putRecords(conn *kafkaconf.Connection, recs []record.Record) {
	g.T.Helper()
	st := g.Queue.stream(conn, DeadLetter)
	disk, err := st.open()
	if err != nil {
		g.T.Fatal(err)
	}
	st.disk.Store(disk)
	var entries []spool.Entry
	for _, rec := range recs {
		entries = append(entries, spool.Entry{Record: rec, Kept: time.Now()})
	}
	for _, kept := range disk.AppendAll(entries) {
		if kept.Err != nil {
			g.T.Fatal(kept.Err)
		}
	}
	st.start()
}

func TestForwarderIsNotHeldUpByWhatStandsAside(t *testing.T) {
	cases := []struct {
		name string
		// records on disk, of the topics in turns, before the broker is there; those of t
		// are to arrive
		topics string
		n      int
	}{
		{"a topic that is missing, in front", "nowhere t", 1},
		{"more records of one that is missing than may be under way", "nowhere t", 2 * maxWindow},
		{"many topics that are missing", strings.Repeat("nowhereN ", 150) + "t", 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g, conn, start := startAway(t)
			topics := strings.Fields(c.topics)
			for i := range topics {
				topics[i] = strings.Replace(topics[i], "N", fmt.Sprint(i), 1)
			}
			g.put(conn, c.n, topics...)
			b := start()
			durabletest.Ascending(t, b.Values(t, "t", c.n))
			missing := int64(c.n * (len(topics) - 1))
			await.True(t, "what has arrived is off the disk, and what is missing waits", func() bool { return g.pending() <= missing })
			if n := g.pending(); n != missing {
				t.Errorf("%d records wait, want %d", n, missing)
			}
			await.True(t, "new records go straight to Kafka", func() bool { return g.Send(conn, "t", fmt.Sprint(c.n), durabletest.Patient) == "acknowledged" })
			g.Want("kept", conn, topics[0], "x", durabletest.Patient) // behind its own
		})
	}
}

func TestForwarderIsNotHeldUpByAPartitionThatHangs(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	g.Want("acknowledged", conn, "u", "0", durabletest.Patient)
	b.FailWith(func(topic string) *kerr.Error { // librdkafka tries again, for ever
		if topic == "t" {
			return kerr.NotEnoughReplicas
		}
		return nil
	})
	const n = 2 * maxWindow
	g.put(conn, n, "t", "u")
	b.Values(t, "u", n+1)
	await.True(t, "new records of the other topic go straight to Kafka", func() bool { return g.Send(conn, "u", "x", durabletest.Patient) == "acknowledged" })
	if waiting := g.pending(); waiting < n {
		t.Errorf("%d records wait, want %d", waiting, n)
	}
	b.FailWith(nil)
	durabletest.Ascending(t, b.Values(t, "t", n+1)[1:])
	g.awaitEmpty()
}

// Each partition here has a producer of its own (a stripe), and room in that is a matter of the partition's.
func TestForwarderIsNotHeldUpByAProducerThatIsFull(t *testing.T) {
	b := startBroker(t, kfake.SeedTopics(2, "wide"))
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": b.Brokers(), "queue.buffering.max.messages": "10"}, record.Mode{Delivery: record.Durable})
	if err != nil {
		t.Fatal(err)
	}
	b.FailWith(func(topic string) *kerr.Error { // librdkafka tries again, for ever
		if topic == "t" {
			return kerr.NotEnoughReplicas
		}
		return nil
	})
	const n = 30 // more than the producer of t takes, which has the first partition
	var recs []record.Record
	for i, topic := range []string{"t", "u", "wide"} {
		for value := range n {
			rec := durabletest.RecordOf(topic, fmt.Sprint(value))
			rec.Partition = int32(i / 2) // that of u has the producer of t, too
			recs = append(recs, *rec)
		}
	}
	g.putRecords(conn, recs)
	durabletest.Ascending(t, b.Values(t, "wide", n))
	if waiting := g.pending(); waiting < n {
		t.Errorf("%d records wait, want %d", waiting, n)
	}
	b.FailWith(nil)
	durabletest.Ascending(t, b.Values(t, "t", n))
	durabletest.Ascending(t, b.Values(t, "u", n))
	g.awaitEmpty()
}

// Each partition here has a producer of its own (a stripe): that one of them does not reach the cluster says nothing of the others.
func TestForwarderIsNotHeldUpByAProducerWithoutAConnection(t *testing.T) {
	b := startBroker(t, kfake.SeedTopics(kafkaconf.Stripes, "wide"))
	var away atomic.Bool // for producers that have no connection yet
	b.ControlKey(int16(kmsg.ApiVersions), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		return nil, errors.New("no connection"), away.Load()
	})
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Connect(t)
	put := func(n int, partitions ...int32) {
		var recs []record.Record
		for i := range n {
			for _, partition := range partitions {
				rec := durabletest.RecordOf("wide", fmt.Sprint(i))
				rec.Partition = partition
				recs = append(recs, *rec)
			}
		}
		g.putRecords(conn, recs)
	}
	put(1, 0, 1, 2, 4)
	g.awaitEmpty()
	away.Store(true)
	const n = 30
	put(n, 0, 1, 2, 3, 4)
	for _, partition := range []int32{0, 1, 2, 4} {
		await.True(t, "the records of the other partitions arrive", func() bool { return b.PartitionInfo("wide", partition).HighWatermark == n+1 })
	}
	if waiting := g.pending(); waiting < n {
		t.Errorf("%d records wait, want %d", waiting, n)
	}
	away.Store(false)
	g.awaitEmpty()
	if arrived := b.PartitionInfo("wide", 3).HighWatermark; arrived != n {
		t.Errorf("%d records have arrived, want %d", arrived, n)
	}
}

// The topic's keys belong to other partitions then, and those that there are no more hold none of its records.
func TestForwarderSendsKeyedRecordsToATopicThatIsMadeAgainWithFewerPartitions(t *testing.T) {
	const keys, n = 20, 3 // records of each
	b := startBroker(t, kfake.SeedTopics(6, "p"))
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Connect(t)
	var refused atomic.Bool
	b.FailWith(func(topic string) *kerr.Error { // librdkafka tries again, for ever
		refused.Store(true)
		return kerr.NotEnoughReplicas
	})
	var recs []record.Record
	for i := range keys * n {
		rec := durabletest.RecordOf("p", fmt.Sprint(i))
		rec.Key = fmt.Append(nil, "key", i%keys)
		recs = append(recs, *rec)
	}
	g.putRecords(conn, recs)
	await.True(t, "records are under way", refused.Load)
	if err := b.DeleteTopic("p"); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateTopic("p", 3, nil); err != nil {
		t.Fatal(err)
	}
	b.FailWith(nil)
	g.awaitEmpty()
	if dead := g.info(g.Queue.stream(conn, DeadLetter).id).DeadLetters; dead > 0 {
		t.Fatalf("%d records are dead letters", dead)
	}
	last := map[int]int{}
	for _, v := range b.Values(t, "p", keys*n) {
		var i int
		if _, err := fmt.Sscan(v, &i); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[i%keys]; ok && i < before {
			t.Errorf("record %d comes after %d of its key", i, before)
		}
		last[i%keys] = i
	}
}

// A key's records are in one lane before and in another one after that.
func TestLanesOfATopicWithFewerPartitionsAreMadeAnewWhenNothingOfItIsUnderWay(t *testing.T) {
	partitions, ahead := int32(2), newAhead()
	ls := newLanes()
	ls.ahead = &ahead
	ls.look = func(_ string, partition int32) (int32, *record.Error) {
		if partition >= partitions {
			return partitions, &record.Error{Kind: record.KindPartitionNotFound}
		}
		return partitions, nil
	}
	ls.partitionOf = func(key []byte, n int32) int32 { return int32(key[0]) % n }
	choose := func(key byte, sequence int) spool.Choice {
		p, err := spool.ParseReceipt(fmt.Sprint("18ec094219849240-44aed287-", sequence))
		if err != nil {
			t.Fatal(err)
		}
		return ls.choose(&spool.Head{Topic: []byte("t"), Partition: record.AnyPartition, Key: []byte{key}, Position: p})
	}
	if choose(0, 0) != spool.Take {
		t.Fatal("a record of a partition that there is does not begin")
	}
	underWay := ls.chosen[0].lane
	partitions = 1
	if choose(1, 1) != spool.Pass {
		t.Fatal("a record of a partition that there is no more does not stand aside")
	}
	now := time.Now()
	ls.examine(now)
	if choose(0, 2) != spool.Pass || len(ls.topics["t"].lanes) != 2 {
		t.Error("a record overtakes one that is under way, or may")
	}
	ls.give(underWay, 0)
	ls.examine(now.Add(examinePause))
	if len(ls.topics) > 0 || len(ls.aside) > 0 {
		t.Fatal("the lanes have not gone:", ls.topics, ls.aside)
	}
	if choose(1, 1) != spool.Take || len(ls.topics["t"].lanes) != 1 {
		t.Error("a record has no lane of the partition that there is")
	}
}

// Its records stand aside for as long as it is missing.
func TestForwarderSendsInOrderToATopicThatComesBack(t *testing.T) {
	g, conn, start := startAway(t)
	g.put(conn, 50, "later", "t")
	b := start()
	durabletest.Ascending(t, b.Values(t, "t", 50))
	for i := range 20 {
		g.Want("kept", conn, "later", fmt.Sprint(50+i), durabletest.Patient)
	}
	b.addTopic(t, "later", 1)
	durabletest.Ascending(t, b.Values(t, "later", 70))
	g.awaitEmpty()
	g.Want("acknowledged", conn, "later", "70", durabletest.Patient)
}

func (b *broker) addTopic(t *testing.T, name string, partitions int32) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(t.Context(), cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A topic that a cluster which has just started does not know yet is no reason to give its records up, however long the
// cluster is away again after that.
func TestTopicIsMissingForAsLongAsTheClusterSaysSo(t *testing.T) {
	missing := &record.Error{Kind: record.KindTopicNotFound}
	const moment = 5 * time.Second
	cases := []struct {
		name     string
		meantime func(say func(partitions int32, err *record.Error, d time.Duration))
		left     time.Duration // for which it is to be missing then
	}{
		{"without a break", func(func(int32, *record.Error, time.Duration)) {}, missingWait - moment},
		{"but nobody has asked for some seconds", func(func(int32, *record.Error, time.Duration)) { time.Sleep(2 * moment) }, missingWait - moment},
		{"but nobody has asked for a minute", func(func(int32, *record.Error, time.Duration)) { time.Sleep(time.Minute) }, missingWait},
		{"but the cluster has not answered for a minute", func(say func(int32, *record.Error, time.Duration)) {
			say(0, &record.Error{Kind: record.KindUnavailable}, time.Minute)
		}, missingWait},
		{"but it was there, without a leader", func(say func(int32, *record.Error, time.Duration)) {
			say(1, &record.Error{Kind: record.KindUnavailable}, moment)
		}, missingWait},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var partitions int32
				obstacle, ahead := missing, newAhead()
				ls := newLanes()
				ls.ahead = &ahead
				ls.look = func(string, int32) (int32, *record.Error) { return partitions, obstacle }
				ls.partitionOf = func([]byte, int32) int32 { return 0 }
				say := func(n int32, err *record.Error, d time.Duration) {
					partitions, obstacle = n, err
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(examinePause) {
						ls.examine(time.Now())
					}
				}
				ls.choose(&spool.Head{Topic: []byte("t")})
				say(0, missing, moment)
				c.meantime(say)
				say(0, missing, c.left-time.Second)
				if len(ls.aside) == 0 {
					t.Fatal("it is given up too early")
				}
				if say(0, missing, 3*time.Second); len(ls.aside) > 0 {
					t.Error("it is not given up")
				}
			})
		})
	}
}

// When what a topic's records waited for is gone, the reader goes back for them. Until it has, they come before new ones of
// the topic, and of no other.
func TestRecordsThatTheReaderGoesBackForComeBeforeNewOnes(t *testing.T) {
	var obstacle *record.Error
	ahead := newAhead()
	ls := newLanes()
	ls.ahead = &ahead
	ls.look = func(string, int32) (int32, *record.Error) { return 1, obstacle }
	ls.partitionOf = func([]byte, int32) int32 { return 0 }
	at := func(receipt string) spool.Position {
		p, err := spool.ParseReceipt(receipt)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := at("18ec094219849240-44aed287-0"), at("18ec094219849240-44aed287-1")
	comes := func(topic string) bool {
		before, _ := ahead.of([]record.Record{{Topic: topic}}, 1)
		return before
	}
	obstacle = &record.Error{Kind: record.KindUnavailable}
	if ls.choose(&spool.Head{Topic: []byte("t"), Position: first}) != spool.Pass {
		t.Fatal("the record does not stand aside")
	}
	ls.cursor = spool.Before(second)
	ahead.read(1) // it is at the end
	if !comes("t") || comes("u") {
		t.Error("while it stands aside:", comes("t"), comes("u"))
	}
	obstacle = nil
	ls.examine(time.Now())
	if ls.cursor != spool.Before(first) || len(ls.topics) > 0 {
		t.Fatal("the reader has not gone back:", ls.cursor, ls.topics)
	}
	if !comes("t") || comes("u") {
		t.Error("when the reader has gone back:", comes("t"), comes("u"))
	}
	ls.dropRetired(true)
	if comes("t") {
		t.Error("when it is at the end, and all is sent")
	}
	ls.startOver()
	if !comes("u") {
		t.Error("when it begins anew")
	}
}
