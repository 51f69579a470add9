// Command plot draws what bench/curves has measured, and writes the tables of docs/performance.md and the summary in README.md between their markers:
// what is in the documents is what is in the results beside it, and a test holds it to that.
//
//	go run ./bench/plot
//
// It measures nothing. Of -dir it reads embedded.json and kafka.json, which bench wrote, and curves.json, of bench/curves.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

func main() {
	dir := flag.String("dir", "docs/performance", "directory of the results and of the drawings")
	document := flag.String("document", "docs/performance.md", "document whose tables are written")
	readme := flag.String("readme", "README.md", "document whose summary is written")
	flag.Parse()
	if err := run(*dir, *document, *readme); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(dir, document, readme string) error {
	files, err := render(dir, document, readme)
	if err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// render returns what files are to hold, by path.
func render(dir, document, readme string) (map[string]string, error) {
	var embedded, kafka report
	var curves rig.Curves
	for name, to := range map[string]any{"embedded.json": &embedded, "kafka.json": &kafka, "curves.json": &curves} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, to); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	files := map[string]string{}
	for _, c := range curves.Curves {
		files[filepath.Join(dir, c.Name+".svg")] = draw(c)
	}
	for path, tables := range map[string]map[string]string{
		document: {"embedded": embedded.table(), "kafka": kafka.table(), "goals": goals(embedded, kafka), "facts": facts(curves), "curves": curvesFrom(curves)},
		readme:   {"summary": kafka.summary()},
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if files[path], err = fill(string(text), tables); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return files, nil
}
