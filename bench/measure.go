package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// cell is one size of body at one number of connections.
type cell struct {
	Bytes       int `json:"bytes"`
	Connections int `json:"connections"`
}

// row is what was measured of one subject in one cell.
type row struct {
	cell
	Subject string `json:"subject"`
	// CPUMicros is the CPU time of the runner's process per answered request.
	CPUMicros rig.Spread `json:"cpu_micros"`
	// PerSecond is how many requests were answered (by those that produce: how many
	// records arrived in Kafka).
	PerSecond rig.Spread `json:"per_second"`
	// P50Micros and P99Micros are latencies of the closed loop.
	P50Micros rig.Spread `json:"p50_micros"`
	P99Micros rig.Spread `json:"p99_micros"`
	Answered  int64      `json:"answered"`
	Failed    int64      `json:"failed"`
	// Failure is the first failed request's.
	Failure string `json:"failure,omitempty"`
	// The ratios are against the stock runner in the same round; nil
	// for the stock runner itself and when that was not measured.
	CPURatio  *rig.Spread `json:"cpu_ratio,omitempty"`
	RateRatio *rig.Spread `json:"rate_ratio,omitempty"`
	P50Ratio  *rig.Spread `json:"p50_ratio,omitempty"`
	P99Ratio  *rig.Spread `json:"p99_ratio,omitempty"`

	samples []sample
}

// sample is what a row has of one round.
type sample struct{ cpuMicros, perSecond, p50Micros, p99Micros, answered float64 }

// measure runs the whole benchmark.
func measure(ctx context.Context, o options, progress io.Writer) ([]row, error) {
	dir, err := os.MkdirTemp("", "kafkaupstream-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary, err := rig.BuildRunner(ctx, dir, "")
	if err != nil {
		return nil, err
	}
	b, err := rig.StartBroker(o.Brokers)
	if err != nil {
		return nil, err
	}
	defer b.Close()

	var running []*rig.Subject
	for _, name := range o.Subjects {
		started, err := rig.Begin(ctx, name, rig.Setup{Dir: dir, Binary: binary, Profiles: o.profiles, Broker: b})
		if err != nil {
			return nil, err
		}
		defer started.Proc.Stop()
		running = append(running, started)
	}

	var rows []row
	for _, bytes := range o.Sizes {
		for _, connections := range o.Connections {
			c := cell{bytes, connections}
			fmt.Fprintf(progress, "%d bytes, %d connections\n", bytes, connections)
			measured, err := measureCell(ctx, o, c, running)
			if err != nil {
				return nil, fmt.Errorf("%d bytes, %d connections: %w", bytes, connections, err)
			}
			rows = append(rows, measured...)
		}
	}
	return rows, nil
}

// measureCell lets the subjects take turns: each round has one run of each.
func measureCell(ctx context.Context, o options, c cell, running []*rig.Subject) ([]row, error) {
	body := rig.JSONBody(c.Bytes)
	loads, rows := make([]*rig.Load, len(running)), make([]row, len(running))
	for i, s := range running {
		rows[i] = row{cell: c, Subject: s.Name}
		loads[i] = s.Load(c.Connections, body, o.ContentType)
		defer loads[i].Close()
		if _, err := s.Measure(ctx, loads[i], o.WarmUp); err != nil {
			return nil, err
		}
	}
	for range o.Rounds {
		for i, s := range running {
			one, err := s.Measure(ctx, loads[i], o.Duration)
			if err != nil {
				return nil, err
			}
			rows[i].add(one)
		}
	}
	compare(rows)
	return rows, nil
}

// add takes a round's sample.
func (r *row) add(s rig.Sample) {
	r.samples = append(r.samples, sample{s.CPUMicros, s.Rate, s.Micros(0.5), s.Micros(0.99), float64(s.Answered)})
	r.Answered += s.Answered
	r.Failed += s.Failed
	if r.Failure == "" && s.Failure != nil {
		r.Failure = s.Failure.Error()
	}
}

// column has one number of each round.
func (r *row) column(of func(sample) float64) (values []float64) {
	for _, s := range r.samples {
		values = append(values, of(s))
	}
	return values
}

func cpu(s sample) float64 { return s.cpuMicros }

// ratio divides round by round.
func ratio(of, by *row, column func(sample) float64) rig.Spread {
	return rig.SpreadOf(rig.Ratios(of.column(column), by.column(column)))
}

// rowOf is the first row that is wanted; nil where there is none.
func rowOf(rows []row, wanted func(row) bool) *row {
	if i := slices.IndexFunc(rows, wanted); i >= 0 {
		return &rows[i]
	}
	return nil
}

// compare fills in what is of all rounds.
func compare(rows []row) {
	stock := rowOf(rows, func(r row) bool { return r.Subject == rig.Stock })
	for i := range rows {
		r := &rows[i]
		for _, m := range []struct {
			spread *rig.Spread
			ratio  **rig.Spread
			of     func(sample) float64
		}{
			{&r.CPUMicros, &r.CPURatio, cpu},
			{&r.PerSecond, &r.RateRatio, func(s sample) float64 { return s.perSecond }},
			{&r.P50Micros, &r.P50Ratio, func(s sample) float64 { return s.p50Micros }},
			{&r.P99Micros, &r.P99Ratio, func(s sample) float64 { return s.p99Micros }},
		} {
			*m.spread = rig.SpreadOf(r.column(m.of))
			if stock != nil && r != stock {
				divided := ratio(r, stock, m.of)
				*m.ratio = &divided
			}
		}
	}
}

// estimate is how long the measurements take, without what is between them.
func (o options) estimate() time.Duration {
	cells := len(o.Sizes) * len(o.Connections)
	return time.Duration(cells*len(o.Subjects)) * (o.WarmUp + time.Duration(o.Rounds)*o.Duration)
}
