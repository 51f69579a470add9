package idempotency

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// Each directory in testdata was written by the program when its kinds of frames were
// the newest. plugins/kafkaupstream reads testdata/released with its replies.

func TestKeyFileOfTheReleasedFormatIsRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/kinds-3-to-5")); err != nil {
		t.Fatal(err)
	}
	var log await.Log
	s := open(t, Options{Dir: dir, Now: newClock().now, Log: logged(&log)})
	replay(t, s, "done", "the reply")
	replay(t, s, "empty", "")
	begin(t, s, "open", Interrupted)
	begin(t, s, "interrupted", Interrupted)
	begin(t, s, "abandoned", First)
	if log.String() != "" {
		t.Errorf("the log: %s", &log)
	}
}

func TestFrameOfAnUnknownKindIsReportedAndSkipped(t *testing.T) {
	const one = 2*frameBytes + 5 // bytes of a key
	s, log := damaged(t, func(b []byte) []byte {
		for _, frame := range [][]byte{b[one : one+frameBytes], b[one+frameBytes : 2*one]} { // what began b, and its reply
			frame[headerBytes] = finishedKind + 1
			binary.LittleEndian.PutUint32(frame[checkedBytes:], checksum(frame))
		}
		return b
	})
	replay(t, s, "a", "reply")
	replay(t, s, "c", "reply")
	begin(t, s, "b", First)
	if !strings.Contains(log, "damaged") {
		t.Error("it was not reported")
	}
}
