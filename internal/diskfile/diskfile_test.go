package diskfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFileIsThereWholeOrNotAtAll(t *testing.T) {
	disk := errors.New("no space left on device")
	broken := func() io.Reader { return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(disk)) }
	whole := func() io.Reader { return strings.NewReader("new") }
	cases := []struct {
		says    string
		write   func(string, io.Reader) error
		there   bool
		content func() io.Reader
		err     error
		want    string // "": nothing
	}{
		{"created", Create, false, whole, nil, "new"},
		{"created where something is", Create, true, whole, fs.ErrExist, "old"},
		{"created on a full disk", Create, false, broken, disk, ""},
		{"replaced", Replace, true, whole, nil, "new"},
		{"replaced where nothing is", Replace, false, whole, nil, "new"},
		{"replaced on a full disk", Replace, true, broken, disk, "old"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if c.there {
				if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.write(path, c.content()); !errors.Is(err, c.err) {
				t.Errorf("error %v", err)
			}
			got, _ := os.ReadFile(path)
			entries, err := os.ReadDir(dir)
			if string(got) != c.want || err != nil || len(entries) != len(c.want)/3 {
				t.Errorf("%q, %d files, %v", got, len(entries), err)
			}
		})
	}
}
