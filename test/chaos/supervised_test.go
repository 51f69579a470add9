package chaos

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// supervisedScenarios are those of `run` as APISIX starts it: a supervisor, and workers that serve.
var supervisedScenarios = []scenario{
	{fault: "APISIX reloads, and the next runner is late", supervised: true, lasts: 12 * time.Second, strike: reloadedLate},
	{fault: "a worker gets SIGKILL again and again", supervised: true, lasts: 6 * time.Second, strike: workerKilled},
	{fault: "a supervisor gets SIGKILL again and again", supervised: true, full: true, lasts: 40 * time.Second, strike: supervisorKilled},
}

// late are the moments after SIGTERM at which a successor starts; APISIX kills the supervisor one second after it.
var late = []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second}

// patience is how long a worker waits for its successor, however busy the machine is.
const patience = "2m"

// supervise has the runner started as APISIX does. Its log is a file, since a worker outlives its output.
func (r *runner) supervise() {
	r.logFile = filepath.Join(filepath.Dir(r.socket), "log")
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("%s:\n%s", r.logFile, r.log())
		}
	})
}

// log is what all processes of a supervised runner have logged.
func (r *runner) log() string {
	r.t.Helper()
	text, err := os.ReadFile(r.logFile)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// workerIDs are the process IDs of those that have said that they serve, in their order.
func (r *runner) workerIDs() []int { return program.Workers(r.t, r.log()) }

// worker is the process ID of the present worker.
func (r *runner) worker() int {
	r.t.Helper()
	all := r.workerIDs()
	return all[len(all)-1]
}

// nextWorker waits for one more worker than there were.
func (r *runner) nextWorker(before int) {
	r.t.Helper()
	await.Within(r.t, progressLimit, "a worker serves", func() bool { return len(r.workerIDs()) > before })
}

// gone waits until a process, which is no child of the test's, has ended.
func (r *runner) gone(pid int) {
	r.t.Helper()
	await.Within(r.t, progressLimit, "the process is gone", func() bool { return syscall.Kill(pid, 0) != nil })
}

// successor starts the next runner and waits until it serves and the worker before is gone.
func (r *runner) successor() {
	r.t.Helper()
	old, before := r.worker(), len(r.workerIDs())
	r.start()
	r.nextWorker(before)
	r.gone(old)
}

// reloadedLate is APISIX's reload: SIGTERM, SIGKILL a second later, and the next runner sooner or later than that. No call fails.
func reloadedLate(s *scene) {
	s.each((*lane).replaced)
	for i := range again() {
		s.after(1 + s.random.IntN(100))
		s.each((*lane).term)
		wait := late[i%len(late)]
		<-time.After(min(wait, time.Second))
		s.each((*lane).kill)
		<-time.After(wait - min(wait, time.Second))
		s.each((*lane).successor)
	}
	s.noneFailed()
}

// workerKilled has the supervisor start the next worker. Only calls that the worker had in its hands fail.
func workerKilled(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(50))
		arrived := s.durableTopics()
		s.each(func(l *lane) {
			l.terms.Unlogged = true
			before := len(l.workerIDs())
			s.must(syscall.Kill(l.worker(), syscall.SIGKILL))
			if topic := arrived[l]; topic != nil {
				l.grantPending(topic)
			}
			l.nextWorker(before)
		})
	}
}

// supervisorKilled has APISIX start the next runner three seconds later, as it does. No call fails.
func supervisorKilled(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(100))
		s.each((*lane).kill)
		s.exit() // its output has ended
		<-time.After(3 * time.Second)
		s.each((*lane).successor)
	}
	s.noneFailed()
}
