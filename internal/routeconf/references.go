package routeconf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// reference is a value of a configuration that refers to a secret.
type reference struct{ path, value string }

var errNoSecret = errors.New("a reference is possible only where a secret stands: passwords, keys, tokens, certificates, sasl.oauthbearer.* and sasl.username")

// reference notes the value of a property if it is a reference, and returns why it cannot
// be one.
func (c *configReader) reference(path, property, value string) error {
	if err := secrets.Check(value); err != nil || !secrets.IsReference(value) {
		return err
	}
	if !kafkaconf.TakesReference(property) {
		return errNoSecret
	}
	c.route.references = append(c.route.references, reference{path, value})
	return nil
}

// CheckReferences returns a [Problem] for each reference to a secret that allowed refuses:
// what may be referred to is the operator's to say, and not a matter of the text.
func (r *Route) CheckReferences(allowed func(value string) error) (problems []Problem) {
	for _, ref := range r.references {
		if err := allowed(ref.value); err != nil {
			problems = append(problems, Problem{ref.path, err.Error()})
		}
	}
	return problems
}

// doubtReferences looks for values that begin like a reference and are taken as they stand.
func (c *configReader) doubtReferences(path string, v any) {
	switch v := v.(type) {
	case []any:
		for i, element := range v {
			c.doubtReferences(fmt.Sprintf("%s[%d]", path, i), element)
		}
	case []field:
		for _, f := range v {
			c.doubtReferences(strings.TrimPrefix(path+"."+f.name, "."), f.value)
		}
	case string:
		read := func(r reference) bool { return r.path == path }
		said := func(p Problem) bool { return p.Path == path }
		if secrets.Begins(v) && !slices.ContainsFunc(c.route.references, read) && !slices.ContainsFunc(c.findings.Problems, said) {
			c.warn(path, "it looks like a reference and is taken as it stands: $env:// and $file://, in lower case, are read where a secret stands; "+
				"APISIX resolves $env:// and $secret:// only as the whole value of the plugin")
		}
	}
}
