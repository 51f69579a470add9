package producer

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// startPoolWith also returns what gives the log's text, which ends the log.
func startPoolWith(t *testing.T, opts Options) (*Pool, func() string) {
	t.Helper()
	log := &await.Log{}
	logger := logging.New(log, 0)
	opts.Log = logger.Logger
	p := NewPool(opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.Close(ctx)
		logger.Close(time.Second)
	})
	return p, func() string {
		logger.Close(time.Second)
		return log.String()
	}
}

// holdProduce makes the cluster hold its answers to producers back until the
// function it returns is called.
func holdProduce(c *kfake.Cluster) (release func()) {
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		<-hold
		return nil, nil, false
	})
	return sync.OnceFunc(func() { close(hold) })
}

func TestBudgetRefusesRecordsAndDoesNotHinderAnotherConnection(t *testing.T) {
	slow, quick := startFake(t), startFake(t)
	p, _ := startPoolWith(t, Options{MaxInflightBytes: 1 << 20})
	conn := connect(t, slow, false)
	if _, err := send(p, conn, recordOf("t", "x"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	release := holdProduce(slow)
	defer release()
	value := strings.Repeat("x", 10000)
	sent := 0
	var refused *record.Error
	for refused == nil && sent < 1000 {
		_, refused = send(p, conn, recordOf("t", value), false, in(5*time.Second))
		sent++
	}
	if refused == nil || refused.Kind != record.KindQueueFull || refused.Unconfirmed || sent < 40 || sent > 60 {
		t.Fatalf("after %d records of 10 kB with a limit of 1 MiB: %+v", sent, refused)
	}
	if _, err := send(p, connect(t, quick, true), recordOf("t", value), true, in(5*time.Second)); err != nil {
		t.Errorf("a route of another cluster: %v", err)
	}
	release()
	await.True(t, "acknowledged records give their bytes back", func() bool { return p.Stats().InflightBytes == 0 })
}

func TestBudgetOfAConnectionIsThatOfAllItsProducers(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(kafkaconf.Stripes, "striped"))
	p, _ := startPoolWith(t, Options{MaxInflightBytes: 1 << 20})
	conn := connectDurable(t, c)
	queue := func(partition int32, value string) *record.Error {
		rec := recordOf("striped", value)
		rec.Partition = partition
		d, err := queueFor(p, conn, rec, in(5*time.Second))
		if err == nil {
			d.OnReport(func() { go d.End() })
		}
		return err
	}
	for partition := range int32(kafkaconf.Stripes) {
		if err := queue(partition, "x"); err != nil {
			t.Fatal(err)
		}
	}
	defer holdProduce(c)()
	value := strings.Repeat("x", 10000)
	for partition := range int32(kafkaconf.Stripes) {
		for sent := 0; queue(partition, value) == nil && sent < 1000; {
			sent++
		}
	}
	if n := p.Stats().InflightBytes; n > 600<<10 || n < 450<<10 {
		t.Errorf("one connection has %d kB of 1024", n>>10)
	}
}

func TestDeliveryOutlivesItsWaiter(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{})
	conn := connect(t, c, true)
	if _, err := send(p, conn, recordOf("t", "first"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	release := holdProduce(c)
	defer release()
	d, err := queueFor(p, conn, recordOf("t", "late"), in(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if d.Wait(ending(in(50 * time.Millisecond))) {
		t.Fatal("reported before the broker answered")
	}
	told := make(chan struct{})
	d.OnReport(func() { close(told) })
	release()
	<-told
	if o := d.Outcome(); o.Err != nil || o.Ack.Partition < 0 {
		t.Errorf("%+v %v", o.Ack, o.Err)
	}
	d.End()

	d, err = queueFor(p, conn, recordOf("t", "next"), in(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "the outcome comes", d.Reported)
	again := false
	d.OnReport(func() { again = true })
	if !again {
		t.Error("who asks after the outcome came is not told")
	}
	d.End()
}

func TestDrainOffersWhatIsQueuedToBeKept(t *testing.T) {
	cases := []struct {
		name        string
		takes       bool
		undelivered int
	}{
		{"and taken", true, 0},
		{"and not taken: it is counted as undelivered", false, 100},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := startFake(t)
			var kept []string
			p, log := startPoolWith(t, Options{Keep: func(_ *kafkaconf.Connection, rec *record.Record) bool {
				h := ""
				if len(rec.Headers) > 0 {
					h = rec.Headers[0].Key + "=" + string(rec.Headers[0].Value)
				}
				kept = append(kept, fmt.Sprintf("%s %d %s %s %s", rec.Topic, rec.Partition, rec.Key, rec.Value, h))
				return tc.takes
			}})
			conn := connect(t, c, false)
			first := &record.Record{Topic: "t", Partition: 1, Value: []byte("first")}
			if _, err := send(p, conn, first, true, in(5*time.Second)); err != nil {
				t.Fatal(err)
			}
			release := holdProduce(c)
			defer release()
			var want []string
			for i := range 100 {
				value := []byte(fmt.Sprint(i))
				rec := &record.Record{Topic: "t", Partition: 1, Key: []byte("k"), Value: value, Headers: []record.Header{{Key: "h", Value: value}}}
				if _, err := send(p, conn, rec, false, in(5*time.Second)); err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprintf("t 1 k %d h=%d", i, i))
				copy(value, "zzzz") // the sender's memory is its own again
			}
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			if n := p.Drain(ctx); n != tc.undelivered {
				t.Errorf("%d undelivered, want %d", n, tc.undelivered)
			}
			if !slices.Equal(kept, want) {
				t.Errorf("offered: %v", kept)
			}
			if text := log(); strings.Contains(text, "not confirmed") == tc.takes {
				t.Errorf("the log says:\n%s", text)
			}
		})
	}
}

// A broker's refusal is about one attempt. After a broken connection nobody knows of
// the attempt before.
func TestRefusalAfterAnAttemptThatMayHaveBeenWrittenIsUnconfirmed(t *testing.T) {
	cases := []struct {
		name        string
		cut         bool        // the first attempt's connection
		first       *kerr.Error // the answer to the first attempt
		answer      *kerr.Error
		kind        record.Kind
		unconfirmed bool
	}{
		{"refused at once", false, nil, kerr.TopicAuthorizationFailed, record.KindForbidden, false},
		{"refused after the connection broke", true, nil, kerr.TopicAuthorizationFailed, record.KindUnconfirmed, true},
		{"too large, at once", false, nil, kerr.MessageTooLarge, record.KindTooLarge, false},
		{"too large, after the connection broke", true, nil, kerr.MessageTooLarge, record.KindUnconfirmed, true},
		{"refused after the broker waited too long for its replicas", false, kerr.RequestTimedOut, kerr.TopicAuthorizationFailed, record.KindUnconfirmed, true},
		{"too large, after the broker wrote it for too few replicas", false, kerr.NotEnoughReplicasAfterAppend, kerr.MessageTooLarge, record.KindUnconfirmed, true},
		{"refused after there were too few replicas to write it", false, kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed, record.KindForbidden, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := startFake(t)
			p, _ := startPoolWith(t, Options{})
			conn := connect(t, c, true)
			if _, err := send(p, conn, recordOf("t", "first"), true, in(5*time.Second)); err != nil {
				t.Fatal(err)
			}
			var attempts atomic.Int32
			c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				switch first := attempts.Add(1) == 1; {
				case first && tc.cut:
					return nil, errors.New("cut"), true
				case first && tc.first != nil:
					return refusal(req.(*kmsg.ProduceRequest), tc.first, nil), nil, true
				}
				return refusal(req.(*kmsg.ProduceRequest), tc.answer, nil), nil, true
			})
			_, err := send(p, conn, recordOf("t", "x"), true, in(10*time.Second))
			if err == nil || err.Kind != tc.kind || err.Unconfirmed != tc.unconfirmed {
				t.Errorf("got %+v", err)
			}
		})
	}
}

