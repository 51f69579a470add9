package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"

	"github.com/kafkaupstream/kafkaupstream/test/child"
)

// stockEnv makes the test binary the stock runner of apisix-go-plugin-runner, in a process of its own.
const stockEnv = "GATEWAY_TEST_STOCK_RUNNER"

func TestMain(m *testing.M) {
	if os.Getenv(stockEnv) != "" {
		plugin.RegisterPlugin(&tell{})
		runner.Run(runner.RunnerConfig{LogLevel: 2, LogOutput: os.Stderr}) // errors only
		return
	}
	os.Exit(m.Run())
}

// tell is a plugin that answers with what it got.
type tell struct{ plugin.DefaultPlugin }

func (*tell) Name() string { return "tell" }

func (*tell) ParseConf(in []byte) (any, error) {
	conf := map[string]string{}
	return conf, json.Unmarshal(in, &conf)
}

func (*tell) RequestFilter(conf any, w http.ResponseWriter, r pkgHTTP.Request) {
	c := conf.(map[string]string)
	if c["pass"] != "" {
		return
	}
	body, err := r.Body()
	if err != nil {
		return
	}
	id, _ := r.Var("request_id")
	none, _ := r.Var("no_such_variable")
	w.Header().Add("X-Two", "1")
	w.Header().Add("X-Two", "2")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s %s %s %v host=%s id=%d none=%d src=%s body=%s", c["hello"], r.Method(), r.Path(), r.Args()["a"],
		r.Header().Get("Host"), len(id), len(none), r.SrcIP(), body)
}

func startStockRunner(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), stockEnv+"=1", "APISIX_LISTEN_ADDRESS=unix:"+path, "APISIX_CONF_EXPIRE_TIME=3600")
	cmd.Stderr = os.Stderr
	if err := child.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopStockRunner(cmd) })
	until(t, "the stock runner listens", func() bool {
		c, err := net.Dial("unix", path)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	return cmd
}

func stopStockRunner(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
}

func TestGatewayWithTheStockRunner(t *testing.T) {
	path := socketPath(t)
	first := startStockRunner(t, path)
	g := New(NewClient(path, ClientOptions{}), Options{})
	put(t, g, Route{ID: "1", URIs: []string{"/t/*"}, Conf: []ConfEntry{{"tell", `{"hello":"moin"}`}}})
	put(t, g, Route{ID: "2", URIs: []string{"/p"}, Conf: []ConfEntry{{"tell", `{"pass":"yes"}`}}})
	server := serve(t, g)
	host := strings.TrimPrefix(server.URL, "http://")

	tests := []struct {
		name, method, path string
		body               []byte
		status             int
		want               string
	}{
		{"a GET reaches the plugin unchanged", "GET", "/t/x?a=1&a=2", nil, 202,
			"moin GET /t/x [1 2] host=" + host + " id=32 none=0 src=127.0.0.1 body="},
		{"a POST's body arrives", "POST", "/t/y", bytes.Repeat([]byte("z"), 50_000), 202,
			"moin POST /t/y [] host=" + host + " id=32 none=0 src=127.0.0.1 body=" + strings.Repeat("z", 50_000)},
		{"a request that passes has no upstream", "POST", "/p", nil, 503,
			`{"error_msg":"missing upstream configuration in Route or Service"}` + "\n"},
	}
	check := func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				resp, body := do(t, request(t, tt.method, server.URL+tt.path, bytes.NewReader(tt.body)))
				if resp.StatusCode != tt.status || body != tt.want {
					t.Errorf("got %d %.300q\nwant %d %.300q", resp.StatusCode, body, tt.status, tt.want)
				}
				if tt.status == 202 && len(resp.Header["X-Two"]) != 2 {
					t.Errorf("headers %v", resp.Header)
				}
			})
		}
	}
	t.Run("its first process", check)
	stopStockRunner(first)
	startStockRunner(t, path) // knows no token
	t.Run("its next process", check)
}
