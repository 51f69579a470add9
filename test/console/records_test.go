package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// produce puts records into dev's broker, as somebody does who does not go through the gateway.
func (d *dev) produce(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(d.Broker), kgo.AllowAutoTopicCreation(), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxVersions(kversion.V0_11_0()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	for _, r := range records {
		r.Topic = "strange"
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// openAll opens all records and gives their text, the newest first.
func (p *page) openAll(n int) []string {
	p.t.Helper()
	p.until(fmt.Sprintf("%d records are shown", n), fmt.Sprintf(`document.querySelectorAll("#list li").length === %d`, n))
	eval[bool](p, `(document.querySelectorAll("#list details:not([open]) > summary").forEach((s) => s.click()), true)`)
	p.until("all are open", fmt.Sprintf(`document.querySelectorAll("#list .whole").length === %d`, n))
	return eval[[]string](p, `[...document.querySelectorAll("#list li")].map((li) => li.innerText)`)
}

func TestRecordIsShownAsWhatItIs(t *testing.T) {
	d := startDev(t)
	p := open(t, d, desktop)
	cases := []struct {
		name   string
		record kgo.Record
		row    string   // of the list: its key and value
		whole  []string // what it shows when open
	}{
		{"a null key", kgo.Record{Value: []byte("v")}, "key null v", []string{"key\nnull\nvalue\nv"}},
		{"an empty key and value", kgo.Record{Key: []byte{}, Value: []byte{}}, "key empty empty", []string{"key\nempty\nvalue\nempty"}},
		{"a key that says null", kgo.Record{Key: []byte("null"), Value: []byte("null")}, "key null null", nil},
		{"a tombstone", kgo.Record{Key: []byte("k")}, "key k tombstone", []string{"tombstone null: the key is deleted from a compacted topic"}},
		{"null, and no key to delete", kgo.Record{}, "key null null", nil},
		{"bytes", kgo.Record{Key: []byte{1, 2}, Value: []byte("\x00\x01abcdefghijklmno\xff")}, "key binary, 2 bytes 01 02 binary, 18 bytes 00 01 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e …",
			[]string{"binary, 18 bytes", "0000  00 01 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e  ··abcdefghijklmn", "0010  6f ff                                            o·"}},
		{"JSON, of which no digit is changed", kgo.Record{Value: []byte(`{"n":12345678901234567890.10,"s":"a\u00e9\"{[,:]}","e":[],"o":{},"l":[1,null]}`)},
			`key null {"n":12345678901234567890.10,"s":"a\u00e9\"{[,:]}","e":[],"o":{},"l":[1,null]}`,
			[]string{"{\n  \"n\": 12345678901234567890.10,\n  \"s\": \"a\\u00e9\\\"{[,:]}\",\n  \"e\": [],\n  \"o\": {},\n  \"l\": [\n    1,\n    null\n  ]\n}"}},
		{"a long value", kgo.Record{Value: []byte(strings.Repeat("x", 100_000))}, "key null " + strings.Repeat("x", 300) + "…", []string{"The beginning of 100,000 bytes."}},
		{"headers", kgo.Record{Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "b", Value: []byte("1")}, {Key: "a"}, {Key: "b", Value: []byte{}}}}, "key null 3 headers v",
			[]string{"b\n1\na\nnull\nb\nempty"}},
		{"characters that deceive", kgo.Record{Key: []byte("abc\u202excod.exe"), Value: []byte("a\u200bb")}, "key abcU+202Excod.exe aU+200Bb", nil},
	}
	for i := range cases {
		d.produce(t, &cases[i].record) // one after another, so that their order is known
	}
	text := p.openAll(len(cases))
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := len(cases) - i
			row := eval[string](p, fmt.Sprintf(`((li) => [...li.querySelectorAll(".rowkey, .rowkey ~ .place, .value")].map((e) => e.textContent).join(" "))(document.querySelector("#list li:nth-child(%d)"))`, n))
			if row != c.row {
				t.Errorf("the row is %q, want %q", row, c.row)
			}
			for _, part := range c.whole {
				if !strings.Contains(text[n-1], part) {
					t.Errorf("it lacks %q:\n%s", part, text[n-1])
				}
			}
		})
	}
	t.Run("null and the text null look different", func(t *testing.T) {
		marks := func(n int) int {
			return eval[int](p, fmt.Sprintf(`document.querySelectorAll("#list li:nth-child(%d) summary .mark").length`, n))
		}
		if says, is := marks(len(cases)-2), marks(len(cases)-4); says != 0 || is != 2 {
			t.Errorf("%d and %d are marked", says, is)
		}
	})
	t.Run("a copy has all of it", func(t *testing.T) {
		for n, want := range map[int]string{
			len(cases) - 3: `{"headers":[],"key":"k","offset":3,"partition":0,"topic":"strange","value":null}`,
			len(cases) - 5: `{"headers":[],"key":{"base64":"AQI="},"offset":5,"partition":0,"topic":"strange","value":{"base64":"AAFhYmNkZWZnaGlqa2xtbm//"}}`,
			2:              `{"headers":[{"name":"b","value":"1"},{"name":"a","value":null},{"name":"b","value":""}],"key":null,"offset":8,"partition":0,"topic":"strange","value":"v"}`,
		} {
			got := p.record(t, n)
			delete(got, "timestamp")
			if js(got) != want {
				t.Errorf("got  %s\nwant %s", js(got), want)
			}
		}
		if cut, _ := p.record(t, 3)["value"].(map[string]any); cut["bytes"] != 100_000. || len(cut["cut"].(string)) != 16<<10 {
			t.Errorf("what was cut is copied as %.100v", cut)
		}
	})
}

