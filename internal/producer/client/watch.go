package client

import (
	"log/slog"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
)

const (
	// probeWait bounds one question whether the cluster answers.
	probeWait = time.Second
	// probePause is between two questions.
	probePause = 100 * time.Millisecond
	// connectingProbes is how many questions may stay without an answer until a
	// cluster that never answered is said to be down.
	connectingProbes = 5
	// lossInterval is how often losses are logged.
	lossInterval = time.Second
)

// watch finds out whether the cluster answers, as long as that is in doubt, and logs losses.
// One goroutine runs it, and uses its fields alone.
type watch struct {
	kafka       *librdkafka.Producer
	link        *link
	losses      *losses
	credentials *credentials
	log         *slog.Logger
	logLine     func(librdkafka.LogLine)
	failed      func() // has the producer replaced
	stuckAfter  time.Duration
	closing     <-chan struct{}

	read     time.Time // when the secrets were read last
	failures int       // questions in a row without an answer
	away     absence
	others   sync.WaitGroup // other clients that look whether the cluster answers
}

// run returns when closing is closed and the other clients have gone.
func (w *watch) run() {
	defer w.others.Wait()
	tick := time.NewTicker(lossInterval)
	defer tick.Stop()
	for !isClosed(w.closing) {
		pause := (<-chan time.Time)(nil)
		if w.look(); w.link.get() != linkUp {
			pause = time.After(probePause)
		}
		select {
		case <-w.closing:
		case <-pause:
		case <-w.link.probe:
		case <-tick.C:
			w.losses.flush(w.log)
		}
	}
}

// look asks the cluster, unless it is known to answer.
func (w *watch) look() {
	if w.link.get() == linkUp {
		w.away.over()
		return
	}
	_, err := w.kafka.Metadata(nil, false, probeWait)
	refused := w.link.refused() // by one broker: another still answers a session from before the secret changed
	if err != nil || refused {
		w.reread()
	}
	if err == nil {
		w.failures = 0
		w.link.set(linkUp)
		return
	}
	if refused {
		w.link.down()
	} else if w.failures++; w.link.get() != linkConnecting || w.failures >= connectingProbes {
		w.link.down()
	}
	w.unstick()
}

// reread looks for other secrets when a broker has refused them, and while the cluster does not
// answer: not every cluster says that it is because of them.
func (w *watch) reread() {
	if time.Since(w.read) < rereadInterval {
		return
	}
	w.read = time.Now()
	props, replace := w.credentials.renew()
	if props == nil {
		return
	}
	if replace {
		w.failed()
		return
	}
	if err := w.kafka.SetSASLCredentials(props["sasl.username"], props["sasl.password"]); err != nil {
		w.log.Error("librdkafka refuses the new secret; replacing the producer", "error", w.credentials.Redact(err.Error()))
		w.failed()
	}
}

// unstick has the producer replaced when it alone does not reach the cluster.
func (w *watch) unstick() {
	props := w.credentials.Properties()
	look := func(answer chan<- time.Time) {
		w.others.Go(func() {
			if answersAnother(props, w.logLine) {
				answer <- time.Now()
			}
		})
	}
	if w.away.note(time.Now(), w.stuckAfter, look) {
		w.log.Error("the producer cannot reach the cluster although a new client can; replacing it")
		w.failed()
	}
}
