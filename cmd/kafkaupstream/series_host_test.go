package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

func eventsOfTheSpool() []event {
	keptOne := map[string]float64{requests(202): 1, told("durable", "pending"): 1}
	large := strings.Repeat("x", 100_000)
	return []event{
		{name: "a record is on disk and librdkafka has it too", do: func(_ *testing.T, o *observed) {
			a := o.route("", `,"delivery":"durable"`+briefly)
			o.sends(a, 200, "v")
			holdProduce(o.t, o.broker())
			o.sends(a, 202, "v")
		}, shows: with(keptOne, map[string]float64{
			requests(200): 1, told("durable", "yes"): 1, reports("acknowledged"): 1, "kafkaupstream_spool_records_under_way": 1,
		})},
		{name: "Kafka refuses a record that was kept", do: refusedLater(`,"delivery":"durable"`, "v"), shows: with(keptOne, map[string]float64{
			"kafkaupstream_spool_dead_letters": 1, "kafkaupstream_spool_dead_letters_bytes": some, reports("rejected"): 1,
		})},
		{name: "dead letters fill their share", args: []string{"--spool-max-bytes", "2000000"}, do: refusedLater(`,"delivery":"durable"`, large, large, large, large), shows: map[string]float64{
			requests(202): 4, told("durable", "pending"): 4, reports("rejected"): 4, "kafkaupstream_spool_dead_letters_dropped_total": some,
		}},
		{name: "Kafka refuses a record of a stream that stops then", do: refusedLater(`,"delivery":"durable","on_permanent_error":"suspend"`, "v"), shows: with(keptOne, map[string]float64{
			"kafkaupstream_spool_streams_suspended": 1, reports("rejected"): 1,
		})},
		{name: "what says where a stream goes is damaged", before: func(t *testing.T, o *observed) {
			o.damage(t, "connection.json", func([]byte) []byte { return []byte("{") })
		}, shows: map[string]float64{"kafkaupstream_spool_streams_unreadable": 1}},
		{name: "records on disk are damaged", before: func(t *testing.T, o *observed) {
			o.damage(t, "*.seg", func(text []byte) []byte { text[len(text)/2] ^= 1; return text })
		}, shows: map[string]float64{"kafkaupstream_spool_corrupt_bytes": some}},
		{name: "the disk cannot be used", before: func(_ *testing.T, o *observed) { o.occupy(o.spool) }, shows: map[string]float64{"kafkaupstream_spool_up": 0}},
		{name: "the disk can be used again", before: func(_ *testing.T, o *observed) { o.occupy(o.spool) }, do: func(t *testing.T, o *observed) {
			if err := os.Remove(o.spool); err != nil {
				t.Fatal(err)
			}
		}, shows: map[string]float64{"kafkaupstream_spool_up": 1}},
		{name: "an operator sets bounds", args: []string{"--spool-max-bytes", "2MB", "--max-inflight-bytes", "3MB"}, shows: map[string]float64{
			"kafkaupstream_spool_bytes_max": 2000000, "kafkaupstream_spool_dead_letters_bytes_max": 250000, "kafkaupstream_inflight_bytes_max": 3000000,
		}},
	}
}

// refusedLater keeps records of a durable route on disk, and then starts the broker, which
// refuses them.
func refusedLater(rest string, bodies ...string) func(*testing.T, *observed) {
	return func(t *testing.T, o *observed) {
		_, port, _ := net.SplitHostPort(program.FreeAddress(t))
		a := o.prepared(fmt.Sprintf(`{"config":{"bootstrap.servers":"127.0.0.1:%s"},"topic":"t"%s%s}`, port, rest, briefly))
		for _, body := range bodies {
			o.sends(a, 202, body)
		}
		number, _ := strconv.Atoi(port)
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.Ports(number))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Count: -1})
	}
}

