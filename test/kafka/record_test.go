package kafka

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

type h = map[string]string

var jsonHeader = h{"content-type": "application/json"}

// glossary is the example request of the original plugin.
const glossary = `{
    "glossary": {
        "title": "example glossary",
		"GlossDiv": {
            "title": "S",
			"GlossList": { "GlossEntry": { "ID": "SGML", "Acronym": "SGML" } }
        }
    }
}`

func TestRequestBecomesTheRecordThatTheRouteSays(t *testing.T) {
	k := sharedKafka(t)
	a := startGateway(t, startRunner(t, "").socket)
	everything := string(allBytes())
	cases := []struct {
		says      string
		conf      string // after config
		headers   h
		body      string
		key       string // "null"
		value     string
		partition int // -1: any
	}{
		{"the body as it is", `"topic":"TOPIC"`, nil, " a  b\n", "null", " a  b\n", -1},
		{"every byte value", `"topic":"TOPIC"`, h{"content-type": "application/octet-stream"}, everything, "null", everything, -1},
		{"no body: an empty value", `"topic":"TOPIC"`, nil, "", "null", "", -1},
		{"JSON compacted", `"topic":"TOPIC"`, jsonHeader, glossary, "null",
			`{"glossary":{"title":"example glossary","GlossDiv":{"title":"S","GlossList":{"GlossEntry":{"ID":"SGML","Acronym":"SGML"}}}}}`, -1},
		{"the key under jsonkey", `"topic":"TOPIC","partition":-1,"jsonkey":"glossary.GlossDiv.title"`, jsonHeader, glossary, "S",
			`{"glossary":{"title":"example glossary","GlossDiv":{"title":"S","GlossList":{"GlossEntry":{"ID":"SGML","Acronym":"SGML"}}}}}`, -1},
		{"an object as the key", `"topic":"TOPIC","jsonkey":"k"`, jsonHeader, `{"k": {"a": 1}}`, `{"a":1}`, `{"k":{"a":1}}`, -1},
		{"jsonkey wins over key", `"topic":"TOPIC","jsonkey":"k","key":"conf"`, jsonHeader, `{"k":"body"}`, "body", `{"k":"body"}`, -1},
		{"key where there is no jsonkey in the body", `"topic":"TOPIC","jsonkey":"k","key":"conf"`, jsonHeader, `{}`, "conf", `{}`, -1},
		{"the header's key wins over jsonkey", `"topic":"TOPIC","jsonkey":"k","key":"conf"`, h{"content-type": "application/json", "key": "head"}, `{"k":"body"}`, "head", `{"k":"body"}`, -1},
		{"an empty key is null", `"topic":"TOPIC","key":""`, nil, "x", "null", "x", -1},
		{"the configuration's partition", `"topic":"TOPIC","partition":2`, nil, "x", "null", "x", 2},
		{"the header's partition wins", `"topic":"TOPIC","partition":2`, h{"partition": "1"}, "x", "null", "x", 1},
		{"a header prefix", `"topic":"TOPIC","headerprefix":"cool-"`, h{"cool-key": "k", "cool-partition": "0", "key": "no", "partition": "2"}, "x", "k", "x", 0},
		{"the header's topic wins", `"topic":"somewhere-else"`, h{"topic": "TOPIC"}, "x", "null", "x", -1},
		{"a nested object in config", `"topic":"TOPIC"`, nil, "nested", "null", "nested", -1},
	}
	for i, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			topic := topicOf(t, k, 3, nil)
			name := fmt.Sprintf("r%d", i)
			text := conf(k.Bootstrap(), strings.ReplaceAll(c.conf, "TOPIC", topic))
			if strings.HasPrefix(c.says, "a nested") {
				text = strings.Replace(text, `"config":{`, `"config":{"default.topic.config":{"compression.type":"gzip"},"acks":"all","retries":3,"batch.size":9000000,`, 1)
			}
			a.route(name, text)
			headers := h{}
			for k, v := range c.headers {
				headers[k] = strings.ReplaceAll(v, "TOPIC", topic)
			}
			a.post(name, headers, c.body).want(t, 200, "unknown")
			rec := records(t, k, topic, 1)[0]
			key := "null"
			if rec.Key != nil {
				key = string(rec.Key)
			}
			if key != c.key || rec.Value == nil || string(rec.Value) != c.value || len(rec.Headers) != 0 {
				t.Errorf("got key %q value %q headers %v", key, rec.Value, rec.Headers)
			}
			if c.partition >= 0 && rec.Partition != c.partition {
				t.Errorf("got partition %d, want %d", rec.Partition, c.partition)
			}
		})
	}
}

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestSyncReplyIsKafkasAcknowledgement(t *testing.T) {
	k := sharedKafka(t)
	a := startGateway(t, startRunner(t, "").socket)
	topic := topicOf(t, k, 2, nil)
	a.route("r", conf(k.Bootstrap(), `"topic":"`+topic+`","delivery":"sync","partition":1`))
	for i := range 5 {
		got := a.post("r", nil, fmt.Sprint("value ", i))
		got.want(t, 200, "yes")
		if got.Topic != topic || *got.Partition != 1 || *got.Offset != int64(i) {
			t.Errorf("got %+v", got)
		}
		if time.Since(time.UnixMilli(*got.Timestamp)).Abs() > time.Minute {
			t.Errorf("timestamp %d", *got.Timestamp)
		}
		rec := records(t, k, topic, i+1)[i]
		if string(rec.Value) != fmt.Sprint("value ", i) || rec.Timestamp.UnixMilli() != *got.Timestamp {
			t.Errorf("in Kafka: %q at %d", rec.Value, rec.Timestamp.UnixMilli())
		}
	}
}

