package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"syscall"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

const (
	bufferBytes = 256 << 10
	bufferKept  = 1 << 20
)

// writer appends to the active segment, and makes another one where it is full or lost.
type writer struct {
	*catalog
	home         *home
	segmentBytes int64 // at which a segment is sealed
	queue        queue

	// mu guards the active segment, and what is in it, or in the buffer, and not durable yet.
	mu      sync.Mutex
	seg     *segment // nil: none
	f       file
	made    os.FileInfo // the file as it was made
	buffer  []byte
	written int64 // where the buffer goes
	index   uint32
	// Since the last commit:
	waiting []*Appended // set by commit and rollBack
	count   int64       // records
	charge  charge
	unasked losses // records of Write, which are lost unless the commit succeeds
	lost    losses // records of Write, since the spool was opened
	// held are sealed segments of a process that is not the owner. Being open keeps
	// them locked, so that the owner does not take them up while this process
	// counts their records as its own.
	held []file
}

func frameSize(payload []byte) int64 { return headerSize + int64(len(payload)) }

// turnOver ends the active segment where a payload is too much for it.
func (w *writer) turnOver(payload []byte) {
	if w.seg != nil && w.end() > 0 && (w.end()+frameSize(payload) > w.segmentBytes || w.index == math.MaxUint32) {
		_ = w.commit() // each entry carries its own error
		w.seal()
	}
}

// add puts an entry's payload into the active segment. Where wait is false its caller
// does not wait for the commit. The bytes are reserved already.
func (w *writer) add(payload []byte, holder any, out *Appended, wait bool) {
	size := frameSize(payload)
	if w.spool.closed.Load() {
		w.giveBack(size, holder)
		out.Err = ErrClosed
		return
	}
	if w.seg == nil {
		if err := w.create(); err != nil {
			w.giveBack(size, holder)
			out.Err = fmt.Errorf("spool: %w", err)
			return
		}
	}
	out.Position = Position{segment: w.seg.id, index: w.index, at: w.end() + 1}
	w.buffer = w.seg.marker.appendFrame(w.buffer, w.index, payload)
	w.index++
	w.count++
	w.charge.add(size, holder)
	if wait {
		w.waiting = append(w.waiting, out)
	}
	if len(w.buffer) >= bufferBytes {
		if err := w.flush(); err != nil {
			if err = w.rollBack(err, false); !wait {
				*out = Appended{Err: err}
			}
		}
	}
}

func (w *writer) end() int64 { return w.written + int64(len(w.buffer)) }

// flush writes the buffer to the file.
func (w *writer) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	n, err := w.f.WriteAt(w.buffer, w.written)
	if err == nil && n < len(w.buffer) {
		err = errors.New("short write")
	}
	if err != nil {
		return err
	}
	w.written += int64(n)
	w.emptyBuffer()
	return nil
}

func (w *writer) emptyBuffer() {
	w.buffer = w.buffer[:0]
	if cap(w.buffer) > bufferKept {
		w.buffer = nil
	}
}

// commit makes everything that was added durable. An error is also in the [Appended] of
// each entry that was added.
func (w *writer) commit() error {
	if w.count == 0 {
		return nil
	}
	if err := w.flush(); err != nil {
		return w.rollBack(err, false)
	}
	if err := w.f.Sync(); err != nil {
		return w.rollBack(err, true)
	}
	if path := w.path(w.seg.id); !diskfile.Names(path, w.made) {
		// What is written now would be lost with the file, or with the directory.
		seg := w.seg
		err := w.rollBack(&os.PathError{Op: "write", Path: path, Err: ErrGone}, true)
		w.lose(seg)
		return err
	}
	w.committed(w.seg, w.count, w.charge)
	w.begin()
	return nil
}

// begin forgets what was committed or rolled back.
func (w *writer) begin() {
	clear(w.waiting)
	clear(w.charge.held)
	clear(w.unasked)
	w.waiting, w.count, w.charge.bytes = w.waiting[:0], 0, 0
}

// rollBack removes what was added since the last commit and gives those who wait the
// error. Once an fsync has failed, nobody knows which pages of the file are still to
// be written, and a later one may succeed without them: the caller has the file given
// up. So is one with lost records of Write, whose receipts are known and are not given
// twice.
func (w *writer) rollBack(cause error, giveUp bool) error {
	durable := w.seg.size // only this goroutine changes it
	err := fmt.Errorf("spool: %w", cause)
	certain := w.f.Truncate(durable) == nil && w.f.Sync() == nil
	if !certain {
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	for _, out := range w.waiting {
		*out = Appended{Err: err}
	}
	w.lost.addAll(w.unasked, err)
	w.give(w.charge)
	w.emptyBuffer()
	w.written = durable
	w.index -= uint32(w.count)
	giveUp = giveUp || !certain || len(w.unasked) > 0
	w.begin()
	if giveUp {
		w.seal()
	}
	return err
}

// seal ends the active segment. One without a record is removed.
func (w *writer) seal() {
	if w.seg == nil {
		return
	}
	empty := w.noteSealed(w.seg)
	if empty {
		os.Remove(w.path(w.seg.id)) // if it stays, Load removes it
	}
	if empty || w.spool.owner.Load() {
		w.f.Close()
	} else {
		w.held = append(w.held, w.f)
	}
	w.seg, w.f, w.written, w.index = nil, nil, 0, 0
}

// leave seals the active segment if it is this one. The caller does not hold mu.
func (w *writer) leave(seg *segment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seg == seg {
		_ = w.commit() // each entry carries its own error; it may find the file gone
	}
	if w.seg == seg {
		w.seal()
	}
}

// letGo closes the sealed segments that were kept locked.
func (w *writer) letGo() {
	for _, f := range w.held {
		f.Close()
	}
	w.held = nil
}

// create makes the active segment, durably.
func (w *writer) create() error {
	release, err := w.home.hold(w.dir)
	if err != nil {
		return err
	}
	defer release()
	for range attempts {
		if err = w.createIn(); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return err
}

// createIn makes the active segment in a directory that is there. The error is
// fs.ErrExist when the owner took the file for one that was left behind.
func (w *writer) createIn() error {
	id, err := w.nextSegmentID()
	if err != nil {
		return err
	}
	seg := newSegment(id)
	w.note(seg)
	f, made, err := createLocked(w.path(id))
	if err != nil {
		w.forget(seg)
		return err
	}
	w.seg, w.f, w.made, w.written, w.index = seg, w.spool.open(f), made, 0, 0
	if err := diskfile.SyncDir(w.dir); err != nil {
		w.seal()
		return err
	}
	return nil
}

// createLocked makes a file and locks it. The owner may find the file before it is
// locked, and then removes it as empty.
func createLocked(path string) (_ *os.File, made os.FileInfo, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	locked, err := filelock.Try(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		made, err = f.Stat()
	}
	if err == nil && (!locked || !diskfile.Names(path, made)) {
		err = fs.ErrExist
	}
	if err != nil {
		os.Remove(path)
		f.Close()
		return nil, nil, err
	}
	return f, made, nil
}
