package console_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// shownValues are the values in the list, as they are read, the newest first; hidden ones are left out.
func shownValues(p *page) []string {
	p.t.Helper()
	return eval[[]string](p, `[...document.querySelectorAll("#list li")].filter((li) => !li.hidden).map((li) => li.querySelector(".value")?.textContent ?? li.textContent)`)
}

func (p *page) untilValues(want ...string) {
	p.t.Helper()
	program.Until(p.t, "the list shows "+strings.Join(want, " | "), func() bool { return strings.Join(shownValues(p), "\n") == strings.Join(want, "\n") })
}

func (p *page) focused() string {
	p.t.Helper()
	return eval[string](p, `document.activeElement.id || document.activeElement.name || document.activeElement.innerText.split("\n")[0]`)
}

// tabTo presses Tab until the element has the focus, and gives what had it on the way.
func (p *page) tabTo(id string) (way []string) {
	p.t.Helper()
	for range 40 {
		p.press(kb.Tab)
		way = append(way, p.focused())
		if way[len(way)-1] == id {
			return way
		}
	}
	p.t.Fatalf("Tab does not lead to %s: %q", id, way)
	return nil
}

// replace types over what is in the field that has the focus.
func (p *page) replace(text string) {
	p.t.Helper()
	p.press("a", chromedp.ModifierCtrl)
	p.press(kb.Delete)
	p.press(text)
}

func TestKeyboardAloneIsEnough(t *testing.T) {
	d := startDev(t)
	p := open(t, d, desktop)
	if got, want := p.text("#none-curl"), "curl -i "+d.URL+"/anything"; !strings.HasPrefix(got, want) {
		t.Errorf("the empty list shows %s, want %s …", got, want)
	}
	way := p.tabTo("path")
	if got := strings.Join(way, " | "); got != "away | theme | help | edit | add | route | JSON | Text | Invalid JSON 400 | Key header | Other topic | GET 405 | curl | method | path" {
		t.Errorf("the way to the path is %s", got)
	}
	p.replace("/typed")
	p.tabTo("headers")
	p.replace("content-type: application/json\nkey: typed-key")
	p.tabTo("body")
	p.replace(`{"typed": "by hand"}`)
	p.press(kb.Enter, chromedp.ModifierCtrl)
	p.untilValues(`{"typed":"by hand"}`)
	p.until("the reply is shown", `document.getElementById("status")?.innerText === "200 OK"`)
	if reply := p.text("#reply"); !strings.Contains(reply, `"message": "written to Kafka"`) || !strings.Contains(p.text("#took"), " ms") {
		t.Errorf("the reply is %s", reply)
	}
	p.until("a screen reader reads the reply", `/Reply: 200 OK|One record arrived/.test(document.getElementById("said").textContent)`)
	if meta := p.text("#list .meta"); !strings.HasPrefix(meta, "kafkaupstream") || !strings.Contains(meta, "offset 0") || !strings.Contains(meta, "key typed-key") {
		t.Errorf("the record is %q", meta)
	}

	p.press(kb.Escape)
	p.press("p")
	p.press("r")
	p.replace("a second one")
	p.set("headers", "key: other-key")
	p.press(kb.Enter, chromedp.ModifierMeta)
	p.until("it is held", `document.getElementById("count").textContent === "1, paused with 1 more"`)
	p.untilValues(`{"typed":"by hand"}`)
	p.press(kb.Escape)
	p.press("p")
	p.untilValues("a second one", `{"typed":"by hand"}`)

	p.press("/")
	if p.focused() != "filter" {
		t.Fatalf("the focus is at %s", p.focused())
	}
	for _, c := range []struct{ text, want string }{
		{"TYPED", `{"typed":"by hand"}`}, {"other-key", "a second one"}, {"kafkaupstream second", "a second one"}, {"second typed", ""}, {"offset=0", "?"},
	} {
		p.replace(c.text)
		switch c.want {
		case "?": // partitions are chosen by the keys
			p.until("all are shown", `document.getElementById("count").textContent.endsWith("of 2")`)
		case "":
			p.until("it says that none matches", `document.getElementById("none").innerText.trim() === "No record matches the filter."`)
		default:
			p.untilValues(c.want)
		}
	}
	p.press(kb.Escape)
	p.untilValues("a second one", `{"typed":"by hand"}`)
	p.press(kb.Escape)

	p.press("jj")
	p.press(kb.Enter)
	p.until("the older record is open", `document.querySelector("#list li:nth-child(2) .whole") && !document.querySelector("#list li:nth-child(1) .whole")`)
	if whole := p.text("#list .whole"); !strings.Contains(whole, "\"typed\": \"by hand\"\n}") {
		t.Errorf("it is %s", whole)
	}
	p.press("?")
	p.until("the shortcuts are shown", `document.getElementById("shortcuts").open`)
	p.press("x")
	p.press(kb.Escape)
	p.until("the shortcuts are closed", `!document.getElementById("shortcuts").open`)
	p.untilValues("a second one", `{"typed":"by hand"}`)
	p.press("x")
	p.until("the list is empty", `document.querySelectorAll("#list li").length === 0 && !document.getElementById("none").hidden`)

	p.press("?")
	p.click("#single-keys")
	p.click("#shortcuts .primary")
	p.until("the shortcuts are closed", `!document.getElementById("shortcuts").open`)
	p.press("p")
	if pressed := eval[string](p, `document.getElementById("pause").getAttribute("aria-pressed")`); pressed != "false" {
		t.Error("single keys work although they are switched off")
	}
}

