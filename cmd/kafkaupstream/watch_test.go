package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWatchedFilesAreReadWhenTheyHaveChangedAndRest(t *testing.T) {
	file, readable := filepath.Join(t.TempDir(), "file"), true
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	var reads []string
	w := newWatched(file)
	w.reload = func(loud bool) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		reads = append(reads, fmt.Sprintf("%s %v", text, loud))
		return readable
	}
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"nothing has changed", func() {}, nil},
		{"it may still be written", func() { write("a b") }, nil},
		{"it is still written", func() { write("a b c") }, nil},
		{"it rests", func() {}, []string{"a b c true"}},
		{"it was read", func() {}, nil},
		{"it changes again", func() { write("d"); readable = false }, nil},
		{"it cannot be read", func() {}, []string{"d true"}},
		{"it is tried again", func() {}, []string{"d false"}},
		{"it can be read", func() { readable = true }, []string{"d false"}},
		{"it was read at last", func() {}, nil},
	} {
		reads = nil
		step.do()
		if w.look(false); !slices.Equal(reads, step.want) {
			t.Errorf("%s: read %q instead of %q", step.name, reads, step.want)
		}
	}
	reads = nil
	write("half")
	if w.look(true); !slices.Equal(reads, []string{"half true"}) {
		t.Errorf("on a signal: read %q", reads)
	}
}
