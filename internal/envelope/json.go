package envelope

import (
	"slices"
	"unicode/utf16"

	"github.com/tidwall/gjson"
)

// members are those of an object, in order.
type members []member

type member struct {
	name  string
	key   string // the name as it stands, with its quotation marks
	value gjson.Result
}

func membersOf(object gjson.Result) (all members) {
	object.ForEach(func(k, v gjson.Result) bool {
		all = append(all, member{k.String(), k.Raw, v})
		return true
	})
	return all
}

func (m members) index(name string) int {
	return slices.IndexFunc(m, func(m member) bool { return m.name == name })
}

func (m members) has(name string) bool { return m.index(name) >= 0 }

func (m members) value(name string) gjson.Result { return m[m.index(name)].value }

// raw returns the member's value as it stands, or what is to stand in its place.
func (m members) raw(name, absent string) string {
	if i := m.index(name); i >= 0 {
		return m[i].value.Raw
	}
	return absent
}

// appendOthers appends the members that are not among the names: a reader that knows
// more than this package is to find them.
func (m members) appendOthers(dst []byte, names ...string) []byte {
	for _, m := range m {
		if !slices.Contains(names, m.name) {
			dst = append(append(append(append(dst, ','), m.key...), ':'), m.value.Raw...)
		}
	}
	return dst
}

// appendNested appends a JSON text as a part of a JSON string, in ASCII: within, what is
// not ASCII is \uXXXX, as Python's json.dumps has it.
func appendNested(dst []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x7f:
			dst = append(dst, byte(r))
		case r < 0x10000:
			dst = appendUnit(dst, r)
		default:
			high, low := utf16.EncodeRune(r)
			dst = appendUnit(appendUnit(dst, high), low)
		}
	}
	return dst
}

func appendUnit(dst []byte, u rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', '\\', 'u', digits[u>>12&15], digits[u>>8&15], digits[u>>4&15], digits[u&15])
}

// nestedLen is how long appendNested's part is, in bytes.
func nestedLen(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			n += 2
		case r < 0x7f:
			n++
		case r < 0x10000:
			n += 7
		default:
			n += 14
		}
	}
	return n
}
