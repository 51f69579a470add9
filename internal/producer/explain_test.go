package producer

import "testing"

func TestARefusalIsExplained(t *testing.T) {
	for name, c := range map[string]struct {
		props Properties
		want  string
	}{
		"a name":     {Properties{"acks": "-1", "linger.mss": "5"}, `no (linger.mss: librdkafka has no such property; did you mean "linger.ms"?)`},
		"a value":    {Properties{"compression.type": "s3cret"}, "no (compression.type: expected one of none, gzip, snappy, lz4, zstd)"},
		"both right": {Properties{"acks": "1", "sasl.password": "s3cret"}, "no"},
	} {
		if got := explain("no", c.props); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
