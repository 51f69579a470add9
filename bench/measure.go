package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
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
	CPUMicros spread `json:"cpu_micros"`
	// PerSecond is how many requests were answered (by async and sync: how many
	// records arrived in Kafka).
	PerSecond spread `json:"per_second"`
	Answered  int64  `json:"answered"`
	Failed    int64  `json:"failed"`
	// Failure is the first failed request's.
	Failure string `json:"failure,omitempty"`
	// CPURatio and RateRatio are against the stock runner in the same round; nil
	// for the stock runner itself and when that was not measured.
	CPURatio  *spread `json:"cpu_ratio,omitempty"`
	RateRatio *spread `json:"rate_ratio,omitempty"`
}

// measure runs the whole benchmark.
func measure(ctx context.Context, o options, progress io.Writer) ([]row, error) {
	dir, err := os.MkdirTemp("", "kafkaupstream-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary, err := buildRunner(ctx, dir)
	if err != nil {
		return nil, err
	}
	b, err := startBroker()
	if err != nil {
		return nil, err
	}
	defer b.close()

	var running []*subject
	for _, s := range subjects {
		if !slices.Contains(o.subjects, s.name) {
			continue
		}
		kafka := b
		if s.mode != "plugin" && s.mode != modeServe {
			kafka = nil
		}
		started, err := begin(ctx, dir, binary, s.name, s.mode, o.profiles, kafka)
		if err != nil {
			return nil, err
		}
		defer started.proc.stop()
		running = append(running, started)
	}

	var rows []row
	for _, bytes := range o.sizes {
		for _, connections := range o.connections {
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
func measureCell(ctx context.Context, o options, c cell, running []*subject) ([]row, error) {
	body := jsonBody(c.Bytes)
	loads := make([]*load, len(running))
	for i, s := range running {
		loads[i] = s.loadFor(c, body, o.contentType)
		defer loads[i].close()
		if _, err := s.measure(ctx, loads[i], o.warmUp); err != nil {
			return nil, err
		}
	}
	samples := make([][]sample, len(running))
	for range o.rounds {
		for i, s := range running {
			one, err := s.measure(ctx, loads[i], o.duration)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], one)
		}
	}
	return rowsOf(c, running, samples), nil
}

func rowsOf(c cell, running []*subject, samples [][]sample) []row {
	var stockCPU, stockRate []float64
	rows := make([]row, len(running))
	for i, s := range running {
		rows[i] = row{cell: c, Subject: s.name}
		cpu, rate := columns(samples[i])
		rows[i].CPUMicros, rows[i].PerSecond = spreadOf(cpu), spreadOf(rate)
		for _, one := range samples[i] {
			rows[i].Answered += one.Answered
			rows[i].Failed += one.Failed
			if rows[i].Failure == "" && one.failure != nil {
				rows[i].Failure = one.failure.Error()
			}
		}
		if s.name == stock {
			stockCPU, stockRate = cpu, rate
		}
	}
	if stockCPU == nil {
		return rows
	}
	for i, s := range running {
		if s.name != stock {
			cpu, rate := columns(samples[i])
			cpuRatio, rateRatio := spreadOf(ratios(cpu, stockCPU)), spreadOf(ratios(rate, stockRate))
			rows[i].CPURatio, rows[i].RateRatio = &cpuRatio, &rateRatio
		}
	}
	return rows
}

func columns(samples []sample) (cpu, rate []float64) {
	for _, s := range samples {
		cpu = append(cpu, s.CPUMicros)
		rate = append(rate, s.Rate)
	}
	return cpu, rate
}

// estimate is how long the measurements take, without what is between them.
func (o options) estimate() time.Duration {
	cells := len(o.sizes) * len(o.connections)
	return time.Duration(cells*len(o.subjects)) * (o.warmUp + time.Duration(o.rounds)*o.duration)
}
