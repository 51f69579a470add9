package transporturl

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// URL is what a transport URL says.
type URL struct {
	// Properties are librdkafka's, under their canonical names. Values that were
	// percent-encoded are decoded.
	Properties map[string]string
	// Defaults are properties that hold where nothing else sets them.
	Defaults map[string]string
	// VirtualHost is what stands in the path, "" for nothing. The driver's sender has
	// it behind the names of topics.
	VirtualHost string
}

// HasBrokers reports whether the URL names a host.
func (u *URL) HasBrokers() bool { return u.Properties["bootstrap.servers"] != "" }

// Parse reads a transport URL. Its errors are to be read after the name of what is wrong,
// and repeat nothing of it.
func Parse(text string) (*URL, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return nil, errors.New("it has a byte that no URL has: control characters and what is not UTF-8 must be percent-encoded")
	}
	if strings.Contains(text, "#") {
		return nil, errors.New("it has a #, after which a URL's fragment begins: write %23")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	// As in the driver, what follows a + says nothing.
	if driver, _, _ := strings.Cut(scheme, "+"); !ok || !strings.EqualFold(driver, "kafka") {
		return nil, errors.New("it must begin with kafka://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	u := &URL{Properties: map[string]string{}, Defaults: map[string]string{}}
	if err := u.readHosts(hosts); err != nil {
		return nil, err
	}
	if err := u.readOptions(query); err != nil {
		return nil, err
	}
	u.VirtualHost = unquote(path)
	if strings.ContainsFunc(u.VirtualHost, notInTopic) {
		return nil, errors.New("its virtual host becomes a part of topics' names, which have letters, digits, '.', '_' and '-' only")
	}
	if _, ok := u.Properties["sasl.username"]; ok {
		// The driver connects without SASL here unless security_protocol says otherwise,
		// and then never uses the password.
		u.Defaults["security.protocol"] = "SASL_PLAINTEXT"
		u.Defaults["sasl.mechanisms"] = "PLAIN"
	}
	return u, nil
}

// readOptions reads the query as Python's parse_qs does.
func (u *URL) readOptions(query string) error {
	if query == "" {
		return nil
	}
	seen := map[string]bool{}
	for i, pair := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, value = unquotePlus(name), unquotePlus(value)
		read, known := options[name]
		switch {
		case pair == "":
			continue
		case !known:
			return fmt.Errorf("option %d: there is no such option; the options are %s", i+1, optionNames())
		case seen[name]:
			return fmt.Errorf("option %d: %s is given twice", i+1, name)
		case value == "":
			return fmt.Errorf("option %d: %s has no value", i+1, name)
		case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Errorf("option %d: %s has a character that it cannot have", i+1, name)
		}
		seen[name] = true
		property, value, err := read(value)
		if err != nil {
			return fmt.Errorf("option %d: %s: %w", i+1, name, err)
		}
		if property != "" {
			u.Properties[property] = value
		}
	}
	return nil
}

func notInTopic(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}

// unquote decodes %XX as Python's urllib.parse.unquote does: what is not of this form
// stays as it is.
func unquote(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if high >= 0 && low >= 0 {
				b = append(b, byte(hexValue(high)<<4|hexValue(low)))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unquotePlus(s string) string { return unquote(strings.ReplaceAll(s, "+", " ")) }

const hexDigits = "0123456789abcdefABCDEF"

func hexValue(index int) int {
	if index > 15 {
		return index - 6
	}
	return index
}
