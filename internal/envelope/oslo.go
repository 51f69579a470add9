package envelope

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

//go:embed oslo.json
var osloText []byte

var osloSchema = compiled(osloText)

// osloPriorities are those that a listener knows (oslo_messaging/notify/dispatcher.py).
var osloPriorities = []string{"AUDIT", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL", "SAMPLE"}

// osloDefault is the priority of a notification that has none, as it is for
// oslo-messaging-send-notification: the Notifier itself has a method for each.
const osloDefault = "INFO"

func osloSuffixes() []string {
	suffixes := make([]string, len(osloPriorities))
	for i, p := range osloPriorities {
		suffixes[i] = osloSuffix(p)
	}
	return suffixes
}

func osloSuffix(priority string) string { return "." + strings.ToLower(priority) }

// wrapOslo makes the message of oslo.messaging's Kafka driver of a notification: an
// object that has the message as a JSON *string* (oslo_messaging/_drivers/common.py,
// serialize_msg), in ASCII, with what the Notifier adds. It is what the driver writes
// except for white space, and for numbers, which keep their digits.
func wrapOslo(value []byte, limit int) (Wrapped, []schema.Problem, error) {
	const begin, end = `{"oslo.version":"2.0","oslo.message":"`, `"}`
	given := membersOf(gjson.ParseBytes(value))
	priority := osloDefault
	if given.has("priority") {
		priority = strings.ToUpper(given.value("priority").String())
		if !slices.Contains(osloPriorities, priority) {
			return Wrapped{}, []schema.Problem{{
				Pointer: "/priority", Message: "must be one of " + strings.Join(osloPriorities, ", ") + ", in capitals or not",
			}}, nil
		}
	}
	id := newUUID()
	newID := fmt.Sprintf(`"%x-%x-%x-%x-%x"`, id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	parts := []string{
		`{"message_id":`, given.raw("message_id", newID),
		`,"publisher_id":`, given.raw("publisher_id", ``),
		`,"event_type":`, given.raw("event_type", ``),
		`,"priority":"`, priority,
		`","payload":`, given.raw("payload", ``),
		`,"timestamp":`, given.raw("timestamp", time.Now().UTC().Format(`"2006-01-02 15:04:05.000000"`)),
		`,"_context":`, given.raw("_context", `{}`),
		`}`,
	}
	size := len(begin) + len(end)
	for _, p := range parts {
		size += nestedLen(p)
	}
	if size > limit {
		return Wrapped{}, nil, ErrTooLarge
	}
	out := append(make([]byte, 0, size), begin...)
	for _, p := range parts {
		out = appendNested(out, p)
	}
	return Wrapped{Value: append(out, end...), Suffix: osloSuffix(priority)}, nil, nil
}
