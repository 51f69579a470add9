package console_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// clipboard is what has been copied last.
func (p *page) clipboard() string {
	p.t.Helper()
	return eval[string](p, `navigator.clipboard.readText()`)
}

// copied is what pressing the button copies.
func (p *page) copied(selector string) (text string) {
	p.t.Helper()
	eval[any](p, `navigator.clipboard.writeText("")`)
	p.click(selector)
	program.Until(p.t, "something is copied", func() bool { text = p.clipboard(); return text != "" })
	return text
}

func TestRequestAsCurlIsTheSameRequest(t *testing.T) {
	d := startDev(t)
	d.putRoute(t, "all", `["POST", "PUT", "DELETE"]`, "/all*", `{"config": {}, "topic": "all", "partition": 0, "delivery": "sync", "overrides": ["key", "headers"],
		"tombstone_on_delete": true, "record_headers": {"method": "$method", "path": "$path", "type": "$http_content_type.", "query": "$arg_q."}}`)
	p := open(t, d, desktop)
	cases := []struct{ name, method, path, headers, body, want string }{
		{"plain", "POST", "/all?q=1", "content-type: application/json", `{"a": "b"}`,
			"curl -i 'URL/all?q=1' \\\n  -H 'content-type: application/json' \\\n  --data-raw '{\"a\": \"b\"}'"},
		{"another method", "PUT", "/all?q=1", "content-type: text/plain", `v`,
			"curl -i -X PUT 'URL/all?q=1' \\\n  -H 'content-type: text/plain' \\\n  --data-raw v"},
		{"no body", "DELETE", "/all?q=1", "content-type: x\nkey: k 1", "",
			"curl -i -X DELETE 'URL/all?q=1' \\\n  -H 'content-type: x' \\\n  -H 'key: k 1'"},
		{"what a shell would take", "POST", "/all/'$(id)`id`?q=[1-3]{a,b}!\"", "content-type: a'b\"c $HOME `id` \\\nheader-x: '; exit 1 #", "'; touch /nowhere; $HOME `id` \\ \"$(id)\" !x\n\t%0A &",
			"curl -i -g 'URL/all/'\\''$(id)%60id%60?q=[1-3]{a,b}!%22' \\\n  -H 'content-type: a'\\''b\"c $HOME `id` \\' \\\n  -H 'header-x: '\\''; exit 1 #' \\\n  --data-raw ''\\''; touch /nowhere; $HOME `id` \\ \"$(id)\" !x\n\t%0A &'"},
		{"what curl would read from a file", "POST", "/all?q=1", "content-type: @/etc/hostname", "@/etc/hostname", ""},
		{"other scripts", "POST", "/all?q=größe&x=値", "content-type: text/plain", "größer 値 😀\n", ""},
		{"many lines", "POST", "/all?q=1", "content-type: text/plain", "a\n\n b \n", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p.click("#clear")
			eval[bool](p, fmt.Sprintf(`(document.getElementById("method").value = %s, true)`, js(c.method)))
			p.set("path", c.path)
			p.set("headers", c.headers)
			p.set("body", c.body)
			command := p.copied("#curl")
			if want := strings.ReplaceAll(c.want, "URL", d.URL); want != "" && command != want {
				t.Errorf("it is\n%s\nand not\n%s", command, want)
			}
			p.click("#send")
			p.until("the page's request is shown", `document.querySelectorAll("#list li").length === 1`)
			out, err := exec.Command("/bin/sh", "-c", command).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "200 OK") {
				t.Fatalf("%v\n%s\n%s", err, command, out)
			}
			p.until("that of the command is shown", `document.querySelectorAll("#list li").length === 2`)
			sent, again := p.record(t, 2), p.record(t, 1)
			delete(sent, "offset")
			delete(again, "offset")
			delete(sent, "timestamp")
			delete(again, "timestamp")
			if js(sent) != js(again) {
				t.Errorf("the page sends\n%s\ncurl sends\n%s", js(sent), js(again))
			}
			if value, _ := sent["value"].(string); value != strings.ReplaceAll(c.body, `{"a": "b"}`, `{"a":"b"}`) {
				t.Errorf("the value is %q", value)
			}
		})
	}
}

// Neither the browser nor curl is to say what a body is, where the request does not.
func TestBodyWithoutAContentTypeStaysWithoutOne(t *testing.T) {
	p := open(t, startDev(t), desktop)
	p.set("path", "/bare")
	p.set("headers", "")
	p.set("body", "x")
	if got, want := p.copied("#curl"), "-H 'content-type:' \\\n  --data-raw x"; !strings.HasSuffix(got, want) {
		t.Errorf("curl: %s", got)
	}
	p.click("#send")
	p.until("it is answered", `document.getElementById("status")`)
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.sent["/bare"]
	if sent == nil {
		t.Fatal("the request was not seen")
	}
	for name, value := range sent {
		if strings.EqualFold(name, "content-type") {
			t.Errorf("the page: %s: %s", name, value)
		}
	}
}

// record is the record at that place of the list, as its button copies it.
func (p *page) record(t *testing.T, n int) (r map[string]any) {
	t.Helper()
	item := fmt.Sprintf("#list li:nth-child(%d)", n)
	if !eval[bool](p, `document.querySelector(`+js(item+" details")+`).open`) {
		p.click(item + " summary")
	}
	p.until("it is open", `document.querySelector(`+js(item+" .copy")+`)`)
	text := p.copied(item + " .copy")
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return r
}

// What each preset of each kind of route says of itself is true.
func TestPresetDoesWhatItSays(t *testing.T) {
	d := startDev(t)
	for id, conf := range map[string]string{
		"plain":    `{"config": {}, "topic": "t"}`,
		"fixed":    `{"config": {}, "topic": "t", "overrides": [], "require": ["json"], "delivery": "sync"}`,
		"listed":   `{"config": {}, "topic": "t", "topics": ["t*"], "require": ["key"], "key": "$arg_device"}`,
		"notopic":  `{"config": {}, "headerprefix": "X-", "delivery": "durable", "jsonkey": "customer.id"}`,
		"full":     `{"config": {}, "topic": "t", "batch": true, "tombstone_on_delete": true, "idempotency": {}, "overrides": ["topic", "key", "headers", "dry-run"]}`,
		"events":   `{"config": {}, "topic": "t", "cloudevents": true}`,
		"schema":   `{"config": {}, "topic": "t", "schema": {"inline": {"type": "object"}}}`,
		"needskey": `{"config": {}, "topic": "t", "require": ["key"]}`,
	} {
		d.putRoute(t, id, `["POST", "DELETE", "GET"]`, "/"+id, conf)
	}
	var about struct {
		Routes []struct {
			ID      string
			Presets []struct {
				Name, Method, Path, Body string
				Headers                  [][2]string
				Status                   int
			}
		}
	}
	if err := json.Unmarshal([]byte(program.Send(t, "GET", d.Console+"routes", "").Body), &about); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, route := range about.Routes {
		for _, preset := range route.Presets {
			var headers []string
			for _, h := range preset.Headers {
				headers = append(headers, h[:]...)
			}
			got := program.Send(t, preset.Method, d.URL+preset.Path, preset.Body, headers...)
			if want := preset.Status; want != 0 && got.Status != want || got.Status >= 500 {
				t.Errorf("%s, %s: %d, want %d", route.ID, preset.Name, got.Status, want)
			}
			tried++
		}
	}
	if tried < 50 {
		t.Errorf("only %d presets", tried)
	}
}
