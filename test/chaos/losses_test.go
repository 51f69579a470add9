package chaos

import "testing"

func TestLossesAreReadFromTheLog(t *testing.T) {
	const log = `time=2026-11-22T16:00:00Z level=WARN msg="a record was not delivered" status=503 topic=mine error="no broker"
time=2026-11-22T16:00:00Z level=ERROR msg="records were not delivered" producer=0a topic=mine records=3 error="Broker: Message size too large"
time=2026-11-22T16:00:01Z level=ERROR msg="records were not delivered" producer=0a topic=other records=500 error="Broker: Message size too large"
time=2026-11-22T16:00:01Z level=ERROR msg="records were not confirmed; they may or may not be in Kafka" producer=0a topic=mine records=20 error="Local: Message timed out"
time=2026-11-22T16:00:02Z level=ERROR msg="records were not confirmed; they may or may not be in Kafka" producer=0a topic=mine records=4 error="Local: Purged in queue"
time=2026-11-22T16:00:02Z level=ERROR msg="the producer has failed for good; replacing it" producer=0a error="Broker: Out of order sequence number"
time=2026-11-22T16:00:02Z level=ERROR msg="records were still queued when the drain timeout ended; they are lost" records=10
time=2026-11-22T16:00:02Z level=WARN msg="records were still queued when the drain timeout ended; they are on disk and will be sent" records=70
`
	got := readLosses(log, "mine")
	if want := (losses{undelivered: 3, unconfirmed: 24, purged: 4, stillQueued: 10, replaced: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// 3 and 20, and of the 10 that were still queued 4 were reported once more.
	if got.atMost() != 33 {
		t.Errorf("at most %d, want 33", got.atMost())
	}
	if sum := got.plus(got); sum.atMost() != 66 || sum.undelivered != 6 {
		t.Errorf("twice that is %+v", sum)
	}
}
