package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/pki"
)

// served is a `kafkaupstream serve`.
type served struct {
	*program.Process
	t    *testing.T
	file string // with its routes
}

// startServe starts it with routes, whose broker is b, and waits until it serves.
func startServe(t *testing.T, b *kfake.Cluster, routes string, args ...string) *served {
	t.Helper()
	return startServeIn(t, nil, b, routes, args...)
}

// startServeIn is startServe with an environment.
func startServeIn(t *testing.T, env []string, b *kfake.Cluster, routes string, args ...string) *served {
	t.Helper()
	s := &served{t: t, file: filepath.Join(t.TempDir(), "routes.yaml")}
	s.write(b, routes)
	s.Process = program.Start(t, binary, program.Options{Env: append(env, "KAFKAUPSTREAM_LEAVE_TIMEOUT=0"), Args: append([]string{"serve", "-f", s.file}, args...)})
	program.Until(t, "it serves", func() bool { return s.Ended() || s.says("kafkaupstream serves") > 0 })
	return s
}

func (s *served) write(b *kfake.Cluster, routes string) {
	s.t.Helper()
	text := fmt.Sprintf("defaults: {delivery: sync, config: {bootstrap.servers: %q}}\nroutes:\n%s", b.ListenAddrs()[0], routes)
	next := s.file + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, s.file); err != nil {
		s.t.Fatal(err)
	}
}

// says is how many lines of its log have the text.
func (s *served) says(text string) int { return strings.Count(s.Stderr.String(), text) }

// post posts to a path on a connection of its own, and returns the status and the reply.
func (s *served) post(address, path, body string) (int, string) {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		network := "tcp"
		if strings.HasPrefix(address, "/") {
			network = "unix"
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}
	r, err := client.Post("http://serve"+path, "text/plain", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func (s *served) ended(code int) {
	s.t.Helper()
	if got := s.Exit(); got != code {
		s.t.Errorf("exit code %d\n%s", got, s.Stderr)
	}
}

// syncAndAsync are the routes of startHTTPClients.
const syncAndAsync = "  - {id: sync, match: {path: /sync}, topic: t}\n  - {id: async, match: {path: /async}, topic: t, delivery: async}\n"

const oneRoute = "  - {id: one, match: {path: /one}, topic: t}\n"

func TestServeProducesAndEnds(t *testing.T) {
	t.Parallel()
	b, address := startBroker(t), program.FreeAddress(t)
	s := startServe(t, b, oneRoute+"  - {id: later, match: {path: /later}, topic: t, delivery: async, config: {linger.ms: 60000}}\n", "--listen", address)
	if status, reply := s.post(address, "/one", "v"); status != 200 || !strings.Contains(reply, `"delivered":"yes"`) {
		t.Error(status, reply)
	}
	if status, reply := s.post(address, "/later", "queued"); status != 200 {
		t.Error(status, reply)
	}
	s.Signal(syscall.SIGTERM)
	s.ended(0)
	waitForValue(t, b, "queued")
	if lines := complaints(s.Stderr); lines != nil {
		t.Error(lines)
	}
}

// A request that its end cuts off is in the log, and in the exit code.
func TestServeSaysWhatItsEndCutsOff(t *testing.T) {
	t.Parallel()
	b, address := startBroker(t), program.FreeAddress(t)
	s := startServe(t, b, oneRoute, "--listen", address, "--drain-timeout", "800ms")
	hold, asked := make(chan struct{}), make(chan struct{}, 100)
	b.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		asked <- struct{}{}
		<-hold
		return nil, nil, false
	})
	defer close(hold)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	<-asked
	s.Signal(syscall.SIGTERM)
	s.ended(1)
	for _, line := range []string{"requests were cut off: they were not finished in time\" requests=1", "calls_cut_off=1 records_lost=1"} {
		if s.says(line) != 1 {
			t.Errorf("no %s in\n%s", line, s.Stderr)
		}
	}
}

