package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func message(key, value []byte, headers ...kafka.Header) *kafka.Message {
	topic := "orders"
	return &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: 3, Offset: 42},
		Timestamp:      time.UnixMilli(1795341600123), TimestampType: kafka.TimestampCreateTime,
		Key: key, Value: value, Headers: headers,
	}
}

func TestRecordIsOneLineOfJSON(t *testing.T) {
	cases := []struct {
		name string
		m    *kafka.Message
		want string // after topic, partition, offset and time
	}{
		{"text is text", message([]byte("k"), []byte(`{"a":1}`)),
			`"key":{"text":"k","size":1},"headers":[],"value":{"text":"{\"a\":1}","size":7}`},
		{"null is null", message(nil, nil), `"key":null,"headers":[],"value":null`},
		{"empty is not null", message([]byte{}, []byte{}), `"key":{"size":0},"headers":[],"value":{"size":0}`},
		{"a line break does not break the line", message(nil, []byte("a\nb\r\tc\u2028d")),
			`"key":null,"headers":[],"value":{"text":"a\nb\r\tc\u2028d","size":10}`},
		{"markup stays as it is, and is text", message(nil, []byte("<script>")), `"key":null,"headers":[],"value":{"text":"<script>","size":8}`},
		{"bytes that are no text are base64", message([]byte{0}, []byte{0xff, 'a'}),
			`"key":{"base64":"AA==","size":1},"headers":[],"value":{"base64":"/2E=","size":2}`},
		{"so are a terminal's control codes", message(nil, []byte("\x1b[2J")), `"key":null,"headers":[],"value":{"base64":"G1sySg==","size":4}`},
		{"headers stay in their order", message(nil, nil, kafka.Header{Key: "b", Value: []byte("1")}, kafka.Header{Key: "a"}, kafka.Header{Key: "\xff", Value: []byte{}}),
			`"key":null,"headers":[{"name":{"text":"b","size":1},"value":{"text":"1","size":1}},{"name":{"text":"a","size":1},"value":null},{"name":{"base64":"/w==","size":1},"value":{"size":0}}],"value":null`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want := `{"topic":"orders","partition":3,"offset":42,"time":1795341600123,"timeType":"create",` + c.want + "}"
			if got := string(encodeRecord(c.m)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func decoded(t *testing.T, line []byte) (r record) {
	t.Helper()
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatalf("%v: %.200q", err, line)
	}
	return r
}

func TestLongValueIsCutAndItsSizeShown(t *testing.T) {
	long := strings.Repeat("é", maxValue) // two bytes each
	headers := make([]kafka.Header, maxHeaders+5)
	for i := range headers {
		headers[i] = kafka.Header{Key: long, Value: []byte(long)}
	}
	m := message([]byte(long), []byte("x"+long), headers...)
	m.TimestampType = kafka.TimestampLogAppendTime
	r := decoded(t, encodeRecord(m))
	for name, c := range map[string]struct {
		got  *content
		size int
		want int
	}{
		"key":            {r.Key, 2 * maxValue, maxKey},
		"value":          {r.Value, 2*maxValue + 1, maxValue - 1}, // and no half of a character
		"header's name":  {&r.Headers[0].Name, 2 * maxValue, maxHeaderName},
		"header's value": {r.Headers[0].Value, 2 * maxValue, maxHeaderValue},
	} {
		if len(c.got.Text) != c.want || !c.got.Cut || c.got.Size != c.size || !utf8.ValidString(c.got.Text) {
			t.Errorf("%s: %d bytes of %d, cut: %v; want %d of %d", name, len(c.got.Text), c.got.Size, c.got.Cut, c.want, c.size)
		}
	}
	if len(r.Headers) != maxHeaders || r.MoreHeaders != 5 || r.TimeType != "append" {
		t.Errorf("%d headers, %d more, time %s", len(r.Headers), r.MoreHeaders, r.TimeType)
	}
	r = decoded(t, encodeRecord(message(nil, make([]byte, maxValue))))
	if len(r.Value.Base64) != maxBinary || !r.Value.Cut || r.Value.Size != maxValue {
		t.Errorf("binary: %d bytes of %d, cut: %v", len(r.Value.Base64), r.Value.Size, r.Value.Cut)
	}
	r = decoded(t, encodeRecord(message(nil, []byte(long[:maxValue]))))
	if r.Value.Cut || len(r.Value.Text) != maxValue {
		t.Errorf("a value of the limit: %d bytes, cut: %v", len(r.Value.Text), r.Value.Cut)
	}
}

// Whatever a record has, an event of it is one line of JSON that is bounded and true.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("k"), "name", []byte(`{"a":1}`))
	f.Add([]byte{0xff, 0}, "\n\x00", []byte("a\nb\u2028"))
	f.Add([]byte(strings.Repeat("é", maxKey)), strings.Repeat("\xe2\x82", maxHeaderName), bytes.Repeat([]byte("\xf0\x9f\x98\x80"), maxValue/3))
	f.Fuzz(func(t *testing.T, key []byte, name string, value []byte) {
		line := encodeRecord(message(key, value, kafka.Header{Key: name, Value: key}))
		if bytes.ContainsAny(line, "\n\r") || len(line) > 8*(maxValue+maxKey+maxHeaderName+maxHeaderValue)+1000 {
			t.Fatalf("%d bytes: %.200q", len(line), line)
		}
		r := decoded(t, line)
		for _, c := range []struct {
			got  *content
			of   []byte
			what string
		}{{r.Key, key, "key"}, {r.Value, value, "value"}, {&r.Headers[0].Name, []byte(name), "name"}, {r.Headers[0].Value, key, "header"}} {
			if (c.got == nil) != (c.of == nil) {
				t.Fatalf("%s: null is not kept", c.what)
			}
			if c.got == nil {
				continue
			}
			shown := c.got.Base64
			if len(shown) == 0 {
				shown = []byte(c.got.Text)
			}
			if !bytes.HasPrefix(c.of, shown) || c.got.Size != len(c.of) || c.got.Cut != (len(shown) < len(c.of)) || c.got.Cut && len(shown) == 0 {
				t.Fatalf("%s: %s", c.what, fmt.Sprintf("%+v of %q", c.got, c.of))
			}
		}
	})
}
