package bytesize

import (
	"math"
	"testing"
)

func TestSizeIsReadWithItsUnitOrWithout(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "12B": 12, "32KiB": 32 << 10, "256MiB": 256 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40,
		"10kB": 10_000, "10KB": 10_000, "10MB": 10_000_000, "3GB": 3_000_000_000, "1TB": 1_000_000_000_000,
		"1gib": 1 << 30, "1 GiB": 1 << 30, " 7 ": 7, "9223372036854775807": math.MaxInt64, "8388607TiB": 8388607 << 40,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestSizeThatIsNoneIsRefusedWithWhatIsExpected(t *testing.T) {
	for text, want := range map[string]string{
		"":                    `"" is no size: expected bytes, such as 1048576, or a number with a unit, such as 10MB, 256MiB or 1GiB`,
		"1G":                  `"1G" is no size: G is no unit: expected B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB or TiB (powers of 1024)`,
		"1.5GiB":              `"1.5GiB" is no size: expected bytes, such as 1048576, or a number with a unit, such as 10MB, 256MiB or 1GiB`,
		"-1":                  `"-1" is no size: expected bytes, such as 1048576, or a number with a unit, such as 10MB, 256MiB or 1GiB`,
		"GiB":                 `"GiB" is no size: expected bytes, such as 1048576, or a number with a unit, such as 10MB, 256MiB or 1GiB`,
		"8388608TiB":          `"8388608TiB" is no size: it is too large`,
		"9223372036854775808": `"9223372036854775808" is no size: it is too large`,
	} {
		if got, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %d, %v; want %s", text, got, err, want)
		}
	}
}

func TestSizeIsShownByItsLargestWholeUnit(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 300: "300", 1024: "1KiB", 32 << 10: "32KiB", 1 << 30: "1GiB", 3 << 39: "1536GiB", 1<<20 + 1: "1048577", 10_000_000: "10MB", 2_000_000: "2MB", 1 << 40: "1TiB",
	} {
		if got := Format(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1GiB", "10 MB", "", "9223372036854775807", "-1", "1e3", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(Format(n)); err != nil || again != n || n < 0 {
			t.Errorf("%q: %d is shown as %s: %d, %v", text, n, Format(n), again, err)
		}
	})
}