func TestServeReadsItsRoutesAgain(t *testing.T) {
	t.Parallel()
	b, address, admin := startBroker(t), program.FreeAddress(t), program.FreeAddress(t)
	s := startServe(t, b, oneRoute, "--listen", address, "--admin", admin)
	s.write(b, "  - {id: two, match: {path: /two}, topic: t}\n")
	s.Signal(syscall.SIGHUP)
	program.Until(t, "the second file is served", func() bool { status, _ := s.post(address, "/two", "x"); return status == 200 })
	if status, _ := s.post(address, "/one", "x"); status != 404 {
		t.Error(status)
	}
	s.write(b, "  - {id: two, match: {path: /two}, topik: t}\n  - {id: 3}\n")
	program.Until(t, "the errors are logged", func() bool { return s.says("the routes' file has errors") > 0 })
	program.Until(t, "they are seen at --admin", func() bool {
		return strings.Contains(s.admin(admin, "/readyz"), "the routes' file has errors") &&
			strings.Contains(s.admin(admin, "/metrics"), "kafkaupstream_http_routes_valid 0\n")
	})
	if status, _ := s.post(address, "/two", "x"); status != 200 {
		t.Error(status)
	}
	s.write(b, "  - {id: three, match: {path: /three}, topic: t}\n") // without a signal
	program.Until(t, "the third file is served", func() bool { status, _ := s.post(address, "/three", "x"); return status == 200 })
	s.Signal(syscall.SIGINT)
	s.ended(0)
	for _, line := range complaints(s.Stderr) {
		if !strings.Contains(line, "the routes' file has errors") || !strings.Contains(line, "topik: unknown key") || !strings.Contains(line, "routes[1]") {
			t.Error(line)
		}
	}
}

func (s *served) admin(address, path string) string {
	_, body := fetch(address, path)
	return body
}

