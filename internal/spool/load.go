package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

// Load takes over the segments of other processes, all but those that are still being
// written: it counts what is pending, sets damage aside and cuts off what was not
// finished. What cannot be read is left for the next call and is in the error. The
// owner calls it once for a stream, and again when Foreign reports more; what it has
// then taken up may be before the position that a reader has reached.
func (r *reader) Load() (taken bool, err error) {
	if !r.spool.owner.Load() {
		return false, ErrNotOwner
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writer.mu.Lock()
	r.writer.letGo()
	r.writer.mu.Unlock()
	ids, err := r.unread()
	if err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	var errs []error
	before := r.taken
	for _, id := range ids {
		if err := r.takeUp(id); err != nil {
			errs = append(errs, fmt.Errorf("spool: segment %s: %w", id, err))
		}
	}
	r.sweep()
	return r.taken > before, errors.Join(errs...)
}

// takeUp loads one segment, unless another process is writing to it.
func (r *reader) takeUp(id segmentID) error {
	path := r.path(id)
	passed := r.find(id) // nil: it was never read
	opened, readOnly, err := openExisting(path)
	if errors.Is(err, fs.ErrNotExist) {
		if passed != nil {
			r.vanished(passed)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if idle, err := filelock.Try(opened, syscall.LOCK_EX|syscall.LOCK_NB); !idle || err != nil {
		return errors.Join(err, opened.Close())
	}
	info, err := opened.Stat()
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	f := r.spool.open(opened)
	var unwritten map[Position]mark
	if passed != nil {
		unwritten = passed.unwritten
	}
	seg, err := r.survey(f, id, info.Size(), unwritten)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	aside := r.setAside(f, seg)
	seg.unwritten = unwritten
	seg.charge.bytes = info.Size()
	if seg.size < info.Size() && aside && !readOnly {
		if f.Truncate(seg.size) == nil && f.Sync() == nil {
			seg.charge.bytes = seg.size
		}
	}
	if seg.records == 0 && aside {
		// It is removed while it is locked: a process that has just made it, and
		// not locked it yet, sees this.
		if err := os.Remove(path); err != nil {
			return errors.Join(err, f.Close())
		}
		r.supersede(passed, 0)
		r.chargeFile(path, 0)
		return f.Close()
	}
	seg.f, seg.readOnly = f, readOnly
	r.supersede(passed, seg.pending)
	r.insert(seg)
	r.used(seg)
	r.chargeFile(path, seg.charge.bytes)
	return nil
}

// supersede forgets a segment that was passed, if it was, since it can be read again and has so many
// pending records now.
func (r *reader) supersede(passed *segment, pending int64) {
	if passed == nil {
		return
	}
	r.closeFile(passed)
	r.remove(passed)
	if lost := passed.pending - pending; lost > 0 {
		r.spool.log.Error("a spool segment can be read again without some of its records, which are lost",
			"stream", r.id, "dead_letters", r.letters, "segment", passed.id.String(), "records", lost)
	}
}

// insert adds a loaded segment. An active segment that is older is sealed, so that
// what is appended from now on comes after what was loaded.
func (r *reader) insert(seg *segment) {
	w := r.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seg != nil && w.seg.id.compare(seg.id) < 0 && w.commit() == nil {
		w.seal()
	}
	seg.sealed = true
	r.note(seg)
	r.taken++
}

// survey reads a segment up to a size and returns what is in it. What unwritten has
// counted is resolved, whatever its state says.
func (r *reader) survey(f file, id segmentID, size int64, unwritten map[Position]mark) (*segment, error) {
	seg := newSegment(id)
	seg.size = size
	r.scanner.scan(f, seg.marker, 0, size, -1)
	defer r.scanner.forget()
	for {
		x, err := r.scanner.next()
		if errors.Is(err, io.EOF) {
			return seg, nil
		}
		if err != nil {
			return nil, err
		}
		if x.gap {
			seg.addGap(gap{off: x.off, size: x.size, missing: x.missing})
			if x.tail {
				seg.size = x.off
			}
			continue
		}
		seg.records++
		if !unwritten[Position{id, x.index, x.off + 1}].counted && !x.state.resolved() {
			seg.pending++
		}
	}
}

// inspectAgain finds out what is left of a segment that was damaged after it was
// written or loaded, so that no record is waited for that is not there any more.
func (r *reader) inspectAgain(seg *segment) error {
	seg.broken = false
	r.catalog.mu.Lock()
	size, pending := seg.size, seg.pending
	r.catalog.mu.Unlock()
	now, err := r.survey(seg.f, seg.id, size, seg.unwritten)
	if err != nil {
		return err
	}
	seg.gaps = now.gaps
	r.setAside(seg.f, seg)
	r.addPending(seg, now.pending-pending)
	if now.pending == 0 {
		r.sweep()
	}
	return nil
}

// setAside copies a segment's damage to corrupt/ and returns whether all of it is
// there.
func (r *reader) setAside(f file, seg *segment) bool {
	for i := range seg.gaps {
		g := &seg.gaps[i]
		if g.aside {
			continue
		}
		if err := r.copyAside(f, seg.id, *g); err != nil {
			r.spool.log.Warn("cannot copy damaged bytes of a segment to corrupt/", slog.String("stream", r.id),
				slog.String("segment", seg.id.String()), slog.Any("error", err))
			return false
		}
		g.aside = true
	}
	return true
}

// copyAside copies one gap, and reports it unless that was done before.
func (r *reader) copyAside(f file, id segmentID, g gap) error {
	dir := filepath.Join(r.dir, corruptName)
	path := filepath.Join(dir, fmt.Sprintf("%s-%d%s", id, g.off, corruptExtension))
	if info, err := os.Stat(path); err == nil && info.Size() == g.size {
		return nil
	}
	if err := diskfile.MakeDir(dir); err != nil {
		return err
	}
	if err := diskfile.Replace(path, io.NewSectionReader(f, g.off, g.size)); err != nil {
		return err
	}
	r.spool.log.Warn("damage in a segment was set aside in corrupt/", slog.String("stream", r.id),
		slog.String("segment", id.String()), slog.Int64("offset", g.off), slog.Int64("bytes", g.size),
		slog.Int64("missing", g.missing))
	return nil
}
