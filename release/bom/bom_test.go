package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
)

// versions are those of the table.
func versions() map[string]string {
	of := map[string]string{}
	for _, l := range linked {
		of[l.name] = l.version
	}
	return of
}

func TestLibrariesAreThoseOfTheArchives(t *testing.T) {
	dir, err := output("go", "list", "-m", "-f", "{{.Dir}}", confluent)
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		archive, err := os.ReadFile(filepath.Join(dir, rdkafka, "librdkafka_musl_linux_"+arch+".a"))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range linked {
			if !bytes.Contains(archive, []byte(l.mark)) {
				t.Errorf("%s: %s is not %s", arch, l.name, l.version)
			}
		}
		if !bytes.Contains(archive, []byte("cyrus-sasl/libsasl2 not available at build time")) {
			t.Errorf("%s: Cyrus SASL is linked in, and not in the table", arch)
		}
	}
	told, of := librdkafka.LinkedIn(), versions()
	if told.Librdkafka != of["librdkafka"] || !strings.HasPrefix(told.OpenSSL, "OpenSSL "+of["openssl"]+" ") {
		t.Errorf("the linked library is librdkafka %s with %s", told.Librdkafka, told.OpenSSL)
	}
	pinned, err := os.ReadFile("../requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(pinned), "ziglang=="+of["zig"]+" ") {
		t.Errorf("zig is not %s", of["zig"])
	}
}

// program is what the Go linker writes into the program, as far as it is read.
func program(t *testing.T) *buildinfo.BuildInfo {
	t.Helper()
	modules, err := output("go", "list", "-deps", "-f", "{{with .Module}}{{if .Version}}{{.Path}} {{.Version}}{{end}}{{end}}", "../../cmd/kafkaupstream")
	if err != nil {
		t.Fatal(err)
	}
	info := &buildinfo.BuildInfo{GoVersion: runtime.Version()}
	for _, line := range slices.Compact(slices.Sorted(strings.Lines(modules + "\n"))) {
		var m debug.Module
		if _, err := fmt.Sscan(line, &m.Path, &m.Version); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		info.Deps = append(info.Deps, &m)
	}
	return info
}

func TestComponentsHaveALicenceItsTextAndAnAddress(t *testing.T) {
	info := program(t)
	all, err := components(info)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(linked)+1+len(info.Deps) || len(info.Deps) < 20 {
		t.Errorf("%d components, %d modules", len(all), len(info.Deps))
	}
	text := string(noticesOf(all))
	for _, c := range all {
		if c.version == "" || c.licence == "" || c.purl == "" || c.notices == "" || !strings.Contains(text, c.name+" "+c.version+"  "+c.licence+"\n") {
			t.Errorf("%+v", c)
		}
	}
	for _, part := range []string{"LZ4", "Dave Gamble", "Rich Felker", "Magnus Edenhill", "Daniel Stenberg", "Mark Adler", "Meta Platforms"} {
		if !strings.Contains(text, part) {
			t.Errorf("the notices have no %s", part)
		}
	}
}

func TestDocumentIsOfTheCommitsTimeAndListsEachComponentOnce(t *testing.T) {
	out := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "1795341600")
	if err := write(program(t), "1.0.0", filepath.Join(out, "n"), filepath.Join(out, "s")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "s"))
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.Metadata.Timestamp != "2026-11-22T10:00:00Z" || d.Metadata.Component.Version != "1.0.0" {
		t.Errorf("%+v", d.Metadata)
	}
	seen := map[string]bool{}
	for _, p := range d.Components {
		if seen[p.Ref] || p.Licences[0].License.ID == "" {
			t.Errorf("%+v", p)
		}
		seen[p.Ref] = true
	}
	if !seen["pkg:generic/openssl@"+versions()["openssl"]] || !seen["pkg:golang/"+confluent+"@"+moduleVersion(t)] {
		t.Errorf("%v", seen)
	}
}

func moduleVersion(t *testing.T) string {
	version, err := output("go", "list", "-m", "-f", "{{.Version}}", confluent)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestLicenceThatIsNotKnownIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("All rights reserved."), 0o600); err != nil {
		t.Fatal(err)
	}
	var c component
	if err := c.read(dir, "m"); err == nil {
		t.Errorf("%+v", c)
	}
}
