package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

// typed runs a document's commands as they stand, but for addresses, in a shell that finds the binary as kafkaupstream.
// replace has pairs of an address in the document and the one here; each must occur.
func typed(t *testing.T, dir, commands string, replace ...string) string {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(commands, replace[i]) {
			t.Fatalf("%q is not in\n%s", replace[i], commands)
		}
		commands = strings.ReplaceAll(commands, replace[i], replace[i+1])
	}
	p, code := program.Run(t, "/bin/bash", program.Options{Args: []string{"-ec", commands}, Dir: dir, Env: shellEnv(t)})
	if code != 0 {
		t.Fatalf("%s\nexit code %d\n%s%s", commands, code, p.Stdout, p.Stderr)
	}
	return strings.TrimSpace(p.Stdout.String())
}

func shellEnv(t *testing.T) []string {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(bin, "kafkaupstream")); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "ADMIN_KEY=secret"}
}

func (d *dev) shows(t *testing.T, record string) {
	t.Helper()
	program.Until(t, "dev shows "+record, func() bool { return strings.Contains(d.Stdout.String(), "\n"+record) || d.Ended() })
}

func TestREADMEsCommandsDoWhatItSays(t *testing.T) {
	const readme = "../../README.md"
	d := startDev(t)
	try := devtest.Blocks(t, readme, "Try it")
	if try[0] != "go run ./cmd/kafkaupstream dev" {
		t.Fatal(try[0])
	}
	digits := strings.NewReplacer(`"partition":2`, `"partition":…`, "1795341600123", "…")
	matches(t, digits.Replace(try[2]), typed(t, "", try[1], "http://127.0.0.1:9080", d.URL))
	d.shows(t, "record kafkaupstream partition=")

	install := devtest.Blocks(t, readme, "Install it into APISIX")
	typed(t, "", install[2], "http://127.0.0.1:9180", d.URL, "kafka:9092", d.Broker)
	reply := typed(t, "", `curl -sS -d '{"customer": {"id": "c-1"}}' -H 'content-type: application/json' `+d.URL+"/orders")
	matches(t, `{"code":200,"message":"written to Kafka","delivered":"yes","topic":"orders","partition":…,"offset":0,"timestamp":…}`, reply)
	d.shows(t, "record orders partition=")
	contains(t, d.Stdout.String(), "key=c-1")
}

func TestServesFirstCommandsDoWhatTheySay(t *testing.T) {
	const page = "../../docs/serve.md"
	d, dir, address := startDev(t), t.TempDir(), program.FreeAddress(t)
	blocks := devtest.Blocks(t, page, "`serve`: plain HTTP, for any gateway")
	routes := strings.ReplaceAll(blocks[0], "kafka:9092", d.Broker) // as the page advises
	if err := os.WriteFile(filepath.Join(dir, "routes.yaml"), []byte(routes), 0o600); err != nil {
		t.Fatal(err)
	}
	check, rest, _ := strings.Cut(blocks[1], "\n")
	serve, curl, _ := strings.Cut(rest, "\n")
	typed(t, dir, check, "routes.yaml", "routes.yaml --offline") // as the page advises, too
	serve = strings.ReplaceAll(serve, "/tmp/kafkaupstream", filepath.Join(dir, "spool")) + " --listen " + address
	s := program.Start(t, "/bin/bash", program.Options{Args: []string{"-c", "exec " + serve}, Dir: dir, Env: shellEnv(t)})
	program.Until(t, "it serves", func() bool { return strings.Contains(s.Stderr.String(), "kafkaupstream serves") || s.Ended() })
	matches(t, `{"code":200,"message":"written to Kafka","delivered":"yes","topic":"orders","partition":…,"offset":0,"timestamp":…}`,
		typed(t, dir, curl, "http://127.0.0.1:8080", "http://"+address))
}

func TestRegistrysCommandsOfNeighboursMdDoWhatTheySay(t *testing.T) {
	blocks := devtest.Blocks(t, "../../docs/neighbours.md", "Fusion Registry (SDMX)")
	start, curls, seen := blocks[len(blocks)-3], blocks[len(blocks)-2], blocks[len(blocks)-1]
	folder, start, _ := strings.Cut(start, "\n")
	start, dev, _ := strings.Cut(start, " && ")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../"+strings.TrimPrefix(folder, "cd "))); err != nil {
		t.Fatal(err)
	}
	typed(t, dir, start)
	if dev != "kafkaupstream dev -f dev.json" {
		t.Fatal(dev)
	}
	d := startDev(t, "-f", filepath.Join(dir, "dev.json"))
	typed(t, dir, curls, "http://127.0.0.1:9080", d.URL)
	page, err := os.ReadFile("../../docs/neighbours.md")
	if err != nil {
		t.Fatal(err)
	}
	_, kcat, _ := strings.Cut(string(page), "`kcat ")
	kcat, _, _ = strings.Cut(kcat, "`")
	if got := typed(t, dir, "kcat "+kcat, "BROKER", d.Broker); got != seen {
		t.Errorf("kcat prints\n%s\nwant\n%s", got, seen)
	}
}
