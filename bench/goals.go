package main

import (
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// goal bounds the CPU time of a subject by that of the stock runner, which does
// nothing but read the body and answer.
type goal struct {
	Subject     string  `json:"subject"`
	Bytes       int     `json:"bytes"`
	Connections int     `json:"connections"`
	AtMost      float64 `json:"at_most"`
}

var goals = []goal{
	{rig.Host, 200, 32, 0.5},
	{rig.Host, 60000, 32, 0.3},
	{rig.Async, 200, 32, 0.8},
}

// verdict is a goal beside what was measured.
type verdict struct {
	goal
	Ratio   float64 `json:"ratio"`
	Outcome string  `json:"outcome"` // reached, not reached, not measured
}

func (g goal) judge(rows []row) verdict {
	for _, r := range rows {
		if r.Subject != g.Subject || r.cell != (cell{g.Bytes, g.Connections}) || r.CPURatio == nil {
			continue
		}
		v := verdict{g, r.CPURatio.Median, "not reached"}
		if v.Ratio <= g.AtMost {
			v.Outcome = "reached"
		}
		return v
	}
	return verdict{goal: g, Outcome: "not measured"}
}

func (v verdict) String() string {
	text := fmt.Sprintf("goal: CPU of %s at most %.2f of the stock runner's at %s, %d connections: %s",
		v.Subject, v.AtMost, size(v.Bytes), v.Connections, v.Outcome)
	if v.Outcome == "not measured" {
		return text
	}
	return fmt.Sprintf("%s (%.2f)", text, v.Ratio)
}
