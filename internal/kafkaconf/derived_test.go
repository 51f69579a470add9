package kafkaconf

import (
	"maps"
	"runtime"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// What is sent alone takes a round trip for each record: it neither takes the room of other topics nor is lost for its time.
func TestWhatIsSentAloneHasAShareAndATimeOfItsOwn(t *testing.T) {
	for name, tc := range map[string]struct {
		props Properties
		mode  record.Mode
		want  string
	}{
		"async":                 {nil, record.Mode{}, "0"},
		"async, with a timeout": {Properties{"delivery.timeout.ms": "1000"}, record.Mode{}, "1000"},
		"sync":                  {nil, record.Mode{Delivery: record.Sync}, ""},
		"a transaction":         {nil, record.Mode{Transactional: true}, ""},
	} {
		props := Properties{"bootstrap.servers": "b"}
		maps.Copy(props, tc.props)
		c, err := New(props, tc.mode)
		if err != nil {
			t.Fatal(err)
		}
		if alone := c.Alone(); alone.Queued() == c.Queued() || alone.Value("message.timeout.ms") != tc.want {
			t.Errorf("%s: message.timeout.ms is %q", name, alone.Value("message.timeout.ms"))
		}
	}
}

func TestStripesAreOfDurableConnectionsWithOneBatchUnderWay(t *testing.T) {
	durable := record.Mode{Delivery: record.Durable}
	cases := []struct {
		name    string
		props   Properties
		mode    record.Mode
		striped bool
	}{
		{"durable", nil, durable, true},
		{"with the partitioner of librdkafka", Properties{"partitioner": "consistent_random"}, durable, true},
		{"with one that does not say where a key belongs", Properties{"partitioner": "random"}, durable, false},
		{"with one that keeps records without a key in one partition", Properties{"partitioner": "murmur2"}, durable, false},
		{"with several batches under way", Properties{"max.in.flight": "5"}, durable, false},
		{"transactional", nil, record.Mode{Delivery: record.Durable, Transactional: true}, false},
		{"sync with one batch under way", Properties{"max.in.flight": "1"}, record.Mode{Delivery: record.Sync}, false},
		{"async", nil, record.Mode{}, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			props := Properties{"bootstrap.servers": "b"}
			maps.Copy(props, tc.props)
			c, err := New(props, tc.mode)
			if err != nil {
				t.Fatal(err)
			}
			if c.Striped() != tc.striped {
				t.Errorf("striped: %v", c.Striped())
			}
			ids := map[string]bool{}
			for partition := record.AnyPartition; partition < 100; partition++ {
				s := c.Stripe(partition)
				ids[s.ID()] = true
				if s.ProducerID() != c.ProducerID() || s.Origin() != c.Origin() || !maps.Equal(s.Properties(), c.Properties()) || s.Mode() != c.Mode() {
					t.Errorf("partition %d: %s", partition, s.ID())
				}
				if other := s.Stripe(partition + 1); s != c && other != s {
					t.Errorf("a stripe is striped: %s", other.ID())
				}
				if s.Queued() != c.Queued() || s.Alone().Queued() != c.Alone().Queued() {
					t.Errorf("partition %d: its producer has a share of the memory of its own", partition)
				}
				if s.Alone().ID() != c.Alone().ID() {
					t.Errorf("partition %d: what is sent alone has a producer of its own", partition)
				}
				if partition >= Stripes && s != c.Stripe(partition-Stripes) {
					t.Errorf("partition %d: %s", partition, s.ID())
				}
			}
			if want := map[bool]int{true: Stripes, false: 1}[tc.striped]; len(ids) != want {
				t.Errorf("%d stripes, want %d", len(ids), want)
			}
		})
	}
}

func TestConnectionsOfEqualPropertiesShareThem(t *testing.T) {
	size := func() int {
		contents.Lock()
		defer contents.Unlock()
		return len(contents.made)
	}
	conn := func(props Properties, acknowledged bool) *Connection {
		props["bootstrap.servers"] = "127.0.0.1:1"
		c, err := New(props, modeOf(acknowledged))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := size()
	first := conn(Properties{"linger.ms": "77"}, true)
	second := conn(Properties{"linger.ms": "77"}, true)
	if first.content != second.content || first.Held() == second.Held() {
		t.Error("two routes share their properties, and not what they hold")
	}
	for says, other := range map[string]*Connection{
		"another mode": conn(Properties{"linger.ms": "77"}, false), "another spelling": conn(Properties{"linger.ms": "77.0"}, true),
	} {
		if other.content == first.content {
			t.Error(says, "has the same properties")
		}
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
	await.True(t, "properties that nobody uses are forgotten", func() bool {
		runtime.GC()
		return size() <= before
	})
}
