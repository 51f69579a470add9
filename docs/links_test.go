// Package docs has no code: its test follows the links of the documents.
package docs

import (
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	code    = regexp.MustCompile("`[^`\n]*`")
	links   = regexp.MustCompile(`\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.*)$`)
	target  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}\p{M} _-]`)
)

// anchor is what GitHub calls a heading.
func anchor(text string) string {
	text = target.ReplaceAllString(strings.TrimSpace(text), "$1")
	return strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(text), ""), " ", "-")
}

// document is what a Markdown file links to, and what of it can be linked to.
type document struct {
	links   []string
	anchors map[string]bool
}

func read(text string) document {
	text = fence.ReplaceAllString(text, "")
	d := document{anchors: map[string]bool{}}
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		d.anchors[anchor(h[1])] = true
	}
	for _, l := range links.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
		d.links = append(d.links, l[1])
	}
	return d
}

func TestLinksLeadSomewhere(t *testing.T) {
	root := os.DirFS("..")
	documents := map[string]document{}
	err := fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != "." && strings.HasPrefix(path.Base(name), ".") && path.Base(name) != ".github", name == "dist", name == "bin":
			return fs.SkipDir
		case path.Ext(name) == ".md":
			text, err := fs.ReadFile(root, name)
			documents[name] = read(string(text))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for name, d := range documents {
		for _, link := range d.links {
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %s: %v", name, link, err)
				continue
			}
			if u.Scheme != "" {
				if u.Scheme != "https" && u.Hostname() != "127.0.0.1" {
					t.Errorf("%s: %s is not https", name, link)
				}
				continue
			}
			followed++
			to := name
			if u.Path != "" {
				to = path.Join(path.Dir(name), u.Path)
			}
			if _, err := fs.Stat(root, to); err != nil {
				t.Errorf("%s: %s: %v", name, link, err)
			} else if u.Fragment != "" && !documents[to].anchors[u.Fragment] {
				t.Errorf("%s: %s: there is no such heading", name, link)
			}
		}
	}
	if followed < 100 {
		t.Errorf("only %d links of %d documents were followed", followed, len(documents))
	}
}

func TestAnchorsAreGitHubs(t *testing.T) {
	for text, want := range map[string]string{
		"Reload, restart, upgrade":    "reload-restart-upgrade",
		"`dialects`, and [a](b.md) c": "dialects-and-a-c",
		"Was ist los? Größe_1 – x":    "was-ist-los-größe_1--x",
	} {
		if got := anchor(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
