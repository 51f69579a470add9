package console_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// faint are the texts that are seen whose contrast to what is behind them is less than 4.5 (WCAG 2.2, 1.4.3).
const faint = `(() => {
	const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
	const rgb = (color) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data];
	};
	const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor);
			if (c[3] === 255) return c;
			if (c[3] !== 0) throw Error("half transparent: " + e.outerHTML);
		}
	};
	const found = [];
	let seen = 0;
	for (const e of document.querySelectorAll("body *")) {
		const hasText = e.matches("input, textarea, select") || [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
		if (!hasText || !e.checkVisibility() || e.disabled || e.matches(".unseen, noscript, option")) continue;
		seen++;
		for (const style of [getComputedStyle(e), ...(e.placeholder ? [getComputedStyle(e, "::placeholder")] : [])]) {
			const [a, b] = [light(rgb(style.color)), light(behind(e))].sort((x, y) => y - x);
			const contrast = (a + 0.05) / (b + 0.05);
			if (contrast < 4.5) found.push(contrast.toFixed(2) + " " + e.tagName + "." + e.className + " " + (e.innerText ?? "").slice(0, 40));
		}
	}
	return seen < 40 ? ["only " + seen + " texts"] : found;
})()`

// A console in use is looked at in several ways.
func TestLook(t *testing.T) {
	p := scene(t, desktop)
	t.Run("every control has a name", p.controlsHaveNames)
	t.Run("what has the focus is seen", p.focusIsSeen)
	t.Run("both themes can be read", p.themesCanBeRead)
	t.Run("at each width nothing overlaps or is cut off", p.laidOut)
	t.Run("narrow, it does not scroll sideways", p.narrowFits)
}

func (p *page) themesCanBeRead(t *testing.T) {
	background := func() string { return eval[string](p, `getComputedStyle(document.body).backgroundColor`) }
	readable := func(theme string) {
		t.Helper()
		for _, state := range []struct {
			name string
			set  func()
		}{
			{"in use", func() {}},
			{"with a problem", func() { p.set("path", "x") }},
			{"paused", func() { p.click("#pause") }},
			{"with the broker away", func() { p.toggleBroker() }},
			{"with the editor", func() { p.click("#edit"); p.set("edit-conf", "{") }},
			{"with the shortcuts", func() { p.press(kb.Escape); p.click("#help") }},
		} {
			state.set()
			for _, text := range eval[[]string](p, faint) {
				t.Errorf("%s, %s: %s", theme, state.name, text)
			}
		}
		p.press(kb.Escape)
		p.toggleBroker()
		p.click("#pause")
		p.set("path", "/orders")
	}
	light := background()
	readable("light")
	p.look(view{desktop.width, desktop.height, true})
	dark := background()
	if light == dark {
		t.Fatalf("both have the background %s", light)
	}
	readable("dark")

	for _, want := range []struct{ label, background string }{{"Theme: light", light}, {"Theme: dark", dark}, {"Theme: system", dark}, {"Theme: light", light}} {
		p.click("#theme")
		if label := p.text("#theme"); label != want.label || background() != want.background {
			t.Errorf("%s has the background %s, want %s with %s", label, background(), want.label, want.background)
		}
	}
	p.do(chromedp.Reload())
	p.until("it is live again", `document.getElementById("live").dataset.state === "live"`)
	if label := p.text("#theme"); label != "Theme: light" || background() != light {
		t.Errorf("after a reload: %s, %s", label, background())
	}
}

// toggleBroker takes the broker away or brings it back.
func (p *page) toggleBroker() {
	p.t.Helper()
	const pressed = `document.getElementById("away").getAttribute("aria-pressed")`
	before := eval[string](p, pressed)
	p.click("#away")
	p.until("the page has heard of it", pressed+" !== "+js(before))
}