func TestInputThatIsNoRequestIsNotSent(t *testing.T) {
	p := open(t, startDev(t), desktop)
	for _, c := range []struct{ field, value, problem string }{
		{"path", "//evil.example/", "The path begins with one /."},
		{"path", "http://evil.example/", "The path begins with one /."},
		{"path", "/a#b", "A # ends a path; write %23."},
		{"headers", "no colon", "“no colon” has no colon: a header is name: value."},
		{"headers", "na me: v", "“na me” is no name that a header can have."},
		{"headers", "Host: other", "Browsers let no page set “Host”. Copy as curl sends it."},
		{"headers", "x: é", "Browsers send only ASCII in headers. Copy as curl sends this."},
		{"method", "GET", "Browsers send no body with GET. Copy as curl does."},
	} {
		before := eval[string](p, `document.getElementById(`+js(c.field)+`).value`)
		p.set(c.field, c.value)
		p.press(kb.Enter, chromedp.ModifierCtrl)
		if got := p.text("#problem"); got != c.problem {
			t.Errorf("%s: %q, want %q", c.value, got, c.problem)
		}
		if got := p.text("#reply"); got != "Not sent: "+c.problem {
			t.Errorf("%s: the reply is %s", c.value, got)
		}
		p.set(c.field, before)
	}
	if got := p.text("#problem"); got != "" {
		t.Errorf("of a request, it says %s", got)
	}
}

// What is shown below a request that was refused is not the reply to the one before, whether it is there already or comes later.
func TestRefusedInputTakesTheReplyBeforeAway(t *testing.T) {
	p := open(t, startDev(t), desktop)
	p.preset("JSON")
	p.set("path", "no path")
	if !eval[bool](p, `document.getElementById("status") !== null`) {
		t.Error("the reply is gone before anything was sent")
	}
	p.press(kb.Enter, chromedp.ModifierCtrl)
	if got := p.text("#reply"); got != "Not sent: The path begins with one /." {
		t.Errorf("the reply is %s", got)
	}

	// The page's fetch is held until after the refusal.
	eval[bool](p, `(() => {
		const real = window.fetch;
		const held = new Promise((go) => (window.letGo = go));
		window.fetch = async (...all) => (await held, real(...all).finally(() => setTimeout(() => (window.arrived = true))));
		return true;
	})()`)
	p.set("path", "/late")
	p.press(kb.Enter, chromedp.ModifierCtrl)
	p.until("it waits", `document.getElementById("reply").innerText === "Waiting for the reply …"`)
	p.set("path", "no path")
	p.press(kb.Enter, chromedp.ModifierCtrl)
	eval[bool](p, `(letGo(), true)`)
	p.until("the late reply has come", `window.arrived`)
	p.until("its record is shown", `document.querySelectorAll("#list li").length === 2`)
	if got := p.text("#reply"); got != "Not sent: The path begins with one /." {
		t.Errorf("the reply is %s", got)
	}
}

