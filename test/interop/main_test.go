// Package interop runs the neighbours' real software, from its registry and pinned,
// against real Apache Kafka and the built binary: what is POSTed through the gateway
// arrives where the neighbour's own clients look for it. And real clients of Confluent's
// REST Proxy produce through it. `make interop` runs it.
//
// It needs what test/kafkatest needs, Python 3.11 or 3.12 with venv and pip, and Node with npm. The first
// run, which needs Maven too, installs the neighbours below the user's cache directory, or below
// KAFKAUPSTREAM_INTEROP; later ones are offline.
package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

var binary string

func TestMain(m *testing.M) { os.Exit(program.Main(m, &binary, "../../cmd/kafkaupstream")) }

// dev is `kafkaupstream dev` in front of a real cluster.
type dev struct{ *devtest.Gateway }

func startDev(t *testing.T, brokers, routeFile string) *dev {
	t.Helper()
	return &dev{devtest.Start(t, binary, program.Options{Args: []string{"--brokers", brokers, "-f", routeFile}})}
}

// want fails the test unless a POST gets this status, and returns the reply.
func (d *dev) want(t *testing.T, status int, path, contentType, body string) string {
	t.Helper()
	got := program.Send(t, "POST", d.URL+path, body, "content-type", contentType)
	if got.Status != status {
		t.Fatalf("%s: got %d %s, want %d", body, got.Status, got.Body, status)
	}
	return got.Body
}

// documented runs the curl of a section of docs/neighbours.md as it stands, but for the gateway's address, and waits until the
// neighbour prints what the page says, in which … stands for anything.
func (d *dev) documented(t *testing.T, section string, neighbour *program.Process) {
	t.Helper()
	blocks := devtest.Blocks(t, "../../docs/neighbours.md", section)
	curl := strings.ReplaceAll(blocks[2], "http://127.0.0.1:9080/", d.URL+"/")
	if curl == blocks[2] {
		t.Fatalf("no curl to the gateway: %s", curl)
	}
	if p, code := program.Run(t, "/bin/bash", program.Options{Args: []string{"-c", curl}}); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.Stderr)
	}
	want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(blocks[3]), "…", ".*") + "$")
	program.Until(t, "the neighbour prints what the page says", func() bool {
		return slices.ContainsFunc(neighbour.Stdout.Lines(), want.MatchString) || neighbour.Ended()
	})
}

func tempFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// jsonLines decodes the complete lines that are JSON.
func jsonLines[T any](t *testing.T, text *program.Text) (all []T) {
	t.Helper()
	for _, line := range text.Lines() {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, v)
	}
	return all
}

// compact is a JSON text without white space.
func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return b.String()
}
