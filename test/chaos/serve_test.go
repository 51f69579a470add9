package chaos

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

// serveScenarios are those of `kafkaupstream serve`: clients speak HTTP to it. No call of theirs may fail.
var serveScenarios = []scenario{
	{fault: "serve: the routes are read again and again", serve: true, lasts: 3 * time.Second, strike: routesRead},
	{fault: "serve: the next process takes the socket, again and again", serve: true, lasts: 6 * time.Second, strike: socketHandedOver},
	{fault: "serve: all brokers are killed and come back", serve: true, full: true, lasts: 8 * time.Second, outages: 1, strike: allKilled},
}

// writeRoutes writes the file of the lane's route, and another route that is there from this version on.
func (l *lane) writeRoutes(conf string) {
	l.t.Helper()
	l.routes = filepath.Join(filepath.Dir(l.socket), "routes.json")
	match := func(path string) string { return fmt.Sprintf(`{"id":%q,"match":{"path":%q},`, path, path) + conf[1:] }
	text := fmt.Sprintf(`{"routes":[%s,%s]}`, match("/r"), match(fmt.Sprint("/", time.Now().UnixNano())))
	next := l.routes + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(next, l.routes); err != nil {
		l.t.Fatal(err)
	}
}

// connect has the lane's clients speak to the socket.
func (l *lane) connect() (disconnect func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: l.workers, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.socket)
	}}
	l.url, l.client = "http://serve/r", &http.Client{Transport: transport}
	return transport.CloseIdleConnections
}

func routesRead(s *scene) {
	for range again() {
		s.after(1 + s.random.IntN(100))
		s.each(func(l *lane) {
			reads := func() int { return strings.Count(l.process.Stderr.String(), "the routes were read again") }
			before := reads()
			l.writeRoutes(s.conf(l))
			l.process.Signal(syscall.SIGHUP)
			s.within("the routes are read again", func() bool { return reads() > before })
		})
	}
	s.noneFailed()
}

func socketHandedOver(s *scene) {
	reloadedNewFirst(s)
	s.noneFailed()
}

// noneFailed wants a reply to every request so far.
func (s *scene) noneFailed() {
	s.t.Helper()
	s.each(func(l *lane) {
		if n := l.count(time.Time{}, ledger.NoReply); n > 0 {
			s.t.Errorf("%s: %d requests had no reply, such as %s", l.name, n, l.unanswered())
		}
	})
}

// unanswered says when requests without a reply were sent, and for how long their clients waited.
func (l *lane) unanswered() (text string) {
	for _, e := range l.ledger.Entries() {
		if e.Outcome() == ledger.NoReply && len(text) < 2000 {
			text += fmt.Sprintf("%v sent %s, %v later; ", e.ID, e.Sent().UTC().Format("15:04:05.000"), e.Wait)
		}
	}
	return text
}
