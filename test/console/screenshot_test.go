package console_test

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// scene is a dev in use, with several routes and records of each kind.
func scene(t *testing.T, v view) *page {
	t.Helper()
	d := startDev(t)
	d.putRoute(t, "orders", `["POST", "DELETE"]`, "/orders", `{"config": {"acks": "all"}, "topic": "orders", "jsonkey": "customer", "delivery": "sync", "batch": true, "tombstone_on_delete": true,
		"overrides": ["key", "headers"], "record_headers": {"source": "gateway"}, "partition": 0}`)
	d.putRoute(t, "sensors", `["POST"]`, "/sensors/*", `{"config": {}, "topic": "readings", "cloudevents": true, "partition": 0}`)
	d.putRoute(t, "audit", `["POST", "PUT"]`, "/audit", `{"config": {}, "topic": "audit.$arg_region", "delivery": "durable", "overrides": []}`)
	p := open(t, d, v)
	for _, step := range []struct{ route, preset string }{
		{"audit", "Text"}, {"sensors", "CloudEvent"}, {"orders", "Tombstone"}, {"orders", "Batch"}, {"orders", "Key header"}, {"orders", "Record headers"},
	} {
		p.choose(step.route)
		p.preset(step.preset)
	}
	p.until("all records are shown", `document.querySelectorAll("#list li").length === 8`)
	eval[bool](p, `(document.activeElement.blur(), document.querySelector("#list summary").click(), true)`)
	p.until("one is open", `document.querySelector("#list .whole")`)
	return p
}

const picture = "../../docs/console.png"

// The picture in the documentation is made by `make screenshot`. In an ordinary run it is looked at only.
func TestTheScreenshotIsThere(t *testing.T) {
	if *screenshot {
		shoot(scene(t, desktop), picture)
		shoot(scene(t, view{desktop.width, desktop.height, true}), filepath.Join(os.TempDir(), "console-dark.png"))
		shoot(scene(t, view{360, 1500, false}), filepath.Join(os.TempDir(), "console-narrow.png"))
	}
	content, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	config, err := png.DecodeConfig(bytes.NewReader(content))
	if err != nil || config.Width != int(desktop.width) || len(content) > 200_000 {
		t.Errorf("%v, %d pixels wide, %d bytes", err, config.Width, len(content))
	}
}

func shoot(p *page, path string) {
	p.t.Helper()
	if err := os.WriteFile(path, get(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
		p.t.Fatal(err)
	}
}