// The Java client's murmur2 puts these keys into these of seven partitions
// (Utils.toPositive(Utils.murmur2(key)) % 7).
func TestKeysGoToThePartitionOfTheJavaClient(t *testing.T) {
	k := sharedKafka(t)
	a := startGateway(t, startRunner(t, "").socket)
	topic := topicOf(t, k, 7, nil)
	a.route("r", conf(k.Bootstrap(), `"topic":"`+topic+`","delivery":"sync"`))
	for _, key := range []string{"a", "abc", "device-1", "device-2", "21", "foobar", "a-little-bit-long-string"} {
		got := a.post("r", h{"key": key}, "x")
		got.want(t, 200, "yes")
		if want := int(murmur2([]byte(key))&0x7fffffff) % 7; *got.Partition != want {
			t.Errorf("key %q went to partition %d, the Java client's is %d", key, *got.Partition, want)
		}
	}
}

// murmur2 is the hash of org.apache.kafka.common.utils.Utils, from its published
// values: murmur2("21") is -973932308, murmur2("foobar") is -790332482.
func murmur2(data []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	for i := len(data) - 1; i >= 0; i-- {
		h ^= uint32(data[i]) << (8 * i)
	}
	if len(data) > 0 {
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

func TestHashOfTheTestIsKafkas(t *testing.T) {
	for key, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "abc": 479470107} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) is %d, want %d", key, got, want)
		}
	}
}

func TestBodiesOfAnySizeReachKafkaWhole(t *testing.T) {
	k := sharedKafka(t)
	a := startGateway(t, startRunner(t, "").socket)
	topic := topicOf(t, k, 1, h{"max.message.bytes": "20000000"})
	a.route("large", fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"message.max.bytes":20000000},"topic":%q,"delivery":"sync","timeout_ms":30000}`, k.Bootstrap(), topic))
	a.route("default", conf(k.Bootstrap(), `"topic":"`+topic+`","delivery":"sync"`))
	sizes := []int{0, 1, 200, 60_000, 208_000, 999_000, gateway.MaxBody}
	for i, size := range sizes {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		name := "default"
		if size > 1_000_000 {
			a.post(name, nil, string(body)).want(t, 413, "no")
			name = "large"
		}
		a.post(name, nil, string(body)).want(t, 200, "yes")
		recs := records(t, k, topic, i+1)
		if !bytes.Equal(recs[i].Value, body) {
			t.Errorf("a body of %d bytes arrived with %d", size, len(recs[i].Value))
		}
	}
}

func TestSixteenMegabytesOfBracketsAreA400AndTheMemoryComesBack(t *testing.T) {
	k := sharedKafka(t)
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	topic := topicOf(t, k, 1, nil)
	a.route("r", fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"message.max.bytes":20000000},"topic":%q,"delivery":"sync","jsonkey":"a.b"}`, k.Bootstrap(), topic))
	a.post("r", jsonHeader, `{"a":{"b":1}}`).want(t, 200, "yes")
	before := r.rss(t)
	brackets := strings.Repeat("[", gateway.MaxBody)
	for range 10 {
		a.post("r", jsonHeader, brackets).want(t, 400, "no")
	}
	a.post("r", jsonHeader, `{"a":{"b":2}}`).want(t, 200, "yes")
	await.True(t, "the memory is given back", func() bool { return r.rss(t) < before+24<<20 })
	records(t, k, topic, 2)
}