// Kubernetes exchanges a symbolic link to a directory.
func TestServeFollowsSymbolicLinks(t *testing.T) {
	t.Parallel()
	b, address, dir := startBroker(t), program.FreeAddress(t), t.TempDir()
	s := &served{t: t}
	for i, name := range []string{"one", "two"} {
		version := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(version, 0o700); err != nil {
			t.Fatal(err)
		}
		s.file = filepath.Join(version, "routes.yaml")
		s.write(b, fmt.Sprintf("  - {id: a, match: {path: /%s}, topic: t}\n", name))
	}
	link := func(to string) {
		t.Helper()
		next := filepath.Join(dir, "next")
		if err := os.Symlink(to, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
	}
	link("0")
	if err := os.Symlink("data/routes.yaml", filepath.Join(dir, "routes.yaml")); err != nil {
		t.Fatal(err)
	}
	s.Process = program.Start(t, binary, program.Options{Args: []string{"serve", "-f", filepath.Join(dir, "routes.yaml"), "--listen", address}})
	program.Until(t, "it serves", func() bool { return s.Ended() || s.says("kafkaupstream serves") > 0 })
	if status, _ := s.post(address, "/one", "x"); status != 200 {
		t.Error(status)
	}
	link("1")
	program.Until(t, "the other version is served", func() bool { status, _ := s.post(address, "/two", "x"); return status == 200 })
	s.Signal(syscall.SIGINT)
	s.ended(0)
}

func TestServeLosesNothingWhileRoutesAreExchanged(t *testing.T) {
	t.Parallel()
	b, socket := startBroker(t), socketPath(t)
	s := startServe(t, b, syncAndAsync, "--listen", "unix:"+socket)
	c := startHTTPClients(t, b, socket)
	for i := range 5 {
		c.more()
		s.write(b, fmt.Sprintf("%s  - {id: other, match: {path: /other}, topic: t%d}\n", syncAndAsync, i))
		s.Signal(syscall.SIGHUP)
		program.Until(t, "they are read again", func() bool { return s.says("the routes were read again") > i })
	}
	c.more()
	c.stop()
	s.Signal(syscall.SIGTERM)
	s.ended(0)
	c.judge(0, 0)
}

// The next process takes the socket's path; the one before serves its connections on until it has told each client to go.
func TestServeHandsItsSocketOver(t *testing.T) {
	t.Parallel()
	b, socket := startBroker(t), socketPath(t)
	s := startServe(t, b, syncAndAsync, "--listen", "unix:"+socket, "--leave-timeout", "500ms")
	c := startHTTPClients(t, b, socket)
	for range 3 {
		c.more()
		next := startServe(t, b, syncAndAsync, "--listen", "unix:"+socket, "--leave-timeout", "500ms")
		s.Signal(syscall.SIGTERM)
		c.more()
		s.ended(0)
		s = next
	}
	c.stop()
	s.Signal(syscall.SIGTERM)
	s.ended(0)
	c.judge(0, 0)
	if !missing(socket) {
		t.Error("the socket is still there")
	}
}

func TestServeLeavesBeforeItEnds(t *testing.T) {
	t.Parallel()
	b, address, admin := startBroker(t), program.FreeAddress(t), program.FreeAddress(t)
	s := startServe(t, b, oneRoute, "--listen", address, "--admin", admin, "--leave-timeout", "1h")
	program.Until(t, "it is ready", func() bool { return strings.Contains(s.admin(admin, "/readyz"), `"ready": true`) })
	s.Signal(syscall.SIGTERM)
	program.Until(t, "it is not ready", func() bool { return strings.Contains(s.admin(admin, "/readyz"), "the server is stopping") })
	if status, _ := s.post(address, "/one", "x"); status != 200 {
		t.Error(status)
	}
}

func TestServeDoesNotWaitAfterCtrlCAndSaysSo(t *testing.T) {
	t.Parallel()
	s := startServe(t, startBroker(t), oneRoute, "--listen", program.FreeAddress(t), "--leave-timeout", "1h")
	s.Signal(syscall.SIGINT)
	s.ended(0)
	const reason = "interrupt signal received"
	if s.says(`reason="`+reason+`" leave_timeout=0s drain_timeout=10s`) != 1 || !strings.Contains(repository(t, "docs/operations.md"), "`"+reason+"` (SIGINT)") {
		t.Error(s.Stderr)
	}
}

// startServeOn starts it on a socket that is passed on as systemd does it.
func startServeOn(t *testing.T, b *kfake.Cluster, routes string, l interface{ File() (*os.File, error) }, env ...string) *served {
	t.Helper()
	socket, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() // the process has its own
	s := &served{t: t, file: filepath.Join(t.TempDir(), "routes.yaml")}
	s.write(b, routes)
	s.Process = program.Start(t, "/bin/sh", program.Options{ // standard input, as the third
		Args:  []string{"-c", `exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" serve -f "$1" --listen 127.0.0.1:1`, binary, s.file},
		Stdin: socket, Env: env,
	})
	program.Until(t, "it serves", func() bool { return s.Ended() || s.says("kafkaupstream serves") > 0 })
	return s
}

// By default every local user may open a socket of systemd's.
func TestServeTakesNotEveryLocalUserForTheGateway(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	const needsTrust = "  - {id: one, match: {path: /one}, topic: t, key: $consumer_name, overrides: []}\n"
	for _, c := range []struct {
		name, path    string
		mode          os.FileMode
		routes        string
		serves, warns bool
		says          string
	}{
		{"a group's", socketPath(t), 0o660, needsTrust, true, false, ""},
		{"everybody's", socketPath(t), 0o666, needsTrust, false, true, "SocketMode=0660"},
		{"everybody's, and no route needs a gateway", socketPath(t), 0o666, oneRoute, true, true, "SocketMode=0660"},
		{"one without a path", "@" + filepath.Base(t.TempDir()) + t.Name() + fmt.Sprint(os.Getpid()), 0, needsTrust, false, true, "SocketMode=0660"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if c.mode != 0 {
				if err := os.Chmod(c.path, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			s := startServeOn(t, b, c.routes, l)
			if serves := !s.Ended(); serves != c.serves || !strings.Contains(s.Stderr.String(), c.says) || (s.says("level=WARN") > 0) != c.warns {
				t.Errorf("serves: %v\n%s", serves, s.Stderr)
			}
			if c.serves {
				s.Signal(syscall.SIGINT)
				s.ended(0)
			} else {
				s.ended(1)
			}
		})
	}
}

// Each of its connections would be reset: no address of a Unix socket is a proxy's or none's.
func TestServeRefusesAUnixSocketFromSystemdWithTheProxyProtocol(t *testing.T) {
	t.Parallel()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketPath(t), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := startServeOn(t, startBroker(t), oneRoute, l, "KAFKAUPSTREAM_PROXY_PROTOCOL=10.0.0.1")
	if s.ended(1); s.says("--proxy-protocol is of TCP") != 1 {
		t.Error(s.Stderr)
	}
}

func TestServeTakesASocketFromSystemd(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := startServeOn(t, b, oneRoute, l.(*net.TCPListener))
	if status, reply := s.post(l.Addr().String(), "/one", "x"); status != 200 {
		t.Error(status, reply)
	}
	s.Signal(syscall.SIGINT)
	s.ended(0)
}

// Between two processes there is none, and clients wait: systemd keeps the socket.
func TestServeIsRestartedOnSystemdsSocket(t *testing.T) {
	t.Parallel()
	b, path := startBroker(t), socketPath(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := func() *served { return startServeOn(t, b, syncAndAsync, l, "KAFKAUPSTREAM_LEAVE_TIMEOUT=500ms") }
	s := start()
	c := startHTTPClients(t, b, path)
	for range 3 {
		c.more()
		s.Signal(syscall.SIGTERM)
		s.ended(0)
		s = start()
	}
	c.more()
	c.stop()
	s.Signal(syscall.SIGTERM)
	s.ended(0)
	c.judge(0, 0)
}

func TestServeSocketIsForOneGroup(t *testing.T) {
	t.Parallel()
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 1
	}
	socket := socketPath(t)
	s := startServe(t, startBroker(t), oneRoute, "--listen", "unix:"+socket, "--socket-group", fmt.Sprint(group))
	info, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Gid; info.Mode().Perm() != 0o660 || int(got) != group {
		t.Errorf("mode %v, group %d instead of %d", info.Mode(), got, group)
	}
	s.Signal(syscall.SIGINT)
	s.ended(0)
}

func TestServeTraces(t *testing.T) {
	t.Parallel()
	otlp, c, address := startCollector(t), startBroker(t), program.FreeAddress(t)
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + otlp.URL, "OTEL_BSP_SCHEDULE_DELAY=20", "KAFKAUPSTREAM_LOG_LEVEL=debug", "KAFKAUPSTREAM_LOG_FORMAT=json"}
	s := startServeIn(t, env, c, oneRoute, "--listen", address)
	if got := program.Send(t, "POST", "http://"+address+"/one", "planted", "traceparent", sampled); got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	span := otlp.wait(t, 1)[0]
	if hex.EncodeToString(span.TraceId) != sampled[3:35] || hex.EncodeToString(span.ParentSpanId) != sampled[36:52] || span.Name != "send t" {
		t.Errorf("%v", span)
	}
	if got, want := header(recordsOf(t, c, 1)[0], "traceparent"), sampled[:36]+hex.EncodeToString(span.SpanId)+"-01"; got != want {
		t.Errorf("the record has %s, the span is %s", got, want)
	}
	s.Signal(syscall.SIGTERM)
	s.ended(0)
	for _, line := range s.Stderr.Lines() {
		if !json.Valid([]byte(line)) || strings.Contains(line, "planted") {
			t.Errorf("not JSON, or with a payload: %s", line)
		}
	}
}

func TestServeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	wrong, doubly, right := filepath.Join(dir, "wrong.yaml"), filepath.Join(dir, "doubly.yaml"), filepath.Join(dir, "right.yaml")
	for path, text := range map[string]string{
		wrong:  "routes:\n  - {id: a, match: {path: /a}, topik: t, config: {bootstrap.servers: k}}\n  - {id: b, match: {path: /b}, topic: $consumer_name, config: {bootstrap.servers: k}}\n",
		doubly: "defaults: {config: {bootstrap.servers: k}}\nroutes:\n  - {id: a, match: {url: /a}}\n  - {id: b, match: {path: /b}, topik: t}\n  - {id: c, match: {path: /b}, topic: t}\n",
		right:  "routes:\n  - {id: a, match: {path: /a}, topic: t, config: {bootstrap.servers: 'k:9092'}}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"", 2, "-f names the file with the routes"},
		{"-f " + right + " --tls-cert x", 2, "--tls-cert and --tls-key belong together"},
		{"-f " + right + " --tls-client-ca x", 2, "--tls-client-ca needs --tls-cert and --tls-key"},
		{"-f " + right + " --variable x", 2, "it has the form NAME=HEADER"},
		{"-f " + right + " --variable remote_addr=X-Real-IP", 2, "$remote_addr is the request's own, and no header says it"},
		{"-f " + right + " --socket-group 1", 2, "--socket-group is of a unix: socket"},
		{"-f " + right + " --listen unix:" + dir + "/s --socket-group nobody-has-it", 1, "--socket-group: group: unknown group nobody-has-it"},
		{"-f " + right + " --proxy-protocol 10.0.0.0/33", 2, "--proxy-protocol: "},
		{"-f " + right + " --proxy-protocol 10.0.0.1 --listen unix:" + dir + "/s", 2, "--proxy-protocol is of TCP"},
		{"-f " + right + " --max-connections 0", 2, "are more than 0"},
		{"-f " + right + " --gateway-secret-file /missing", 1, "--gateway-secret-file: open /missing"},
		{"-f " + right + " --tls-cert /missing --tls-key /missing", 1, "--tls-cert, --tls-key: open /missing"},
		{"-f " + right + " --listen 127.0.0.1:1", 1, "permission denied|address"},
		{"-f " + right + " --listen " + taken.Addr().String(), 1, "kafkaupstream: --listen: " + taken.Addr().String() + " is in use: --listen takes another address\n"},
		{"-f /missing", 1, "open /missing"},
		{"-f " + wrong, 1, `routes[0] (a): topik: unknown key; did you mean "topic"?`},
		{"-f " + doubly, 1, "routes[0]: match.url: unknown key; the keys are \"host\", \"methods\", \"path\"\nroutes[1] (b): topik: unknown key; did you mean \"topic\"?\n" +
			"routes[2] (c): match: \"/b\": routes[1] (b) has this path, too\n"},
		{"-f " + wrong, 1, "routes[1] (b): the variable $consumer_name is what X-Consumer-Username says"},
	} {
		if c.says == "permission denied|address" && os.Getuid() == 0 {
			continue // root may listen there
		}
		p := program.Start(t, binary, program.Options{Args: append([]string{"serve"}, strings.Fields(c.args)...)})
		if code := p.Exit(); code != c.code || !strings.Contains(p.Stderr.String(), c.says) {
			t.Errorf("%s: exit code %d\n%s", c.args, code, p.Stderr)
		}
	}
}

