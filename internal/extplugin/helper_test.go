package extplugin

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// The host's contract is the stock runner's, in both directions.
var (
	_ plugin.Plugin = Plugin(nil)
	_ Plugin        = plugin.Plugin(nil)
)

// fakePlugin is a plugin made of functions.
type fakePlugin struct {
	name    string
	parse   func(in []byte) (any, error)
	request func(conf any, w http.ResponseWriter, r pkghttp.Request)
}

func (p *fakePlugin) Name() string { return p.name }

func (p *fakePlugin) ParseConf(in []byte) (any, error) {
	if p.parse == nil {
		return string(in), nil
	}
	return p.parse(in)
}

func (p *fakePlugin) RequestFilter(conf any, w http.ResponseWriter, r pkghttp.Request) {
	if p.request != nil {
		p.request(conf, w, r)
	}
}

func (p *fakePlugin) ResponseFilter(any, pkghttp.Response) {}

// testHost is a server with a client of APISIX's kind.
type testHost struct {
	*Server
	*gateway.Client
	path string
	log  *await.Log
}

func startHost(t testing.TB, path string, plugin Plugin) *testHost {
	t.Helper()
	return startHostWith(t, Options{SocketPath: path}, plugin)
}

func startHostWith(t testing.TB, opts Options, plugin Plugin) *testHost {
	t.Helper()
	if opts.SocketPath == "" {
		opts.SocketPath = filepath.Join(t.TempDir(), "runner.sock")
	}
	path, log := opts.SocketPath, &await.Log{}
	opts.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server, err := Listen(opts, plugin)
	if err != nil {
		t.Fatal(err)
	}
	h := &testHost{server, gateway.NewClient(path, gateway.ClientOptions{Timeout: 20 * time.Second}), path, log}
	t.Cleanup(func() {
		h.Client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return h
}

func (h *testHost) token(t testing.TB, key string, conf ...gateway.ConfEntry) uint32 {
	t.Helper()
	token, err := h.PrepareConf(context.Background(), key, conf)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (h *testHost) call(t testing.TB, token uint32, r *gateway.Request) *gateway.Response {
	t.Helper()
	if r.Method == "" {
		r.Method = "POST"
	}
	resp, err := h.Call(context.Background(), token, r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func bodyOf(b []byte) func() ([]byte, error) {
	return func() ([]byte, error) { return b, nil }
}

func conf(name, value string) gateway.ConfEntry { return gateway.ConfEntry{Name: name, Value: value} }
