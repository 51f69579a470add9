package guard

import (
	"crypto/sha256"
	"math"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// validateUnique is uniqueItems. The library's own compares each item with those of
// the same hash, and whoever writes the items can give all of them the same.
func (k *keywords) validateUnique(ctx *jsonschema.ValidatorContext, items []any) {
	k.spend(len(items))
	seen := make(map[[sha256.Size]byte]int, len(items))
	c := canonical{limit: math.MaxInt}
	for i, item := range items {
		c.text, c.values = c.text[:0], 0
		c.write(item)
		k.spend(c.values + len(c.text)/256)
		sum := sha256.Sum256(c.text)
		if first, ok := seen[sum]; ok {
			ctx.AddError(&kind.UniqueItems{Duplicates: [2]int{first, i}})
			return
		}
		seen[sum] = i
	}
}
