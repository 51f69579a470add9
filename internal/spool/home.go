package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

// home is a stream's directory with what is beside its segments: connection.json and
// suspended. The stream and its dead letters share it.
type home struct {
	spool *Spool
	id    string
	root  string // the directory

	// mu guards what is known of connection.json and of suspended.
	mu        sync.Mutex
	metadata  []byte
	saved     bool // metadata was written; the owner may have removed it since
	suspended *suspension
}

// suspension is what is known of the file "suspended".
type suspension struct {
	info []byte
	ok   bool
}

// ID returns the stream's name.
func (h *home) ID() string { return h.id }

// Metadata returns what connection.json holds or will hold. It has secrets.
func (h *home) Metadata() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.metadata
}

func (h *home) setMetadata(metadata []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !bytes.Equal(h.metadata, metadata) || h.metadata == nil {
		h.metadata, h.saved = bytes.Clone(metadata), false
	}
}

// attempts is how often a directory is made again when the owner removes it.
const attempts = 1000

// hold makes the stream's directory, with connection.json, and dir, which is that or in it.
// It keeps the owner from removing them until release is called.
func (h *home) hold(dir string) (release func(), err error) {
	if err := h.spool.InPlace(); err != nil {
		return nil, err
	}
	var d *os.File
	for range attempts {
		if d, err = h.lock(true, syscall.LOCK_SH); d != nil || err != nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("%s is removed again and again", h.id)
	}
	if err = h.saveMetadata(); err == nil && dir != h.root {
		err = diskfile.MakeDir(dir)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return func() { d.Close() }, nil
}

// lock locks the stream's directory. It returns nil where another process has it
// locked or has removed it meanwhile.
func (h *home) lock(create bool, how int) (*os.File, error) {
	if create {
		if err := os.Mkdir(h.root, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	d, err := os.Open(h.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	locked, err := filelock.Try(d, how)
	if err != nil || !locked || !diskfile.Linked(d, h.root) {
		d.Close()
		return nil, err
	}
	return d, nil
}

// saveMetadata writes connection.json unless it is there. The caller holds the
// directory's lock.
func (h *home) saveMetadata() error {
	path := filepath.Join(h.root, connectionName)
	h.mu.Lock()
	metadata, saved := h.metadata, h.saved
	h.mu.Unlock()
	if saved {
		if _, err := os.Lstat(path); err == nil {
			return nil
		}
	}
	if there, err := os.ReadFile(path); err != nil || !bytes.Equal(there, metadata) {
		if err := diskfile.Replace(path, bytes.NewReader(metadata)); err != nil {
			return err
		}
	}
	// The directory itself may have been made by a process that died before this.
	if err := diskfile.SyncDir(h.spool.dir); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.saved = h.saved || bytes.Equal(h.metadata, metadata)
	return nil
}

// Suspend keeps a mark on disk that the stream is not to be sent, and why.
func (h *home) Suspend(info []byte) error {
	release, err := h.hold(h.root)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer release()
	if err := diskfile.Replace(h.suspendedPath(), bytes.NewReader(info)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	h.setSuspended(suspension{bytes.Clone(info), true})
	return nil
}

// Resume takes the mark away.
func (h *home) Resume() error {
	err := os.Remove(h.suspendedPath())
	if err == nil {
		err = diskfile.SyncDir(h.root)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spool: %w", err)
	}
	h.setSuspended(suspension{})
	return nil
}

// Suspended returns what Suspend was given and whether the mark is there. Only the
// first call reads the disk, so it does not see what another process does.
func (h *home) Suspended() (info []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.suspended == nil {
		info, err := os.ReadFile(h.suspendedPath())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.spool.log.Warn("cannot read whether the stream is suspended; it counts as suspended",
				slog.String("stream", h.id), slog.Any("error", err))
			return nil, true
		}
		h.suspended = &suspension{info, err == nil}
	}
	return h.suspended.info, h.suspended.ok
}

func (h *home) suspendedPath() string { return filepath.Join(h.root, suspendedName) }

func (h *home) setSuspended(s suspension) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.suspended = &s
}

// remove removes the directory if it holds nothing that matters. The caller has
// it locked.
func (h *home) remove() error {
	var remove []string
	for _, dir := range []string{filepath.Join(h.root, deadName, corruptName), filepath.Join(h.root, deadName),
		filepath.Join(h.root, corruptName), h.root} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			switch {
			case strings.HasPrefix(e.Name(), diskfile.Temporary), dir == h.root && e.Name() == connectionName:
				remove = append(remove, filepath.Join(dir, e.Name()))
			case e.IsDir() && (e.Name() == corruptName || dir == h.root && e.Name() == deadName):
			default:
				return nil
			}
		}
		remove = append(remove, dir)
	}
	for _, path := range remove {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return diskfile.SyncDir(h.spool.dir)
}
