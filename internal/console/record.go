package console

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// What of a record is shown, in bytes; what is longer is cut, and its size told.
const (
	maxValue       = 16 << 10
	maxKey         = 2 << 10
	maxHeaderName  = 256
	maxHeaderValue = 1 << 10
	maxBinary      = 2 << 10
	maxHeaders     = 64
)

// record is what a page shows of a record.
type record struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Time is in milliseconds since 1970; TimeType is "create" (the producer's) or "append" (the broker's).
	Time     int64    `json:"time"`
	TimeType string   `json:"timeType"`
	Key      *content `json:"key"`
	Headers  []header `json:"headers"`
	// MoreHeaders is how many headers are not shown.
	MoreHeaders int      `json:"moreHeaders,omitempty"`
	Value       *content `json:"value"`
}

type header struct {
	Name  content  `json:"name"`
	Value *content `json:"value"`
}

// content is a key or a value: text, or bytes that are none. A nil one is Kafka's null.
type content struct {
	Text   string `json:"text,omitempty"`
	Base64 []byte `json:"base64,omitempty"`
	Size   int    `json:"size"`
	Cut    bool   `json:"cut,omitempty"`
}

// encodeRecord makes one line of JSON of a record.
func encodeRecord(m *kafka.Message) []byte {
	r := record{
		Topic: *m.TopicPartition.Topic, Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset),
		Time: m.Timestamp.UnixMilli(), TimeType: "create",
		Key: contentOf(m.Key, maxKey), Value: contentOf(m.Value, maxValue), Headers: []header{},
	}
	if m.TimestampType == kafka.TimestampLogAppendTime {
		r.TimeType = "append"
	}
	shown := min(len(m.Headers), maxHeaders)
	r.MoreHeaders = len(m.Headers) - shown
	for _, h := range m.Headers[:shown] {
		r.Headers = append(r.Headers, header{*contentOf([]byte(h.Key), maxHeaderName), contentOf(h.Value, maxHeaderValue)})
	}
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	_ = e.Encode(&r) // of these types: cannot fail
	return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
}

func contentOf(p []byte, limit int) *content {
	if p == nil {
		return nil
	}
	c := &content{Size: len(p)}
	if text := cut(p, limit); isText(text) {
		c.Text, c.Cut = string(text), len(text) < len(p)
		return c
	}
	c.Base64 = bytes.Clone(p[:min(len(p), limit, maxBinary)])
	c.Cut = len(c.Base64) < len(p)
	return c
}

// cut shortens p, and not inside a character.
func cut(p []byte, limit int) []byte {
	if len(p) <= limit {
		return p
	}
	for n := limit; n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(p[n]) {
			return p[:n]
		}
	}
	return p[:limit]
}

// isText reports whether p is UTF-8 without control characters other than white space.
func isText(p []byte) bool {
	for _, b := range p {
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' || b == 0x7f {
			return false
		}
	}
	return utf8.Valid(p)
}
