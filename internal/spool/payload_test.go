package spool

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// Files of earlier versions of this program hold such records.
func TestPayloadOfVersion1IsReadAndWrittenAsEver(t *testing.T) {
	at := time.Unix(1700000000, 5).UTC()
	e := Entry{Kept: at, Reason: "r", Record: record.Record{
		Topic: "t", Partition: 3, Key: []byte("k"), Value: []byte("v"), Timestamp: at, Headers: []record.Header{{Key: "h"}},
	}}
	const golden = "01" + "05002a36fe9c9717" + // kept
		"00f1536500000000" + "05000000" + "03000000" + // timestamp, partition
		"0100000074" + "010000006b" + "0100000076" + // topic, key, value
		"01000000" + "0100000068" + "ffffffff" + // a header
		"0100000072" // reason
	if got := hex.EncodeToString(appendPayload(nil, &e)); got != golden {
		t.Errorf("written as\n%s, want\n%s", got, golden)
	}
	b, _ := hex.DecodeString(golden)
	if got, err := decodePayload(b); err != nil || !sameRecord(got, e) {
		t.Errorf("read as %+v, %v", got, err)
	}
}

func TestMovedEntryKeepsItsFirstPlace(t *testing.T) {
	first := Position{segment: segmentID{1, 2}, index: 3, at: 4}
	for _, unit := range []UnitID{{}, {1}} {
		e := Entry{Position: first, Unit: unit, Record: record.Record{Topic: "t"}, Holder: "h"}
		letter := e.Letter("why")
		letter.Position = Position{segment: segmentID{5, 6}}
		again := letter.Moved()
		got, err := decodePayload(appendPayload(nil, &again))
		if err != nil || got.First.Receipt() != first.Receipt() || letter.Reason != "why" || got.Reason != "" || got.Unit != unit || letter.Holder != nil {
			t.Errorf("got %+v, %v", got, err)
		}
		for says, bad := range map[string]string{"no place": strings.Repeat("\x00", 12), "a time before 1970": "\xff\xff\xff\xff\xff\xff\xff\xff"} {
			b := appendPayload(nil, &again)
			copy(b[9:], bad)
			if _, err := decodePayload(b); !errors.Is(err, ErrInvalid) || validPayload(b) {
				t.Errorf("%s: %v", says, err)
			}
		}
	}
}

func TestPayloadSizeIsTheBytesItTakes(t *testing.T) {
	for i, e := range variety() {
		if got := int64(len(appendPayload(nil, &e))); got != payloadSize(&e) {
			t.Errorf("entry %d takes %d bytes, and payloadSize says %d", i, got, payloadSize(&e))
		}
	}
}

