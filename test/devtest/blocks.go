package devtest

import (
	"os"
	"regexp"
	"testing"
)

// Block is what a document has between ``` and ```.
type Block struct{ Section, Language, Text string }

var headingOrBlock = regexp.MustCompile("(?ms)^#+ ([^\n]*)$|^```([a-z]*)\n(.*?)\n```$")

// Document is all blocks of a document. A section is the nearest heading above.
func Document(t testing.TB, path string) (blocks []Block) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for _, m := range headingOrBlock.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			section = m[1]
		} else {
			blocks = append(blocks, Block{section, m[2], m[3]})
		}
	}
	return blocks
}

// Blocks are the texts of a section's blocks, without those of the sections below it.
func Blocks(t testing.TB, path, heading string) (texts []string) {
	t.Helper()
	for _, b := range Document(t, path) {
		if b.Section == heading {
			texts = append(texts, b.Text)
		}
	}
	if texts == nil {
		t.Fatalf("%s has no section %q with a block", path, heading)
	}
	return texts
}
