package serve_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// The table by which internal/nginxuri is tested has what nginx says.
func TestPathsAndQueriesAreThoseOfNginx(t *testing.T) {
	text, err := os.ReadFile("../../internal/nginxuri/testdata/targets.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), program.FreeAddress(t)
	conf := filepath.Join(dir, "nginx.conf")
	const server = `pid nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	server { listen %s; location / { return 200 "$uri?$args"; } }
}`
	if err := os.WriteFile(conf, fmt.Appendf(nil, server, address), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(target string) (string, error) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return "", err
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", target); err != nil {
			return "", err
		}
		reply, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "", err
		}
		defer reply.Body.Close()
		body, err := io.ReadAll(reply.Body)
		if reply.StatusCode != 200 {
			body = fmt.Append(nil, reply.StatusCode)
		}
		return string(body), err
	}
	nginx := program.Start(t, "nginx", program.Options{Args: []string{"-p", dir, "-c", conf, "-g", "daemon off; error_log stderr;"}})
	program.Until(t, "nginx answers", func() bool { _, err := ask("/"); return nginx.Ended() || err == nil })
	for line := range strings.Lines(string(text)) {
		target, want, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if got, err := ask(target); err != nil || got != want {
			t.Errorf("%s: %s instead of %s (%v)", target, got, want, err)
		}
	}
}
