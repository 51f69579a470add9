package console

import (
	"fmt"
	"testing"
)

// names are the events' texts.
func names(events []event) string {
	text := ""
	for _, e := range events {
		text += string(e.data) + " "
	}
	return text
}

func TestHistoryIsBounded(t *testing.T) {
	t.Run("in number", func(t *testing.T) {
		h := newHistory()
		for i := range maxEvents + 7 {
			h.add("record", fmt.Append(nil, i))
		}
		events, first, _ := h.from(0)
		if len(events) != maxEvents || first != 8 || string(events[0].data) != "7" {
			t.Errorf("%d events from number %d, %s", len(events), first, events[0].data)
		}
	})
	t.Run("in bytes", func(t *testing.T) {
		h := newHistory()
		for range 10 {
			h.add("record", make([]byte, maxBytes/4))
		}
		if events, first, _ := h.from(0); len(events) != 4 || first != 7 || h.bytes > maxBytes {
			t.Errorf("%d events from number %d, %d bytes", len(events), first, h.bytes)
		}
	})
}

func TestHistoryGoesOnWhereOneHasBeen(t *testing.T) {
	h := newHistory()
	for _, data := range []string{"a", "b", "c"} {
		h.add("record", []byte(data))
	}
	cases := []struct {
		next  uint64
		want  string
		first uint64
	}{
		{0, "a b c ", 1}, {1, "a b c ", 1}, {3, "c ", 3}, {4, "", 4},
		{9, "", 4}, // of a client that invents
	}
	for _, c := range cases {
		if events, first, _ := h.from(c.next); names(events) != c.want || first != c.first {
			t.Errorf("from %d: %q from number %d, want %q from %d", c.next, names(events), first, c.want, c.first)
		}
	}
	_, _, more := h.from(4)
	select {
	case <-more:
		t.Error("it announces an event that is not there")
	default:
	}
	h.add("record", []byte("d"))
	<-more
	if events, _, _ := h.from(4); names(events) != "d " {
		t.Errorf("then comes %q", names(events))
	}
}
