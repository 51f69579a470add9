package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Names of series, as the tables have them.
func requests(code int) string { return fmt.Sprintf(`kafkaupstream_requests_total{code="%d"}`, code) }

func told(delivery, delivered string) string {
	return fmt.Sprintf(`kafkaupstream_records_total{delivered=%q,delivery=%q}`, delivered, delivery)
}

func failures(reason string) string {
	return fmt.Sprintf(`kafkaupstream_record_failures_total{reason=%q}`, reason)
}

func reports(result string) string {
	return fmt.Sprintf(`kafkaupstream_delivery_reports_total{result=%q}`, result)
}

func durations(delivery string) string {
	return fmt.Sprintf(`kafkaupstream_request_duration_seconds_count{delivery=%q}`, delivery)
}

func producerIs(state string) string { return fmt.Sprintf(`kafkaupstream_producers{state=%q}`, state) }

func producerUp(delivery string) string {
	return fmt.Sprintf(`kafkaupstream_producer_up{delivery=%q,producer="…"}`, delivery)
}

func ofProducer(name string) string { return "kafkaupstream_" + name + `{producer="…"}` }

func ofBroker(name string) string { return "kafkaupstream_" + name + `{broker="…",producer="…"}` }

func spans(result string) string { return fmt.Sprintf(`kafkaupstream_spans_total{result=%q}`, result) }

const (
	syncRest   = `,"delivery":"sync"`
	batchMedia = "application/vnd.kafka.json.v2+json"
	// briefly is for records that Kafka does not take: how long they are tried.
	briefly = `,"timeout_ms":700`
)

