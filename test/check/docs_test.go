package check

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

// TestExamplesOfCheckMdDoWhatTheySay runs each command of the page with the
// configuration before it. The broker's address in them is that of the shared broker.
func TestExamplesOfCheckMdDoWhatTheySay(t *testing.T) {
	const address = "127.0.0.1:9093"
	k := kafka(t)
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", k.ca.PEM)
	if err := os.Symlink(binary, filepath.Join(dir, "kafkaupstream")); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer(address, k.ListenerOf(1, "SECURE")).Replace
	there := strings.NewReplacer(k.ListenerOf(1, "SECURE"), address).Replace
	blocks := devtest.Document(t, "../../docs/check.md")
	ran := 0
	for i, b := range blocks {
		switch b.Language {
		case "json":
			write("orders.json", here(b.Text))
		case "yaml":
			write("apisix.yaml", b.Text)
		case "sh":
			ran++
			p, _ := program.Run(t, "/bin/bash", program.Options{
				Args: []string{"-c", `PATH="$PWD:$PATH"; ` + b.Text}, Dir: dir, Env: []string{"KAFKA_PASSWORD=" + alicePassword},
			})
			noSecrets(t, p)
			want := blocks[i+1].Text
			pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", "[^ ]+") + "\n$"
			if got := there(p.Stdout.String() + p.Stderr.String()); !regexp.MustCompile(pattern).MatchString(got) {
				t.Errorf("%s\nprints\n%s\nand not\n%s", b.Text, got, want)
			}
		}
	}
	if ran < 5 {
		t.Errorf("%d examples", ran)
	}
}
