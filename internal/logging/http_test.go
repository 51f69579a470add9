package logging

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func fails(_ http.ResponseWriter, r *http.Request) { panic(r.URL.Query()["k"][0]) }

func TestHTTPErrorsShowNothingOfARequest(t *testing.T) {
	var log await.Log
	l := New(&log, slog.LevelDebug)
	defer l.Close(time.Second)
	server := httptest.NewUnstartedServer(http.HandlerFunc(fails))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = HTTPErrors(l.Logger)
	server.StartTLS()
	defer server.Close()
	for _, c := range []struct{ protocol, says string }{{"h2", "error reading preface"}, {"http/1.1", `level=ERROR msg="bug: a handler of an HTTP server panicked" at="github.com/kafkaupstream/kafkaupstream/internal/logging.fails, `}} {
		conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{c.protocol}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /?k=planted HTTP/1.1\r\nhost: planted\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		await.True(t, "the log has "+c.says, func() bool { return strings.Contains(log.String(), c.says) })
	}
	if strings.Contains(log.String(), "planted") {
		t.Errorf("the log shows what a client sent:\n%s", &log)
	}
}
