package client

import (
	"testing"
	"time"
)

func TestAbsenceOfAClusterIsNoReasonToReplaceTheProducer(t *testing.T) {
	var a absence
	start := time.Now()
	looks := 0
	away := func(chan<- time.Time) { looks++ }
	for s := range 300 {
		if a.note(start.Add(time.Duration(s)*time.Second), time.Minute, away) {
			t.Fatalf("it is replaced after %d s", s)
		}
	}
	if looks != 4 {
		t.Errorf("another client has looked %d times in five minutes", looks)
	}
}

func TestAbsenceThatEndsALittleLaterIsNoReasonToReplaceTheProducer(t *testing.T) {
	var a absence
	start := time.Now()
	there := func(answer chan<- time.Time) { answer <- start.Add(62 * time.Second) }
	for _, s := range []int{0, 61, 62, 64} {
		if a.note(start.Add(time.Duration(s)*time.Second), time.Minute, there) {
			t.Fatalf("it is replaced after %d s", s)
		}
	}
	a.over()
	for _, s := range []int{70, 71, 80} { // the next time that the cluster is away
		if a.note(start.Add(time.Duration(s)*time.Second), time.Minute, there) {
			t.Fatalf("it is replaced after %d s", s)
		}
	}
	a = absence{}
	a.note(start, time.Minute, there)
	a.note(start.Add(61*time.Second), time.Minute, there)
	if !a.note(start.Add(66*time.Second), time.Minute, there) {
		t.Error("it is kept although the cluster has answered another client")
	}
}
