package main

import (
	"testing"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

func TestVerdict(t *testing.T) {
	g := goal{Subject: rig.Async, Bytes: 200, Connections: 32, AtMost: 0.8}
	there := func(median float64) []row {
		return []row{{cell: cell{200, 32}, Subject: rig.Async, CPURatio: &rig.Spread{Median: median}}}
	}
	tests := []struct {
		name string
		rows []row
		want string
	}{
		{"below the goal", there(0.79), "reached"},
		{"exactly the goal", there(0.8), "reached"},
		{"above the goal", there(0.81), "not reached"},
		{"another size was measured", []row{{cell: cell{10000, 32}, Subject: rig.Async, CPURatio: &rig.Spread{}}}, "not measured"},
		{"without the base there is no ratio", []row{{cell: cell{200, 32}, Subject: rig.Async}}, "not measured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.judge(tt.rows).Outcome; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
