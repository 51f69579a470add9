package restproxy

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	v2 := func(topic string, partition int32) Call {
		return Call{Version: 2, Offered: true, Topic: topic, Partition: partition}
	}
	v3 := func(batch bool) Call {
		return Call{Version: 3, Offered: true, Batch: batch, Cluster: "c", Topic: "t", Partition: -1}
	}
	none, other2, other3 := Call{Partition: -1}, Call{Version: 2, Partition: -1}, Call{Version: 3, Partition: -1}
	for path, want := range map[string]Call{
		"/topics/t":                             v2("t", -1),
		"/kafka/topics/t/":                      v2("t", -1),
		"topics/t":                              v2("t", -1),
		"/topics/topics":                        v2("topics", -1),
		"/topics/t/records":                     v2("t", -1),
		"/topics/t/partitions/7":                v2("t", 7),
		"/topics/t/partitions/2147483647":       v2("t", 2147483647),
		"/v3/clusters/c/topics/t/records":       v3(false),
		"/kafka/v3/clusters/c/topics/t/records": v3(false),
		"/v3/clusters/c/topics/t/records:batch": v3(true),
		"/topics":                               other2,
		"/topics/t/partitions":                  other2,
		"/topics/t/partitions/-1":               other2,
		"/topics/t/partitions/2147483648":       other2,
		"/topics/t/partitions/x":                other2,
		"/topics/t/partitions/0/offsets":        other2,
		"/topics//records":                      other2,
		"/consumers/g":                          other2,
		"/consumers/g/instances/i/records":      other2,
		"/brokers":                              other2,
		"/admin/topics":                         other2,
		"/v3/clusters":                          other3,
		"/v3/clusters/" + strings.Repeat("c", 101) + "/topics/t/records": other3, // the reply would repeat it
		"/v3/clusters/c":                             other3,
		"/v3/clusters/c/topics":                      other3,
		"/v3/clusters/c/topics/t":                    other3,
		"/v3/clusters//topics/t/records":             other3,
		"/v3/clusters/c/topics//records":             other3,
		"/v3/clusters/c/topics/t/records:bulk":       other3,
		"/v3/clusters/c/topics/t/configs/x":          other3,
		"/v3/clusters/c/topics/t/records/topics/two": other3,
		"/":            none,
		"":             none,
		"/orders":      none,
		"/v3/orders":   none,
		"/v3":          none,
		"/my-topics/t": none,
	} {
		if got := ParsePath(path); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

// FuzzParsePath looks for paths that would name no topic and be produced to.
func FuzzParsePath(f *testing.F) {
	f.Add("/v3/clusters/c/topics/t/records:batch")
	f.Add("/topics/t/partitions/1")
	f.Add("//topics///")
	f.Fuzz(func(t *testing.T, path string) {
		call := ParsePath(path)
		if call.Offered != (call.Topic != "") || call.Partition < -1 || call.Offered && call.Version == 0 ||
			call.Version != 3 && (call.Batch || call.Cluster != "") {
			t.Errorf("%q: %+v", path, call)
		}
	})
}
