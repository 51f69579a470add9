package main

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// even is a model in which all replicas and seconds are the same, so that arithmetic does.
func even() model {
	return model{Rate: 100000, Replicas: 50, Outage: 30 * time.Second, Timeout: 5 * time.Second, Record: 400, Forward: 12000, Cluster: 300000, Seed: 1}
}

func near(got, want float64) bool { return math.Abs(got-want) <= 0.01*want }

func TestOutageIsArithmeticWhereReplicasAreEven(t *testing.T) {
	m := even()
	o := m.run()
	// 2000 requests/s in each: 10,000 wait for five seconds; 60,000 records are on disk when Kafka is back, which goes at
	// the 200,000 a second that Kafka has to spare.
	if !near(o.Waiting, 10000) || !near(o.DiskMost, 60000*400) || !near(o.Total, 3e6*400) || !near(o.Last.Seconds(), 15) {
		t.Errorf("%+v", o)
	}
	m.Cluster, m.Forward = 1e9, 5000 // a replica sends 3000 a second more than it gets
	if o := m.run(); !near(o.Last.Seconds(), 20) {
		t.Errorf("%+v", o)
	}
}

func TestOutageEndsInMemoryWhereItIsShort(t *testing.T) {
	m := even()
	m.Outage = 3 * time.Second
	if o := m.run(); o.Total != 0 || !near(o.Waiting, 6000) || o.Last > time.Second {
		t.Errorf("%+v", o)
	}
}

func TestOutageNeverEndsWhereKafkaTakesNoMoreThanComes(t *testing.T) {
	m := even()
	m.Cluster = 90000
	if o := m.run(); o.Last >= 0 {
		t.Errorf("%+v", o)
	}
}

func TestOutageFillsUnevenReplicasMore(t *testing.T) {
	m := even()
	m.Skew = 0.5
	if o := m.run(); o.DiskMost < 1.2*o.DiskMean || o.DiskMost > 1.8*o.DiskMean {
		t.Errorf("%+v", o)
	}
}

// docs/scaling.md shows what the command prints.
func TestOutageIsWhatThePageShows(t *testing.T) {
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	m := even()
	m.Skew, m.Burst = 0.2, 0.3
	var b strings.Builder
	m.run().print(&b, m)
	if !strings.Contains(string(page), b.String()) {
		t.Errorf("the page does not show\n%s", b.String())
	}
}

// The cores in docs/scaling.md follow from its formula.
func TestScalingPageCountsRight(t *testing.T) {
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\|[^|]*B[^|]*\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$`).FindAllStringSubmatch(string(page), -1)
	if len(rows) != 6 {
		t.Fatalf("%d rows", len(rows))
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	memory := regexp.MustCompile(`(?m)^\| memory of all replicas then[^|]*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$`).FindStringSubmatch(string(page))
	replicas := regexp.MustCompile(`(?m)^\| replicas of two cores[^|]*\| (\d+) \| (\d+) \| (\d+) \|$`).FindStringSubmatch(string(page))
	if memory == nil || replicas == nil {
		t.Fatal("there is no row of memory, or of replicas")
	}
	for i, rate := range []float64{1e4, 1e5, 1e6} {
		n := number(replicas[1+i])
		want := (n*(32e6+2*(256<<20)) + 20e3*rate) / 1e9 // at 1 s, each request under way has a connection
		if got := number(memory[1+i]); math.Abs(got-want) > max(0.06, 0.01*want) {
			t.Errorf("memory at %.0f requests/s: %v GB, not %.1f", rate, got, want)
		}
	}
	for _, row := range rows {
		for i, rate := range []float64{1e4, 1e5, 1e6} {
			want, got := rate*number(row[1])/1e6/0.6, number(row[2+i])
			if math.Abs(got-want) > max(0.06, 0.03*want) {
				t.Errorf("%s: %v cores, not %.1f", row[0], got, want)
			}
		}
	}
}
