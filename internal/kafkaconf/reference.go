package kafkaconf

import "strings"

// TakesReference reports whether a property's value may be a reference to a secret: those
// that hold one (passwords, keys, tokens, certificates, all of sasl.oauthbearer.*), and the
// user's name, which is kept with the password. A secret anywhere else could be read by
// whoever may write a route: as the name of a broker that is looked up, or in an error.
func TakesReference(name string) bool {
	return isSecret(name) || name == "sasl.username" || strings.HasSuffix(name, ".pem") || strings.HasPrefix(name, "sasl.oauthbearer.")
}

// secretsIn returns the parts of a property's value that no log may show. A URL is shown
// without its query and user: the endpoint of a token takes keys in both.
func secretsIn(name, value string) (parts []string) {
	if isSecret(name) {
		return []string{value}
	}
	if !strings.HasSuffix(name, ".url") {
		return nil
	}
	if _, rest, ok := strings.Cut(value, "://"); ok {
		authority, _, _ := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			parts = append(parts, authority[:at])
		}
	}
	if query := strings.IndexAny(value, "?#"); query >= 0 {
		parts = append(parts, value[query:])
	}
	return parts
}
