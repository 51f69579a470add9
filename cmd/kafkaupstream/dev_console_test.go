package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// openStream is a page of the console: it has the first event when it returns.
func (d *devProcess) openStream(t *testing.T) *bufio.Reader {
	t.Helper()
	resp, err := http.Get(d.URL + "/_console/records")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	in := bufio.NewReader(resp.Body)
	for line := ""; !strings.HasPrefix(line, "event: hello"); {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

func TestDevSaysWhereItsConsoleIs(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	program.Until(t, "there is a third line", func() bool { return len(d.Stdout.Lines()) >= 3 })
	where, ok := strings.CutPrefix(d.Stdout.Lines()[2], "console ")
	if !ok || where != d.URL+"/_console/" {
		t.Fatalf("it is %q", d.Stdout.Lines()[2])
	}
	if got := program.Send(t, "GET", where, ""); got.Status != 200 || !strings.Contains(got.Body, "<title>kafkaupstream console</title>") {
		t.Errorf("got %+v", got)
	}
}

func TestDevsConsoleKnowsTheRoutes(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	routes := func() string { return program.Send(t, "GET", d.URL+"/_console/routes", "").Body }
	d.PutRoute(t, "orders", `{"config":{"sasl.password":"hush"},"topic":"orders","delivery":"sync","batch":true}`)
	d.PutRoute(t, "wrong", `{"config":{"acks":"hush"},"topicc":"orders"}`)
	all := routes()
	for _, part := range []string{
		`"brokers":"` + d.Broker, `"embedded":true`, `"id":"dev","uris":["/*"]`, `"topic":"kafkaupstream"`,
		`"id":"orders","uris":["/orders"]`, `"topic":"orders","delivery":"sync","features":["batch"]`,
		`"id":"wrong","uris":["/wrong"],"methods":[],"hosts":[],"problem":"topicc: unknown key; did you mean \"topic\"?`,
	} {
		if !strings.Contains(all, part) {
			t.Errorf("it lacks %s:\n%s", part, all)
		}
	}
	if strings.Contains(all, "hush") {
		t.Errorf("a property's value is in it:\n%s", all)
	}

	in := d.openStream(t)
	program.Send(t, "DELETE", d.URL+"/apisix/admin/routes/orders", "")
	for changes := 0; changes < 3; { // two were made before
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "event: routes\n" {
			changes++
		}
	}
	if all := routes(); strings.Contains(all, `"orders"`) {
		t.Errorf("the deleted one is still there:\n%s", all)
	}
}

// What the console serves is served by dev alone: behind `run`, as behind any gateway, the path is one like others.
func TestRunHasNoConsole(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	socket := socketPath(t)
	run := startRun(t, socket, program.Options{})
	client := gateway.NewClient(socket, gateway.ClientOptions{})
	t.Cleanup(func() { client.Close() })
	front := gateway.New(client, gateway.Options{})
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	for _, path := range []string{"/_console/", "/_console/routes", "/_console/records"} {
		if status, body := get(path); status != 404 || !strings.Contains(body, "Route Not Found") {
			t.Errorf("without a route, %s: %d %s", path, status, body)
		}
	}
	err := front.PutRoute(gateway.Route{ID: "all", URIs: []string{"/*"}, Conf: []gateway.ConfEntry{{Name: "kafkaupstream", Value: route(broker, "", "")}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/_console/", "/_console/routes", "/_console/records"} {
		if status, body := get(path); status != 405 || !strings.Contains(body, `"code":405`) {
			t.Errorf("with one, %s: %d %s", path, status, body)
		}
	}
	if runtime.GOOS == "linux" {
		if ports := listeningPorts(t, run.Pid); len(ports) > 0 {
			t.Errorf("run listens on TCP: %v", ports)
		}
	}
}

// listeningPorts are the addresses that a process listens on, as /proc/net/tcp writes them.
func listeningPorts(t *testing.T, pid int) (ports []string) {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("%v, %d descriptors", err, len(fds))
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil {
			own[target] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // a machine without IPv6
		}
		for _, line := range strings.Split(string(text), "\n") {
			const listening = "0A"
			if f := strings.Fields(line); len(f) > 9 && f[3] == listening && own["socket:["+f[9]+"]"] {
				ports = append(ports, f[1])
			}
		}
	}
	return ports
}