// away is a route whose cluster does not answer.
func away(rest string) string {
	return fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"topic":"t"%s}`, gone, rest)
}

// refuses has the broker answer requests of a kind with an error.
func (o *observed) refuses(key kmsg.Key, err *kerr.Error) {
	o.broker().Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: -1})
}

// posts prepares the route and sends it a request.
func posts(rest string, status int, body string, headers ...string) func(*testing.T, *observed) {
	return func(_ *testing.T, o *observed) { o.sends(o.route("", rest), status, body, headers...) }
}

func events() []event {
	return slices.Concat(eventsOfRequests(), eventsOfRecords(), refusals(), lateRefusals(), eventsOfKafka(), eventsOfTheSpool(), eventsOfTheHost())
}

func eventsOfRequests() []event {
	return []event{
		{name: "a request is answered after the acknowledgement", do: posts(syncRest, 200, "12345"), shows: map[string]float64{
			requests(200): 1, durations("sync"): 1, "kafkaupstream_request_body_bytes_total": 5,
			told("sync", "yes"): 1, reports("acknowledged"): 1, "kafkaupstream_acknowledgement_duration_seconds_count": 1,
		}},
		{name: "a record is queued and nobody waits", do: posts(``, 200, "v"), shows: map[string]float64{
			requests(200): 1, durations("async"): 1, told("async", "unknown"): 1, reports("acknowledged"): 1, producerUp("async"): 1,
		}},
		{name: "a durable record is acknowledged", do: posts(`,"delivery":"durable"`, 200, "v"), shows: map[string]float64{
			requests(200): 1, durations("durable"): 1, told("durable", "yes"): 1, reports("acknowledged"): 1, producerUp("durable"): 1,
		}},
		{name: "a batch is one transaction", do: posts(`,"transactional":true,"batch":true,"timeout_ms":20000`, 200, `[1,2]`, "content-type", "application/json"), shows: map[string]float64{
			requests(200): 1, durations("transactional"): 1, told("transactional", "yes"): 2, reports("acknowledged"): 2,
			producerUp("transactional"): 1,
		}},
		{name: "a batch ends in different ways", do: func(_ *testing.T, o *observed) {
			r := request("POST", `{"entries":[{"id":"1","value":{"type":"JSON","data":1}},{"id":"2","partition_id":7,"value":{"type":"JSON","data":2}}]}`)
			r.Path = "/v3/clusters/c/topics/t/records:batch"
			o.expects(o.route("", syncRest+`,"batch":true`), 207, r)
		}, shows: map[string]float64{
			requests(207): 1, told("sync", "yes"): 1, told("sync", "no"): 1, failures("partition_not_found"): 1, reports("acknowledged"): 1,
		}},
		{name: "a body is not the JSON that it says", do: posts(``, 400, "{", "content-type", "application/json"), shows: map[string]float64{requests(400): 1}},
		{name: "a client sets what the route does not let it", do: posts(`,"overrides":[]`, 403, "v", "topic", "other"), shows: map[string]float64{requests(403): 1}},
		{name: "a method produces nothing", do: func(_ *testing.T, o *observed) {
			o.expects(o.route("", ``), 405, request("GET", ""))
		}, shows: map[string]float64{requests(405): 1}},
		{name: "an idempotency key comes again before its first request has ended", do: func(_ *testing.T, o *observed) {
			a := o.route("", syncRest+`,"idempotency":{},"timeout_ms":20000`)
			o.sends(a, 200, "v")
			o.held(a, "v", "idempotency-key", "k")
			o.sends(o.route("", syncRest+`,"idempotency":{},"timeout_ms":300`), 409, "v", "idempotency-key", "k")
		}, shows: map[string]float64{
			requests(200): 1, requests(409): 1, told("sync", "yes"): 1, reports("acknowledged"): 1,
		}},
		{name: "a body is larger than the route takes", do: posts(`,"max_body_bytes":3`, 413, "1234"), shows: map[string]float64{requests(413): 1}},
		{name: "a body is not JSON where that is required", do: posts(`,"require":["json"]`, 415, "v"), shows: map[string]float64{requests(415): 1}},
		{name: "a body does not match the schema", do: posts(`,"schema":{"inline":{"type":"string"}}`, 422, "1", "content-type", "application/json"), shows: map[string]float64{requests(422): 1}},
		{name: "a request is under way", do: func(_ *testing.T, o *observed) {
			a := o.route(`,"statistics.interval.ms":20`, syncRest+`,"timeout_ms":20000`)
			o.sends(a, 200, "v")
			o.held(a, "v")
		}, shows: map[string]float64{
			"kafkaupstream_requests_in_flight": 1, "kafkaupstream_inflight_bytes": some, ofProducer("producer_queue_records"): 1,
			ofProducer("producer_queue_bytes"): some, ofBroker("broker_requests_waiting"): some,
			requests(200): 1, told("sync", "yes"): 1, reports("acknowledged"): 1,
		}},
	}
}

// held sends a request which the broker keeps to itself to the end of the test.
func (o *observed) held(a *caller, body string, headers ...string) {
	o.t.Helper()
	arrived, _ := holdProduce(o.t, o.broker())
	go a.Call(o.t.Context(), a.token, request("POST", body, headers...))
	<-arrived
}

func eventsOfRecords() []event {
	unknown := map[string]float64{requests(504): 1, failures("unconfirmed"): 1}
	unanswered := func(rest string) func(*testing.T, *observed) {
		return func(_ *testing.T, o *observed) {
			a := o.route("", rest)
			holdProduce(o.t, o.broker())
			o.sends(a, 504, "v")
		}
	}
	noSpool := func(_ *testing.T, o *observed) { o.occupy(o.spool) }
	return []event{
		{name: "Kafka does not acknowledge in time", do: unanswered(syncRest + briefly), shows: with(unknown, map[string]float64{told("sync", "unknown"): 1})},
		{name: "Kafka does not acknowledge in time and the disk is gone", before: noSpool, do: unanswered(`,"delivery":"durable"` + briefly),
			shows: with(unknown, map[string]float64{told("durable", "unknown"): 1})},
		{name: "a commit is not answered", do: func(_ *testing.T, o *observed) {
			o.broker().ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
				o.broker().KeepControl()
				return nil, fmt.Errorf("the connection breaks"), true
			})
			o.sends(o.route("", `,"transactional":true,"timeout_ms":4000`), 504, "v")
		}, shows: with(unknown, map[string]float64{told("transactional", "unknown"): 1, reports("acknowledged"): 1})},
		{name: "Kafka is away and a durable record is kept", do: func(_ *testing.T, o *observed) {
			o.sends(o.prepared(away(`,"delivery":"durable"`+briefly)), 202, "v")
		}, shows: map[string]float64{
			requests(202): 1, told("durable", "pending"): 1,
			"kafkaupstream_spool_records": 1, "kafkaupstream_spool_streams": 1, "kafkaupstream_spool_bytes": some,
			"kafkaupstream_spool_oldest_record_age_seconds": some,
		}},
		{name: "Kafka is away and a durable transaction is kept", do: func(_ *testing.T, o *observed) {
			o.sends(o.prepared(away(`,"delivery":"durable","transactional":true,"batch":true`+briefly)), 202, "[1,2]", "content-type", "application/json")
		}, shows: map[string]float64{requests(202): 1, told("transactional", "pending"): 2, "kafkaupstream_spool_records": 1}},
		{name: "Kafka refuses a durable record", do: func(_ *testing.T, o *observed) {
			o.refuses(kmsg.Produce, kerr.InvalidRecord)
			o.sends(o.route("", `,"delivery":"durable"`), 422, "v")
		}, shows: map[string]float64{requests(422): 1, told("durable", "no"): 1, failures("rejected"): 1, reports("rejected"): 1}},
		{name: "a transaction has a record that Kafka can never take", do: posts(
			`,"transactional":true,"batch":true,"timeout_ms":20000`, 404, `{"records":[{"value":1},{"value":2,"partition":7},{"value":3}]}`, "content-type", batchMedia,
		), shows: map[string]float64{
			requests(404): 1, told("transactional", "no"): 3, failures("partition_not_found"): 1, failures("aborted"): 2,
		}},
		{name: "a transaction cannot reach Kafka", do: func(_ *testing.T, o *observed) {
			o.sends(o.prepared(away(`,"transactional":true,"batch":true`+briefly)), 503, "[1,2]", "content-type", "application/json")
		}, shows: map[string]float64{requests(503): 1, told("transactional", "no"): 2, failures("no_broker"): 2}},
	}
}

// refusals are the reasons why a record is not even queued, or not kept.
func refusals() []event {
	refused := func(status int, reason string) map[string]float64 {
		return map[string]float64{requests(status): 1, told("async", "no"): 1, failures(reason): 1}
	}
	durable := func(reason string, n float64) map[string]float64 {
		return map[string]float64{requests(503): n, told("durable", "no"): n, failures(reason): n}
	}
	full := durable("spool_full", 1)
	full[requests(202)], full[told("durable", "pending")] = 1, 1
	return []event{
		{name: "the topic does not exist", do: posts(``, 404, "v", "topic", "other"), shows: refused(404, "topic_not_found")},
		{name: "Kafka does not accept the topic's name", do: func(_ *testing.T, o *observed) {
			o.broker().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "t", Err: kerr.InvalidTopicException, Count: -1})
			o.sends(o.route("", ``), 400, "v")
		}, shows: refused(400, "topic_invalid")},
		{name: "headers are missing that could matter", do: func(_ *testing.T, o *observed) {
			var lines []string
			for i := range 100 {
				lines = append(lines, fmt.Sprint("x-", i), "v")
			}
			o.sends(o.prepared(away(`,"overrides":["headers"]`)), 431, "v", lines...)
		}, shows: map[string]float64{requests(431): 1}},
		{name: "librdkafka refuses a property", do: func(_ *testing.T, o *observed) {
			o.sends(o.route(`,"security.protocol":"ssl","ssl.ca.location":"/no/such/file"`, ``), 500, "v")
		}, shows: map[string]float64{requests(500): 1, told("async", "no"): 1, failures("config"): 1, producerIs("invalid"): 1}},
		{name: "no broker answers", do: func(_ *testing.T, o *observed) { o.sends(o.prepared(away(``)), 503, "v") },
			shows: map[string]float64{requests(503): 1, told("async", "no"): 1, failures("no_broker"): 1, producerIs("down"): 1}},
		{name: "Kafka refuses the credentials", do: func(t *testing.T, o *observed) {
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "gateway", "right"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLAuthenticate}, TopLevel: true, Err: kerr.SaslAuthenticationFailed, Count: -1})
			o.sends(o.prepared(route(c, `,"security.protocol":"SASL_PLAINTEXT","sasl.mechanism":"PLAIN","sasl.username":"gateway","sasl.password":"wrong"`, ``)), 503, "v")
		}, shows: refused(503, "authentication")},
		{name: "the queue is full", do: func(_ *testing.T, o *observed) {
			a := o.route(`,"queue.buffering.max.messages":1,"linger.ms":60000`, ``)
			o.sends(a, 200, "v")
			o.sends(a, 503, "v")
		}, shows: map[string]float64{
			requests(200): 1, told("async", "unknown"): 1, requests(503): 1, told("async", "no"): 1, failures("queue_full"): 1,
		}},
		{name: "Kafka is away and the disk is full", args: []string{"--spool-max-bytes", "1MiB"}, do: func(_ *testing.T, o *observed) {
			a := o.prepared(away(`,"delivery":"durable"` + briefly))
			o.sends(a, 202, strings.Repeat("x", 900000))
			o.sends(a, 503, strings.Repeat("x", 900000))
		}, shows: full},
		{name: "Kafka is away and the disk fails", before: func(_ *testing.T, o *observed) { o.occupy(o.spool) }, do: func(_ *testing.T, o *observed) {
			o.sends(o.prepared(away(`,"delivery":"durable"`+briefly)), 503, "v")
		}, shows: durable("spool_failed", 1)},
	}
}

// lateRefusals are the reasons with which a broker refuses what it was sent, each told to
// a client that waits and counted among librdkafka's reports.
func lateRefusals() (all []event) {
	for _, c := range []struct {
		err    *kerr.Error
		status int
		reason string
	}{
		{kerr.TopicAuthorizationFailed, 403, "forbidden"},
		{kerr.MessageTooLarge, 413, "too_large"},
		{kerr.InvalidRecord, 422, "rejected"},
		{kerr.InvalidTopicException, 400, "topic_invalid"},
		{kerr.UnsupportedCompressionType, 500, "config"},
		{kerr.NotEnoughReplicas, 503, "too_few_replicas"},
		{kerr.KafkaStorageError, 503, "unavailable"},
		{kerr.UnknownMemberID, 500, "internal"}, // no answer to a record
	} {
		all = append(all, event{name: "Kafka answers a record with " + c.err.Message, do: func(_ *testing.T, o *observed) {
			o.refuses(kmsg.Produce, c.err)
			o.sends(o.route(`,"retries":1,"retry.backoff.ms":10`, syncRest+`,"timeout_ms":20000`), c.status, "v")
		}, shows: map[string]float64{
			requests(c.status): 1, told("sync", "no"): 1, failures(c.reason): 1, reports(c.reason): 1,
		}})
	}
	return all
}

// with returns the rows of all.
func with(all ...map[string]float64) map[string]float64 {
	sum := map[string]float64{}
	for _, rows := range all {
		maps.Copy(sum, rows)
	}
	return sum
}

// occupy puts a file where a directory is to be made.
func (o *observed) occupy(path string) {
	o.t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		o.t.Fatal(err)
	}
}