func TestPageComesBackWhenDevDoes(t *testing.T) {
	d := startDev(t)
	p := open(t, d, desktop)
	p.mayLose = true
	p.preset("Text")
	p.untilValues("plain text, ⏎ as it came")
	d.Signal(syscall.SIGINT)
	if code := d.Exit(); code != 0 {
		t.Errorf("with a page open, dev ends with %d", code)
	}
	p.until("the page says that dev is away", `document.getElementById("live").dataset.state === "away"`)
	p.set("body", "nobody takes this")
	p.press(kb.Enter, chromedp.ModifierCtrl)
	p.until("there is no reply", `document.getElementById("reply").innerText.startsWith("No reply: the gateway does not answer.")`)

	again := startDev(t, "--listen", strings.TrimPrefix(d.URL, "http://"))
	p.until("the page is live again", `document.getElementById("live").dataset.state === "live" && document.getElementById("broker").innerText.startsWith(`+js(again.Broker)+`)`)
	p.untilValues() // these were another broker's
	p.preset("JSON")
	p.untilValues(`{"item":"espresso","quantity":2,"total":5.60}`)
}

// With the broker away one sees what clients are answered, and with the broker back the record that was kept.
func TestBrokerGoesAwayAndComesBack(t *testing.T) {
	d := startDev(t)
	d.putRoute(t, "kept", `["POST"]`, "/kept", `{"config": {}, "topic": "kept", "delivery": "durable", "timeout_ms": 10000}`)
	d.putRoute(t, "told", `["POST"]`, "/told", `{"config": {}, "topic": "told", "delivery": "sync", "timeout_ms": 10000}`)
	p, other := open(t, d, desktop), open(t, d, desktop)
	send := func(path, want string) {
		t.Helper()
		p.set("path", path)
		p.set("headers", "")
		p.set("body", "to "+path)
		p.click("#send")
		p.until(path+" is answered "+want, `document.getElementById("status")?.innerText === `+js(want))
	}
	send("/kept", "200 OK")
	p.untilValues("to /kept")
	p.click("#away")
	for _, page := range []*page{p, other} {
		page.until("the page says that the broker is away", `document.getElementById("away").getAttribute("aria-pressed") === "true" && document.getElementById("broker").innerText === `+js(d.Broker+" (embedded, away)"))
	}
	send("/told", "503 Service Unavailable")
	send("/kept", "202 Accepted")
	p.untilValues("to /kept")
	other.click("#away")
	p.until("the page says that it is back", `document.getElementById("broker").innerText === `+js(d.Broker+" (embedded)"))
	p.untilValues("to /kept", "to /kept")
	send("/told", "200 OK")
	p.untilValues("to /told", "to /kept", "to /kept")

	cluster := open(t, startDev(t, "--brokers", d.Broker), desktop)
	if !eval[bool](cluster, `document.getElementById("away").hidden`) {
		t.Error("brokers of others' can be taken away")
	}
}

// pick chooses in one of the lists of topics and partitions.
func (p *page) pick(what, value string) {
	p.t.Helper()
	p.until(value+" can be chosen", `[...document.getElementById(`+js(what)+`).options].some((o) => o.value === `+js(value)+`)`)
	eval[bool](p, `((s) => { s.value = `+js(value)+`; return s.dispatchEvent(new Event("change", {bubbles: true})) })(document.getElementById(`+js(what)+`))`)
}

