package devtest

import (
	"os"
	"regexp"
	"testing"
)

var headingOrBlock = regexp.MustCompile("(?ms)^#+ ([^\n]*)$|^```[a-z]*\n(.*?)\n```$")

// Blocks are the texts between ``` in a section of a document, without its sections below.
func Blocks(t testing.TB, path, heading string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	within := false
	for _, m := range headingOrBlock.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			within = m[1] == heading
		} else if within {
			blocks = append(blocks, m[2])
		}
	}
	if blocks == nil {
		t.Fatalf("%s has no section %q with a block", path, heading)
	}
	return blocks
}