func TestSecretIsReadAgainWhenTheClusterRefusesTheOldOne(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "second"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var secret atomic.Pointer[string]
	set := func(s string) { secret.Store(&s) }
	set("first")
	p, log := startPoolWith(t, Options{Resolve: func(value string) (string, error) {
		if value == "$file://password" {
			if s := *secret.Load(); s != "" {
				return s, nil
			}
			return "", errors.New("$file://password: there is no such file")
		}
		return value, nil
	}})
	conn := connectTo(t, c.ListenAddrs()[0], true, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanisms", "PLAIN",
		"sasl.username", "u", "sasl.password", "$file://password")
	if _, err := send(p, conn, recordOf("t", "x"), true, in(10*time.Second)); err == nil || err.Unconfirmed {
		t.Fatalf("with the wrong secret: %+v", err)
	}
	set("second")
	await.True(t, "the new secret is tried", func() bool {
		_, err := send(p, conn, recordOf("t", "x"), true, in(10*time.Second))
		return err == nil
	})
	if text := log(); strings.Contains(text, "second") || strings.Contains(text, "first") {
		t.Errorf("a secret is in the log:\n%s", text)
	}
}

// A broker answers for as long as its connection lives, whatever became of the password with which that was opened.
func TestSecretIsReadAgainWhenOneOfTheBrokersRefusesTheOldOne(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(2, "t"), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "first", "password"), kfake.Superuser("PLAIN", "second", "password"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for partition := range int32(2) {
		if err := c.MoveTopicPartition("t", partition, partition); err != nil {
			t.Fatal(err)
		}
	}
	var changed atomic.Bool
	p, _ := startPoolWith(t, Options{Resolve: func(value string) (string, error) {
		switch {
		case value != "$file://user":
			return value, nil
		case changed.Load():
			return "second", nil
		}
		return "first", nil
	}})
	conn := connect(t, c, true, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanisms", "PLAIN", "sasl.username", "$file://user", "sasl.password", "password")
	to := func(partition int32) *record.Error {
		rec := recordOf("t", "x")
		rec.Partition = partition
		_, err := send(p, conn, rec, true, in(time.Second))
		return err
	}
	for partition := range int32(2) {
		await.True(t, "the broker is reached", func() bool { return to(partition) == nil })
	}
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r := req.(*kmsg.SASLAuthenticateRequest)
		if !strings.Contains(string(r.SASLAuthBytes), "first") {
			return nil, nil, false
		}
		resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp, nil, true
	})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("cut"), true })
	changed.Store(true)
	await.True(t, "the broker takes records again", func() bool { return to(0) == nil })
}

