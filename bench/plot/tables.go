package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// report is what tables show of bench's result.
type report struct {
	Date     time.Time   `json:"date"`
	Machine  rig.Machine `json:"machine"`
	Brokers  int         `json:"brokers"`
	Rounds   int         `json:"rounds"`
	Duration string      `json:"duration"`
	Rows     []struct {
		Subject     string      `json:"subject"`
		Bytes       int         `json:"bytes"`
		Connections int         `json:"connections"`
		CPUMicros   rig.Spread  `json:"cpu_micros"`
		Answered    int64       `json:"answered"`
		Failed      int64       `json:"failed"`
		CPURatio    *rig.Spread `json:"cpu_ratio"`
		RateRatio   *rig.Spread `json:"rate_ratio"`
		P50Ratio    *rig.Spread `json:"p50_ratio"`
		P99Ratio    *rig.Spread `json:"p99_ratio"`
	} `json:"rows"`
	Goals []struct {
		Subject     string  `json:"subject"`
		Beside      string  `json:"beside"`
		Bytes       int     `json:"bytes"`
		Connections int     `json:"connections"`
		AtMost      float64 `json:"at_most"`
		Ratio       float64 `json:"ratio"`
		Outcome     string  `json:"outcome"`
	} `json:"goals"`
}

func when(date time.Time, m rig.Machine, rounds int, duration string) string {
	text := fmt.Sprintf("%s; %s, %d cores, %.1f of them in use by others before it; %s; %s; rounds: %d, of %s.", date.Format(time.DateOnly), m.CPU, m.Cores, m.Others, m.Kernel, m.Go, rounds, duration)
	if m.Busy() {
		return "**Provisional: the machine was busy with other work.** " + text
	}
	return text
}

func (r report) table() string {
	var b strings.Builder
	fmt.Fprintln(&b, when(r.Date, r.Machine, r.Rounds, r.Duration))
	fmt.Fprint(&b, "\n| body | connections | subject | CPU / stock | requests a second / stock | p50 / stock | p99 / stock | failed |\n|---:|---:|---|---:|---:|---:|---:|---:|\n")
	for _, row := range r.Rows {
		failed := "0"
		if row.Failed > 0 {
			failed = fmt.Sprintf("%.2f %%", 100*float64(row.Failed)/float64(row.Failed+row.Answered))
		}
		cpu := row.CPURatio.String()
		if row.CPURatio == nil {
			cpu = fmt.Sprintf("1: %.0f µs", row.CPUMicros.Median)
		}
		fmt.Fprintf(&b, "| %s B | %d | `%s` | %s | %s | %s | %s | %s |\n", number(float64(row.Bytes)), row.Connections, row.Subject, cpu, row.RateRatio, row.P50Ratio, row.P99Ratio, failed)
	}
	return b.String()
}

// summary is three lines for who reads no table.
func (r report) summary() string {
	const bytes, connections = 200, 32
	var costs []string
	for _, row := range r.Rows {
		if row.Bytes == bytes && row.Connections == connections && row.CPURatio != nil && row.Subject != rig.Nginx {
			costs = append(costs, fmt.Sprintf("`%s` %.2f × (p50 %.1f ×)", row.Subject, row.CPURatio.Median, row.P50Ratio.Median))
		}
	}
	text := fmt.Sprintf("What a request costs in CPU time and latency, beside an external plugin that reads it and answers nothing else (%d B, %d connections,\n%d Kafka brokers on the same %d cores; `serve-` is the standalone server): %s.\n",
		bytes, connections, r.Brokers, r.Machine.Cores, strings.Join(costs, ", "))
	if r.Machine.Busy() {
		text += "Provisional, of a busy machine. "
	}
	return text + "Tables, curves and method: [docs/performance.md](docs/performance.md).\n"
}

func goals(reports ...report) string {
	var b strings.Builder
	b.WriteString("| CPU of a request | beside | goal: at most | measured | |\n|---|---|---:|---:|---|\n")
	for _, r := range reports {
		for _, g := range r.Goals {
			fmt.Fprintf(&b, "| `%s`, %s B, %d connections, %s | `%s` | %.2f | %.2f | %s |\n", g.Subject, number(float64(g.Bytes)), g.Connections, r.broker(), g.Beside, g.AtMost, g.Ratio, g.Outcome)
		}
	}
	return b.String()
}

func (r report) broker() string {
	if r.Brokers == 0 {
		return "embedded broker"
	}
	return "Kafka"
}

func facts(c rig.Curves) string {
	var b strings.Builder
	b.WriteString("| memory of the runner's process | goal: at most | median (min–max) | |\n|---|---:|---:|---|\n")
	for _, f := range c.Facts {
		goal, outcome := "", ""
		if f.AtMost > 0 {
			goal, outcome = strings.TrimSpace(number(f.AtMost)+" "+f.Unit), "reached"
			if f.Median > f.AtMost {
				outcome = "not reached"
			}
		}
		measured := fmt.Sprintf("%s %s (%s–%s)", number(f.Median), f.Unit, number(f.Min), number(f.Max))
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Name, goal, strings.ReplaceAll(measured, "  ", " "), outcome)
	}
	return b.String()
}

func curvesFrom(c rig.Curves) string { return when(c.Date, c.Machine, c.Rounds, c.Duration) + "\n" }

var marked = regexp.MustCompile(`(?s)(<!-- measured: ([a-z]+) -->\n).*?(<!-- end -->)`)

// fill puts each table between its markers. A table without markers, or markers without a table, is an error.
func fill(document string, tables map[string]string) (string, error) {
	var wrong error
	filled := map[string]bool{}
	document = marked.ReplaceAllStringFunc(document, func(block string) string {
		parts := marked.FindStringSubmatch(block)
		table, ok := tables[parts[2]]
		if !ok {
			wrong = errors.Join(wrong, fmt.Errorf("there is no table %q", parts[2]))
		}
		filled[parts[2]] = true
		return parts[1] + "\n" + table + "\n" + parts[3]
	})
	for name := range tables {
		if !filled[name] {
			wrong = errors.Join(wrong, fmt.Errorf("the document has no markers for %q", name))
		}
	}
	return document, wrong
}
