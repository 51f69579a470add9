package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// fetch gets a page of the admin's; status 0: nobody answers.
func fetch(address, path string) (status int, body string) {
	r, _ := program.Try("GET", "http://"+address+path, "")
	return r.Status, r.Body
}

func answers(address string) bool {
	status, _ := fetch(address, "/healthz")
	return status == 200
}

// metric is the value of a series as /metrics has it; -1: there is none.
func metric(address, series string) float64 {
	_, text := fetch(address, "/metrics")
	for _, line := range strings.Split(text, "\n") {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			value, _ := strconv.ParseFloat(rest, 64)
			return value
		}
	}
	return -1
}

func waitForMetric(t *testing.T, address, series string, value float64) {
	t.Helper()
	var got float64
	defer func() {
		if t.Failed() {
			t.Logf("%s is %v", series, got)
		}
	}()
	program.Until(t, fmt.Sprintf("%s is %v", series, value), func() bool {
		got = metric(address, series)
		return got == value
	})
}

func decodeReadiness(t *testing.T, text string) (r admin.Readiness) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func startWithAdmin(t *testing.T, socket string, args ...string) (p *program.Process, address string) {
	t.Helper()
	address = program.FreeAddress(t)
	p = startRun(t, socket, program.Options{Args: append([]string{"--admin", address, "--log-level", "error"}, args...)})
	program.Until(t, "the admin's page is served", func() bool { return p.Ended() || answers(address) })
	return p, address
}

func TestAdminServesTheProcessTooAndNoProfilesUnlessAsked(t *testing.T) {
	t.Parallel()
	p, address := startWithAdmin(t, socketPath(t))
	if _, text := fetch(address, "/metrics"); !strings.Contains(text, "\ngo_goroutines ") || !strings.Contains(text, "\nprocess_open_fds ") {
		t.Error("nothing of the Go runtime, or of the process")
	}
	if status, _ := fetch(address, "/debug/pprof/"); status != 404 {
		t.Errorf("profiles: %d, and nobody asked for them", status)
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestNextRunnerTakesTheAdminsAddressOver(t *testing.T) {
	t.Parallel()
	c, socket := startBroker(t), socketPath(t)
	conf := route(c, "", `,"delivery":"sync"`)
	first, address := startWithAdmin(t, socket, "--drain-timeout", "1m")
	a := connect(t, socket, conf)
	a.mustPost(t, "by the first", 200)
	waitForMetric(t, address, `kafkaupstream_requests_total{code="200"}`, 1)

	slow := startBroker(t)
	arrived, release := holdProduce(t, slow)
	held, answered := connect(t, socket, route(slow, "", `,"delivery":"sync","timeout_ms":30000`)), make(chan int, 1)
	go func() { status, _ := held.post("while the first one ends"); answered <- status }()
	<-arrived

	second := startRun(t, socket, program.Options{Args: []string{"--admin", address}})
	if n := metric(address, `kafkaupstream_requests_total{code="200"}`); n != 1 {
		t.Errorf("the first one no longer has the address while it runs: %v", n)
	}
	first.Signal(syscall.SIGTERM)
	waitForMetric(t, address, `kafkaupstream_requests_total{code="200"}`, 0) // the second's
	if first.Ended() {
		t.Error("the first one has ended before its call was answered")
	}
	release()
	if status := <-answered; status != 200 {
		t.Errorf("the call got %d", status)
	}
	if n := metric(address, `kafkaupstream_admin_listen_failures_total`); n < 1 {
		t.Errorf("it has not waited for the address: %v", n)
	}
	if code := first.Exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	a.prepare(t, conf)
	a.mustPost(t, "by the second", 200)
	waitForMetric(t, address, `kafkaupstream_requests_total{code="200"}`, 1)
	second.Signal(syscall.SIGTERM)
	if code := second.Exit(); code != 0 || complaints(second.Stderr) != nil {
		t.Errorf("exit code %d, stderr %s", code, second.Stderr)
	}
}

func TestStrangerOnTheAdminsAddressStopsNothing(t *testing.T) {
	t.Parallel()
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	c, socket := startBroker(t), socketPath(t)
	p := startRun(t, socket, program.Options{Args: []string{"--admin", stranger.Addr().String()}})
	a := connect(t, socket, route(c, "", `,"delivery":"sync"`))
	a.mustPost(t, "served all the same", 200)
	program.Until(t, "the log reports it", func() bool { return strings.Contains(p.Stderr.String(), "metrics and health cannot be served") })
	a.mustPost(t, "and after that", 200)
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := len(complaints(p.Stderr)); n != 1 {
		t.Errorf("%d lines: %s", n, p.Stderr)
	}
}

func TestProfilesOfARunner(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	_, address := startWithAdmin(t, socket, "--pprof", "--notify-webhook", "http://127.0.0.1:1/planted-token")
	if status, text := fetch(address, "/debug/pprof/goroutine?debug=1"); status != 200 || !strings.Contains(text, "goroutine profile") {
		t.Errorf("%d %.100s", status, text)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/metrics", "/readyz"} {
		if _, text := fetch(address, path); strings.Contains(text, "planted") {
			t.Errorf("%s shows the arguments", path)
		}
	}
}

func TestSpoolThatWasRemovedKeepsNothing(t *testing.T) {
	t.Parallel()
	socket, spool := socketPath(t), filepath.Join(shortDir(t), "spool")
	p, address := startWithAdmin(t, socket, "--spool-dir", spool)
	a := connect(t, socket, `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"t","delivery":"durable","timeout_ms":300}`)
	a.mustPost(t, "kept", 202)
	if err := os.RemoveAll(spool); err != nil {
		t.Fatal(err)
	}
	a.mustPost(t, "refused", 503)
	if status, _ := fetch(address, "/readyz"); status != 503 {
		t.Errorf("/readyz is %d", status)
	}
	for _, line := range []string{"the spool's directory was removed, renamed or replaced", "its unsent records are lost unless it is put back"} {
		program.Until(t, "the log says: "+line, func() bool { return strings.Contains(p.Stderr.String(), line) })
	}
}

func TestFullSpoolIsOneLineInTheLog(t *testing.T) {
	t.Parallel()
	const refused = 20
	for _, c := range []struct{ name, rest, line string }{
		{"a record", `,"delivery":"durable"`, "a record cannot be kept on disk"},
		{"a unit", `,"delivery":"durable","transactional":true`, "a unit cannot be kept on disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, "--log-level", "error", "--spool-max-bytes", "1MiB")
			o.start()
			a := o.prepared(away(c.rest + `,"timeout_ms":300`))
			large := strings.Repeat("x", 900000)
			o.sends(a, 202, large)
			for range refused {
				o.sends(a, 503, large)
			}
			// More only if the test takes longer than the log's ten seconds.
			if n := strings.Count(o.process.Stderr.String(), c.line); n != 1 {
				t.Errorf("%d lines:\n%s", n, o.process.Stderr)
			}
			if want := "--spool-max-bytes is 1MiB, of which records may have 896KiB"; !strings.Contains(o.process.Stderr.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, o.process.Stderr)
			}
		})
	}
}