func TestHeadIsWhatTheFirstRecordHas(t *testing.T) {
	for i, e := range variety() {
		h, err := headOf(appendPayload(nil, &e))
		if err != nil || string(h.Topic) != e.Record.Topic || string(h.Key) != string(e.Record.Key) || (h.Key == nil) != (e.Record.Key == nil) || h.Partition != e.Record.Partition {
			t.Errorf("entry %d: %+v, %v", i, h, err)
		}
	}
	if _, err := headOf([]byte{recordVersion, 1, 2}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestUnitHasAnIdentityAndARecord(t *testing.T) {
	unit := Entry{Unit: UnitID{1}, Record: record.Record{Topic: "t"}}
	for name, damage := range map[string]func(b []byte){
		"no identity":             func(b []byte) { b[9] = 0 },
		"no record":               func(b []byte) { b[25] = 0 },
		"more records than bytes": func(b []byte) { copy(b[25:29], "\xff\xff\xff\xff") },
		"another version":         func(b []byte) { b[0] = 5 },
	} {
		b := appendPayload(nil, &unit)
		damage(b)
		if _, err := decodePayload(b); !errors.Is(err, ErrInvalid) || validPayload(b) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnitIdentitiesDiffer(t *testing.T) {
	a, b := NewUnitID(), NewUnitID()
	if a == b || a.IsZero() || len(a.String()) != 32 {
		t.Errorf("%s and %s", a, b)
	}
}

// testdata/before-moved was written by the program before there were moved entries.
func TestSpoolOfAnEarlierVersionIsRead(t *testing.T) {
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS("testdata/before-moved")))
	var log await.Log
	s := openOwned(t, dir, Options{Log: logged(&log)})
	st, err := s.Stream("s", nil)
	must(t, err)
	mustLoad(t, st)
	mustLoad(t, st.Dead())
	at := time.Unix(1700000000, 5).UTC()
	rec := func(value string) record.Record {
		return record.Record{Topic: "orders", Partition: -1, Key: []byte("k"), Value: []byte(value), Timestamp: at,
			Headers: []record.Header{{Key: "h", Value: []byte("x")}}}
	}
	compareRecords(t, "those that wait", all(t, st), []Entry{
		{Kept: at, Record: rec("waits")},
		{Kept: at, Unit: UnitID{1, 2, 3}, Record: rec("unit 1"), Rest: []record.Record{{Topic: "orders", Value: []byte("unit 2"), Timestamp: at}}},
	})
	compareRecords(t, "the dead letters", all(t, st.Dead()), []Entry{{Kept: at, Reason: "too large", Record: rec("dead")}})
	if info, ok := st.Suspended(); !ok || !strings.Contains(string(info), "by the operator") {
		t.Errorf("suspended: %s, %v", info, ok)
	}
	if log.String() != "" || exists(filepath.Join(st.dir, corruptName)) {
		t.Errorf("damage: %s", &log)
	}
}

// testdata/versions-1-to-4 was written by the program when these versions of a payload were
// the newest. It has records in each state.
func TestSpoolOfTheReleasedFormatIsRead(t *testing.T) {
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS("testdata/versions-1-to-4")))
	var log await.Log
	s := openOwned(t, dir, Options{Log: logged(&log)})
	st, err := s.Stream("s", nil)
	must(t, err)
	mustLoad(t, st)
	mustLoad(t, st.Dead())
	compareRecords(t, "those that wait", all(t, st), variety())
	letter := variety()[0]
	letter.First, letter.Reason = Position{segment: testID, index: 7}, "too large"
	compareRecords(t, "the dead letters", all(t, st.Dead()), []Entry{letter})
	for i, want := range []State{Acked, Dropped, Dead, Replayed} {
		receipt, err := ParseReceipt(fmt.Sprint("18ebc4dd9ed9c681-983d5fec-", len(variety())+i))
		must(t, err)
		if _, state, ok, err := st.Find(receipt); state != want || !ok || err != nil {
			t.Errorf("record %d is in the state %x, %v, %v", i, state, ok, err)
		}
	}
	if info, ok := st.Suspended(); !ok || string(info) != `{"by":"the operator"}` || len(st.Metadata()) != 45 {
		t.Errorf("suspended: %s, %v; connection.json: %s", info, ok, st.Metadata())
	}
	if log.String() != "" || exists(filepath.Join(st.dir, corruptName)) {
		t.Errorf("damage: %s", &log)
	}
}

// It is what a program does with a spool that a newer one has written.
func TestPayloadOfAnUnknownVersionIsSetAsideAndTheOthersStay(t *testing.T) {
	content, offsets := image(testID, []Entry{*entry("a"), *entry("new"), *entry("b")})
	frame := content[offsets[1]:offsets[2]]
	frame[headerSize] = unitVersion + movedVersion + 1
	sum(frame)
	st, log, end := loaded(t, content)
	defer end()
	if got := values(t, st); got != "a b" {
		t.Errorf("got %q", got)
	}
	if !bytes.Equal(setAsideBytes(t, st), frame) || !strings.Contains(log.String(), "was set aside") {
		t.Errorf("set aside: %x; the log: %s", setAsideBytes(t, st), log)
	}
}
