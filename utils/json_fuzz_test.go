package utils_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

// FuzzCompactJSON compares CompactJSON with encoding/json on whatever input, and with a dst of whatever size.
//
//	go test -run '^$' -fuzz FuzzCompactJSON -fuzztime 3m -fuzzminimizetime 100x ./utils
func FuzzCompactJSON(f *testing.F) {
	for _, c := range accepted {
		f.Add([]byte(c.src), uint16(len(c.src)))
	}
	for _, c := range refused {
		f.Add([]byte(c.src), uint16(0))
	}
	for _, doc := range benchmarkDocuments(f)[:14] {
		f.Add(doc.body, uint16(len(doc.body)-1))
	}
	for _, depth := range []int{65, 129, 10_000, 10_001} {
		f.Add(nested("[", depth), uint16(0))
		f.Add(append(nested("[{", depth), '\n'), uint16(depth))
	}
	f.Fuzz(func(t *testing.T, src []byte, room uint16) {
		dst := bytes.Repeat([]byte("x"), int(room))
		compareWithEncodingJSON(t, src, dst)
		reuseBuffer(t, src, dst)
	})
}

// reuseBuffer compacts src and then its indented form with one buffer, as a caller does from request to request. (Indented by nothing:
// indentation grows with the square of the depth.)
func reuseBuffer(t *testing.T, src, buf []byte) {
	t.Helper()
	out, err := utils.CompactJSON(buf, src)
	if err != nil {
		return
	}
	if len(out) < len(src) {
		buf = out
	}
	want := bytes.Clone(out)
	var indented bytes.Buffer
	if err := json.Indent(&indented, src, "", ""); err != nil {
		t.Fatal(err)
	}
	again, err := utils.CompactJSON(buf, indented.Bytes())
	if err != nil || !bytes.Equal(again, want) {
		t.Fatalf("CompactJSON(%q), indented = %q, %v; want %q", src, again, err, want)
	}
}
