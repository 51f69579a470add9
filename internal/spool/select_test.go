package spool

import (
	"fmt"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

func TestSelectTakesPassesAndStopsAsItIsTold(t *testing.T) {
	sp := openOwned(t, t.TempDir(), Options{SegmentBytes: 500})
	st := stream(t, sp, "s")
	var positions []Position
	for i := range 30 {
		rec := record.Record{Topic: fmt.Sprint("t", i%3), Partition: int32(i), Key: []byte(fmt.Sprint(i)), Value: make([]byte, 40)}
		p, err := st.Append(&Entry{Record: rec})
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, p)
	}
	cases := []struct {
		name   string
		from   Cursor
		n      int
		choose func(*Head) Choice
		want   string // partitions of the records taken
		end    Cursor
	}{
		{"all of them", Cursor{}, 4, nil, "[0 1 2 3]", After(positions[3])},
		{"after a record", After(positions[7]), 3, nil, "[8 9 10]", After(positions[10])},
		{"before a record", Before(positions[7]), 3, nil, "[7 8 9]", After(positions[9])},
		{"those of a topic", Cursor{}, 4, func(h *Head) Choice {
			if string(h.Topic) == "t1" {
				return Take
			}
			return Pass
		}, "[1 4 7 10]", After(positions[10])},
		{"none", Before(positions[20]), 4, func(*Head) Choice { return Pass }, "[]", After(positions[29])},
		{"up to a key", Cursor{}, 10, func(h *Head) Choice {
			if string(h.Key) == "5" {
				return Stop
			}
			return Take
		}, "[0 1 2 3 4]", After(positions[4])},
		{"nothing", After(positions[3]), 10, func(*Head) Choice { return Stop }, "[]", After(positions[3])},
		{"at the end", After(positions[29]), 10, nil, "[]", After(positions[29])},
	}
	for _, c := range cases {
		entries, end, err := st.Select(c.from, c.n, 1<<20, c.choose)
		if err != nil {
			t.Fatal(c.name, err)
		}
		got := []int32{}
		for _, e := range entries {
			got = append(got, e.Record.Partition)
			if e.Position != positions[e.Record.Partition] {
				t.Errorf("%s: entry %+v", c.name, e)
			}
		}
		if fmt.Sprint(got) != c.want || end != c.end {
			t.Errorf("%s: %v up to %v, want %v up to %v", c.name, got, end, c.want, c.end)
		}
	}
}