func TestServeTLSKnowsTheGatewayByItsCertificate(t *testing.T) {
	t.Parallel()
	b, address, dir, ca := startBroker(t), program.FreeAddress(t), t.TempDir(), pki.New("authority")
	issue := func(from *pki.Authority, name string) pki.Issued {
		return from.Issue(name, time.Now().Add(time.Hour), "127.0.0.1")
	}
	pair := func(of pki.Issued) tls.Certificate {
		made, err := tls.X509KeyPair([]byte(of.Cert), []byte(of.Key))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	gateway, stranger := pair(issue(ca, "gateway")), pair(issue(pki.New("authority"), "stranger"))
	issue(ca, "first").Write(t, filepath.Join(dir, "server"))
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte(ca.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, b, "  - {id: a, match: {path: /a}, topic: t, key: $consumer_name}\n", "--listen", address,
		"--tls-cert", dir+"/server.crt", "--tls-key", dir+"/server.key", "--tls-client-ca", dir+"/ca.crt")
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	ask := func(client ...tls.Certificate) (name string, err error) {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: client}}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequest("POST", "https://"+address+"/a", bytes.NewReader([]byte("x")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Consumer-Username", "joe")
		reply, err := transport.RoundTrip(r)
		if err != nil {
			return "", err
		}
		defer reply.Body.Close()
		if reply.StatusCode != 200 || reply.ProtoMajor != 2 {
			t.Error(reply.Status, reply.Proto)
		}
		return reply.TLS.PeerCertificates[0].Subject.CommonName, nil
	}
	if name, err := ask(gateway); err != nil || name != "first" {
		t.Error(name, err)
	}
	if _, err := ask(stranger); err == nil {
		t.Error("a stranger was let in")
	}
	if _, err := ask(); err == nil {
		t.Error("somebody without a certificate was let in")
	}
	issue(ca, "second").Write(t, filepath.Join(dir, "server"))
	program.Until(t, "the second certificate is used", func() bool { name, _ := ask(gateway); return name == "second" })
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("server.crt", "half of a certi")
	program.Until(t, "a certificate that is none is logged", func() bool { return s.says("the certificate cannot be read again; the one from before is used") > 0 })
	if name, err := ask(gateway); err != nil || name != "second" {
		t.Errorf("the one from before is not used: %s, %v", name, err)
	}
	issue(ca, "third").Write(t, filepath.Join(dir, "server"))
	others := pki.New("others")
	write("ca.crt", others.PEM)
	next := pair(issue(others, "gateway"))
	program.Until(t, "the gateway has a certificate of another authority", func() bool { name, _ := ask(next); return name == "third" })
	if _, err := ask(gateway); err == nil {
		t.Error("its old one is still taken")
	}
	s.Signal(syscall.SIGINT)
	s.ended(0)
}

// A key that root has written is often made readable a moment later, which changes neither its size nor its time.
func TestServeTriesAgainWhatItCannotRead(t *testing.T) {
	t.Parallel()
	user, as := ordinaryUser()
	b, address, admin, ca := startBroker(t), program.FreeAddress(t), program.FreeAddress(t), pki.New("authority")
	dir := shortDir(t)
	if err := os.Chown(dir, user, -1); err != nil {
		t.Fatal(err)
	}
	certificate, key, readable := filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"), os.FileMode(0o644)
	write := func(name string, mode os.FileMode) {
		t.Helper()
		issued := ca.Issue(name, time.Now().Add(time.Hour), "127.0.0.1")
		for path, text := range map[string]string{key: issued.Key, certificate: issued.Cert} {
			if err := os.WriteFile(path+".next", []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path+".next", user, -1); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".next", path); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("first", readable)
	s := &served{t: t, file: filepath.Join(dir, "routes.yaml")}
	s.write(b, oneRoute)
	if err := os.Chmod(s.file, readable); err != nil {
		t.Fatal(err)
	}
	s.Process = program.Start(t, binary, program.Options{User: as, Args: []string{"serve", "-f", s.file, "--listen", address, "--admin", admin, "--tls-cert", certificate, "--tls-key", key}})
	program.Until(t, "it serves", func() bool { return s.Ended() || s.says("kafkaupstream serves") > 0 })
	write("second", 0)
	program.Until(t, "it says that it cannot read the certificate", func() bool {
		return strings.Contains(s.admin(admin, "/readyz"), "the certificate cannot be read again") && metric(admin, "kafkaupstream_http_certificate_valid") == 0
	})
	for _, path := range []string{certificate, key} {
		if err := os.Chmod(path, readable); err != nil {
			t.Fatal(err)
		}
	}
	program.Until(t, "it has read the certificate", func() bool { return metric(admin, "kafkaupstream_http_certificate_valid") == 1 })
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if name := c.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "second" {
		t.Error(name)
	}
	s.Signal(syscall.SIGINT)
	s.ended(0)
}

// Without --tls-client-ca anybody may connect, and nobody is taken for the gateway.
func TestServeTLSWithoutAuthorityForClientsTakesAnybody(t *testing.T) {
	t.Parallel()
	b, address, dir, ca := startBroker(t), program.FreeAddress(t), t.TempDir(), pki.New("authority")
	ca.Issue("server", time.Now().Add(time.Hour), "127.0.0.1").Write(t, filepath.Join(dir, "server"))
	s := startServe(t, b, "  - {id: a, match: {path: /a}, topic: t}\n", "--listen", address, "--tls-cert", dir+"/server.crt", "--tls-key", dir+"/server.key")
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	reply, err := client.Post("https://"+address+"/a", "text/plain", strings.NewReader("x"))
	if err != nil || reply.StatusCode != 200 {
		t.Fatal(reply, err)
	}
	reply.Body.Close()
	s.Signal(syscall.SIGINT)
	s.ended(0)
}

// TestServeDoesWhatItsPageSays takes routes and metrics from docs/serve.md.
func TestServeDoesWhatItsPageSays(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	_, routes, _ := strings.Cut(page, "```yaml\n")
	routes, _, _ = strings.Cut(routes, "```")
	b, dir, address, admin := startBroker(t), t.TempDir(), program.FreeAddress(t), program.FreeAddress(t)
	s := &served{t: t, file: filepath.Join(dir, "routes.yaml")}
	routes = strings.NewReplacer("kafka:9092", b.ListenAddrs()[0], "topic: orders", "topic: t").Replace(routes) +
		"  - {id: proven, match: {path: /proven}, topic: $consumer_name}\n"
	for path, text := range map[string]string{s.file: routes, filepath.Join(dir, "secret"): "s3cret\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Process = program.Start(t, binary, program.Options{Args: []string{"serve", "-f", s.file, "--spool-dir", filepath.Join(dir, "spool"),
		"--listen", address, "--admin", admin, "--gateway-secret-file", filepath.Join(dir, "secret")}})
	program.Until(t, "it serves", func() bool { return s.Ended() || s.says("kafkaupstream serves") > 0 })
	for path, want := range map[string]int{"/orders/": 200, "/orders/7": 200, "/orders": 404, "/audit": 404, "/proven": 403} {
		if status, reply := s.post(address, path, `{"id": 7}`); status != want {
			t.Error(path, status, reply)
		}
	}
	open, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	s.Signal(syscall.SIGHUP)
	want := map[string]float64{
		"kafkaupstream_http_connections": 1, "kafkaupstream_http_requests_unrouted_total": 2, "kafkaupstream_http_requests_unproven_total": 1,
		"kafkaupstream_http_routes": 3, "kafkaupstream_http_routes_valid": 1, "kafkaupstream_http_routes_read_total": 1,
		"kafkaupstream_http_certificate_valid": 1,
	}
	var now map[string]float64
	program.Until(t, fmt.Sprint("the series are ", want), func() bool {
		now = samplesOf(admin)
		for series, value := range want {
			if now[series] != value {
				return false
			}
		}
		return true
	})
	for series := range now {
		_, moves := want[series]
		if own := strings.HasPrefix(series, "kafkaupstream_http_"); own && !(moves && strings.Contains(page, "| `"+series+"` |")) {
			t.Errorf("%s is not in the table, or has no event", series)
		}
	}
	env, usage, _ := fakeProcess(nil, "--help")
	if _, err := readServeOptions(env); err == nil {
		t.Fatal("no help")
	}
	for _, line := range strings.Split(usage.String(), "\n") {
		name, isFlag := strings.CutPrefix(line, "  --")
		name, _, _ = strings.Cut(name, " ")
		ofRun, _ := os.ReadFile("../../docs/configuration.md")
		if flag := "`--" + name; isFlag && !strings.Contains(page, flag+"`") && !strings.Contains(string(ofRun), flag+" ") && !strings.Contains(string(ofRun), flag+"`") {
			t.Errorf("the flag --%s is in neither page", name)
		}
	}
	s.Signal(syscall.SIGINT)
	s.ended(0)
}
