package chaos

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// A runner that takes the place of another gets the number of its socket, too.
func TestSocketThatReplacesAnotherIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	look := func() os.FileInfo {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	listen := func() net.Listener {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := listen()
	before := look()
	if another(before, look()) {
		t.Error("a socket is taken for another")
	}
	first.Close()
	await.True(t, "the next socket is known", func() bool { // when the clock of the file system has moved on
		next := listen()
		defer next.Close()
		return another(before, look())
	})
}
