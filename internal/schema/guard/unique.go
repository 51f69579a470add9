package guard

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// validateUnique is uniqueItems. The library's own compares each item with those of
// the same hash, and whoever writes the items can give all of them the same.
func (k *keywords) validateUnique(ctx *jsonschema.ValidatorContext, items []any) {
	k.spend(len(items))
	seen := make(map[[sha256.Size]byte]int, len(items))
	var text []byte
	for i, item := range items {
		text = appendCanonical(text[:0], item)
		k.spend(len(text) / 256)
		sum := sha256.Sum256(text)
		if first, ok := seen[sum]; ok {
			ctx.AddError(&kind.UniqueItems{Duplicates: [2]int{first, i}})
			return
		}
		seen[sum] = i
	}
}

// appendCanonical appends a text that two values share exactly if they are equal:
// numbers by their value, objects whatever the order of their names. Each text says
// where it ends.
func appendCanonical(to []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(to, 'n')
	case bool:
		if v {
			return append(to, 't')
		}
		return append(to, 'f')
	case string:
		return appendText(append(to, 's'), v)
	case json.Number:
		return appendText(append(to, 'd'), canonicalNumber(string(v)))
	case []any:
		to = binary.AppendUvarint(append(to, 'a'), uint64(len(v)))
		for _, item := range v {
			to = appendCanonical(to, item)
		}
	case map[string]any:
		to = binary.AppendUvarint(append(to, 'o'), uint64(len(v)))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			to = appendCanonical(appendText(to, name), v[name])
		}
	}
	return to
}

func appendText(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

// canonicalNumber returns the number as a fraction without common divisors, where it
// is not just digits.
func canonicalNumber(n string) string {
	if !strings.ContainsAny(n, ".eE-") {
		return n
	}
	r, ok := new(big.Rat).SetString(n)
	if !ok {
		return n
	}
	return r.RatString()
}
