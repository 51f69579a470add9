package producer

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
)

// explain adds to librdkafka's refusal of the properties what would be right, which it
// does not say. No value is in it.
func explain(refusal string, props Properties) string {
	for _, name := range slices.Sorted(maps.Keys(props)) {
		p, ok := librdkafka.Find(name)
		if !ok {
			return fmt.Sprintf("%s (%s: %s)", refusal, name, librdkafka.Unknown(name))
		}
		if err := p.Check(props[name]); err != nil {
			return fmt.Sprintf("%s (%s: %v)", refusal, name, err)
		}
	}
	return refusal
}