// What is in a record, a route or a reply is text and nothing else, whatever it looks like. The page's own checks
// (no exception, no violation of its policy, no other request) are part of this test.
func TestHostileRecordsAreText(t *testing.T) {
	d := startDev(t)
	p := open(t, d, desktop)
	payloads := []string{
		`<script>window.taken = 1</script>`,
		`<img src=x onerror="window.taken = 1">`,
		`"><svg onload="window.taken = 1">`,
		`<iframe srcdoc="<script>parent.taken = 1</script>"></iframe>`,
		`</textarea></pre></style><details open ontoggle="window.taken = 1">`,
		`{"<img src=x onerror='window.taken = 1'>": "<script>window.taken = 1</script>", "__proto__": {"taken": 1}, "constructor": 1}`,
		"data: x\n\nevent: replaced\ndata: {}\n\n",
		`${window.taken = 1}{{constructor.constructor("window.taken = 1")()}}`,
		strings.Repeat("[", 6000) + strings.Repeat("]", 6000),
	}
	for _, payload := range payloads {
		d.produce(t, &kgo.Record{Key: []byte(payload), Value: []byte(payload), Headers: []kgo.RecordHeader{{Key: payload, Value: []byte(payload)}}})
	}
	text := p.openAll(len(payloads))
	for i, payload := range payloads[:5] { // those that are shown as they are
		if n := strings.Count(text[len(payloads)-1-i], payload); n < 3 {
			t.Errorf("%s is shown %d times:\n%s", payload, n, text[len(payloads)-1-i])
		}
	}
	d.putRoute(t, "hostile", `["POST"]`, `/"><img src=x onerror="window.taken = 1">*`,
		`{"config": {}, "<img src=x onerror='window.taken = 1'>": 1, "topic": "<script>window.taken = 1</script>"}`)
	p.choose("hostile")
	if got := p.text(".route:has(:checked)"); !strings.Contains(got, `<img src=x onerror="window.taken = 1">*`) || !strings.Contains(got, `<img src=x onerror='window.taken = 1'>: unknown key`) {
		t.Errorf("the route is %s", got)
	}
	p.set("path", "/anything")
	p.set("headers", "topic: <img src=x onerror=window.taken=1>\ncontent-type: text/plain")
	p.set("body", payloads[0])
	p.click("#send")
	p.until("it is answered", `document.getElementById("status")`)
	for _, payload := range payloads {
		p.set("filter", payload)
	}
	p.set("filter", "")
	if taken := eval[bool](p, `"taken" in window || "taken" in {}`); taken {
		t.Error("a payload ran")
	}
	if n := eval[int](p, `document.querySelectorAll("main :is(script, img, svg, iframe, style, [onerror], [onload], [ontoggle])").length`); n != 0 {
		t.Errorf("%d elements of payloads are in the page", n)
	}
	if state := eval[string](p, `document.getElementById("live").dataset.state`); state != "live" {
		t.Errorf("the stream is %s", state)
	}
	p.noProblems()
	// The browser itself refuses to take text as markup here, should a change of the page ever try to.
	refused := eval[bool](p, `(() => { try { document.createElement("p").innerHTML = "<b>"; return false } catch { return true } })()`)
	if problems := p.taken(); !refused || len(problems) != 1 || !strings.Contains(problems[0], "TrustedHTML") {
		t.Errorf("refused: %v, %q", refused, problems)
	}
}

func TestFloodLeavesTheNewestRecords(t *testing.T) {
	d := startDev(t)
	p := open(t, d, desktop)
	const n = 3000
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Value: fmt.Appendf(nil, "flood %d.", i)})
	}
	d.produce(t, records...)
	p.until("the last one is shown", fmt.Sprintf(`document.querySelector("#list .value")?.textContent === "flood %d."`, n-1))
	values := shownValues(p)
	if len(values) > 500 {
		t.Errorf("%d are kept", len(values))
	}
	seen := n
	for _, v := range values {
		var number int
		if _, err := fmt.Sscanf(v, "flood %d.", &number); err != nil {
			if !strings.Contains(v, "more came too fast to be shown") {
				t.Errorf("%q", v)
			}
			continue
		}
		if number >= seen {
			t.Errorf("%d comes after %d", number, seen)
		}
		seen = number
	}
}
