package producer

import "strings"

// TakesReference reports whether a property's value may be a reference to a secret: those
// that hold one (passwords, keys, tokens, certificates, all of sasl.oauthbearer.*), and the
// user's name, which is kept with the password. A secret anywhere else could be read by
// whoever may write a route: as the name of a broker that is looked up, or in an error.
func TakesReference(name string) bool {
	return isSecret(name) || name == "sasl.username" || strings.HasSuffix(name, ".pem") || strings.HasPrefix(name, "sasl.oauthbearer.")
}
