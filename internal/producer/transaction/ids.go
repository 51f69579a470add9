package transaction

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// ids are the transactional ids of a gateway, kept in a directory that it alone has; "": there
// are none.
//
// A transactional.id says to Kafka who continues whose work: a producer that begins
// with an id ends the transactions of the one before, and makes that one useless.
// So ids stay the same over restarts, and no two processes have one at a time: they
// are slots, each locked by a file in the directory.
type ids string

// errNoTransactions: there is no directory for transactional ids.
var errNoTransactions = &record.Error{Kind: record.KindConfig, Reason: "transactions need a directory for their ids"}

const (
	// maxAtOnce is how many transactions of one connection are in progress in this process at
	// most. Others wait.
	maxAtOnce = 4
	// slots is how many ids there are for a connection: two processes can have their own, as
	// during a reload.
	slots = 3 * maxAtOnce
)

// unusable is the outcome of records while the directory cannot be used.
func unusable(err error) *record.Error {
	return &record.Error{Kind: record.KindUnavailable, Reason: "the directory of transactional ids: " + err.Error()}
}

// free returns an id for a connection that no other process has, until the file is closed.
func (d ids) free(conn *kafkaconf.Connection) (id string, lock *os.File, _ *record.Error) {
	instance, err := d.instance()
	if err != nil {
		return "", nil, unusable(err)
	}
	for slot := range slots {
		lock, err := lockFile(filepath.Join(string(d), fmt.Sprintf("%s-%d.lock", conn.ID()[:16], slot)))
		if err != nil {
			return "", nil, unusable(err)
		}
		if lock != nil {
			return fmt.Sprintf("kafkaupstream-%s-%s-%d", instance, conn.ID()[:16], slot), lock, nil
		}
	}
	return "", nil, &record.Error{Kind: record.KindUnavailable, Reason: "all transactional ids are in use by other processes"}
}

// ofStream returns the id of a durable stream, which has one sender anyway.
func (d ids) ofStream(stream string) (string, *record.Error) {
	if d == "" {
		return "", errNoTransactions
	}
	instance, err := d.instance()
	if err != nil {
		return "", unusable(err)
	}
	return fmt.Sprintf("kafkaupstream-%s-%s", instance, stream), nil
}

// instance returns what distinguishes this gateway's ids from others', made once for the
// directory: 16 hexadecimal digits.
func (d ids) instance() (string, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(string(d), "instance")
	for range 2 {
		text, err := os.ReadFile(path)
		if err == nil {
			if id := strings.TrimSpace(string(text)); len(id) == 16 {
				return id, nil
			}
			return "", fmt.Errorf("%s is damaged: it has 16 hexadecimal digits", path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails
		err = diskfile.Create(path, strings.NewReader(hex.EncodeToString(id[:])))
		if err == nil {
			err = diskfile.SyncDir(filepath.Dir(string(d))) // which may have been made just now
		}
		if err != nil && !errors.Is(err, fs.ErrExist) { // another process may be first
			return "", err
		}
	}
	return "", fmt.Errorf("%s cannot be made", path)
}

// lockFile opens and locks a file; nil: another process has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := filelock.Try(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if !locked || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
