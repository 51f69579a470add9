package idempotency

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
)

const (
	lockName      = "lock"
	newName       = "new"
	journalSuffix = ".log"
	// rewriteBytes is a journal's size below which it is not worth writing anew.
	rewriteBytes = 1 << 20
)

// file is what a journal needs of an *os.File. Tests put failures in between.
type file interface {
	io.Writer
	Sync() error
	Close() error
}

// journalName is the name of a journal: later generations come later.
type journalName struct{ generation, marker uint64 }

func (n journalName) String() string {
	return fmt.Sprintf("%016x-%016x%s", n.generation, n.marker, journalSuffix)
}

func parseJournalName(s string) (n journalName, ok bool) {
	hex, ok := strings.CutSuffix(s, journalSuffix)
	if !ok || len(hex) != 33 {
		return n, false
	}
	_, err := fmt.Sscanf(hex, "%016x-%016x", &n.generation, &n.marker)
	return n, err == nil && n.String() == s
}

// journals lists the journals in a directory, in order.
func journals(dir string) ([]journalName, error) {
	entries, err := os.ReadDir(dir)
	var names []journalName
	for _, e := range entries {
		if n, ok := parseJournalName(e.Name()); ok && e.Type().IsRegular() {
			names = append(names, n)
		}
	}
	return names, err // ReadDir sorts
}

// journal is the owner's, and belongs to one goroutine.
type journal struct {
	dir       string
	lock      *os.File // of the directory's owner
	intercept func(file) file
	name      journalName
	f         file        // nil: none, or one that an error made useless
	made      os.FileInfo // f as it was made
	size      int64
	scratch   []byte
}

// load reads every journal into a table, as of now. Usually there is one; a crash while it was
// written anew leaves two, and the second repeats what the first says.
func (j *journal) load(t *table, now int64, report func(name string, d damage)) error {
	names, err := journals(j.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		j.name.generation = n.generation
		f, err := os.Open(filepath.Join(j.dir, n.String()))
		if err != nil {
			return err
		}
		d, err := scan(f, n.marker, func(f *frame) {
			f.reply = slices.Clone(f.reply)
			t.restore(f, now)
		})
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		report(n.String(), d)
	}
	return nil
}

// write appends frames, which have no marker yet, and makes them durable. After an
// error the file may end in the middle of a frame, and nobody knows what of it is on
// disk: it is not used again.
func (j *journal) write(frames []byte) error {
	j.setMarker(frames)
	n, err := j.f.Write(frames)
	j.size += int64(n)
	if err == nil {
		err = j.f.Sync()
	}
	if err == nil {
		err = j.inPlace()
	}
	if err != nil {
		j.close()
	}
	return err
}

var (
	// errLockGone: another process could own what is in the directory now.
	errLockGone = errors.New("the directory or its lock was removed, renamed or replaced: no key is taken until it is put back or the process is restarted")
	// errJournalGone: what was written to the journal would be lost with it.
	errJournalGone = errors.New("the journal was removed, renamed or replaced")
)

// inPlace returns why what is written would be found by no other process.
func (j *journal) inPlace() error {
	if err := j.owned(); err != nil {
		return err
	}
	if path := filepath.Join(j.dir, j.name.String()); !diskfile.Names(path, j.made) {
		return &os.PathError{Op: "write", Path: path, Err: errJournalGone}
	}
	return nil
}

func (j *journal) owned() error {
	if path := filepath.Join(j.dir, lockName); !diskfile.Linked(j.lock, path) {
		return &os.PathError{Op: "use", Path: path, Err: errLockGone}
	}
	return nil
}

// setMarker puts the journal's marker into frames.
func (j *journal) setMarker(frames []byte) {
	for len(frames) > 0 {
		binary.BigEndian.PutUint64(frames, j.name.marker)
		n := headerBytes + int(binary.LittleEndian.Uint32(frames[markerBytes:]))
		binary.LittleEndian.PutUint32(frames[checkedBytes:], checksum(frames[:n]))
		frames = frames[n:]
	}
}

// rewrite begins a new journal with what is to be known, and removes those before it.
func (j *journal) rewrite(known []frame) error {
	if err := j.owned(); err != nil {
		return err
	}
	name := journalName{j.name.generation + 1, rand.Uint64()}
	path := filepath.Join(j.dir, newName)
	opened, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	made, err := opened.Stat()
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	f := file(opened)
	if j.intercept != nil {
		f = j.intercept(f)
	}
	size, err := j.writeAll(f, name.marker, known)
	if err == nil {
		err = os.Rename(path, filepath.Join(j.dir, name.String()))
	}
	if err != nil {
		os.Remove(path) // the disk may be full
		return errors.Join(err, f.Close())
	}
	// It has its name now, and what is written to the one before would count for less.
	j.close()
	j.name, j.f, j.made, j.size = name, f, made, size
	if err = diskfile.SyncDir(j.dir); err == nil {
		err = j.inPlace()
	}
	if err != nil {
		j.close()
		return err
	}
	j.removeBefore(name)
	return nil
}

func (j *journal) writeAll(f file, marker uint64, known []frame) (size int64, err error) {
	w := bufio.NewWriterSize(f, 1<<16)
	for i := range known {
		j.scratch = appendFrame(j.scratch[:0], marker, &known[i])
		size += int64(len(j.scratch))
		if _, err := w.Write(j.scratch); err != nil {
			return 0, err
		}
	}
	return size, errors.Join(w.Flush(), f.Sync())
}

// removeBefore removes the journals before one. What stays does no harm, since the later
// one overrides the older, and its removal is tried again the next time.
func (j *journal) removeBefore(name journalName) {
	names, _ := journals(j.dir)
	for _, n := range names {
		if n.generation < name.generation {
			os.Remove(filepath.Join(j.dir, n.String()))
		}
	}
}

func (j *journal) close() {
	if j.f != nil {
		j.f.Close()
		j.f = nil
	}
}
