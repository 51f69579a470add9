package idempotency

import (
	"errors"
	"fmt"
	"strings"
)

// MaxKeyLen is how long a key may be, in characters.
const MaxKeyLen = 255

// ErrInvalidKey is wrapped by the errors of ParseKey, which say more.
var ErrInvalidKey = errors.New("header idempotency-key")

// ParseKey reads the value of the header Idempotency-Key. The draft wants a string in
// quotes (RFC 8941, section 3.3.3); many clients send the key without, which is taken
// as the same key: printable ASCII without blanks, quotes, commas and semicolons. A key
// has 1 to 255 characters. Errors wrap ErrInvalidKey and hold nothing of the value.
func ParseKey(header string) (string, error) {
	key := strings.Trim(header, " \t")
	var err error
	if strings.HasPrefix(key, `"`) {
		key, err = unquote(key)
	} else {
		err = checkBare(key)
	}
	switch {
	case err != nil:
		return "", err
	case key == "":
		return "", invalidKey("the key is empty")
	case len(key) > MaxKeyLen:
		return "", invalidKey("the key has %d characters, the limit is %d", len(key), MaxKeyLen)
	}
	return key, nil
}

func invalidKey(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidKey, fmt.Sprintf(format, args...))
}

func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			if i != len(s)-1 {
				return "", invalidKey("something follows the quoted string; it is a string only, without parameters")
			}
			return b.String(), nil
		case c == '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", invalidKey("a backslash comes before a quote or a backslash only")
			}
			c = s[i]
		case c < ' ' || c > '~':
			return "", invalidKey("character %d is not printable ASCII", i+1)
		}
		b.WriteByte(c)
	}
	return "", invalidKey("the quoted string does not end")
}

func checkBare(s string) error {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~':
			return invalidKey("character %d is not printable ASCII", i+1)
		case strings.IndexByte(` ",;`, c) >= 0:
			return invalidKey("character %d, %q, needs a quoted string around it", i+1, c)
		}
	}
	return nil
}
