package console_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// putRoute makes a route through the Admin API.
func (d *dev) putRoute(t *testing.T, id, methods, uri, conf string) {
	t.Helper()
	body := fmt.Sprintf(`{"uri": %q, "methods": %s, "plugins": {"ext-plugin-post-req": {"conf": [{"name": "kafkaupstream", "value": %s}]}}}`, uri, methods, js(conf))
	req, err := http.NewRequest("PUT", d.url+"/apisix/admin/routes/"+id, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 201 {
		t.Fatalf("the route %s is answered %d", id, resp.StatusCode)
	}
}

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

func TestTheScreenshot(t *testing.T) {
	if !*screenshot {
		// In an ordinary run what it shows is made all the same, so that it can be made when it is wanted.
		scene(t, desktop)
		return
	}
	for path, v := range map[string]view{"../../docs/console.png": desktop, os.TempDir() + "/console-dark.png": {1400, 900, true}, os.TempDir() + "/console-narrow.png": {360, 1500, false}} {
		p := scene(t, v)
		if err := os.WriteFile(path, get(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
