package main

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// shot is a line of the recorded terminal, and how long it waits behind the one before it, in seconds.
type shot struct {
	text  string
	typed bool
	after float64
}

// README shows docs/recording.svg: what a terminal shows that runs dev and curl. make recording records it anew.
func TestRecordingShowsWhatTheProgramPrints(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "recording.svg")
	drawn := []byte(draw(recorded(t)))
	if *update {
		if err := os.WriteFile(path, drawn, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := textOf(drawn), textOf(committed); got != want {
		t.Errorf("docs/recording.svg shows something else than the program prints: make recording\n%s\n%s", want, got)
	}
}

var (
	lines  = regexp.MustCompile(`<text[^>]*>([^<]*)</text>`)
	varies = regexp.MustCompile(`"timestamp":\d+|"receipt":"[-0-9a-f]+"|broker 127\.0\.0\.1:\d+`)
)

// textOf is the text of a drawing, however its lines are broken, without what differs from run to run.
func textOf(drawing []byte) (text string) {
	for _, line := range lines.FindAllSubmatch(drawing, -1) {
		text += html.UnescapeString(string(line[1]))
	}
	return varies.ReplaceAllString(text, "…")
}

// recorded plays the scene: a record that Kafka takes, one that is kept on disk while the broker is away, one that is refused.
func recorded(t *testing.T) (all []shot) {
	t.Helper()
	const conf = `{"config": {}, "topic": "orders", "jsonkey": "id", "delivery": "durable"}`
	file := filepath.Join(t.TempDir(), "orders.json")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, "-f", file)
	shown := 0
	// print shows what dev prints until there are so many lines.
	print := func(lines int) {
		t.Helper()
		program.Until(t, fmt.Sprintf("dev has printed %d lines", lines), func() bool { return len(d.Stdout.Lines()) >= lines })
		after := 0.8
		for _, line := range d.Stdout.Lines()[shown:lines] {
			all = append(all, shot{line, false, after})
			after = 0 // those that come together
		}
		shown = lines
	}
	say := func(line string) { all = append(all, shot{line, true, 2}) }
	post := func(body string) {
		t.Helper()
		command := "curl -d '" + body + "' -H 'content-type: application/json' 127.0.0.1:9080/orders"
		say(command)
		out, err := exec.Command("bash", "-c", strings.Replace(command, "127.0.0.1:9080", d.URL, 1)+" -sS").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		all = append(all, shot{strings.TrimSpace(string(out)), false, 0.4})
	}
	away := func(is bool) {
		t.Helper()
		if r := program.Send(t, "POST", d.URL+"/_console/broker", fmt.Sprintf(`{"away": %v}`, is), "content-type", jsonType, "origin", d.URL); r.Status/100 != 2 {
			t.Fatalf("%+v", r)
		}
	}
	say("cat orders.json")
	all = append(all, shot{conf, false, 0.4})
	say("kafkaupstream dev -f orders.json &")
	print(3)
	post(`{"id": 17, "item": "tea"}`)
	print(4)
	say("# Kafka goes away: the switch is in the console")
	away(true)
	post(`{"id": 18, "item": "milk"}`)
	say("# … and comes back")
	away(false)
	print(5)
	post(`{"id": }`)
	for i := range all {
		all[i].text = strings.ReplaceAll(all[i].text, d.URL, "http://127.0.0.1:9080")
	}
	return all
}

// draw draws a terminal in which the lines appear one after another, again and again. Where nothing moves, all of them are there.
func draw(all []shot) string {
	const columns, lineHeight, margin, characterWidth = 104, 20, 16, 9
	var rows []shot
	for _, s := range all {
		after := s.after
		if s.typed {
			s.text = "$ " + s.text
		}
		for part := range slices.Chunk([]rune(s.text), columns) {
			rows = append(rows, shot{string(part), s.typed, after})
			after = 0
		}
	}
	total := 5.0 // the last picture stays
	for _, r := range rows {
		total += r.after
	}
	var style, text strings.Builder
	at := 0.0
	for i, r := range rows {
		at += r.after
		color := "#c9d1d9"
		if r.typed {
			color = "#7ee787"
		}
		fmt.Fprintf(&style, "@keyframes l%d{0%%,%.2f%%{opacity:0}%.2f%%,100%%{opacity:1}}#l%d{animation:l%d %.1fs step-end infinite}\n", i, 100*at/total, 100*at/total+0.01, i, i, total)
		fmt.Fprintf(&text, "<text id=\"l%d\" x=\"%d\" y=\"%d\" fill=\"%s\" xml:space=\"preserve\">%s</text>\n", i, margin, margin+lineHeight*(i+1)-5, color, html.EscapeString(r.text))
	}
	width, height := columns*characterWidth+2*margin, len(rows)*lineHeight+2*margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">
<title>A terminal: dev, a record that Kafka takes, one that waits on disk while Kafka is away, one that is refused</title>
<style>
@media (prefers-reduced-motion: no-preference) {
%s}
</style>
<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>
%s</svg>
`, width, height, width, height, style.String(), text.String())
}
