package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

const (
	envPrefix  = "$env://"
	filePrefix = "$file://"
	// maxReference bounds what an error repeats of a configuration, in bytes.
	maxReference = 1024
)

// IsReference reports whether the value is to be resolved: whether it begins with
// "$env://" or "$file://". Only a whole value is a reference, and there is no
// escape: a password that begins so by chance cannot be given as it is, but can be
// put into a variable or file and referred to.
func IsReference(value string) bool {
	return strings.HasPrefix(value, envPrefix) || strings.HasPrefix(value, filePrefix)
}

// Begins reports whether the value begins like a reference: one of this package, in any
// letter case, or APISIX's $secret://.
func Begins(value string) bool {
	for _, prefix := range []string{envPrefix, filePrefix, "$secret://"} {
		if len(value) >= len(prefix) && strings.EqualFold(value[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// Check returns an error if the value is a reference that can never be resolved:
// "$env://" wants a name of [A-Za-z_][A-Za-z0-9_]*, "$file://" the relative path of
// a file, of UTF-8 without control characters, and with no "..", "." or empty
// element. It looks at no variable and no file. Its errors do not quote the value,
// which may be a secret that only looks like a reference.
func Check(value string) error {
	_, _, err := parse(value)
	return err
}

// kind is where a value's secret is.
type kind int

const (
	literal kind = iota
	variable
	file
)

// parse returns where the secret of a value is and its name there.
func parse(value string) (kind, string, error) {
	if IsReference(value) && len(value) > maxReference {
		return literal, "", fmt.Errorf("a reference to a secret has at most %d bytes, this one has %d", maxReference, len(value))
	}
	if name, ok := strings.CutPrefix(value, envPrefix); ok {
		if !isVariable(name) {
			return literal, "", errors.New(envPrefix + " wants the name of an environment variable: letters, digits and _, no digit first")
		}
		return variable, name, nil
	}
	if name, ok := strings.CutPrefix(value, filePrefix); ok {
		if !isFile(name) {
			return literal, "", errors.New(filePrefix + " wants the path of a file below the secrets directory, relative and with no . or .. in it")
		}
		return file, name, nil
	}
	return literal, "", nil
}

func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && (!digit || i == 0) {
			return false
		}
	}
	return name != ""
}

func isFile(name string) bool {
	return name != "." && fs.ValidPath(name) && !strings.ContainsFunc(name, unicode.IsControl)
}
