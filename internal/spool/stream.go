package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/bytesize"
)

// Stream is a sequence of records. Its methods may be called from any goroutine.
//
// A stream has four parts, each with one lock. Locks are taken in this order: the reader's,
// the writer's, the catalog's or the home's. Nothing is waited for while the catalog's is
// held, and an append never waits for the reader.
type Stream struct {
	*home            // the directory with connection.json, shared with the dead letters
	*catalog         // which segments there are
	*writer          // appends
	*reader          // reads, resolves, removes
	dead     *Stream // nil: this is the dead letters
}

// newStreams returns a stream with its dead letters.
func newStreams(s *Spool, id string) *Stream {
	h := &home{spool: s, id: id, root: filepath.Join(s.dir, id)}
	st := newStream(h, place{s, id, h.root, false}, s.opts.SegmentBytes)
	// Dead letters are dropped by the segment.
	st.dead = newStream(h, place{s, id, filepath.Join(h.root, deadName), true}, s.opts.SegmentBytes/lettersPart)
	return st
}

func newStream(h *home, p place, segmentBytes int64) *Stream {
	c := &catalog{place: p}
	w := &writer{catalog: c, home: h, segmentBytes: segmentBytes}
	return &Stream{home: h, catalog: c, writer: w, reader: &reader{catalog: c, writer: w}}
}

// Dead returns the stream's dead letters, and nil of a stream that is that.
func (st *Stream) Dead() *Stream { return st.dead }

// Stats is a look at a stream.
type Stats struct {
	Pending int64 // records
	Bytes   int64 // of the segments that are known
	Corrupt int64 // bytes set aside by recovery
	// Oldest is when the first pending record was kept; zero: there is none.
	Oldest time.Time
	// LastResolved is a receipt; "": none since the spool was opened.
	LastResolved string
}

// Stats returns a stream's numbers. It reads one record and two directories.
func (st *Stream) Stats() (Stats, error) {
	st.reader.mu.Lock()
	defer st.reader.mu.Unlock()
	s := Stats{Pending: st.Pending()}
	if !st.last.IsZero() {
		s.LastResolved = st.last.Receipt()
	}
	s.Bytes = st.charged()
	var err error
	if s.Corrupt, err = st.corruptBytes(); err != nil {
		return s, fmt.Errorf("spool: %w", err)
	}
	first := batch{n: 1}
	err = st.read(&first)
	if len(first.entries) > 0 {
		s.Oldest = first.entries[0].Kept
	}
	return s, err
}

func (r *reader) corruptBytes() (total int64, err error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, corruptName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range entries {
		if info, infoErr := e.Info(); infoErr == nil && filepath.Ext(e.Name()) == corruptExtension {
			total += info.Size()
		}
	}
	return total, err
}

// RemoveIfEmpty removes the stream's directory, with the secrets in connection.json,
// when it has no segments, no dead letters, nothing set aside and is not suspended;
// otherwise it does nothing. A later AppendAll makes it again. Only the owner may call
// it, and for the stream itself, not for its dead letters.
func (st *Stream) RemoveIfEmpty() error {
	if !st.spool.owner.Load() {
		return ErrNotOwner
	}
	for _, each := range []*Stream{st, st.dead} {
		each.reader.mu.Lock()
		defer each.reader.mu.Unlock()
		each.sweep()
		each.writer.mu.Lock()
		defer each.writer.mu.Unlock()
		if len(each.snapshot()) > 0 {
			return nil
		}
	}
	d, err := st.home.lock(false, syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if d == nil {
		return nil // not there, or another process makes a segment in it
	}
	defer d.Close()
	if err := st.home.remove(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// close ends what the stream has open.
func (st *Stream) close() error {
	st.reader.mu.Lock()
	defer st.reader.mu.Unlock()
	st.writer.mu.Lock()
	_ = st.commit() // each entry carries its own error
	var errs []error
	for _, lost := range st.lost {
		errs = []error{lost.Err} // one of them says enough
	}
	st.seal()
	st.letGo()
	st.writer.mu.Unlock()
	if st.spool.owner.Load() {
		st.retryStates()
	}
	for _, seg := range st.snapshot() {
		if _, err := os.Lstat(st.path(seg.id)); errors.Is(err, fs.ErrNotExist) {
			st.lose(seg) // it could be sent as long as it was open
		}
	}
	for len(st.opened) > 0 {
		seg := st.opened[0]
		if !seg.readOnly {
			errs = append(errs, seg.f.Sync())
		}
		st.closeFile(seg)
	}
	return errors.Join(errs...)
}

// dropOldest deletes the first segment, whatever is in it; false: that was not possible.
func (st *Stream) dropOldest() bool {
	st.reader.mu.Lock()
	defer st.reader.mu.Unlock()
	all := st.snapshot()
	if len(all) == 0 {
		return false
	}
	seg := all[0]
	st.writer.leave(seg)
	dropped := st.addPending(seg, 0)
	if !st.drop(seg) {
		return false
	}
	st.spool.dropped.Add(dropped)
	st.spool.log.Error("the dead letters' share of the spool is full: the oldest were dropped",
		"stream", st.id, "segment", seg.id.String(), "records", dropped,
		"share", bytesize.Format(st.spool.room.lettersMax()), "bound", st.spool.room.bound())
	return true
}
