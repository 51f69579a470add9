package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

// Stream is a sequence of records. Its methods may be called from any goroutine.
//
// Locks are taken in this order: io, writing, mu. None but mu is waited for by what
// holds mu, and an append never waits for io.
type Stream struct {
	spool  *Spool
	id     string
	dir    string
	dead   *Stream // nil: this is the dead letters
	parent *Stream // of the dead letters

	segmentBytes int64 // at which a segment is sealed

	pending atomic.Int64
	queue   queue

	// io is held while records are read, resolved or removed.
	io      sync.Mutex
	scanner scanner
	opened  []*segment // with an open file, the last used last
	last    Position   // the last one resolved
	behind  bool       // a state could not be written, or a segment not be deleted

	// writing is held while the active segment is written.
	writing sync.Mutex
	writer  writer

	mu        sync.Mutex
	segments  segments
	newest    int64 // the time in the newest name ever used
	metadata  []byte
	saved     bool // metadata was written; the owner may have removed it since
	suspended *suspension
}

// newStreams returns a stream with its dead letters.
func newStreams(s *Spool, id string) *Stream {
	dir := filepath.Join(s.dir, id)
	st := &Stream{spool: s, id: id, dir: dir, segmentBytes: s.opts.SegmentBytes}
	st.dead = &Stream{spool: s, id: id, dir: filepath.Join(dir, deadName), parent: st,
		segmentBytes: s.opts.SegmentBytes / lettersPart} // they are dropped by the segment
	return st
}

// ID returns the stream's name.
func (st *Stream) ID() string { return st.id }

// Dead returns the stream's dead letters, and nil of a stream that is that.
func (st *Stream) Dead() *Stream { return st.dead }

// Metadata returns what connection.json holds or will hold. It has secrets.
func (st *Stream) Metadata() []byte {
	root := st.root()
	root.mu.Lock()
	defer root.mu.Unlock()
	return root.metadata
}

// Pending returns the number of records that are durable and not resolved, of those
// that this process appended or loaded.
func (st *Stream) Pending() int64 { return st.pending.Load() }

// Foreign tells whether there are segments of other processes that are not loaded.
func (st *Stream) Foreign() (bool, error) {
	ids, err := segmentFiles(st.dir)
	for _, id := range ids {
		if !st.knows(id) {
			return true, nil
		}
	}
	return false, err
}

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
	st.io.Lock()
	defer st.io.Unlock()
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

func (st *Stream) corruptBytes() (total int64, err error) {
	entries, err := os.ReadDir(filepath.Join(st.dir, corruptName))
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

func (st *Stream) root() *Stream {
	if st.parent != nil {
		return st.parent
	}
	return st
}

func (st *Stream) path(id segmentID) string {
	return filepath.Join(st.dir, id.String()+segmentSuffix)
}

func (st *Stream) find(id segmentID) *segment {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.segments.get(id)
}

func (st *Stream) knows(id segmentID) bool { return st.find(id) != nil }

func (st *Stream) setMetadata(metadata []byte) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !bytes.Equal(st.metadata, metadata) || st.metadata == nil {
		st.metadata, st.saved = bytes.Clone(metadata), false
	}
}

// attempts is how often a directory is made again when the owner removes it.
const attempts = 1000

// hold makes the stream's directories, with connection.json, and keeps the owner
// from removing them until release is called.
func (st *Stream) hold() (release func(), err error) {
	root := st.root()
	if err := st.spool.InPlace(); err != nil {
		return nil, err
	}
	var d *os.File
	for range attempts {
		if d, err = root.lockDir(true, syscall.LOCK_SH); d != nil || err != nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("%s is removed again and again", root.id)
	}
	if err = root.saveMetadata(); err == nil && st != root {
		err = makeDir(st.dir)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return func() { d.Close() }, nil
}

// lockDir locks the stream's directory. It returns nil where another process has it
// locked or has removed it meanwhile.
func (st *Stream) lockDir(create bool, how int) (*os.File, error) {
	if create {
		if err := os.Mkdir(st.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	d, err := os.Open(st.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	locked, err := filelock.Try(d, how)
	if err != nil || !locked || !linked(d, st.dir) {
		d.Close()
		return nil, err
	}
	return d, nil
}

// saveMetadata writes connection.json unless it is there. The caller holds the
// directory's lock.
func (st *Stream) saveMetadata() error {
	path := filepath.Join(st.dir, connectionName)
	st.mu.Lock()
	metadata, saved := st.metadata, st.saved
	st.mu.Unlock()
	if saved {
		if _, err := os.Lstat(path); err == nil {
			return nil
		}
	}
	if there, err := os.ReadFile(path); err != nil || !bytes.Equal(there, metadata) {
		if err := replace(path, bytes.NewReader(metadata)); err != nil {
			return err
		}
	}
	// The directory itself may have been made by a process that died before this.
	if err := syncDir(st.spool.dir); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.saved = st.saved || bytes.Equal(st.metadata, metadata)
	return nil
}

// close ends what the stream has open.
func (st *Stream) close() error {
	st.io.Lock()
	defer st.io.Unlock()
	st.writing.Lock()
	st.commit() // who waits is told by it
	err := st.writer.lost
	st.seal()
	st.letGo()
	st.writing.Unlock()
	if st.spool.owner.Load() {
		st.retryStates()
		st.sweep()
	}
	errs := []error{err}
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
