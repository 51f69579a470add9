package spool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// place is where the segments of a stream, or of its dead letters, are, and whose room they
// take. It does not change.
type place struct {
	spool   *Spool
	id      string // of the stream
	dir     string
	letters bool // they are dead letters
}

func (p *place) path(id segmentID) string {
	return filepath.Join(p.dir, id.String()+segmentSuffix)
}

// take counts bytes that are about to be written; the error is ErrFull.
func (p *place) take(n int64, holder any) error {
	s := p.spool
	if p.letters {
		return s.takeLetter(n)
	}
	err := s.room.takeRecord(n, holder)
	// The owner deletes what this process has counted.
	if err != nil && !s.owner.Load() && s.recountSometimes() == nil {
		err = s.room.takeRecord(n, holder)
	}
	return err
}

// give is the reverse of take, for what segments have.
func (p *place) give(c charge) { p.spool.room.give(c, p.letters) }

// giveBack is the reverse of take.
func (p *place) giveBack(n int64, holder any) {
	var c charge
	c.add(n, holder)
	p.give(c)
}

// chargeFile replaces what was counted of a file by what is there now.
func (p *place) chargeFile(path string, n int64) {
	s := p.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room.correct(n-s.counted[path].bytes, p.letters)
	delete(s.counted, path)
}

// catalog knows the segments of a stream, or of its dead letters.
type catalog struct {
	place
	pending atomic.Int64

	// mu guards which segments there are, and of each how much is durable, pending and
	// whether it is sealed. Nothing is waited for while it is held.
	mu       sync.Mutex
	segments segments
	newest   int64 // the time in the newest name ever used
}

// nextSegmentID returns a name greater than every one there is or was.
func (c *catalog) nextSegmentID() (segmentID, error) {
	ids, err := segmentFiles(c.dir)
	if err != nil {
		return segmentID{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	newest := c.newest
	if len(ids) > 0 {
		newest = max(newest, ids[len(ids)-1].time)
	}
	if newest == math.MaxInt64 {
		return segmentID{}, fmt.Errorf("%s holds a segment of the end of time", c.id)
	}
	c.newest = max(newest+1, time.Now().UnixNano())
	return segmentID{c.newest, rand.Uint32()}, nil
}

func (c *catalog) pendingFrom(id segmentID) *segment {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, seg := range c.segments[c.segments.at(id):] {
		if seg.pending > 0 && !seg.passed {
			return seg
		}
	}
	return nil
}

func (c *catalog) pendingAfter(id segmentID) *segment {
	next := segmentID{id.time, id.salt + 1}
	if next.salt == 0 {
		next.time++
	}
	return c.pendingFrom(next)
}

// lose gives up a segment whose file is gone, and says how many records with it. If the
// file comes back, it is loaded as another process's.
func (c *catalog) lose(seg *segment) {
	if !c.remove(seg) {
		return
	}
	c.spool.log.Error("a spool segment was removed or renamed by another program; its unsent records are lost unless it is put back",
		"stream", c.id, "dead_letters", c.letters, "segment", seg.id.String(), "records", seg.pending)
}

// pass takes a segment's records out of the pending ones. It reports whether they were among them.
func (c *catalog) pass(seg *segment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.segments.get(seg.id) != seg || seg.passed {
		return false
	}
	seg.passed = true
	c.pending.Add(-seg.pending)
	return true
}

// remove takes a segment with its records out of the stream and of the spool's size. It reports
// whether it was in it: reader and writer may both find its file gone.
func (c *catalog) remove(seg *segment) bool {
	c.mu.Lock()
	known := c.segments.get(seg.id) == seg
	if known && !seg.passed {
		c.pending.Add(-seg.pending)
	}
	c.segments.remove(seg.id)
	c.mu.Unlock()
	if known {
		c.give(seg.charge)
	}
	return known
}

// addPending corrects how many records of a segment are pending, and returns how many are.
func (c *catalog) addPending(seg *segment, n int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.segments.get(seg.id) == seg { // and not lost meanwhile
		seg.pending += n
		if !seg.passed {
			c.pending.Add(n)
		}
	}
	return seg.pending
}

func (c *catalog) isDone(seg *segment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return seg.pending == 0 && seg.sealed
}

func (c *catalog) snapshot() segments {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.segments)
}

// Pending returns the number of records that are durable and not resolved, of those
// that this process appended or loaded; those of segments that were passed excepted.
func (c *catalog) Pending() int64 { return c.pending.Load() }

// Foreign reports whether there is something for Load: segments of other processes that are not
// loaded, or those that were passed.
func (c *catalog) Foreign() (bool, error) {
	ids, err := c.unread()
	if len(ids) > 0 {
		return true, nil
	}
	return false, err
}

// unread returns what there is for Load, in order.
func (c *catalog) unread() ([]segmentID, error) {
	ids, err := segmentFiles(c.dir)
	c.mu.Lock()
	defer c.mu.Unlock()
	ids = slices.DeleteFunc(ids, func(id segmentID) bool { return c.segments.get(id) != nil })
	for _, seg := range c.segments {
		if seg.passed { // also where its file is gone
			ids = append(ids, seg.id)
		}
	}
	slices.SortFunc(ids, segmentID.compare)
	return ids, err
}

func (c *catalog) find(id segmentID) *segment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.segments.get(id)
}

func (c *catalog) knows(id segmentID) bool { return c.find(id) != nil }

func (c *catalog) charged() (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, seg := range c.segments {
		n += seg.charge.bytes
	}
	return n
}

// countForeign adds the sizes of the stream's segments that it does not know.
func (c *catalog) countForeign(files map[string]counted) error {
	ids, err := segmentFiles(c.dir)
	for _, id := range ids {
		if info, statErr := os.Stat(c.path(id)); statErr == nil && !c.knows(id) {
			files[c.path(id)] = counted{info.Size(), c.letters}
		}
	}
	return err
}

// note adds a segment. A new one is noted before it is on disk, so that it never looks
// foreign.
func (c *catalog) note(seg *segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.segments.insert(seg)
	c.pending.Add(seg.pending)
}

// forget is the reverse of note for a segment of which nothing is on disk.
func (c *catalog) forget(seg *segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.segments.remove(seg.id)
}

// committed notes records of a segment that are durable now.
func (c *catalog) committed(seg *segment, records int64, took charge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seg.size += took.bytes
	seg.charge.merge(took)
	seg.records += records
	seg.pending += records
	c.pending.Add(records)
}

// noteSealed notes that nothing is added to a segment any more, and forgets an empty one.
func (c *catalog) noteSealed(seg *segment) (empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seg.sealed = true
	if empty = seg.records == 0; empty {
		c.segments.remove(seg.id)
	}
	return empty
}

// durable returns a segment's size as far as it is durable.
func (c *catalog) durable(seg *segment) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return seg.size
}
