package console_test

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	d.deleteRoute(t, "dev")
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
func TestScreenshotIsThere(t *testing.T) {
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
	full, err := png.Decode(bytes.NewReader(get(p, chromedp.CaptureScreenshot())))
	if err != nil {
		p.t.Fatal(err)
	}
	var content bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&content, paletted(full)); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, content.Bytes(), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// paletted is the picture in 256 colours, which makes it a third as large: the 64 most frequent ones, and of the shades
// at the edges of letters one in each neighbourhood.
func paletted(full image.Image) *image.Paletted {
	counts := map[color.Color]int{}
	area := full.Bounds()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			counts[full.At(x, y)]++
		}
	}
	var palette color.Palette
	type place [3]uint32
	taken := map[place]bool{}
	for _, c := range slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return cmp.Compare(counts[b], counts[a]) }) {
		r, g, b, _ := c.RGBA()
		at := place{r >> 12, g >> 12, b >> 12}
		if len(palette) < 64 || len(palette) < 256 && !taken[at] {
			palette = append(palette, c)
		}
		taken[at] = true
	}
	small := image.NewPaletted(area, palette)
	draw.Draw(small, area, full, area.Min, draw.Src)
	return small
}
