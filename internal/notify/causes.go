package notify

import "time"

// maxCauses bounds the causes that are told apart; the rest is one cause, others.
const maxCauses = 1000

// cause is what notifications are counted by. The reason is not part of it: its
// text may differ each time.
type cause struct{ event, stream, topic string }

var others = cause{event: "others"}

// causes holds, of each cause, when it may be sent next and what waits for that.
// It is not safe for concurrent use.
type causes struct {
	interval time.Duration
	entries  map[cause]*entry
}

type entry struct {
	due     time.Time
	waiting *Event // nil: nothing
}

// add puts an event to what waits of its cause, and tells whether nothing did.
func (c *causes) add(e Event, now time.Time) (first bool) {
	key := cause{e.Event, e.Stream, e.Topic}
	if c.entries[key] == nil && len(c.entries) >= maxCauses {
		key, e.Event, e.Stream, e.Topic = others, others.event, "", ""
	}
	held := c.entries[key]
	if held == nil {
		held = &entry{due: now}
		c.entries[key] = held
	}
	if first = held.waiting == nil; !first {
		e.Count += held.waiting.Count
	}
	held.waiting = &e
	return first
}

// take returns what waits and is due, the longest overdue first; with all, also
// what is not due. It forgets causes of which nothing came for an interval.
func (c *causes) take(now time.Time, all bool) (Event, bool) {
	var next *entry
	for key, held := range c.entries {
		due := !now.Before(held.due)
		switch {
		case held.waiting == nil && due:
			delete(c.entries, key)
		case held.waiting != nil && (due || all) && (next == nil || held.due.Before(next.due)):
			next = held
		}
	}
	if next == nil {
		return Event{}, false
	}
	e := *next.waiting
	next.waiting, next.due = nil, now.Add(c.interval)
	return e, true
}

// wait returns how long nothing becomes due, an interval at most.
func (c *causes) wait(now time.Time) time.Duration {
	wait := c.interval
	for _, held := range c.entries {
		wait = min(wait, held.due.Sub(now))
	}
	return wait
}