func TestTopicAndPartitionArePicked(t *testing.T) {
	d := startDev(t)
	d.putRoute(t, "open", `["POST"]`, "/open", `{"config": {}, "topic": "first", "delivery": "sync", "headerprefix": "x-", "overrides": ["topic", "partition"]}`)
	d.putRoute(t, "half", `["POST"]`, "/half", `{"config": {}, "topic": "second", "delivery": "sync", "overrides": ["topic"]}`)
	d.putRoute(t, "shut", `["POST"]`, "/shut", `{"config": {}, "topic": "first", "delivery": "sync", "overrides": []}`)
	p := open(t, d, desktop)
	offered := func(what string) string {
		return eval[string](p, `((s) => s.checkVisibility() ? [...s.options].map((o) => o.text).join(" | ") : "")(document.getElementById(`+js(what)+`))`)
	}
	for _, route := range []string{"shut", "half"} {
		p.choose(route)
		p.preset("JSON")
	}
	p.untilValues(`{"item":"espresso","quantity":2,"total":5.60}`, `{"item":"espresso","quantity":2,"total":5.60}`)
	p.choose("shut")
	if got := offered("topic") + offered("partition"); got != "" {
		t.Errorf("of a route that fixes both there can be chosen %s", got)
	}
	p.choose("open")
	eval[bool](p, `(document.getElementById("topic").focus(), true)`) // which asks what topics there are
	p.pick("topic", "second")
	p.pick("partition", "3")
	if got := eval[string](p, `document.getElementById("headers").value`); got != "content-type: application/json\nx-topic: second\nx-partition: 3" {
		t.Errorf("the headers are %q", got)
	}
	if got := offered("topic") + "; " + offered("partition"); got != "first (the route’s) | first | second; the route’s, or by key | 0 | 1 | 2 | 3" {
		t.Errorf("there can be chosen %s", got)
	}
	p.click("#send")
	p.until("the record is shown", `document.querySelector("#list .meta")?.innerText.replace(/\s+/g, " ").startsWith("second partition 3 offset ")`)

	p.pick("partition", "")
	p.set("headers", "X-Topic: typed\n")
	if got := eval[string](p, `document.getElementById("topic").selectedOptions[0].text`); got != "typed (new)" {
		t.Errorf("of what was typed, it says %q", got)
	}
	p.pick("topic", "")
	if got := eval[string](p, `document.getElementById("headers").value`); got != "" {
		t.Errorf("the headers are %q", got)
	}
	p.choose("half")
	if got := offered("topic"); !strings.HasPrefix(got, "second (the route’s) | first") || offered("partition") != "" {
		t.Errorf("of a route that fixes the partition there can be chosen %s; %s", got, offered("partition"))
	}
}

// sentRows are the requests in the history, without the times, the newest first; * marks the one whose reply is shown.
func sentRows(p *page) string {
	p.t.Helper()
	return eval[string](p, `[...document.querySelectorAll("#sent-list button")].map((b) => (b.ariaCurrent ? "*" : "") + [...b.children].slice(0, 2).map((e) => e.textContent).join(" ")).join(" | ")`)
}

