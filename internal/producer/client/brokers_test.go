package client

import (
	"strings"
	"testing"
	"time"
)

func TestBrokerStatsAreReadFromLibrdkafkas(t *testing.T) {
	const text = `{"name":"x","ts":1,"brokers":{
		"a:9092/2":{"name":"a:9092/2","nodeid":2,"state":"UP","disconnects":3,"outbuf_cnt":1,"waitresp_cnt":2,
			"rtt":{"min":100,"avg":250,"p99":7000},"throttle":{"avg":1,"max":40},"toppars":{"t-0":{"topic":"t"}}},
		"b:9092/1":{"nodeid":1,"disconnects":1,"rtt":{"avg":1}},
		"a:9092/bootstrap":{"nodeid":-1,"disconnects":1,"rtt":{"avg":9}},
		"GroupCoordinator":{"nodeid":-1}},"topics":{"brokers":{"c":{"nodeid":3}}}}`
	got, breaks := brokerStats(text)
	if breaks != 5 {
		t.Errorf("%d connections have broken, want 5", breaks)
	}
	want := []BrokerStats{
		{ID: 1, RTT: time.Microsecond},
		{ID: 2, RTT: 250 * time.Microsecond, RTTp99: 7 * time.Millisecond, Throttle: 40 * time.Millisecond, Waiting: 3},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, broken := range []string{"", "{", `{"brokers":7}`, `{"brokers":{"a":null}}`, `{"brokers":{"a":{"nodeid":"x","rtt":[]}}`} {
		if got, _ := brokerStats(broken); len(got) > 1 {
			t.Errorf("%s: %+v", broken, got)
		}
	}
	many := strings.Repeat(`"a":{"nodeid":1},`, 1000)
	if got, _ := brokerStats(`{"brokers":{` + many + `"b":{}}}`); len(got) != maxBrokers {
		t.Errorf("%d brokers are looked at", len(got))
	}
}
