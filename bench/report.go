package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// report is the outcome of a run; -json writes it.
type report struct {
	Date     time.Time   `json:"date"`
	Machine  rig.Machine `json:"machine"`
	Brokers  int         `json:"brokers"` // of a real Kafka; 0: the embedded one
	Rounds   int         `json:"rounds"`
	Duration string      `json:"duration"`
	// ContentType is the bodies'.
	ContentType string    `json:"content_type"`
	Rows        []row     `json:"rows"`
	Goals       []verdict `json:"goals"`
}

func newReport(o options, machine rig.Machine, rows []row) report {
	r := report{
		Date:        time.Now().UTC().Truncate(time.Second),
		Machine:     machine,
		Brokers:     o.Brokers,
		Rounds:      o.Rounds,
		Duration:    o.Duration.String(),
		ContentType: o.ContentType,
		Rows:        rows,
	}
	goals := embeddedGoals
	if o.Brokers > 0 {
		goals = kafkaGoals
	}
	for _, g := range goals {
		r.Goals = append(r.Goals, g.judge(rows))
	}
	return r
}

func (r report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r report) writeText(w io.Writer) error {
	fmt.Fprintf(w, "CPU time and throughput of an ext-plugin runner's process, over a Unix socket, closed loop\n")
	fmt.Fprintf(w, "%s, %d cores; %s; %s; %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go, r.Date.Format(time.DateOnly))
	fmt.Fprintf(w, "%d alternating rounds of %s; median of the rounds (min–max); ratios are round by round; bodies are %s; %s\n\n", r.Rounds, r.Duration, r.ContentType, broker(r.Brokers))

	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "body\tconnections\trunner\tCPU µs/request\trequests/s\tfailed\tCPU / stock\trequests/s / stock\tp50 / stock\tp99 / stock\t")
	for _, row := range r.Rows {
		fmt.Fprintf(tw, "%s\t%d\t%s\t%.1f\t%.0f\t%s\t%s\t%s\t%s\t%s\t\n", size(row.Bytes), row.Connections, row.Subject,
			row.CPUMicros.Median, row.PerSecond.Median, share(row.Failed, row.Answered+row.Failed), row.CPURatio, row.RateRatio, row.P50Ratio, row.P99Ratio)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, v := range r.Goals {
		fmt.Fprintln(w, v)
	}
	for _, row := range r.Rows {
		if row.Failed > 0 {
			fmt.Fprintf(w, "%s, %s, %d connections: %d failed, the first: %s\n", row.Subject, size(row.Bytes), row.Connections, row.Failed, row.Failure)
		}
	}
	return nil
}

func size(bytes int) string {
	if bytes >= 1000 && bytes%1000 == 0 {
		return fmt.Sprintf("%d kB", bytes/1000)
	}
	return fmt.Sprintf("%d B", bytes)
}

func share(part, whole int64) string {
	if part == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(part)/float64(whole))
}

func broker(nodes int) string {
	if nodes == 0 {
		return "the embedded broker"
	}
	return fmt.Sprintf("Apache Kafka on this machine, brokers: %d", nodes)
}

// writeBenchfmt writes a line for each subject, cell and round, in Go's benchmark format, which benchstat reads.
func (r report) writeBenchfmt(w io.Writer) error {
	_, err := fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: github.com/kafkaupstream/kafkaupstream/bench\ncpu: %s\nbrokers: %d\n", runtime.GOOS, runtime.GOARCH, r.Machine.CPU, r.Brokers)
	for _, row := range r.Rows {
		for _, s := range row.samples {
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "BenchmarkRunner/subject=%s/bytes=%d/conns=%d %.0f %.0f cpu-ns/req %.1f req/s %.0f p50-ns %.0f p99-ns\n", row.Subject, row.Bytes, row.Connections,
				s.answered, s.cpuMicros*1e3, s.perSecond, s.p50Micros*1e3, s.p99Micros*1e3)
		}
	}
	return err
}
