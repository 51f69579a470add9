package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// measured is two rounds of two subjects in one cell.
func measured() []row {
	rows := []row{{cell: cell{200, 32}, Subject: rig.Stock}, {cell: cell{200, 32}, Subject: rig.Sync}}
	for round := range 2 {
		for i := range rows {
			took := []time.Duration{time.Duration(1+i) * time.Millisecond}
			rows[i].add(rig.Sample{CPUMicros: float64(10 * (1 + i) * (1 + round)), Rate: 1000, Tally: rig.Tally{Answered: 100, Took: took}})
		}
	}
	compare(rows)
	return rows
}

func TestCompareDividesByTheStockRunnerOfTheSameRound(t *testing.T) {
	rows := measured()
	if s := rows[0]; s.CPURatio != nil || s.P50Ratio != nil || s.CPUMicros != (rig.Spread{Median: 15, Min: 10, Max: 20}) {
		t.Errorf("stock: %+v", s)
	}
	two := rig.Spread{Median: 2, Min: 2, Max: 2}
	if s := rows[1]; *s.CPURatio != two || *s.P50Ratio != two || *s.P99Ratio != two || s.RateRatio.Median != 1 || s.Answered != 200 {
		t.Errorf("sync: %+v", s)
	}
	alone := measured()[1:]
	alone[0].CPURatio = nil
	if compare(alone); alone[0].CPURatio != nil {
		t.Error("a ratio without the stock runner")
	}
}

// What benchstat reads: https://go.dev/design/14313-benchmark-format.
func TestBenchfmtHasALineForEachRound(t *testing.T) {
	line := regexp.MustCompile(`^(Benchmark[A-Z]\S* \d+( [0-9.]+ \S+)+|[a-z][^ A-Z]*: .*)$`)
	var text strings.Builder
	if err := (report{Brokers: 3, Rows: measured()}).writeBenchfmt(&text); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(text.String()) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("not of the format: %q", l)
		}
	}
	for _, want := range []string{"\nbrokers: 3\n", "BenchmarkRunner/subject=sync/bytes=200/conns=32 100 40000 cpu-ns/req 1000.0 req/s 2000000 p50-ns 2000000 p99-ns\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if n := strings.Count(text.String(), "Benchmark"); n != 4 {
		t.Errorf("%d lines of 2 rounds of 2 subjects", n)
	}
}
