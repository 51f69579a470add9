package main

import (
	"testing"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

func TestVerdict(t *testing.T) {
	g := goal{Subject: rig.Async, Beside: rig.Nginx, Bytes: 200, Connections: 32, AtMost: 0.8}
	there := func(bytes int, micros map[string]float64) (rows []row) {
		for subject, of := range micros {
			r := row{cell: cell{bytes, 32}, Subject: subject}
			r.add(rig.Sample{CPUMicros: of})
			r.add(rig.Sample{CPUMicros: 2 * of})
			rows = append(rows, r)
		}
		return rows
	}
	tests := []struct {
		name string
		rows []row
		want string
	}{
		{"below the goal", there(200, map[string]float64{rig.Async: 7.9, rig.Nginx: 10, rig.Stock: 1}), "reached"},
		{"exactly the goal", there(200, map[string]float64{rig.Async: 8, rig.Nginx: 10}), "reached"},
		{"above the goal", there(200, map[string]float64{rig.Async: 8.1, rig.Nginx: 10, rig.Stock: 100}), "not reached"},
		{"another size was measured", there(10000, map[string]float64{rig.Async: 1, rig.Nginx: 10}), "not measured"},
		{"without the base there is no ratio", there(200, map[string]float64{rig.Async: 1, rig.Stock: 10}), "not measured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.judge(tt.rows).Outcome; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
