// Package jsonvalue reads values of valid JSON that has been compacted: as text, as
// base64, member by member. Its errors name the value and can be shown to the client.
// It writes texts as JSON strings, too.
package jsonvalue

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Text returns what a JSON value says as text: a string without its quotes and escapes, and anything else as it is
// written, so that numbers which differ in a digit differ here (a float64 has 17 of them, and ends at 1.8e308). name is the
// value's, for the error: a string that stands for no text.
func Text(name string, v gjson.Result) (string, error) {
	switch {
	case v.Type != gjson.String && v.Raw != "": // none: gjson has counted something
		return v.Raw, nil
	case v.Type == gjson.String && strings.ContainsRune(v.Str, utf8.RuneError) && LoneSurrogate(v.Raw):
		return "", errors.New(name + ": a surrogate that is escaped alone, such as \\ud800, is no character")
	}
	return v.String(), nil
}

// LoneSurrogate reports whether a valid JSON string escapes half of a surrogate pair. UTF-8 has no form for it (RFC 3629,
// 3): decoders make U+FFFD of it, as gjson does, and different keys become one.
func LoneSurrogate(raw string) bool {
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return false
		}
		r, escaped := codeUnit(raw[i:])
		switch {
		case !escaped:
			raw = raw[i+2:]
			continue
		case !utf16.IsSurrogate(r):
			raw = raw[i+6:]
			continue
		}
		raw = raw[i+6:]
		second, escaped := codeUnit(raw)
		if !escaped || utf16.DecodeRune(r, second) == utf8.RuneError {
			return true
		}
		raw = raw[6:]
	}
}

// codeUnit reads the \uXXXX at the beginning of s.
func codeUnit(s string) (r rune, escaped bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// maxMembers bounds the members of an object, each of which is remembered. No object that is read here has a tenth of it.
const maxMembers = 100

// Members calls f for each member of an object, each name once, until it returns an error. what names the object, for the
// error.
func Members(v gjson.Result, what string, f func(name string, v gjson.Result) error) (failed error) {
	if !v.IsObject() {
		return errors.New(what + ": expected an object")
	}
	seen := map[string]bool{}
	v.ForEach(func(k, v gjson.Result) bool {
		name := k.String()
		if seen[name] {
			failed = fmt.Errorf("%s: the member %.40q is there twice", what, name)
			return false
		}
		if seen[name] = true; len(seen) > maxMembers {
			failed = fmt.Errorf("%s: it has more than %d members", what, maxMembers)
			return false
		}
		failed = f(name, v)
		return failed == nil
	})
	return failed
}

// Base64 returns the bytes that a JSON string has in base64, never nil.
func Base64(name string, v gjson.Result) ([]byte, error) {
	b, err := DecodeBase64(v.String())
	if v.Type != gjson.String || err != nil {
		return nil, errors.New(name + ": expected base64 in a string")
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// DecodeBase64 takes base64 with or without padding, in the standard or the URL
// alphabet.
func DecodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}
