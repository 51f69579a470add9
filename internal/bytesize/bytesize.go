// Package bytesize reads and writes sizes as people do: 1GiB, 10MB. What a size is of, and which
// sizes are allowed, its callers know: cmd/kafkaupstream for flags, internal/spool for its messages.
package bytesize

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// unit is a unit with its bytes.
type unit struct {
	name  string
	bytes int64
}

// units are in the order in which Format tries them; of those with equal multiples it takes the first.
var units = []unit{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3},
}

// Parse reads a size in bytes, not negative: a whole number, alone or with a unit in upper or lower case, which
// is B, one of kB to TB, powers of 1000, or of KiB to TiB, powers of 1024.
func Parse(text string) (int64, error) {
	trimmed := strings.TrimSpace(text)
	digits := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "0123456789"))]
	name := strings.TrimSpace(trimmed[len(digits):])
	if digits == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return 0, fmt.Errorf("%.40q is no size: expected bytes, such as 1048576, or a number with a unit, such as 10MB, 256MiB or 1GiB", text)
	}
	factor := int64(1)
	if name != "" && !strings.EqualFold(name, "B") {
		if factor = factorOf(name); factor == 0 {
			return 0, fmt.Errorf("%.40q is no size: %.20s is no unit: expected B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB or TiB (powers of 1024)", text, name)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/factor { // of digits only it can be too large only
		return 0, fmt.Errorf("%.40q is no size: it is too large", text)
	}
	return n * factor, nil
}

// factorOf returns 0 for what is no unit.
func factorOf(name string) int64 {
	for _, u := range units {
		if strings.EqualFold(u.name, name) {
			return u.bytes
		}
	}
	return 0
}

// Format shows a size exactly: with the largest unit of which it is a multiple, else as a number.
func Format(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
