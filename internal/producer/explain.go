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
		if _, err := librdkafka.Normalize(name, props[name]); err != nil {
			return fmt.Sprintf("%s (%s: %v)", refusal, name, err)
		}
	}
	return refusal
}
