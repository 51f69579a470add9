package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/verify"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// startVerified starts dev with a route to the topic verified, which has a record of
// somebody else's.
func startVerified(t *testing.T) *devProcess {
	t.Helper()
	d := startDev(t)
	d.PutRoute(t, "verified", `{"config":{},"topic":"verified","delivery":"sync","jsonkey":"key"}`)
	if got := program.Send(t, "POST", d.URL+"/verified", `{"key":"key-1","number":1}`, "content-type", "application/json"); got.Status != 200 {
		t.Fatalf("%+v", got)
	}
	return d
}

// verifyArgs are the arguments for a gateway in front of dev's broker.
func verifyArgs(d *devProcess, url string, more ...string) program.Options {
	return program.Options{Args: append([]string{"verify", "--url", url, "--brokers", d.Broker, "--topic", "verified"}, more...)}
}

// digits are what differs between two runs; 0 and what a test wants to be exact stays.
var digits = regexp.MustCompile(`("run": )"[0-9a-f]{16}"|("url": )".*"|("(?:p50|p90|p99|max|seconds|records_per_second)": )[0-9.]+`)

const verifiedJSON = `{
  "run": …,
  "url": …,
  "topic": "verified",
  "ok": true,
  "violations": [],
  "records": 200,
  "seconds": …,
  "records_per_second": …,
  "latency_ms": {
    "p50": …,
    "p90": …,
    "p99": …,
    "max": …
  },
  "statuses": {
    "200": 200
  },
  "promised": 200,
  "acknowledged": 200,
  "on_disk": 0,
  "queued": 0,
  "accepted": 0,
  "lost": 0,
  "untrue_no": 0,
  "duplicates": 0,
  "out_of_order": 0,
  "misplaced": 0,
  "contradictory": 0,
  "altered": 0,
  "wrapped": 0,
  "without_key": 0,
  "other_traffic": 0,
  "answered_no": 0,
  "unknown": {
    "there": 0,
    "missing": 0
  },
  "failed": {
    "there": 0,
    "missing": 0
  },
  "no_reply": {
    "there": 0,
    "missing": 0
  }
}
`

func TestVerifyOfDev(t *testing.T) {
	t.Parallel()
	d := startVerified(t)
	p, code := program.Run(t, binary, verifyArgs(d, d.URL+"/verified", "--records", "200", "--json"))
	if got := digits.ReplaceAllString(p.Stdout.String(), "$1$2$3…"); code != 0 || got != verifiedJSON || p.Stderr.String() != "" {
		t.Errorf("exit code %d, got\n%s\non standard error %q", code, got, p.Stderr)
	}
	p, code = program.Run(t, binary, verifyArgs(d, d.URL+"/verified", "--records", "100", "--rate", "1000", "--size", "2000"))
	if out := p.Stdout.String(); code != 0 || !strings.Contains(out, "100 records in ") || !strings.Contains(out, "no promise was broken") || p.Stderr.String() != "" {
		t.Errorf("exit code %d: %s%s", code, out, p.Stderr)
	}
}

