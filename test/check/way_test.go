package check

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

var update = flag.Bool("update", false, "write the golden files")

func TestWayThatIsFine(t *testing.T) {
	k := kafka(t)
	r := check(t, 0, "-f", conf(t, properties{"bootstrap.servers": k.ListenerOf(1, "PLAIN")}, `"topic":"orders"`, `"delivery":"sync"`),
		"--topic", "orders", "--large", "--transactions")
	r.has(t, "connect", "ok", "connected")
	r.has(t, "kafka", "ok", "it speaks Kafka's protocol")
	r.has(t, "librdkafka", "ok", "takes the configuration")
	r.has(t, "metadata", "ok", "1 broker: 1 (127.0.0.1:")
	r.has(t, "topic", "ok", "3 partitions, 1 replica, min.insync.replicas=1, max.message.bytes=1048588")
	r.has(t, "record", "ok", "written to partition")
	r.has(t, "large", "ok", "random bytes is acknowledged, the largest that the producer takes (message.max.bytes)")
	r.has(t, "transaction", "ok", "as kafkaupstream-check-")
	r.has(t, "roundtrip", "ok", "10 acknowledged records: median")
	for _, s := range r.Steps {
		if s.Milliseconds <= 0 {
			t.Errorf("%+v took no time", s)
		}
	}
}

func TestTLSAndLogin(t *testing.T) {
	k := kafka(t)
	ca := caFile(t, k.ca)
	clientCert, clientKey := writeFile(t, "client.pem", k.client.Cert), writeFile(t, "client.key", k.client.Key)
	secrets := writeFile(t, "password", alicePassword+"\n")
	secretsDir, _ := strings.CutSuffix(secrets, "/password")
	at := k.ListenerOf
	cases := []struct {
		name  string
		props properties
		args  []string
		env   []string
		want  []step
	}{
		{"TLS", properties{"bootstrap.servers": at(1, "TLS"), "security.protocol": "SSL", "ssl.ca.location": ca}, nil, nil, []step{
			{Name: "tls", Status: "ok", Message: "TLS 1.3, the certificate of CN=broker, valid until "},
			{Name: "topic", Status: "ok"},
		}},
		{"TLS by name", properties{"bootstrap.servers": strings.Replace(at(1, "TLS"), "127.0.0.1", "localhost", 1), "security.protocol": "ssl", "ssl.ca.pem": k.ca.PEM}, nil, nil, []step{
			{Name: "names", Target: "localhost", Status: "ok", Message: "127.0.0.1"},
			{Name: "brokers", Status: "ok", Message: "broker 1 is reached where the cluster says it is"},
			{Name: "topic", Status: "ok"},
		}},
		{"a certificate that ends soon", properties{"bootstrap.servers": at(1, "TIRED"), "security.protocol": "SSL", "ssl.ca.location": ca}, nil, nil, []step{
			{Name: "tls", Status: "warning", Message: "the certificate of CN=tired broker expires soon"},
			{Name: "topic", Status: "ok"},
		}},
		{"another host's certificate, which is not asked for", properties{"bootstrap.servers": at(1, "ELSEWHERE"), "security.protocol": "SSL", "ssl.ca.location": ca, "ssl.endpoint.identification.algorithm": "none"}, nil, nil, []step{
			{Name: "topic", Status: "ok"},
		}},
		{"a client's certificate", properties{"bootstrap.servers": at(1, "MUTUAL"), "security.protocol": "SSL", "ssl.ca.location": ca, "ssl.certificate.location": clientCert, "ssl.key.location": clientKey}, []string{"--topic", "orders"}, nil, []step{
			{Name: "kafka", Status: "ok"}, {Name: "record", Status: "ok"},
		}},
		{"SCRAM over TLS, the password from a file and the user from a variable", properties{"bootstrap.servers": at(1, "SECURE"), "security.protocol": "SASL_SSL", "sasl.mechanisms": "SCRAM-SHA-512", "ssl.ca.location": ca, "sasl.username": "$env://KAFKA_USER", "sasl.password": "$file://password"},
			[]string{"--topic", "orders", "--secrets-dir", secretsDir}, []string{"KAFKA_USER=alice"}, []step{
				{Name: "secrets", Status: "ok", Message: "2 secrets read"},
				{Name: "kafka", Status: "ok", Message: "offers SCRAM-SHA-512"},
				{Name: "login", Status: "ok", Message: "by SCRAM-SHA-512"},
				{Name: "topic", Status: "ok", Message: "its settings are not known, since that needs DESCRIBE_CONFIGS"},
				{Name: "record", Status: "ok"},
			}},
		{"PLAIN without TLS", properties{"bootstrap.servers": k.Bootstrap(), "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "alice", "sasl.password": alicePassword}, nil, nil, []step{
			{Name: "login", Status: "ok", Message: "by PLAIN"}, {Name: "topic", Status: "ok"},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := checkEnv(t, 0, c.env, append(c.args, "-f", conf(t, c.props))...)
			for _, s := range c.want {
				r.has(t, s.Name, s.Status, s.Message)
			}
		})
	}
}