func TestSentRequestsComeBackWithTheirReplies(t *testing.T) {
	d := startDev(t)
	d.putRoute(t, "orders", `["POST"]`, "/orders", `{"config": {}, "topic": "orders", "delivery": "sync", "overrides": ["topic"]}`)
	p := open(t, d, desktop)
	if eval[bool](p, `document.getElementById("sent").checkVisibility()`) {
		t.Error("there is a history before anything was sent")
	}
	p.choose("orders")
	p.preset("Invalid JSON")
	reply := p.text("#reply pre")
	p.set("headers", "content-type: text/plain\ntopic: elsewhere")
	p.set("body", "first")
	p.click("#send")
	p.untilValues("first")
	p.choose("dev")
	p.set("path", "/"+strings.Repeat("long", 50))
	p.set("headers", "")
	p.set("body", "second")
	p.press(kb.Enter, chromedp.ModifierCtrl)
	p.untilValues("second", "first")
	want := "200 POST /" + strings.Repeat("long", 50) + " | 200 POST /orders | 400 POST /orders"
	p.until("all are in the history", `[...document.querySelectorAll("#sent-list b")].map((b) => b.innerText).join() === "200,200,400"`)
	if got := sentRows(p); got != "*"+want {
		t.Errorf("the history is %s", got)
	}

	p.click("#sent-list li:nth-child(2) button")
	if got := eval[string](p, `["method", "path", "headers", "body"].map((id) => document.getElementById(id).value).join("|") + "|" + document.getElementById("topic").value + "|" + document.querySelector(".route :checked").value`); got != "POST|/orders|content-type: text/plain\ntopic: elsewhere|first|elsewhere|orders" {
		t.Errorf("what is brought back is %q", got)
	}
	p.click("#sent-list li:nth-child(3) button")
	if got := p.text("#reply pre"); got != reply || p.text("#status") != "400 Bad Request" || eval[string](p, `document.getElementById("body").value`) != `{"item": "espresso", "total": }` {
		t.Errorf("the reply is %s, and was %s", got, reply)
	}
	if got := sentRows(p); got != strings.ReplaceAll(want, "| 400", "| *400") {
		t.Errorf("the history is %s", got)
	}
	p.untilValues("second", "first") // nothing was sent again

	p.set("path", "no path")
	p.press(kb.Enter, chromedp.ModifierCtrl)
	if got := sentRows(p); got != want {
		t.Errorf("with a request that was refused the history is %s", got)
	}
	p.do(chromedp.Reload())
	p.until("it is live again", `document.getElementById("live").dataset.state === "live"`)
	if eval[bool](p, `document.getElementById("sent").checkVisibility()`) {
		t.Error("there is a history after a reload")
	}
}

// What a page keeps does not grow without end.
func TestHistoryIsBounded(t *testing.T) {
	p := open(t, startDev(t), desktop)
	for i := range 22 {
		p.set("path", fmt.Sprintf("/%d", i))
		p.press(kb.Enter, chromedp.ModifierCtrl)
	}
	p.until("the last are kept", `document.querySelectorAll("#sent-list li").length === 20 && document.querySelector("#sent-list li:last-child").innerText.includes("POST /2")`)
	eval[bool](p, `((f) => { f.value = "x".repeat(3 << 20); return f.dispatchEvent(new Event("input", {bubbles: true})) })(document.getElementById("body"))`)
	for i := range 4 {
		p.set("path", fmt.Sprintf("/large/%d", i))
		p.press(kb.Enter, chromedp.ModifierCtrl)
	}
	p.until("two of them fit", `document.querySelectorAll("#sent-list li").length === 2 && document.querySelector("#sent-list li").innerText.includes("/large/3")`)
	p.until("all are answered", `[...document.querySelectorAll("#sent-list b")].every((b) => b.innerText !== "…")`)
}

func (p *page) editorIs(open bool) {
	p.t.Helper()
	p.until(fmt.Sprintf("the editor is open: %v", open), fmt.Sprintf(`document.getElementById("editor").open === %v`, open))
}

