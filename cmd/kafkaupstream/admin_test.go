package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// freeAddress is an address of the loopback interface at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// fetch gets a page of the admin's; status 0: nobody answers.
func fetch(address, path string) (status int, body string) {
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
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

func readiness(t *testing.T, address string) (status int, r admin.Readiness) {
	t.Helper()
	status, text := fetch(address, "/readyz")
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	return status, r
}

func startWithAdmin(t *testing.T, socket string, args ...string) (p *program.Process, address string) {
	t.Helper()
	address = freeAddress(t)
	p = startRun(t, socket, program.Options{Args: append([]string{"--admin", address, "--log-level", "error"}, args...)})
	program.Until(t, "the admin's page is served", func() bool { return p.Ended() || answers(address) })
	return p, address
}

func TestMetricsOfARunner(t *testing.T) {
	t.Parallel()
	c, socket := startBroker(t), socketPath(t)
	p, address := startWithAdmin(t, socket, "--spool-dir", filepath.Join(shortDir(t), "spool"), "--spool-max-bytes", "2000000")
	a := connect(t, socket, route(c, `,"statistics.interval.ms":50`, `,"delivery":"sync"`))
	for range 3 {
		a.mustPost(t, "12345", 200)
	}
	waitForMetric(t, address, `kafkaupstream_apisix_connections`, 1)
	a.prepare(t, `{"wrong":1}`)
	a.mustPost(t, "", 500)
	a.prepare(t, route(c, "", `,"max_body_bytes":3`))
	a.mustPost(t, "1234", 413)
	a.prepare(t, route(c, "", `,"timeout_ms":1000,"overrides":[],"partition":7`))
	a.mustPost(t, "1", 404)
	unknown := *a
	unknown.token += 1000
	if _, err := unknown.post(""); err == nil {
		t.Error("an unknown token was taken")
	}
	for series, value := range map[string]float64{
		`kafkaupstream_requests_total{code="200"}`:                                        3,
		`kafkaupstream_requests_total{code="413"}`:                                        1,
		`kafkaupstream_requests_total{code="404"}`:                                        1,
		`kafkaupstream_requests_total{code="500"}`:                                        1,
		`kafkaupstream_requests_total{code="503"}`:                                        0,
		`kafkaupstream_requests_in_flight`:                                                0,
		`kafkaupstream_request_body_bytes_total`:                                          20,
		`kafkaupstream_request_duration_seconds_count{delivery="sync"}`:                   3,
		`kafkaupstream_request_duration_seconds_count{delivery="async"}`:                  2,
		`kafkaupstream_records_total{delivered="yes",delivery="sync"}`:                    3,
		`kafkaupstream_records_total{delivered="no",delivery="async"}`:                    1,
		`kafkaupstream_record_failures_total{reason="partition_not_found"}`:               1,
		`kafkaupstream_delivery_reports_total{result="acknowledged"}`:                     3,
		`kafkaupstream_acknowledgement_duration_seconds_count`:                            3,
		`kafkaupstream_configurations{state="invalid"}`:                                   1,
		`kafkaupstream_configurations{state="valid"}`:                                     3,
		`kafkaupstream_configurations_invalid_total`:                                      1,
		`kafkaupstream_apisix_tokens`:                                                     4,
		`kafkaupstream_apisix_tokens_unknown_total`:                                       1,
		`kafkaupstream_apisix_frames_refused_total`:                                       0,
		`kafkaupstream_inflight_bytes`:                                                    0,
		`kafkaupstream_inflight_bytes_max`:                                                256 << 20,
		`kafkaupstream_spool_up`:                                                          1,
		`kafkaupstream_spool_records`:                                                     0,
		`kafkaupstream_spool_bytes_max`:                                                   2000000,
		`kafkaupstream_producers{state="up"}`:                                             2,
		`kafkaupstream_producers_started_total`:                                           2,
		`kafkaupstream_log_lines_dropped_total`:                                           0,
		`kafkaupstream_build_info{commit="0123abc",librdkafka="2.15.0",version="v1.2.3"}`: 1,
	} {
		waitForMetric(t, address, series, value)
	}
	program.Until(t, "librdkafka says how its brokers answer", func() bool {
		_, text := fetch(address, "/metrics")
		return regexp.MustCompile(`(?m)^kafkaupstream_broker_round_trip_p99_seconds\{broker="0",producer="[0-9a-f]{8}"\} `).MatchString(text)
	})
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

func TestMetricsOfTheSpool(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	_, address := startWithAdmin(t, socket, "--spool-dir", filepath.Join(shortDir(t), "spool"))
	a := connect(t, socket, `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"t","delivery":"durable","timeout_ms":500}`)
	a.mustPost(t, "kept", 202)
	a.mustPost(t, "kept too", 202)
	waitForMetric(t, address, `kafkaupstream_spool_records`, 2)
	waitForMetric(t, address, `kafkaupstream_spool_streams`, 1)
	waitForMetric(t, address, `kafkaupstream_records_total{delivered="pending",delivery="durable"}`, 2)
	waitForMetric(t, address, `kafkaupstream_requests_total{code="202"}`, 2)
	for _, name := range []string{"spool_bytes", "spool_oldest_record_age_seconds"} {
		program.Until(t, name+" is more than nothing", func() bool { return metric(address, "kafkaupstream_"+name) > 0 })
	}
	waitForMetric(t, address, `kafkaupstream_producers{state="down"}`, 1)
	if status, r := readiness(t, address); status != 200 || len(r.Warnings) != 1 || r.Clusters[0].State != "down" {
		t.Errorf("it is not ready, though records can be kept: %d %+v", status, r)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	const away = `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"t"}`
	c, socket := startBroker(t), socketPath(t)
	dir := shortDir(t)
	spool := filepath.Join(dir, "spool")
	if err := os.WriteFile(spool, nil, 0o600); err != nil { // no directory can be made there
		t.Fatal(err)
	}
	p, address := startWithAdmin(t, socket, "--spool-dir", spool)
	reasons := func(want int, parts ...string) {
		t.Helper()
		var status int
		var r admin.Readiness
		program.Until(t, fmt.Sprintf("/readyz is %d for %q", want, parts), func() bool {
			status, r = readiness(t, address)
			text := strings.Join(append(r.Reasons, r.Warnings...), "; ")
			for _, part := range parts {
				if !strings.Contains(text, part) {
					return false
				}
			}
			return status == want && r.Ready == (want == 200) && (len(parts) > 0 || text == "")
		})
	}
	reasons(503, "the spool's directory cannot be opened")
	if err := os.Remove(spool); err != nil {
		t.Fatal(err)
	}
	reasons(200)
	if err := os.Rename(spool, spool+".old"); err != nil {
		t.Fatal(err)
	}
	reasons(503, "is not in its place any more")
	if err := os.Rename(spool+".old", spool); err != nil {
		t.Fatal(err)
	}
	reasons(200)

	a := connect(t, socket, away)
	a.mustPost(t, "v", 503)
	reasons(503, "no cluster answers")
	if _, r := readiness(t, address); r.Clusters[0].Brokers != "127.0.0.1:1" || r.Clusters[0].Delivery != "async" || r.Clusters[0].Reason == "" {
		t.Errorf("it is said to be %+v", r.Clusters)
	}
	a.prepare(t, route(c, "", ""))
	a.mustPost(t, "v", 200)
	reasons(200, "1 of 2 connections") // one cluster of two does not take the runner out

	a.prepare(t, route(c, `,"no.such.property":"planted-secret"`, ""))
	a.mustPost(t, "v", 500)
	reasons(200, "1 of 3 connections cannot be made")
	if _, text := fetch(address, "/readyz"); strings.Contains(text, "planted") {
		t.Errorf("a property's value is shown: %s", text)
	}
	if !answers(address) {
		t.Error("the process is not said to live")
	}
	p.Signal(syscall.SIGTERM)
	p.Exit()
}

func TestTheNextRunnerTakesTheAdminsAddressOver(t *testing.T) {
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
	if code := second.Exit(); code != 0 || second.Stderr.String() != "" {
		t.Errorf("exit code %d, stderr %s", code, second.Stderr)
	}
}

func TestAStrangerOnTheAdminsAddressStopsNothing(t *testing.T) {
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
	program.Until(t, "the log says so", func() bool { return strings.Contains(p.Stderr.String(), "metrics and health cannot be served") })
	a.mustPost(t, "and after that", 200)
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := len(p.Stderr.Lines()); n != 1 {
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

func TestNothingIsKeptInASpoolThatWasRemoved(t *testing.T) {
	t.Parallel()
	socket, spool := socketPath(t), filepath.Join(shortDir(t), "spool")
	p, address := startWithAdmin(t, socket, "--spool-dir", spool)
	a := connect(t, socket, `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"t","delivery":"durable","timeout_ms":300}`)
	a.mustPost(t, "kept", 202)
	if err := os.RemoveAll(spool); err != nil {
		t.Fatal(err)
	}
	a.mustPost(t, "refused", 503)
	if status, _ := readiness(t, address); status != 503 {
		t.Errorf("/readyz is %d", status)
	}
	for _, line := range []string{"the spool's directory was removed, renamed or replaced", "unless it is put back, its records that were not sent yet are lost"} {
		program.Until(t, "the log says: "+line, func() bool { return strings.Contains(p.Stderr.String(), line) })
	}
}

func TestAFullSpoolIsOneLineInTheLog(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	p, address := startWithAdmin(t, socket, "--spool-dir", filepath.Join(shortDir(t), "spool"), "--spool-max-bytes", "1048576")
	a := connect(t, socket, `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"t","delivery":"durable","timeout_ms":300}`)
	large := strings.Repeat("x", 900000)
	a.mustPost(t, large, 202)
	const refused = 20
	for range refused {
		a.mustPost(t, large, 503)
	}
	waitForMetric(t, address, `kafkaupstream_record_failures_total{reason="spool_full"}`, refused)
	waitForMetric(t, address, `kafkaupstream_records_total{delivered="no",delivery="durable"}`, refused)
	// More only if the test takes longer than the log's ten seconds.
	if n := strings.Count(p.Stderr.String(), "a record cannot be kept on disk"); n != 1 {
		t.Errorf("%d lines:\n%s", n, p.Stderr)
	}
}