func TestEachFailureIsNamed(t *testing.T) {
	k := kafka(t)
	ca, otherCA := caFile(t, k.ca), caFile(t, k.otherCA)
	at := k.ListenerOf
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	silent := program.SilentAddress(t)
	tls := func(listener, ca string) properties {
		return properties{"bootstrap.servers": at(1, listener), "security.protocol": "SSL", "ssl.ca.location": ca}
	}
	login := func(user, password string) properties {
		return properties{"bootstrap.servers": k.Bootstrap(), "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "SCRAM-SHA-256", "sasl.username": user, "sasl.password": password}
	}
	with := func(p properties, name, value string) properties {
		p[name] = value
		return p
	}
	cases := []struct {
		name  string
		props properties
		args  []string
		want  step // and what follows is skipped
	}{
		{"a wrong port", properties{"bootstrap.servers": "127.0.0.1:1"}, nil,
			step{Name: "connect", Message: "connection refused: nothing listens on port 1 there"}},
		{"a name that does not resolve", properties{"bootstrap.servers": "broker.invalid:9092"}, nil,
			step{Name: "names", Message: "the name does not resolve"}},
		{"plain on a TLS port", properties{"bootstrap.servers": at(1, "TLS")}, nil,
			step{Name: "kafka", Message: "this port speaks TLS and security.protocol is plaintext; set ssl"}},
		{"plain with a log-in on a TLS port", with(login("alice", alicePassword), "bootstrap.servers", at(1, "SECURE")), nil,
			step{Name: "kafka", Message: "this port speaks TLS and security.protocol is sasl_plaintext; set sasl_ssl"}},
		{"TLS on a plain port", tls("PLAIN", ca), nil,
			step{Name: "tls", Message: "this port speaks Kafka without TLS and security.protocol is ssl; set plaintext"}},
		{"a web server", properties{"bootstrap.servers": web.Listener.Addr().String()}, []string{"--timeout", "1s"},
			step{Name: "kafka", Message: "this is not Kafka: an HTTP server answers"}},
		{"TLS on a web server", properties{"bootstrap.servers": web.Listener.Addr().String(), "security.protocol": "ssl"}, nil,
			step{Name: "tls", Message: "this is not Kafka: an HTTP server answers, without TLS"}},
		{"something that answers nothing", properties{"bootstrap.servers": silent}, []string{"--timeout", "500ms"},
			step{Name: "kafka", Message: "it takes connections and answers nothing"}},
		{"a CA that did not sign it", tls("TLS", otherCA), nil,
			step{Name: "tls", Message: "the certificate of CN=broker is signed by CN=Test CA, which is not among ssl.ca.location"}},
		{"a CA that the system does not know", properties{"bootstrap.servers": at(1, "TLS"), "security.protocol": "SSL"}, nil,
			step{Name: "tls", Message: "is signed by CN=Test CA, which is not among the system's CAs"}},
		{"a file that is not there", tls("TLS", "/no/such/ca.pem"), nil,
			step{Name: "tls", Message: "ssl.ca.location cannot be read: no such file or directory"}},
		{"an expired certificate", tls("EXPIRED", ca), nil,
			step{Name: "tls", Message: "the certificate of CN=old broker has expired on " + time.Now().AddDate(0, 0, -2).UTC().Format(time.DateOnly)}},
		{"another host's certificate", tls("ELSEWHERE", ca), nil,
			step{Name: "tls", Message: "the certificate of CN=other broker is for kafka.example, not for 127.0.0.1"}},
		{"no client certificate where one is wanted", tls("MUTUAL", ca), nil,
			step{Name: "kafka", Message: "the broker wants a client's certificate; name one in ssl.certificate.location"}},
		{"a wrong password", login("alice", wrongPassword), nil,
			step{Name: "login", Message: "the cluster refuses the log-in; wrong user or password"}},
		{"an unknown user", login("mallory", wrongPassword), nil,
			step{Name: "login", Message: "the cluster refuses the log-in; wrong user or password"}},
		{"a mechanism that is not offered", properties{"bootstrap.servers": at(1, "SECURE"), "security.protocol": "SASL_SSL", "ssl.ca.location": ca, "sasl.mechanisms": "PLAIN", "sasl.username": "alice", "sasl.password": alicePassword}, nil,
			step{Name: "kafka", Message: "the broker does not offer the mechanism PLAIN here, only SCRAM-SHA-512"}},
		{"no log-in where one is wanted", properties{"bootstrap.servers": k.Bootstrap()}, nil,
			step{Name: "kafka", Message: "this port wants a log-in (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) and security.protocol is plaintext; set sasl_plaintext"}},
		{"a log-in where none is taken", with(login("alice", alicePassword), "bootstrap.servers", at(1, "PLAIN")), nil,
			step{Name: "kafka", Message: "this port takes no log-in and security.protocol is sasl_plaintext; set plaintext"}},
		{"a secret that is not there", login("alice", "$file://no-such-secret"), nil,
			step{Name: "secrets", Message: "config.sasl.password: $file://no-such-secret: "}},
		{"no such topic", properties{"bootstrap.servers": at(1, "PLAIN")}, []string{"--topic", "ordres"},
			step{Name: "topic", Message: "there is no such topic"}},
		{"a topic that may not be seen", login("bob", bobPassword), []string{"--topic", "small"},
			step{Name: "topic", Message: "may not see this topic, or there is none of this name; they need WRITE on it"}},
		{"a topic that may not be written to", login("bob", bobPassword), []string{"--topic", "orders"},
			step{Name: "topic", Message: "may see this topic, but not write to it; they need WRITE on it"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := check(t, 1, append([]string{"-f", conf(t, c.props)}, c.args...)...)
			r.has(t, c.want.Name, "problem", c.want.Message)
			failed := false
			for _, s := range r.Steps {
				if want := map[bool]string{false: "ok", true: "skipped"}[failed]; s.Status != want && !(s.Name == c.want.Name && s.Status == "problem") {
					t.Errorf("%s is %s and not %s:\n%s", s.Name, s.Status, want, r.text())
				}
				failed = failed || s.Status == "problem"
			}
			if last := r.Steps[len(r.Steps)-1]; last.Name != "roundtrip" || last.Status != "skipped" {
				t.Errorf("the last step is %+v", last)
			}
		})
	}
}

func TestFailuresAfterWhichTheCheckGoesOn(t *testing.T) {
	k := kafka(t)
	plain := properties{"bootstrap.servers": k.ListenerOf(1, "PLAIN")}
	t.Run("a topic with too small a limit, which compression must not hide", func(t *testing.T) {
		t.Parallel()
		r := check(t, 1, "-f", conf(t, properties{"bootstrap.servers": k.ListenerOf(1, "PLAIN"), "compression.type": "gzip"}), "--topic", "small", "--large")
		r.has(t, "topic", "warning", "the route takes bodies of 1000000 bytes, the topic none of more than about 19900")
		r.has(t, "topic", "warning", "the producer makes batches of up to 131072 bytes, and the topic takes none of more than 20000 (before compression): a batch of small records is refused as a whole; set batch.size to 20000")
		r.has(t, "record", "ok", "written")
		r.has(t, "large", "problem", " bytes is more than the topic takes (its max.message.bytes=20000)")
		r.has(t, "roundtrip", "ok", "10 acknowledged records")
	})
	t.Run("a route that keeps to the topic's limit", func(t *testing.T) {
		t.Parallel()
		r := check(t, 0, "-f", conf(t, properties{"bootstrap.servers": k.ListenerOf(1, "PLAIN"), "batch.size": "20000"}, `"topic":"small"`, `"max_body_bytes":19000`), "--topic", "small", "--large")
		r.has(t, "topic", "ok", "max.message.bytes=20000")
		r.has(t, "large", "ok", "a record of 19000 random bytes is acknowledged, the largest that the route takes (max_body_bytes)")
	})
	t.Run("a producer that no record is too large for, as its limit is low, makes no batch that is", func(t *testing.T) {
		t.Parallel()
		r := check(t, 0, "-f", conf(t, properties{"bootstrap.servers": k.ListenerOf(1, "PLAIN"), "message.max.bytes": "19000"}, `"topic":"small"`))
		r.has(t, "topic", "ok", "max.message.bytes=20000")
	})
	t.Run("acknowledgements that a variable could turn off", func(t *testing.T) {
		t.Parallel()
		r := checkEnv(t, 1, []string{"ACKS=0x0"}, "-f", conf(t, properties{"bootstrap.servers": k.ListenerOf(1, "PLAIN"), "acks": "$env://ACKS"}, `"topic":"orders"`, `"delivery":"sync"`))
		if text := r.text(); !strings.Contains(text, "config.acks") || !strings.Contains(text, "only where a secret stands") {
			t.Errorf("%s", text)
		}
	})
	t.Run("no right to transactions", func(t *testing.T) {
		t.Parallel()
		r := check(t, 1, "-f", conf(t, properties{"bootstrap.servers": k.Bootstrap(), "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "SCRAM-SHA-256", "sasl.username": "alice", "sasl.password": alicePassword}),
			"--topic", "orders", "--transactions")
		r.has(t, "record", "ok", "written")
		r.has(t, "transaction", "problem", "may not use transactions; they need WRITE on transactional ids that begin with kafkaupstream-")
	})
	t.Run("one broker of two is away", func(t *testing.T) {
		t.Parallel()
		r := check(t, 1, "-f", conf(t, properties{"bootstrap.servers": "127.0.0.1:1," + k.ListenerOf(1, "PLAIN")}))
		r.has(t, "connect", "problem", "connection refused")
		r.has(t, "connect", "ok", "connected")
		r.has(t, "topic", "ok", "3 partitions")
	})
	t.Run("the cluster gives out an address that does not resolve", func(t *testing.T) {
		t.Parallel()
		r := check(t, 1, "-f", conf(t, properties{"bootstrap.servers": k.ListenerOf(1, "LOST")}), "--timeout", "2s")
		r.hasAny(t, "problem", "the cluster says that broker 1 is at broker.invalid:9092, where its records go (advertised.listeners): the name does not resolve here")
	})
	t.Run("the cluster gives out a name that the certificate has not", func(t *testing.T) {
		t.Parallel()
		r := check(t, 1, "-f", conf(t, properties{"bootstrap.servers": k.ListenerOf(1, "RENAMED"), "security.protocol": "SSL", "ssl.ca.location": caFile(t, k.ca)}), "--timeout", "2s")
		r.has(t, "tls", "ok", "CN=renamed broker")
		r.hasAny(t, "problem", "where its records go (advertised.listeners): the certificate of CN=renamed broker is for 127.0.0.1, not for localhost")
	})
	t.Run("a topic that depends on the request", func(t *testing.T) {
		t.Parallel()
		r := check(t, 0, "-f", conf(t, plain, `"topic":"orders.$consumer_name"`))
		r.has(t, "topic", "skipped", "it depends on the request; --topic names one to look at")
		r.has(t, "roundtrip", "ok", "10 metadata requests: median")
	})
}

func TestNothingIsWrittenUnlessTopicSaysWhere(t *testing.T) {
	k := kafka(t)
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	untouched := fmt.Sprint("untouched.", time.Now().UnixNano())
	if err := k.CreateTopic(untouched, 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	plain := properties{"bootstrap.servers": k.ListenerOf(1, "PLAIN")}
	check(t, 0, "-f", conf(t, plain, `"topic":"`+untouched+`"`))
	check(t, 0, "-f", conf(t, plain, `"topic":"`+untouched+`"`), "--topic", "orders")
	if got, err := k.Records(ctx, untouched); err != nil || len(got) != 0 {
		t.Errorf("%d records, %v", len(got), err)
	}
	// The broker creates a topic for whoever asks for it as a producer does.
	check(t, 1, "-f", conf(t, plain, `"topic":"not-there"`))
	check(t, 1, "-f", conf(t, plain, `"topic":"not-there"`), "--topic", "orders").has(t, "topic", "problem", "there is no such topic")
	if _, err := k.Records(ctx, "not-there"); err == nil {
		t.Error("the check has created a topic")
	}
	before, err := k.Records(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	check(t, 0, "-f", conf(t, plain), "--topic", "orders")
	after, err := k.Records(ctx, "orders")
	if err != nil || len(after)-len(before) != 11 { // one, and ten whose way is timed
		t.Errorf("%d records more, %v", len(after)-len(before), err)
	}
	for _, r := range after {
		if string(r.Key) != "kafkaupstream-check" {
			t.Errorf("a record has the key %q", r.Key)
		}
	}
}

func TestCtrlCEndsItAtOnce(t *testing.T) {
	for _, protocol := range []string{"plaintext", "ssl"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			p := program.Start(t, binary, program.Options{Args: []string{"check", "--timeout", "10m", "-f",
				conf(t, properties{"bootstrap.servers": program.SilentAddress(t), "security.protocol": protocol})}})
			program.Until(t, "it has connected", func() bool { return strings.Contains(p.Stdout.String(), "ok       connect") })
			p.Signal(syscall.SIGINT)
			if code := p.Exit(); code != 1 || p.Stderr.String() != "kafkaupstream: interrupted\n" {
				t.Errorf("exit code %d, %q", code, p.Stderr)
			}
		})
	}
}
