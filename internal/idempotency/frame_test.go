package idempotency

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"
)

const testMarker = 0xfeedfacecafebeef

func testFrames(n int) []frame {
	var frames []frame
	for i := range n {
		key := keyOf("s", string(rune('a'+i)))
		frames = append(frames, frame{kind: uint8(oldBegunKind + i%5), id: key.id(), holder: key.holder(), fingerprint: request,
			expires: int64(i) << 40, reply: bytes.Repeat([]byte{byte(i)}, i*i)})
	}
	return frames
}

func encode(frames []frame) []byte {
	var b []byte
	for i := range frames {
		b = appendFrame(b, testMarker, &frames[i])
	}
	return b
}

func scanAll(t testing.TB, b []byte) ([]frame, damage) {
	t.Helper()
	var found []frame
	d, err := scan(iotest.HalfReader(bytes.NewReader(b)), testMarker, func(f *frame) {
		f.reply = slices.Clone(f.reply)
		found = append(found, *f)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, d
}

func TestScanFindsWhatWasWritten(t *testing.T) {
	frames := testFrames(20)
	frames[7].reply = bytes.Repeat([]byte{7}, MaxReply)
	noise := bytes.Repeat([]byte("noise"), MaxReply) // more than the buffer has
	marker := encode(frames[:1])[:markerBytes]
	tests := []struct {
		name  string
		bytes []byte
		want  []frame
		d     damage
	}{
		{"nothing", nil, nil, damage{}},
		{"frames", encode(frames), frames, damage{}},
		{"noise", noise, nil, damage{torn: int64(len(noise))}},
		{"noise before a frame", append(slices.Clone(noise), encode(frames[:1])...), frames[:1], damage{skipped: int64(len(noise))}},
		{"noise behind a frame", append(encode(frames[:1]), noise...), frames[:1], damage{torn: int64(len(noise))}},
		{"markers alone", append(bytes.Repeat(marker, 3), encode(frames[:2])...), frames[:2], damage{skipped: 3 * markerBytes}},
		{"a frame of an unknown kind", append(appendFrame(nil, testMarker, &frame{kind: finishedKind + 1}), encode(frames[:1])...), frames[:1], damage{skipped: frameBytes}},
		{"a frame of another journal", append(appendFrame(nil, 1, &frames[0]), encode(frames[:1])...), frames[:1], damage{skipped: frameBytes}},
		{"half a frame before a whole one", append(encode(frames[3:4])[:60], encode(frames[:1])...), frames[:1], damage{skipped: 60}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, d := scanAll(t, tt.bytes)
			if !sameFrames(found, tt.want) {
				t.Errorf("found %d frames, want %d", len(found), len(tt.want))
			}
			if d != tt.d {
				t.Errorf("damage %+v, want %+v", d, tt.d)
			}
		})
	}
}

// sameFrames compares frames, empty replies being none.
func sameFrames(a, b []frame) bool {
	return slices.EqualFunc(a, b, func(a, b frame) bool {
		same := bytes.Equal(a.reply, b.reply)
		a.reply, b.reply = nil, nil
		return same && reflect.DeepEqual(a, b)
	})
}

func TestMarkerIsFoundWhereverItIsInTheBuffer(t *testing.T) {
	want := testFrames(1)
	for n := maxFrame - markerBytes - 1; n <= maxFrame+1; n++ {
		noise := make([]byte, n)
		if found, d := scanAll(t, append(noise, encode(want)...)); !sameFrames(found, want) || d.skipped != int64(n) {
			t.Errorf("behind %d bytes: %d frames, %+v", n, len(found), d)
		}
	}
}

func TestReadErrorIsNoEnd(t *testing.T) {
	b := encode(testFrames(3))
	_, err := scan(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(b))), testMarker, func(*frame) {})
	if err == nil {
		t.Error("no error")
	}
}

// FuzzScan reads frames with anything before, between and behind them: those that are
// whole are found, in order, and every byte is accounted for.
func FuzzScan(f *testing.F) {
	frames := testFrames(5)
	whole := encode(frames)
	f.Add([]byte("before"), []byte("between"), []byte("behind"))
	f.Add(whole[:50], whole[:frameBytes-1], whole[8:])
	f.Add([]byte{}, whole[:markerBytes], bytes.Repeat(whole[:markerBytes], 3))
	f.Add(whole[:12], []byte{}, whole)
	f.Fuzz(func(t *testing.T, before, between, behind []byte) {
		b := slices.Concat(before, encode(frames[:2]), between, encode(frames[2:]), behind)
		found, d := scanAll(t, b)
		total := d.skipped + d.torn
		next := 0
		for i := range found {
			total += int64(frameBytes + len(found[i].reply))
			if next < len(frames) && sameFrames(found[i:i+1], frames[next:next+1]) {
				next++
			}
		}
		if next != len(frames) {
			t.Errorf("%d of %d frames were found", next, len(frames))
		}
		if total != int64(len(b)) {
			t.Errorf("%d bytes of %d", total, len(b))
		}
	})
}
