package console_test

import (
	"encoding/json"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// look makes the page be looked at in that way, by somebody who does not want things to move.
func (p *page) look(v view) {
	p.t.Helper()
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	p.do(chromedp.EmulateViewport(v.width, v.height))
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// get is the value of an action.
func get[T any](p *page, a chromedp.Action[T]) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, a)
	if err != nil {
		p.t.Fatal(err)
	}
	return value
}

func call[P, R any](p *page, command cdp.Command[P, R], params P) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, command, params); err != nil {
		p.t.Fatal(err)
	}
}

// eval gives the value of an expression, of which a promise is waited for.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	return get(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until the expression is true.
func (p *page) until(what, expression string) {
	p.t.Helper()
	program.Until(p.t, what, func() bool { return eval[bool](p, "Boolean("+expression+")") })
}

// press presses keys; chromedp's kb has names for those that are no characters.
func (p *page) press(keys string, modifiers ...chromedp.Modifier) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// text is the visible text of what the selector finds first.
func (p *page) text(selector string) string {
	p.t.Helper()
	return eval[string](p, "document.querySelector("+js(selector)+")?.innerText ?? ''")
}

// set fills a field in as typing does, but at once.
func (p *page) set(id, value string) {
	p.t.Helper()
	eval[bool](p, `((f) => { f.value = `+js(value)+`; return f.dispatchEvent(new Event("input", {bubbles: true})) })(document.getElementById(`+js(id)+`))`)
}

func (p *page) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// js is the value as an expression.
func js(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// choose chooses a route.
func (p *page) choose(id string) {
	p.t.Helper()
	p.until("there is a route "+id, `document.querySelector("input[name=route][value='`+id+`']")`)
	eval[bool](p, `(document.querySelector("input[name=route][value='`+id+`']").click(), true)`)
}

// preset presses one of the presets, and waits for the reply and its record.
func (p *page) preset(name string) {
	p.t.Helper()
	const replies = `Number(document.getElementById("reply").dataset.number || 0)`
	before := eval[string](p, "String("+replies+")")
	eval[bool](p, `([...document.querySelectorAll("#presets button")].find((b) => b.firstChild.data === `+js(name)+`).click(), true)`)
	p.until("a reply to "+name, replies+" > "+before+` && document.getElementById("status")`)
}
