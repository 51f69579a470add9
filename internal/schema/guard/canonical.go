package guard

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// canonical writes texts that two values share exactly if they are equal: numbers by
// their value, objects whatever the order of their names. Each text says where it ends.
type canonical struct {
	text   []byte
	limit  int // bytes of text
	values int // in arrays and objects, so far
}

// write appends a value's text, and reports whether it is within the limit. Where it is
// not, little more than the limit has been looked at.
func (c *canonical) write(v any) bool {
	switch v := v.(type) {
	case nil:
		c.text = append(c.text, 'n')
	case bool:
		c.text = strconv.AppendBool(c.text, v)
	case string:
		return c.writeText('s', v)
	case json.Number:
		c.text = appendNumber(append(c.text, 'd'), string(v))
	case []any:
		if !c.begin('a', len(v)) {
			return false
		}
		for _, item := range v {
			if !c.write(item) {
				return false
			}
		}
	case map[string]any:
		if !c.begin('o', len(v)) {
			return false
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !c.writeText('s', name) || !c.write(v[name]) {
				return false
			}
		}
	}
	return len(c.text) <= c.limit
}

// begin writes of what sort a value is and how many others it has.
func (c *canonical) begin(sort byte, values int) bool {
	c.text = binary.AppendUvarint(append(c.text, sort), uint64(values))
	if values > c.limit-len(c.text) { // each takes a byte at least
		return false
	}
	c.values += values
	return true
}

func (c *canonical) writeText(sort byte, s string) bool {
	if len(s) > c.limit-len(c.text) {
		return false
	}
	c.text = append(binary.AppendUvarint(append(c.text, sort), uint64(len(s))), s...)
	return len(c.text) <= c.limit
}

// appendNumber appends the number as digits that neither begin nor end with a zero, and
// a power of ten. It takes time that is linear in the text; a big.Rat of 1e-400 takes as
// long as thousands of texts.
func appendNumber(to []byte, n string) []byte {
	sign, digits, exponent := number(n)
	to = append(append(to, sign...), digits...)
	return append(strconv.AppendInt(append(to, 'e'), int64(exponent), 10), ';')
}

// number returns what appendNumber writes: zero has no digits.
func number(n string) (sign, digits string, exponent int) {
	n, negative := strings.CutPrefix(n, "-")
	if at := strings.IndexAny(n, "eE"); at >= 0 {
		exponent, _ = strconv.Atoi(n[at+1:]) // out of range: the greatest; internal/schema refuses such numbers
		n = n[:at]
	}
	if whole, fraction, ok := strings.Cut(n, "."); ok {
		fraction = strings.TrimRight(fraction, "0")
		n = whole + fraction
		exponent -= len(fraction)
	}
	digits = strings.TrimRight(n, "0")
	exponent += len(n) - len(digits)
	digits = strings.TrimLeft(digits, "0")
	switch {
	case digits == "":
		return "", "", 0
	case negative:
		return "-", digits, exponent
	}
	return "", digits, exponent
}

// isInteger reports whether the number has no fraction; 1.0 has none.
func isInteger(n string) bool {
	if !strings.ContainsAny(n, ".eE") {
		return true
	}
	_, _, exponent := number(n)
	return exponent >= 0
}
