// Package console_test uses the console of `kafkaupstream dev` as a person does: with a keyboard, in a real browser
// (Debian's chromium, headless), against the built binary.
package console_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

// screenshot says that docs/console.png is to be made again.
var screenshot = flag.Bool("screenshot", false, "write docs/console.png")

var (
	binary string
	// chromium is the one browser of all tests; each has a profile of its own in it.
	chromium context.Context
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	path, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintln(os.Stderr, "the console's tests need chromium, which is not installed")
		return 1
	}
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.Env("TMPDIR=" + dir), chromedp.Headless, chromedp.DisableGPU, chromedp.NoSandbox}
	for _, name := range []string{"no-first-run", "disable-quic", "disable-dev-shm-usage", "disable-background-networking", "disable-component-update",
		"disable-sync", "disable-extensions", "disable-default-apps", "hide-scrollbars", "force-color-profile=srgb", "lang=en"} {
		name, value, _ := strings.Cut(name, "=")
		if value == "" {
			options = append(options, chromedp.Flag(name, true))
		} else {
			options = append(options, chromedp.Flag(name, value))
		}
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end()
	var endBrowser context.CancelFunc
	chromium, endBrowser = chromedp.NewContext(allocator)
	defer endBrowser()
	if err := chromedp.Do(chromium); err != nil {
		fmt.Fprintln(os.Stderr, "chromium:", err)
		return 1
	}
	return program.Main(m, &binary, "../../cmd/kafkaupstream")
}

// dev is a running `kafkaupstream dev`.
type dev struct{ *devtest.Gateway }

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	return &dev{devtest.Start(t, binary, program.Options{Args: args})}
}

// putRoute makes a route through the Admin API.
func (d *dev) putRoute(t *testing.T, id, methods, uri, conf string) {
	t.Helper()
	d.admin(t, "PUT", id, fmt.Sprintf(`{"uri": %s, "methods": %s, "plugins": {"ext-plugin-post-req": {"conf": [{"name": "kafkaupstream", "value": %s}]}}}`,
		js(uri), methods, js(conf)))
}

func (d *dev) deleteRoute(t *testing.T, id string) {
	t.Helper()
	d.admin(t, "DELETE", id, "")
}

func (d *dev) admin(t *testing.T, method, id, body string) {
	t.Helper()
	if r := program.Send(t, method, d.URL+"/apisix/admin/routes/"+id, body); r.Status >= 300 {
		t.Fatalf("%s of the route %s is answered %d: %s", method, id, r.Status, r.Body)
	}
}

// page is a tab. Whatever it asks of another server than its dev, and whatever goes wrong in it, fails the test.
type page struct {
	t   *testing.T
	ctx context.Context

	// mayLose says that dev goes away in this test, so that requests may fail.
	mayLose bool

	mu       sync.Mutex
	problems []string
	sent     map[string]network.Headers // of the requests, by their paths
}

// view is how the page is looked at.
type view struct {
	width, height int64
	dark          bool
}

var desktop = view{width: 1400, height: 1024}

func open(t *testing.T, d *dev, v view) *page {
	t.Helper()
	ctx, end := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	own, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{t: t, ctx: ctx, sent: map[string]network.Headers{}}
	if err := chromedp.Listen(ctx, func(e any) { p.note(e, own.Host) }); err != nil {
		t.Fatal(err)
	}
	var cancel context.CancelFunc
	p.ctx, cancel = context.WithTimeout(ctx, 2*program.Patience)
	t.Cleanup(cancel)
	if _, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "clipboard-read"}, Setting: browser.PermissionSettingGranted,
		BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
	}); err != nil {
		t.Fatal(err)
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, cdplog.Enable, cdp.Empty{})
	call(p, runtime.Enable, cdp.Empty{})
	p.look(v)
	p.do(chromedp.Navigate(d.Console))
	p.until("the console is live", `document.getElementById("live").dataset.state === "live" && document.querySelectorAll(".route").length > 0`)
	t.Cleanup(p.noProblems)
	return p
}

func (p *page) note(e any, host string) {
	problem := ""
	switch e := e.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Host != host {
			problem = "it asked for " + e.Request.URL
			break
		}
		p.mu.Lock()
		p.sent[u.Path] = e.Request.Headers
		p.mu.Unlock()
	case *runtime.EventExceptionThrown:
		problem = fmt.Sprintf("an exception: %+v", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		problem = fmt.Sprintf("console.%s was called", e.Type)
	case *cdplog.EventEntryAdded:
		// That a reply has a status of 400 or more is what is tested.
		isReply := strings.Contains(e.Entry.Text, "responded with a status of")
		if e.Entry.Source != cdplog.EntrySourceNetwork || !isReply && !p.mayLose {
			problem = fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text)
		}
	}
	if problem != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, problem)
	}
}

// taken are the problems so far, which are forgotten.
func (p *page) taken() (problems []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	problems, p.problems = p.problems, nil
	return problems
}

func (p *page) noProblems() {
	for _, problem := range p.taken() {
		p.t.Error("in the browser: " + problem)
	}
}
