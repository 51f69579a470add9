package devbroker

import (
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func TestLineTellsARecordsPartsApart(t *testing.T) {
	long := strings.Repeat("x", maxShown)
	cases := []struct {
		name       string
		key, value []byte
		headers    []kafka.Header
		want       string // after topic, partition and offset
	}{
		{"text is shown as it is", []byte("k"), []byte(`{"a":1}`), nil, `key=k value={"a":1}`},
		{"no key and no value are null", nil, nil, nil, `key=null value=null`},
		{"an empty key and value are not null", []byte{}, []byte{}, nil, `key="" value=""`},
		{"letters of any script are text", []byte("ключ"), []byte("größer 値"), nil, `key=ключ value=größer 値`},
		{"bytes that are not text are escaped", []byte{0}, []byte{0xff, 'a', 0x80}, nil, `key="\x00" value="\xffa\x80"`},
		{"a line break does not break the line", []byte("a\nb"), []byte("\"c\"\td\r\n"), nil, `key="a\nb" value="\"c\"\td\r\n"`},
		{"a terminal's control codes do not reach it", nil, []byte("\x1b[2J"), nil, `key=null value="\x1b[2J"`},
		{"headers stand between, in their order", nil, []byte("v"), []kafka.Header{{Key: "b", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "b", Value: []byte{}}},
			`key=null header b=1 header a=null header b="" value=v`},
		{"a value of the limit is whole", nil, []byte(long), nil, `key=null value=` + long},
		{"a longer one is cut, and its length told", nil, []byte(long + "y"), nil, `key=null value=` + long + `… (2001 bytes)`},
		{"so is a key", []byte(long + "y"), nil, nil, `key=` + long + `… (2001 bytes) value=null`},
		{"a cut does not make text of several bytes look binary", nil, []byte(long[1:] + "é"), nil, `key=null value=` + long[1:] + `… (2001 bytes)`},
		{"a long binary value stays binary", nil, []byte("\xff" + long), nil, `key=null value="\xff` + long[5:] + `"… (2001 bytes)`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			topic := "orders"
			got := Line(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: 3, Offset: 42}, Key: c.key, Value: c.value, Headers: c.headers})
			if want := "record orders partition=3 offset=42 " + c.want; got != want {
				t.Errorf("got  %.300s\nwant %.300s", got, want)
			}
		})
	}
}
