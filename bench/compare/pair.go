package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// errBase is wrapped by start where the base does not know a subject.
var errBase = errors.New("left out, since the base cannot run it")

// pair is one subject of two revisions: base, new.
type pair [2]*rig.Subject

func start(ctx context.Context, name, dir string, binaries [2]string, b *rig.Broker) (p pair, err error) {
	for i, tag := range []string{"-base", "-new"} {
		if p[i], err = rig.Begin(ctx, name, rig.Setup{Dir: dir, Binary: binaries[i], Broker: b, Tag: tag}); err != nil {
			if i == 0 {
				return p, fmt.Errorf("%w: %w", errBase, err)
			}
			p[0].Proc.Stop()
			return p, err
		}
	}
	return p, nil
}

func (p pair) stop() {
	for _, s := range p {
		s.Proc.Stop()
	}
}

// measure prints a line for each size and number of connections, and reports whether new is dearer in one.
func (p pair) measure(ctx context.Context, o options, w, progress io.Writer) (dearer bool, err error) {
	for _, bytes := range o.Sizes {
		for _, connections := range o.Connections {
			fmt.Fprintf(progress, "%s, %d bytes, %d connections\n", p[0].Name, bytes, connections)
			cpu, rate, err := p.cell(ctx, o, bytes, connections)
			if err != nil {
				return false, err
			}
			v := judge(rig.Ratios(cpu[1], cpu[0]), o.threshold)
			word := ""
			if v.Dearer {
				dearer, word = true, "DEARER"
			}
			faster := rig.SpreadOf(rig.Ratios(rate[1], rate[0]))
			fmt.Fprintf(w, "%d B\t%d\t%s\t%.1f\t%.1f\t%s\t%.2f–%.2f\t%d\t%s\t%s\t\n", bytes, connections, p[0].Name,
				rig.SpreadOf(cpu[0]).Median, rig.SpreadOf(cpu[1]).Median, &v.Spread, v.Low, v.High, v.Rounds, &faster, word)
		}
	}
	return dearer, nil
}

// cell lets base and new take turns. Which one is first changes with each round: what the first leaves behind (a warm cache, a
// clock that has been raised, garbage) is the second's.
func (p pair) cell(ctx context.Context, o options, bytes, connections int) (cpu, rate [2][]float64, err error) {
	var loads [2]*rig.Load
	for i, s := range p {
		loads[i] = s.Load(connections, rig.JSONBody(bytes), o.ContentType)
		defer loads[i].Close()
		if _, err := s.Measure(ctx, loads[i], o.WarmUp); err != nil {
			return cpu, rate, err
		}
	}
	for round := range o.Rounds {
		for turn := range p {
			i := (turn + round) % 2
			one, err := p[i].Measure(ctx, loads[i], o.Duration)
			if err != nil {
				return cpu, rate, err
			}
			cpu[i], rate[i] = append(cpu[i], one.CPUMicros), append(rate[i], one.Rate)
		}
	}
	return cpu, rate, nil
}
