package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// cannotReach sends a request whose cluster does not answer to each of the routes.
func cannotReach(status int, rests ...string) func(*testing.T, *observed) {
	return func(_ *testing.T, o *observed) {
		for _, rest := range rests {
			o.sends(o.prepared(away(rest+briefly)), status, "v")
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	const (
		nobody    = "no cluster answers"
		noDisk    = "the spool's directory cannot be opened"
		fullDisk  = "the spool is full"
		noSocket  = "APISIX cannot connect"
		durably   = `,"delivery":"durable"`
		unitRest  = `,"transactional":true`
		unitsKept = durably + unitRest
	)
	filled := func(rest string) func(*testing.T, *observed) {
		return func(_ *testing.T, o *observed) {
			o.sends(o.prepared(away(rest+briefly)), 202, strings.Repeat("x", 900_000))
		}
	}
	noSpool := func(_ *testing.T, o *observed) { o.occupy(o.spool) }
	for _, c := range []struct {
		name       string
		before, do func(*testing.T, *observed)
		status     int
		says       []string // parts of all reasons and warnings, in their order
	}{
		{"a runner without routes is ready", nil, nil, 200, nil},
		{"a runner is ready while it does not know yet whether a cluster answers", nil, func(_ *testing.T, o *observed) {
			o.prepared(fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"topic":"t"}`, program.SilentAddress(o.t)))
		}, 200, nil},
		{"a runner whose cluster answers is ready", nil, posts(syncRest, 200, "v"), 200, nil},
		{"a runner is not ready when the cluster of its async route is away", nil, cannotReach(503, ``), 503, []string{nobody, "1 of 1 connections"}},
		{"a runner is not ready when the cluster of its sync route is away", nil, cannotReach(503, syncRest), 503, []string{nobody, "1 of 1 connections"}},
		{"a runner is not ready when the cluster of its transactional route is away", nil, cannotReach(503, unitRest), 503, []string{nobody, "1 of 1 connections"}},
		{"a durable route can keep records while its cluster is away", nil, cannotReach(202, durably), 200, []string{"1 of 1 connections"}},
		{"a durable transactional route can keep records while its cluster is away", nil, cannotReach(202, unitsKept), 200, []string{"1 of 1 connections"}},
		{"routes of both kinds can keep records while their cluster is away", nil, cannotReach(202, durably, unitsKept), 200, []string{"2 of 2 connections"}},
		{"a stream that is suspended keeps records all the same", nil, refusedLater(unitsKept+`,"on_permanent_error":"suspend"`, "v"), 200, nil},
		{"a runner is not ready when the cluster of its durable route is away and its spool is full", nil, filled(durably), 503,
			[]string{nobody, fullDisk, "1 of 1 connections"}},
		{"a runner is not ready when the cluster of its durable transactional route is away and its spool is full", nil, filled(unitsKept), 503,
			[]string{nobody, fullDisk, "1 of 1 connections"}},
		{"a runner with a full spool is ready while a cluster answers", nil, func(t *testing.T, o *observed) {
			filled(durably)(t, o)
			posts(durably, 200, "v")(t, o)
		}, 200, []string{fullDisk, "1 of 2 connections"}},
		{"a record that is too large for the spool says nothing of others", nil, func(t *testing.T, o *observed) {
			cannotReach(202, durably)(t, o)
			o.sends(o.prepared(away(durably+briefly)), 503, strings.Repeat("x", 950_000))
		}, 200, []string{"1 of 1 connections"}},
		{"a durable route makes up for a sync route whose cluster is away", nil, func(t *testing.T, o *observed) {
			cannotReach(202, unitsKept)(t, o)
			cannotReach(503, syncRest)(t, o)
		}, 200, []string{"2 of 2 connections"}},
		{"a route whose cluster answers makes up for one whose cluster is away", nil, func(t *testing.T, o *observed) {
			cannotReach(503, ``)(t, o)
			posts(``, 200, "v")(t, o)
		}, 200, []string{"1 of 2 connections"}},
		{"a runner is not ready when its spool cannot be opened", noSpool, nil, 503, []string{noDisk}},
		{"a runner is not ready when its spool cannot be opened, though a cluster answers", noSpool, posts(syncRest, 200, "v"), 503, []string{noDisk}},
		{"a durable route keeps no record without its spool", noSpool, cannotReach(503, durably), 503, []string{noDisk, nobody, "1 of 1"}},
		{"a runner is ready when its spool can be opened again", noSpool, func(t *testing.T, o *observed) {
			if err := os.Remove(o.spool); err != nil {
				t.Fatal(err)
			}
		}, 200, nil},
		{"a runner is not ready when its spool was taken away", nil, func(t *testing.T, o *observed) {
			if err := os.Rename(o.spool, o.spool+".away"); err != nil {
				t.Fatal(err)
			}
		}, 503, []string{"is not in its place any more"}},
		{"a runner is ready when its spool was put back", nil, func(t *testing.T, o *observed) {
			for _, names := range [][2]string{{o.spool, o.spool + ".away"}, {o.spool + ".away", o.spool}} {
				if err := os.Rename(names[0], names[1]); err != nil {
					t.Fatal(err)
				}
			}
		}, 200, nil},
		{"a runner is ready when another process has its spool", func(t *testing.T, o *observed) {
			startDurable(t, o.spool)
		}, nil, 200, []string{"another process has the spool"}},
		{"properties that librdkafka refuses are a warning", nil, func(_ *testing.T, o *observed) {
			o.sends(o.route(`,"security.protocol":"ssl","ssl.ca.location":"/no/planted-secret"`, ``), 500, "v")
		}, 200, []string{"1 of 1 connections cannot be made"}},
		{"a secret that cannot be read is a warning", nil, func(_ *testing.T, o *observed) {
			o.sends(o.route(`,"sasl.password":"$file://planted"`, ``), 503, "v")
		}, 200, []string{"1 of 1 connections cannot be made"}},
		{"a runner is not ready when APISIX does not find its socket", nil, func(t *testing.T, o *observed) {
			if err := os.Remove(o.socket); err != nil {
				t.Fatal(err)
			}
		}, 503, []string{noSocket}},
		{"a runner that drains answers no probe", nil, func(_ *testing.T, o *observed) {
			a := o.route("", syncRest+`,"timeout_ms":20000`)
			o.held(a, "v")
			o.process.Signal(syscall.SIGTERM)
		}, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, "--log-level", "error", "--drain-timeout", "20s", "--spool-max-bytes", "1MiB")
			if c.before != nil {
				c.before(t, o)
			}
			o.start()
			if c.do != nil {
				c.do(t, o)
			}
			var status int
			var text string
			defer func() {
				if t.Failed() {
					t.Logf("%d: %s", status, text)
				}
			}()
			program.Until(t, "it is said", func() bool {
				status, text = fetch(o.address, "/readyz")
				return status == c.status && says(t, status, text, c.says)
			})
			if strings.Contains(text, "planted") {
				t.Errorf("a property's value is shown: %s", text)
			}
			if live := answers(o.address); live != (c.status != 0) {
				t.Errorf("that the process lives: %v", live)
			}
		})
	}
}

// says reports whether the reply has these reasons and warnings, and no others.
func says(t *testing.T, status int, text string, parts []string) bool {
	t.Helper()
	if status == 0 {
		return true
	}
	r := decodeReadiness(t, text)
	all := append(r.Reasons, r.Warnings...)
	if len(all) != len(parts) || r.Ready != (status == 200) {
		return false
	}
	for i, part := range parts {
		if !strings.Contains(all[i], part) {
			return false
		}
	}
	return true
}

func TestReadinessNamesTheClusters(t *testing.T) {
	t.Parallel()
	o := observe(t, "--log-level", "error")
	o.start()
	cannotReach(503, syncRest)(t, o)
	_, text := fetch(o.address, "/readyz")
	all := decodeReadiness(t, text).Clusters
	if len(all) != 1 || all[0].Brokers != gone || all[0].Delivery != "sync" || all[0].State != string(producer.StateDown) || all[0].Reason == "" || len(all[0].Producer) != 8 {
		t.Errorf("got %+v", all)
	}
}
