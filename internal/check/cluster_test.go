package check

import (
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/check/port"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

func TestBootstrapServers(t *testing.T) {
	bootstrap := func(list string) []port.Address {
		w := &way{props: kafkaconf.Properties{"bootstrap.servers": list, "security.protocol": "sasl_ssl"}}
		return w.bootstrap()
	}
	got := bootstrap("a, b:1,SASL_SSL://c:2,[::1]:3,[::1],d;e,d")
	want := []port.Address{{Host: "a", Port: "9092"}, {Host: "b", Port: "1"}, {Host: "c", Port: "2"}, {Host: "::1", Port: "3"}, {Host: "::1", Port: "9092"}, {Host: "d", Port: "9092"}}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got[i], want[i])
		}
	}
	if n := len(bootstrap(strings.Repeat("a,", 1000))); n != maxAddresses {
		t.Errorf("%d addresses", n)
	}
}
