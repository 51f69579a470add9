package verify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

type Options struct {
	// URL is where the gateway takes records, Headers and Body are what it is sent; see KeyMark.
	URL     string
	Headers []Header
	Body    string
	// Properties are librdkafka's, with bootstrap.servers; secrets are resolved.
	Properties map[string]string
	Topic      string
	// Records is how many are sent, or as many as Duration has time for where it is not 0.
	Records  int
	Duration time.Duration
	Rate     float64 // records per second; 0: as quickly as they are answered
	// Connections is how many requests are under way at a time, Keys how many keys the records
	// have, Size about how many bytes a record's value has.
	Connections, Keys, Size int
	// Timeout is how long a reply may take, Wait how long after the last reply a record may
	// take to be in the topic.
	Timeout, Wait time.Duration
	// Progress is called now and then, until Run returns; nil for nobody.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Sent, Errors int           // records that were answered, and those without a 2xx
	Records      int           // to be sent; 0: not known
	Took         time.Duration // since the first record
	Reading      bool          // all are sent, and the topic is read
	Missing      int           // records that have not been found yet
}

// Limits of the options.
const (
	MaxRecords     = 100_000_000
	MaxConnections = 10_000
	MaxSize        = 16 << 20
)

// Check returns what is wrong with the options, "" for nothing.
func (o *Options) Check() string {
	for _, number := range []struct {
		name        string
		value, most int
	}{{"records", o.Records, MaxRecords}, {"connections", o.Connections, MaxConnections}, {"keys", o.Keys, MaxRecords}, {"size", o.Size, MaxSize}} {
		if number.value < 1 || number.value > number.most {
			return fmt.Sprintf("--%s is a number from 1 to %d", number.name, number.most)
		}
	}
	u, err := url.Parse(strings.ReplaceAll(o.URL, KeyMark, "key"))
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "--url is where the gateway takes records, http://host/path or https://host/path"
	case o.Topic == "":
		return "--topic names the topic in which the records are to arrive"
	case o.Properties["bootstrap.servers"] == "":
		return "--brokers names the Kafka cluster, host:port,…"
	case o.Keys < o.Connections:
		return fmt.Sprintf("--keys is at least --connections (%d): the records of a key are sent one after another, by one connection", o.Connections)
	case o.Rate < 0:
		return "--rate is more than 0"
	case o.Duration < 0 || o.Wait < 0 || o.Timeout <= 0:
		return "--duration, --wait and --timeout are not less than 0, and --timeout is more"
	case !strings.Contains(o.Body, ValueMark):
		return "--body has " + ValueMark + " where the record is to stand"
	}
	for _, h := range o.Headers {
		if !utils.IsToken(h.Name) || strings.ContainsAny(h.Value, "\r\n\x00") {
			return "--header is 'Name: value'"
		}
	}
	return ""
}

// ErrInterrupted is returned when a run was ended before it was judged.
var ErrInterrupted = errors.New("interrupted; the run is not judged")

// Run sends records until sending ends or all are sent, reads the topic and judges. ctx
// ends it at once; so does the end of sending once all records have been sent. An error
// says why the run cannot be judged.
func Run(sending, ctx context.Context, o Options) (*Report, error) {
	run := newRun()
	l := newLoad(&o, run)
	if err := l.reach(sending); err != nil {
		return nil, err
	}
	t, err := openTopic(sending, o.Properties, o.Topic)
	if err != nil {
		return nil, orInterrupted(sending, err)
	}
	defer t.close()
	began := time.Now()
	done := l.watch(began)
	l.send(sending, ctx)
	took := time.Since(began)
	done()
	entries := l.ledger.Entries()
	if ctx.Err() != nil {
		return nil, ErrInterrupted
	}
	if len(entries) == 0 {
		return nil, errors.New("no record was sent")
	}
	if other := l.other.Load(); other != nil {
		return nil, fmt.Errorf("the run cannot be judged: replies say that records are in the topic %.249q, not in %q", *other, o.Topic)
	}
	if sending.Err() == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(sending, cancel)()
	}
	s := ledger.NewSettlement(run, entries, false)
	var told time.Time
	wait := o.Wait
	if !slices.ContainsFunc(entries, said) {
		wait = 0
	}
	err = t.settle(ctx, s, wait, func() {
		if o.Progress != nil && time.Since(told) >= progressInterval {
			told = time.Now()
			p := l.progress(began)
			p.Reading, p.Missing = true, s.Absent()
			o.Progress(p)
		}
	})
	if err != nil {
		return nil, orInterrupted(ctx, fmt.Errorf("the run cannot be judged: %w", err))
	}
	r := newReport(&o, run, entries, took, s.Account(ledger.Evidence{}))
	if why := l.silent.Load(); why != nil {
		r.NoReplyReason = *why
	}
	if !r.judged() {
		return r, fmt.Errorf("the run cannot be judged: of %d records none was promised; the replies are %s", r.Records, r.replies())
	}
	return r, nil
}

// said reports whether a reply says that its record is in the topic, or that it is not.
func said(e ledger.Entry) bool {
	o := e.Outcome()
	return o.Promised() || o == ledger.Refused
}

func newRun() ledger.Run {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return ledger.Run(hex.EncodeToString(id[:]))
}

// orInterrupted is the error, unless it is the interruption's fault.
func orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

// progressInterval is how often a run says how far it has come.
const progressInterval = 500 * time.Millisecond

// watch tells of the sending, until the function that it returns is called.
func (l *load) watch(began time.Time) (done func()) {
	if l.Progress == nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	tick := time.NewTicker(progressInterval)
	go func() {
		defer close(stopped)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				l.Progress(l.progress(began))
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (l *load) progress(began time.Time) Progress {
	p := Progress{Sent: int(l.sent.Load()), Errors: int(l.broken.Load()), Took: time.Since(began)}
	if l.Duration == 0 {
		p.Records = l.Records
	}
	return p
}
