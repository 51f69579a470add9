package kafkaconf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func TestBrokersAreReadAsLibrdkafkaReadsThem(t *testing.T) {
	cluster, err := kafka.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := cluster.BootstrapServers()
	host, port, _ := strings.Cut(b, ":")
	// "" stands for nothing wrong, "!" for what librdkafka reads another way and reaches.
	cases := []struct{ says, list, want string }{
		{"an address", b, ""},
		{"white space before one", " " + b, ""},
		{"white space behind a port", b + " ,h.invalid", ""},
		{"white space before a port", host + ": " + port, ""},
		{"the protocol that is set", "PLAINTEXT://" + b, ""},
		{"a path behind it", "plaintext://" + b + "/path", ""},
		{"an address behind another", "h.invalid:1," + b, ""},
		{"letters behind a port", b + "x", "!a port is a number from 1 to 65535: librdkafka reads " + port},
		{"a port of more than 16 bits", fmt.Sprintf("%s:1%s", host, "00000"), "a port is a number from 1 to 65535: librdkafka reads 34464"},
		{"another scheme", "http://" + b, fmt.Sprintf("expected host:port, such as %q, without http://: the protocol is security.protocol's to say", b)},
		{"a scheme alone", "http://", `expected host:port, such as "kafka:9092", without http://: the protocol is security.protocol's to say`},
		{"no scheme before ://", "://" + b, fmt.Sprintf("expected host:port, such as %q, without ://: the protocol is security.protocol's to say", b)},
		{"another protocol", "ssl://" + b, fmt.Sprintf("expected host:port, such as %q, without ssl://: the protocol is security.protocol's to say", b)},
		{"what stands behind another scheme", "http://h:1," + b, "librdkafka reads no further than the entry before it"},
		{"what stands before it", b + ",http://h:1", `expected host:port, such as "h:1", without http://: the protocol is security.protocol's to say`},
		{"semicolons", b + ";h2:9092", "addresses are separated by commas: h1:9092,h2:9092"},
		{"spaces", "h1 " + b, "addresses are separated by commas: h1:9092,h2:9092"},
		{"a port that is a name", host + ":kafka", "a port is a number from 1 to 65535, such as 9092"},
		{"a port of 0", host + ":0", "a port is a number from 1 to 65535, such as 9092"},
		{"an IPv6 address with a port", "::1:9092", "an IPv6 address is in brackets: [::1]:9092"},
		{"one whose port is too long for an address", "fe80::1:29092", "an IPv6 address is in brackets: [fe80::1]:29092"},
		{"one that is none", "1:2:3", "expected host:port; an IPv6 address is in brackets: [::1]:9092"},
		{"one in brackets that is none", "[::x]:1", "in brackets it is an IPv6 address, such as [::1]:9092"},
		{"a user", "u@" + b, `expected host:port; no host's name has '@'`},
		{"a list in brackets", `["h1"]`, "in brackets it is an IPv6 address, such as [::1]:9092"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			all := Brokers(c.list, "plaintext")
			usable, wrong := false, ""
			for _, b := range all {
				usable = usable || !b.Unusable
				if b.Wrong != "" {
					wrong = b.Wrong
				}
			}
			if want := strings.TrimPrefix(c.want, "!"); wrong != want {
				t.Errorf("got %q, want %q", wrong, want)
			}
			if strings.Contains(c.list, "00000") {
				return // another port, where anybody may be
			}
			if reached := reaches(t, c.list); reached != usable {
				t.Errorf("librdkafka reaches it: %v, and not %v", reached, usable)
			}
		})
	}
	for _, good := range []string{"[::1]", "[::1]:9093", "kafka-1.example.com", "k_1", "[fe80::1%eth0]:9092", "kåfka:9092"} {
		if got := Brokers(good, "plaintext"); len(got) != 1 || got[0].Wrong != "" {
			t.Errorf("%s: %+v", good, got)
		}
	}
	if got := Brokers("::1", "plaintext"); got[0].Wrong != "an IPv6 address is in brackets: [::1]:9092" || got[0].Unusable {
		t.Errorf("librdkafka takes an address alone: %+v", got)
	}
}

// reaches reports whether librdkafka gets an answer at the list, or says that it finds no
// broker in it.
func reaches(t *testing.T, list string) bool {
	t.Helper()
	logs := make(chan kafka.LogEvent, 1000)
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": list, "go.logs.channel.enable": true, "go.logs.channel": logs, "log_level": 7})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for {
		if _, err := p.GetMetadata(nil, false, 200); err == nil {
			return true
		}
		for len(logs) > 0 {
			text := (<-logs).Message
			for _, end := range []string{"No `bootstrap.servers` configured", "Failed to resolve", "Connect to"} {
				if strings.Contains(text, end) && !strings.Contains(text, "h.invalid") {
					return false
				}
			}
		}
	}
}

// What is wrong is in the log and on screens, and somebody may take bootstrap.servers for a URL with a password.
func TestBrokersWithAPasswordAreRefusedWithoutIt(t *testing.T) {
	for _, list := range []string{
		"ssl://u:S3CRET@k:9092", "SASL_SSL://S3CRET@k", "plaintext://u:S3CRET@k:9092", "http://u:S3CRET/x@k:9092", "http://u:S3CRET,x@k:9092",
		"S3CRET://u@k", "u:S3CRET@k:9092", "u:730255@k", "u:730255,x@k", "h1:9092,http://u:S3CRET@k:9092",
	} {
		wrong := ""
		for _, b := range Brokers(list, "plaintext") {
			wrong += b.Wrong + "\n"
		}
		if !strings.Contains(wrong, "no host's name has '@'") || strings.Contains(wrong, "S3CRET") || strings.Contains(wrong, "730255") || strings.Contains(wrong, "9351") {
			t.Errorf("%s: %q", list, wrong)
		}
	}
}

func FuzzBrokers(f *testing.F) {
	for _, s := range []string{"a:1,b", "http://a", "[::1]:1", "::1:9092", "a;b", ":", "://", "[", "a:", "1:2:3:4:5:6:7:8:9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		for _, b := range Brokers(list, "plaintext") {
			if b.Unusable && b.Wrong == "" {
				t.Errorf("%q: %+v", list, b)
			}
		}
	})
}
