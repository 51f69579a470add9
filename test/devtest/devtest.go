// Package devtest starts `kafkaupstream dev` as a process, for the tests that need a gateway with the plugin behind it.
package devtest

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// Gateway is a running `kafkaupstream dev`.
type Gateway struct {
	*program.Process
	// URL is the gateway's and its Admin API's, Broker is the embedded broker's or the cluster's address, and Console is the
	// console's URL.
	URL, Broker, Console string
}

// Start starts dev on a free port and returns as soon as it listens. The arguments of o follow its own. dev ends with the
// test: by an interrupt, so that it removes its temporary folder.
func Start(t testing.TB, binary string, o program.Options) *Gateway {
	t.Helper()
	o.Args = append([]string{"dev", "--listen", "127.0.0.1:0"}, o.Args...)
	g := &Gateway{Process: program.Start(t, binary, o)}
	t.Cleanup(func() {
		g.Signal(syscall.SIGINT)
		g.Exit()
	})
	program.Until(t, "dev prints where it is", func() bool { return len(g.Stdout.Lines()) >= 3 || g.Ended() })
	if _, err := fmt.Sscanf(g.Stdout.String(), "gateway %s\nbroker %s\nconsole %s\n", &g.URL, &g.Broker, &g.Console); err != nil {
		t.Fatalf("%v: %q", err, g.Stdout)
	}
	return g
}

// PutRoute makes a route for /ID through the Admin API, as a user of APISIX does.
func (g *Gateway) PutRoute(t testing.TB, id, conf string) program.Reply {
	t.Helper()
	value, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	r := program.Send(t, "PUT", g.URL+"/apisix/admin/routes/"+id, fmt.Sprintf(`{"uri":"/%s","plugins":{"ext-plugin-post-req":{"conf":[{"name":"kafkaupstream","value":%s}]}}}`, id, value))
	if r.Status >= 300 {
		t.Fatalf("route %s: %d %s", id, r.Status, r.Body)
	}
	return r
}