// Verify reports what a gateway does not keep, and exits with 1.
func TestVerifyOfALiar(t *testing.T) {
	t.Parallel()
	d := startVerified(t)
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"code":200,"delivered":"yes","partition":0,"offset":0}`)
	}))
	t.Cleanup(liar.Close)
	p, code := program.Run(t, binary, verifyArgs(d, liar.URL, "--records", "20", "--wait", "0s"))
	if out := p.Stdout.String(); code != 1 || !strings.Contains(out, "BROKEN       20 promised records are lost, such as [key-") || p.Stderr.String() != "" {
		t.Errorf("exit code %d: %s%s", code, out, p.Stderr)
	}
}

func TestVerifyOfWhatCannotBeJudged(t *testing.T) {
	t.Parallel()
	d := startVerified(t)
	for _, c := range []struct {
		name string
		o    program.Options
		want string
	}{
		{"no gateway", verifyArgs(d, "http://127.0.0.1:1/"), "kafkaupstream: the gateway cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused\n"},
		{"another path", verifyArgs(d, d.URL+"/apisix/admin/no", "--records", "16"), "kafkaupstream: the run cannot be judged: of 16 records none was promised; the replies are 16 × 4"},
	} {
		p, code := program.Run(t, binary, c.o)
		if code != 1 || !strings.HasPrefix(p.Stderr.String(), c.want) {
			t.Errorf("%s: exit code %d, %q", c.name, code, p.Stderr)
		}
		if out := p.Stdout.String(); out != "" && !strings.HasSuffix(out, "\nnot judged   no record was promised\n") {
			t.Errorf("%s: %s", c.name, out)
		}
	}
	p, code := program.Run(t, binary, verifyArgs(d, d.URL+"/apisix/admin/no", "--records", "16", "--json"))
	if out := p.Stdout.String(); code != 1 || !strings.Contains(out, `"ok": false`) || !strings.Contains(out, `"promised": 0`) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestVerifyThatIsInterrupted(t *testing.T) {
	t.Parallel()
	d := startVerified(t)
	t.Run("judges what was sent", func(t *testing.T) {
		p := program.Start(t, binary, verifyArgs(d, d.URL+"/verified", "--duration", "1h", "--rate", "500"))
		d.waitForRecord(t, "record verified", `"number":2,`)
		p.Signal(syscall.SIGINT)
		if code := p.Exit(); code != 0 || !strings.Contains(p.Stdout.String(), "no promise was broken") {
			t.Errorf("exit code %d: %s%s", code, p.Stdout, p.Stderr)
		}
	})
	t.Run("ends at once when it is interrupted again", func(t *testing.T) {
		var asked atomic.Int32
		hold := make(chan struct{})
		silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			asked.Add(1)
			<-hold
		}))
		t.Cleanup(silent.Close)
		t.Cleanup(func() { close(hold) })
		p := program.Start(t, binary, verifyArgs(d, silent.URL, "--timeout", "1h"))
		program.Until(t, "it waits for a reply", func() bool { return asked.Load() > 0 })
		p.Signal(syscall.SIGINT)
		program.Until(t, "it ends", func() bool { // two signals that come together are one
			p.Signal(syscall.SIGINT)
			return p.Ended()
		})
		if code := p.Exit(); code != 1 || p.Stderr.String() != "kafkaupstream: interrupted; the run is not judged\n" {
			t.Errorf("exit code %d: %s%s", code, p.Stdout, p.Stderr)
		}
	})
}

func TestVerifyReadsPropertiesAsLibrdkafkaWritesThem(t *testing.T) {
	resolve := func(value string) (string, error) {
		if value == "$env://KAFKA_MISSING" {
			return "", errors.New("the variable is not set")
		}
		return strings.Replace(value, "$env://", "resolved-", 1), nil
	}
	got, err := readProperties(strings.NewReader("# a comment\n\nsecurity.protocol = SASL_SSL\r\nsasl.mechanism=PLAIN\nsasl.password=$env://KAFKA_PASSWORD\nsasl.username=a=b\n"), resolve)
	want := "map[sasl.mechanisms:PLAIN sasl.password:resolved-KAFKA_PASSWORD sasl.username:a=b security.protocol:sasl_ssl]"
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{
		"secret":                               "line 1 is not name=value",
		"\nsasl.pasword=secret":                `line 2: sasl.pasword: librdkafka has no such property; did you mean "sasl.password"?`,
		"socket.timeout.ms=secret":             "line 1: socket.timeout.ms: expected",
		"ssl.providers=secret":                 "line 1: ssl.providers: it may not be set: it loads code into this program",
		"sasl.password=$env://KAFKA_MISSING":   "line 1: sasl.password: the variable is not set",
		"a=" + strings.Repeat("secret", 20000): "line 1 is too long",
	} {
		if _, err := readProperties(strings.NewReader(text), resolve); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestVerifyTakesItsLogInFromAFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "client.properties")
	if err := os.WriteFile(file, []byte("bootstrap.servers=a:1\nsecurity.protocol=sasl_plaintext\nsasl.password=$file://password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("wonder\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env, _, stderr := fakeProcess(nil, "--url", "http://g/", "--topic", "t", "--config", file, "--secrets-dir", dir, "--brokers", "b:2")
	o, err := readVerifyOptions(env)
	if want := "map[bootstrap.servers:b:2 sasl.password:wonder security.protocol:sasl_plaintext]"; err != nil || fmt.Sprint(o.Properties) != want {
		t.Errorf("%v, %v: %s", o.Properties, err, stderr)
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if newStatusLine(file) != nil || newStatusLine(&bytes.Buffer{}) != nil {
		t.Error("a file is taken for a terminal")
	}
	var b bytes.Buffer
	l := &statusLine{&b}
	l.show(verify.Progress{Sent: 10, Records: 20, Errors: 1, Took: 1200 * time.Millisecond})
	l.show(verify.Progress{Sent: 7, Took: time.Second})
	l.show(verify.Progress{Sent: 20, Records: 20, Took: time.Second})
	l.show(verify.Progress{Sent: 20, Records: 20, Reading: true, Missing: 3})
	l.clear()
	want := clearLine + "[##########..........] 10 of 20 records sent, 1 without a 2xx, 1s" + clearLine + "7 records sent, 0 without a 2xx, 1s" +
		clearLine + "[####################] 20 of 20 records sent, 0 without a 2xx, 1s" + clearLine + "20 records sent, reading the topic: 3 are not found yet" + clearLine
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", &b, want)
	}
	(*statusLine)(nil).clear()
}
