package guard

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestNumbersHaveOneTextExactlyIfTheyAreEqual(t *testing.T) {
	numbers := []string{"0", "-0", "0.0", "0e5", "-0.00e-7", "1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "-1", "-1.0", "10", "1e1", "1.0e1", "100", "1e2", "0.1",
		"0.10", "1e-1", "0.01e1", "12.50", "1.25e1", "125e-1", "0.0125e3", "125", "1.25", "1e400", "10e399", "1e-400", "0.1e-399", "9007199254740993",
		"9007199254740992", "9007199254740993.0", "100.001", "-100.001"}
	for _, a := range numbers {
		x, _ := new(big.Rat).SetString(a)
		if isInteger(a) != x.IsInt() {
			t.Errorf("%s: an integer: %t", a, isInteger(a))
		}
		for _, b := range numbers {
			y, _ := new(big.Rat).SetString(b)
			if same := bytes.Equal(appendNumber(nil, a), appendNumber(nil, b)); same != (x.Cmp(y) == 0) {
				t.Errorf("%s and %s: equal: %t", a, b, same)
			}
		}
	}
}

func TestCanonicalTextEndsAtItsLimit(t *testing.T) {
	long := strings.Repeat("a", 1000)
	many := map[string]any{}
	for i := range 1000 {
		many[long[:i]] = nil
	}
	for what, v := range map[string]any{
		"a text": long, "an array": make([]any, 1000), "an object": many, "a name": map[string]any{long: nil},
		"an array of long texts": []any{long, long}, "a number": json.Number("123456789"), "arrays in arrays": []any{[]any{[]any{[]any{[]any{}}}}},
	} {
		c := canonical{limit: 8}
		if c.write(v) || len(c.text) > 32 || c.values > 8 {
			t.Errorf("%s: %d bytes, %d values", what, len(c.text), c.values)
		}
		whole := canonical{limit: math.MaxInt}
		whole.write(v)
		exact := canonical{limit: len(whole.text)}
		if !exact.write(v) || !bytes.Equal(exact.text, whole.text) {
			t.Errorf("%s: it is not within its own length", what)
		}
	}
}