// misplaced are the elements that are outside of the page, over one another, or cut off. What scrolls in a box, and what ends in …
// on purpose, is neither.
const misplaced = `(() => {
	const seen = (e) => {
		const r = e.getBoundingClientRect();
		const box = {left: r.left, right: r.right, top: r.top, bottom: r.bottom};
		for (let p = e.parentElement; p; p = p.parentElement) {
			if (getComputedStyle(p).overflow === "visible") continue;
			const by = p.getBoundingClientRect();
			box.top = Math.max(box.top, by.top);
			box.bottom = Math.min(box.bottom, by.bottom);
		}
		return box;
	};
	const name = (e) => e.tagName + "#" + e.id + "." + e.className + " " + (e.innerText ?? "").slice(0, 30);
	const root = document.querySelector("dialog[open]") ?? document;
	const all = [...root.querySelectorAll("button, select, textarea, input, h1, h2, legend, label, dt, dd, .live, .tag, .route > *, .meta > *, .presets, .note, .status > *, .sent button > *")]
		.filter((e) => e.checkVisibility() && !e.matches(".unseen, .unseen *")).map((e) => ({e, box: seen(e)})).filter(({box}) => box.bottom > box.top);
	const found = [];
	for (const [n, {e, box}] of all.entries()) {
		if (box.left < 0 || box.right > innerWidth) found.push(name(e) + " is outside: " + box.left + " to " + box.right);
		const style = getComputedStyle(e);
		if (!e.matches("textarea, input, select") && style.overflow !== "visible" && style.textOverflow !== "ellipsis" && e.scrollWidth > e.clientWidth) found.push(name(e) + " is cut off");
		if (e.matches("button") && e.scrollWidth > e.clientWidth) found.push(name(e) + " is wider than its button");
		for (const {e: o, box: other} of all.slice(n + 1)) {
			const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
			const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
			if (wide > 1 && high > 1 && !e.contains(o) && !o.contains(e)) found.push(name(e) + " and " + name(o) + " overlap");
		}
	}
	return all.length < 12 ? ["only " + all.length + " elements"] : found;
})()`

func (p *page) laidOut(t *testing.T) {
	p.toggleBroker()
	p.set("path", "no path")
	defer func() {
		p.toggleBroker()
		p.set("path", "/orders")
		p.look(desktop)
	}()
	misplacedNow := func(v view, what string) {
		t.Helper()
		for _, found := range eval[[]string](p, misplaced) {
			t.Errorf("at %d%s: %s", v.width, what, found)
		}
	}
	for _, v := range []view{desktop, {width: 1024, height: 768}, {width: 960, height: 600}, {width: 390, height: 844}, {width: 320, height: 640}} {
		p.look(v)
		misplacedNow(v, "")
		p.click("#edit")
		misplacedNow(v, ", with the editor")
		p.press(kb.Escape)
		if wide := eval[[]int64](p, `[document.scrollingElement.scrollWidth, innerWidth]`); wide[0] > wide[1] {
			t.Errorf("at %d it is %d wide", v.width, wide[0])
		}
	}
}

func (p *page) focusIsSeen(t *testing.T) {
	for range 60 {
		p.press(kb.Tab)
		seen := eval[string](p, `(() => {
			const e = document.activeElement.matches("input[type=radio]") ? document.activeElement.parentElement : document.activeElement;
			if (e === document.body) return "end";
			const s = getComputedStyle(e);
			return s.outlineStyle === "solid" && s.outlineWidth === "2px" ? "" : e.outerHTML;
		})()`)
		if seen == "end" {
			return
		}
		if seen != "" {
			t.Errorf("no outline: %.200s", seen)
		}
	}
}

func (p *page) controlsHaveNames(t *testing.T) {
	tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(v *accessibility.Value) string {
		if v == nil {
			return ""
		}
		return strings.Trim(string(v.Value), `"`)
	}
	controls := map[string]int{}
	for _, node := range tree.Nodes {
		role := text(node.Role)
		switch role {
		case "button", "textbox", "searchbox", "combobox", "radio", "checkbox", "list", "form", "region", "radiogroup", "DisclosureTriangle":
			controls[role]++
			if text(node.Name) == "" && !node.Ignored && role != "list" {
				t.Errorf("a %s without a name: %v", role, node.NodeID)
			}
		}
	}
	for role, least := range map[string]int{"button": 10, "textbox": 3, "searchbox": 1, "combobox": 1, "radio": 3, "DisclosureTriangle": 8} {
		if controls[role] < least {
			t.Errorf("%d of %s: %v", controls[role], role, controls)
		}
	}
}

// Nothing is wider than a phone, whatever is in it.
func (p *page) narrowFits(t *testing.T) {
	p.choose("orders")
	long := strings.Repeat("wide", 60)
	p.set("headers", "key: "+long+"\nheader-"+long+": "+long+"\ncontent-type: application/json")
	p.set("body", `{"`+long+`": "`+long+`"}`)
	p.click("#send")
	p.openAll(9)
	p.set("path", long) // a problem
	eval[bool](p, `(document.querySelector(".reply summary").click(), document.getElementById("help").click(), true)`)
	for _, width := range []int64{390, 360, 320, 959, 960, 1024} {
		p.look(view{width: width, height: 800})
		wide := eval[[]string](p, `[document.scrollingElement, ...document.querySelectorAll(".pane, dialog")]
			.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.tagName + "." + e.className + " is " + e.scrollWidth + " wide, and has " + e.clientWidth)`)
		if inner := eval[int64](p, `innerWidth`); inner != width || len(wide) > 0 {
			t.Errorf("at %d, laid out for %d: %q", width, inner, wide)
		}
	}
}
