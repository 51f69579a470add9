package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// watchInterval is how often serve looks whether its files have changed. Two looks are needed, see watched.
const watchInterval = 500 * time.Millisecond

// watched are files that are read together, and again when they have changed.
type watched struct {
	files []string
	// reload reads them, and returns false where they cannot be read. It is loud unless it tries the same again.
	reload func(loud bool) (read bool)

	read, last string // what they were when they were read, and at the last look
	failed     bool   // they could not be read
}

// newWatched is called before the files are read for the first time.
func newWatched(files ...string) *watched {
	now := fingerprint(files)
	return &watched{files: files, read: now, last: now}
}

// look reads the files at once on a signal; otherwise where they have changed, and not since the last look, when somebody may still
// have been writing: the beginning of a list in YAML is a list. What could not be read is tried again at each look, since
// what mends that need not change the files: permissions, a file system that is back.
func (w *watched) look(signalled bool) {
	now := fingerprint(w.files)
	rests, changed := now == w.last, now != w.read
	w.last = now
	if signalled || rests && (changed || w.failed) {
		w.read = now
		w.failed = !w.reload(signalled || changed)
	}
}

// watch looks at files until ctx ends.
func watch(ctx context.Context, again <-chan os.Signal, all ...*watched) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		signalled := false
		select {
		case <-ctx.Done():
			return
		case <-again:
			signalled = true
		case <-tick.C:
		}
		for _, w := range all {
			w.look(signalled)
		}
	}
}

// fingerprint changes when a file does, also when a symbolic link on the way to it does, as Kubernetes does it.
func fingerprint(files []string) string {
	var b strings.Builder
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		fmt.Fprintln(&b, info.Size(), info.ModTime().UnixNano(), info.Sys().(*syscall.Stat_t).Ino)
	}
	return b.String()
}