// damage leaves a spool that a runner has left records in, and changes one of its files.
func (o *observed) damage(t *testing.T, pattern string, change func([]byte) []byte) {
	t.Helper()
	o.spool = kept(t, 3).dir
	found, _ := filepath.Glob(filepath.Join(o.spool, "*", pattern))
	if len(found) != 1 {
		all, _ := filepath.Glob(filepath.Join(o.spool, "*", "*"))
		t.Fatalf("%s is not one file of %q", pattern, all)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(found[0], change(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func eventsOfTheHost() []event {
	return []event{
		{name: "APISIX prepares a route", do: func(_ *testing.T, o *observed) { o.prepared(away(``)) }, shows: map[string]float64{
			"kafkaupstream_apisix_connections": 1, "kafkaupstream_apisix_tokens": 1, `kafkaupstream_configurations{state="valid"}`: 1,
		}},
		{name: "a route's configuration cannot be used", do: func(_ *testing.T, o *observed) {
			o.sends(o.prepared(`{"wrong":1}`), 500, "v")
		}, shows: map[string]float64{
			"kafkaupstream_configurations_invalid_total": 1, `kafkaupstream_configurations{state="invalid"}`: 1, requests(500): 1,
		}},
		{name: "APISIX uses a token of an earlier process", do: func(t *testing.T, o *observed) {
			a := o.prepared(away(``))
			a.token += 1000
			if _, err := a.post(""); !errors.Is(err, gateway.ErrConfTokenNotFound) {
				t.Errorf("an unknown token: %v", err)
			}
		}, shows: map[string]float64{"kafkaupstream_apisix_tokens_unknown_total": 1}},
		{name: "somebody else speaks on the socket", do: func(t *testing.T, o *observed) {
			o.speaks("\x09\x00\x00\x00")
		}, shows: map[string]float64{"kafkaupstream_apisix_frames_refused_total": 1}},
		{name: "a worker of APISIX dies in the middle of a frame", do: func(t *testing.T, o *observed) {
			o.speaks("\x02\x00").Close()
		}, shows: map[string]float64{"kafkaupstream_apisix_connections_broken_total": 1}},
		{name: "nobody reads the log", before: func(t *testing.T, o *observed) {
			_, w := fullPipe(t)
			o.options.Stderr = w
		}, do: func(_ *testing.T, o *observed) {
			a := o.prepared(away(``))
			for i := range manyLines {
				o.prepared(fmt.Sprintf(`{"wrong-%d":1}`, i))
				o.sends(a, 503, "v", "topic", fmt.Sprint("t", i))
			}
		}, shows: map[string]float64{
			"kafkaupstream_log_lines_dropped_total": some, "kafkaupstream_configurations_invalid_total": manyLines,
			requests(503): manyLines, told("async", "no"): manyLines, failures("no_broker"): manyLines, producerIs("down"): 1,
		}},
		{name: "the next runner waits for the address", do: func(t *testing.T, o *observed) {
			first := o.process
			o.start()
			program.Until(t, "it says that it waits", func() bool { return strings.Contains(o.process.Stderr.String(), "metrics and health cannot be served") })
			first.Signal(syscall.SIGTERM)
		}, shows: map[string]float64{"kafkaupstream_admin_listen_failures_total": some}},
		{name: "a span is exported", before: collects(http.StatusOK), do: posts(``, 200, "v"), shows: map[string]float64{
			spans("recorded"): 1, spans("exported"): 1, requests(200): 1, told("async", "unknown"): 1, reports("acknowledged"): 1,
		}},
		{name: "a collector refuses a span", before: collects(http.StatusBadRequest), do: posts(``, 200, "v"), shows: map[string]float64{
			spans("failed"): 1, requests(200): 1, told("async", "unknown"): 1, reports("acknowledged"): 1,
		}},
		{name: "a runner is started", shows: map[string]float64{
			`kafkaupstream_build_info{commit="0123abc",librdkafka="2.15.0",version="v1.2.3"}`: 1,
		}},
	}
}

// manyLines is as many lines of one kind as the log keeps apart: two kinds are more than
// it has room for.
const manyLines = 100

// speaks sends bytes to the runner's socket.
func (o *observed) speaks(text string) net.Conn {
	o.t.Helper()
	c, err := net.Dial("unix", o.socket)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte(text)); err != nil {
		o.t.Fatal(err)
	}
	return c
}

// collects lets spans go to a collector that answers with the status.
func collects(status int) func(*testing.T, *observed) {
	return func(t *testing.T, o *observed) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		o.options.Env = append(o.options.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+s.URL)
	}
}
