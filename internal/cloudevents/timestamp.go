package cloudevents

import (
	"strings"
	"time"
)

// invalidTimestamp says what is wrong with a timestamp (RFC 3339, section 5.6), "" when
// nothing is. time.Parse takes a comma for a point, and neither leap seconds nor the
// letters in lower case.
func invalidTimestamp(s string) string {
	const (
		refusal = "expected a time such as 2018-04-05T17:31:00Z (RFC 3339)"
		shape   = "0000-00-00T00:00:00"
	)
	if len(s) <= len(shape) {
		return refusal
	}
	for i := range len(shape) {
		switch c := s[i]; shape[i] {
		case '0':
			if !isDigit(c) {
				return refusal
			}
		case 'T':
			if c != 'T' && c != 't' {
				return refusal
			}
		default:
			if c != shape[i] {
				return refusal
			}
		}
	}
	year, month, day := number(s[0:4]), number(s[5:7]), number(s[8:10])
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return refusal
	}
	if number(s[11:13]) > 23 || number(s[14:16]) > 59 || number(s[17:19]) > 60 {
		return refusal
	}
	rest := s[len(shape):]
	if fraction, ok := strings.CutPrefix(rest, "."); ok {
		rest = strings.TrimLeft(fraction, "0123456789")
		if len(rest) == len(fraction) {
			return refusal
		}
	}
	if !validOffset(rest) {
		return refusal
	}
	return ""
}

func validOffset(s string) bool {
	if s == "Z" || s == "z" {
		return true
	}
	if len(s) != len("+00:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if !isDigit(s[i]) {
			return false
		}
	}
	return number(s[1:3]) <= 23 && number(s[4:6]) <= 59
}

// number reads digits.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = 10*n + int(s[i]-'0')
	}
	return n
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