func TestSecretThatCannotBeReadIsLookedForAgain(t *testing.T) {
	c := startFake(t)
	var there atomic.Bool
	p, _ := startPoolWith(t, Options{Resolve: func(value string) (string, error) {
		if value == "$env://CLIENT" && !there.Load() {
			return "", errors.New("$env://CLIENT: it is not set")
		}
		return strings.TrimPrefix(value, "$env://"), nil
	}})
	conn := connect(t, c, true, "client.id", "$env://CLIENT")
	if _, err := send(p, conn, recordOf("t", "x"), true, in(time.Second)); err == nil || err.Kind != record.KindAuthentication || err.Unconfirmed {
		t.Fatalf("without the secret: %+v", err)
	}
	there.Store(true)
	await.True(t, "the secret is found", func() bool {
		_, err := send(p, conn, recordOf("t", "x"), true, in(time.Second))
		return err == nil
	})
}

func TestProducerThatCouldNotBeMadeIsMadeAgain(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	conn := connect(t, c, true, "ssl.ca.location", ca, "security.protocol", "SSL")
	failsAs := func(kind record.Kind) bool {
		_, err := send(p, conn, recordOf("t", "x"), true, in(time.Second))
		return err != nil && err.Kind == kind && !err.Unconfirmed
	}
	if !failsAs(record.KindConfig) {
		t.Fatal("there is no such file, and the record is not refused for it")
	}
	if err := os.WriteFile(ca, certificate(t), 0o600); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the broker, which speaks no TLS, is asked", func() bool { return failsAs(record.KindNoBroker) })
}

// certificate returns one, as PEM.
func certificate(t *testing.T) []byte {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func TestSecretThatBreaksTheModesPromiseIsNotServed(t *testing.T) {
	c := startFake(t)
	var acks atomic.Pointer[string]
	set := func(s string) { acks.Store(&s) }
	set("-0")
	p, log := startPoolWith(t, Options{Resolve: func(value string) (string, error) {
		if value == "$file://acks" {
			return *acks.Load(), nil
		}
		return value, nil
	}})
	conn := connect(t, c, true, "acks", "$file://acks")
	_, err := send(p, conn, recordOf("t", "x"), true, in(10*time.Second))
	if err == nil || err.Kind != record.KindConfig || err.Unconfirmed || !strings.Contains(err.Reason, "acks: sync delivery needs acknowledgements") {
		t.Fatalf("without acknowledgements: %+v", err)
	}
	set("ALL")
	await.True(t, "the new value is used", func() bool {
		ack, err := send(p, conn, recordOf("t", "x"), true, in(10*time.Second))
		return err == nil && ack.Offset >= 0
	})
	if text := log(); !strings.Contains(text, "acks: sync delivery needs acknowledgements") {
		t.Errorf("the log says nothing of it:\n%s", text)
	}
}

func TestDurableConnectionNeverGivesARecordUpNorNumbersItAnew(t *testing.T) {
	for _, mode := range []record.Delivery{record.Async, record.Sync, record.Durable} {
		props, err := kafkaconf.Effective(kafkaconf.Properties{"bootstrap.servers": "b"}, record.Mode{Delivery: mode})
		if err != nil {
			t.Fatal(err)
		}
		if never := props["message.timeout.ms"] == "0" && props["retries"] == "" && props["enable.idempotence"] == "true"; never != (mode == record.Durable) {
			t.Errorf("mode %d: %v", mode, props)
		}
		if one := props["max.in.flight.requests.per.connection"] == "1"; one != (mode == record.Durable) {
			t.Errorf("mode %d: more than one request under way: %v", mode, props)
		}
	}
}