func TestRoutesAreEditedAndAdded(t *testing.T) {
	d := startDev(t)
	d.putRoute(t, "orders", `["POST"]`, "/orders", `{"config": {"client.id": "hush"}, "topic": "orders", "delivery": "sync", "timeout_ms": 4000, "overrides": []}`)
	p := open(t, d, desktop)
	p.choose("orders")
	p.click("#edit")
	p.editorIs(true)
	if got := eval[string](p, `["edit-id", "edit-path", "edit-topic", "edit-delivery", "edit-jsonkey", "edit-conf"].map((id) => document.getElementById(id).value.replace(/\s+/g, "")).join(" ")`); got != `orders /orders orders sync  {"topic":"orders","delivery":"sync","timeout_ms":4000,"overrides":[]}` {
		t.Errorf("the form has %s", got)
	}
	if got := p.text("#edit-hidden"); got != "Not shown, and kept unless the text has it: config." {
		t.Errorf("it says %s", got)
	}
	p.set("edit-topic", "invoices")
	p.set("edit-jsonkey", "customer")
	eval[bool](p, `((s) => { s.value = "durable"; return s.dispatchEvent(new Event("input", {bubbles: true})) })(document.getElementById("edit-delivery"))`)
	conf := eval[string](p, `document.getElementById("edit-conf").value.replace(/\s+/g, "")`)
	if conf != `{"topic":"invoices","delivery":"durable","timeout_ms":4000,"overrides":[],"jsonkey":"customer"}` {
		t.Errorf("the fields make it %s", conf)
	}
	p.set("edit-conf", strings.Replace(conf, "timeout_ms", "timeout", 1))
	p.click("#edit-save")
	p.until("it is refused in the words of check", `document.getElementById("edit-problem").innerText.startsWith("timeout: unknown key")`)
	p.set("edit-conf", "{")
	if !eval[bool](p, `document.getElementById("edit-topic").disabled`) {
		t.Error("of what is no JSON the topic can be changed")
	}
	p.set("edit-conf", conf)
	p.set("edit-path", "/invoices /bills/*")
	p.click("#edit-save")
	p.editorIs(false)
	p.until("the list has it", `document.querySelector(".route:has(:checked)")?.innerText.replace(/\s+/g, " ") === "orders POST /invoices /bills/* → invoices key customer of the body durable"`)
	p.until("its request is filled in", `document.getElementById("path").value === "/invoices"`)
	p.preset("JSON")
	p.until("the record has the key", `document.querySelector("#list .meta")?.innerText.replace(/\s+/g, " ").includes("key customer-17")`)
	if text := program.Send(t, "GET", d.URL+"/apisix/admin/routes/orders", "").Body; !strings.Contains(text, "hush") {
		t.Errorf("its config has gone: %s", text)
	}

	p.click("#add")
	p.editorIs(true)
	p.set("edit-id", "orders")
	p.click("#edit-save")
	p.until("an ID that there is, is refused", `document.getElementById("edit-problem").innerText === 'there is a route "orders" already'`)
	p.set("edit-id", "more")
	p.set("edit-path", "/more")
	p.set("edit-topic", "more")
	p.click("#edit-save")
	p.editorIs(false)
	p.until("it is chosen", `document.querySelector(".route :checked")?.value === "more" && document.getElementById("path").value === "/more"`)
	p.preset("Text")
	p.untilValues("plain text, ⏎ as it came", `{"customer":"customer-17","item":"espresso","quantity":2,"total":5.60}`)

	p.click("#edit")
	p.editorIs(true)
	p.set("edit-topic", "never")
	p.press(kb.Escape)
	p.editorIs(false)
	if got := p.text(".route:has(:checked) .to"); got != "→ more" {
		t.Errorf("a form that was left has changed the route: %s", got)
	}
}

func TestRoutesComeAndGoOnThePage(t *testing.T) {
	d := startDev(t)
	p := open(t, d, desktop)
	d.putRoute(t, "orders", `["PUT"]`, "/orders/*", `{"config": {}, "topic": "orders", "delivery": "sync", "batch": true}`)
	p.choose("orders")
	p.until("its request is filled in", `document.getElementById("method").value === "PUT" && document.getElementById("path").value === "/orders/anything"`)
	if got := strings.Join(strings.Fields(p.text(".route:has(:checked)")), " "); got != "orders PUT /orders/* → orders sync batch" {
		t.Errorf("the route is %q", got)
	}
	p.preset("Batch")
	p.until("its records are shown", `document.querySelectorAll("#list li").length === 3`)
	d.putRoute(t, "wrong", `["POST"]`, "/wrong", `{"config": {}, "topicc": "orders"}`)
	p.until("what is wrong with a route is said", `document.querySelector(".route .problem")?.innerText === "topicc: unknown key; did you mean \"topic\"?"`)
	if chosen := eval[string](p, `document.querySelector(".route :checked").value`); chosen != "orders" {
		t.Errorf("%s is chosen", chosen)
	}
	for _, id := range []string{"orders", "wrong", "dev"} {
		d.deleteRoute(t, id)
	}
	p.until("they are gone", `document.getElementById("routes").innerText.startsWith("There is no route.")`)
}
