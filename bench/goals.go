package main

import (
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// goal bounds the CPU time of a subject by that of another one in the same rounds: the stock runner, which does
// nothing but read the body and answer, or nginx, which does not even read.
type goal struct {
	Subject     string  `json:"subject"`
	Beside      string  `json:"beside"`
	Bytes       int     `json:"bytes"`
	Connections int     `json:"connections"`
	AtMost      float64 `json:"at_most"`
}

// What is not produced, or not waited for, is measured with the embedded broker.
var embeddedGoals = []goal{
	{rig.Host, rig.Stock, 200, 32, 0.5},
	{rig.Host, rig.Stock, 60000, 32, 0.3},
	{rig.Async, rig.Stock, 200, 32, 0.8},
	{rig.Async, rig.Stock, 10000, 32, 1},
	{rig.Async, rig.Stock, 60000, 32, 1.2},
}

var kafkaGoals = []goal{
	{rig.Sync, rig.Stock, 200, 1, 1.6},
	{rig.Sync, rig.Stock, 200, 32, 1},
	{rig.Sync, rig.Stock, 200, 64, 0.8},
	{rig.ServeAsync, rig.Nginx, 200, 16, 2.2},
	{rig.ServeAsync, rig.Nginx, 200, 64, 2.2},
}

// verdict is a goal beside what was measured.
type verdict struct {
	goal
	Ratio   float64 `json:"ratio"`
	Outcome string  `json:"outcome"` // reached, not reached, not measured
}

func (g goal) judge(rows []row) verdict {
	find := func(subject string) *row {
		return rowOf(rows, func(r row) bool { return r.Subject == subject && r.cell == cell{g.Bytes, g.Connections} })
	}
	of, by := find(g.Subject), find(g.Beside)
	if of == nil || by == nil {
		return verdict{goal: g, Outcome: "not measured"}
	}
	v := verdict{g, ratio(of, by, cpu).Median, "not reached"}
	if v.Ratio <= g.AtMost {
		v.Outcome = "reached"
	}
	return v
}

func (v verdict) String() string {
	text := fmt.Sprintf("goal: CPU of %s at most %.2f of %s's at %s, %d connections: %s",
		v.Subject, v.AtMost, v.Beside, size(v.Bytes), v.Connections, v.Outcome)
	if v.Outcome == "not measured" {
		return text
	}
	return fmt.Sprintf("%s (%.2f)", text, v.Ratio)
}
