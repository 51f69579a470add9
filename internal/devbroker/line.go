package devbroker

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// maxShown is how much of a key, header or value a line shows, in bytes.
const maxShown = 2000

// Line describes a record in one line of printable text.
func Line(m *kafka.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "record %s partition=%d offset=%d key=%s", *m.TopicPartition.Topic,
		m.TopicPartition.Partition, m.TopicPartition.Offset, shown(m.Key))
	for _, h := range m.Headers {
		fmt.Fprintf(&b, " header %s=%s", shown([]byte(h.Key)), shown(h.Value))
	}
	b.WriteString(" value=")
	b.WriteString(shown(m.Value))
	return b.String()
}

func shown(p []byte) string {
	if p == nil {
		return "null"
	}
	rest := ""
	if len(p) > maxShown {
		rest = fmt.Sprintf("… (%d bytes)", len(p))
		p = p[:maxShown]
		for !utf8.Valid(p) && len(p) > maxShown-utf8.UTFMax {
			p = p[:len(p)-1]
		}
	}
	s := string(p)
	if s == "" || !utf8.Valid(p) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		s = strconv.Quote(s)
	}
	return s + rest
}
