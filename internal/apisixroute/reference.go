package apisixroute

import (
	"encoding/json"
	"fmt"
	"strings"
)

// What a reference of APISIX begins with (apisix/secret.lua, apisix/core/env.lua). Letter
// case counts in the second only.
const (
	envPrefix    = "$env://"
	secretPrefix = "$secret://"
)

// Unknown is what is said of a value that APISIX knows and this process does not.
type Unknown struct{ Why string }

func (u Unknown) Error() string { return u.Why }

func hasEnvPrefix(text string) bool {
	return len(text) >= len(envPrefix) && strings.EqualFold(text[:len(envPrefix)], envPrefix)
}

// HasReference reports whether a text has in it what looks like a reference.
func HasReference(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, envPrefix) || strings.Contains(text, secretPrefix)
}

// resolve returns what APISIX gives a plugin in the place of a string, and the reference
// that the string is, "" if it is none. An error is an [Unknown], or says why APISIX cannot
// resolve it: the plugin gets the reference itself then.
func resolve(v any, env Environment) (value any, reference string, err error) {
	if p, is := v.(Partial); is {
		return p, "", Unknown{fmt.Sprintf("it has %s, not known here", p.names())}
	}
	text, _ := v.(string)
	switch {
	case hasEnvPrefix(text):
		value, err = resolveEnv(text, env)
	case strings.HasPrefix(text, secretPrefix):
		err = checkSecret(text)
	default:
		return v, "", nil
	}
	return value, text, err
}

func resolveEnv(text string, env Environment) (any, error) {
	name, key, _ := strings.Cut(text[len(envPrefix):], "/")
	value, err := env(name)
	if err != nil {
		return nil, Unknown{fmt.Sprintf("%s is a reference that APISIX resolves and this check does not: %s", shown(text), err)}
	}
	if key == "" {
		return value, nil
	}
	var object map[string]any
	if json.Unmarshal([]byte(value), &object) != nil {
		return nil, fmt.Errorf("%s names a key, and the variable's value is no JSON object here", shown(text))
	}
	member, ok := object[key].(string)
	if !ok {
		return nil, fmt.Errorf("%s: the variable's value has no string of that key here", shown(text))
	}
	return member, nil
}

func checkSecret(text string) error {
	parts := strings.SplitN(strings.TrimPrefix(text, secretPrefix), "/", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return fmt.Errorf("%s is no reference that APISIX can resolve; expected $secret://MANAGER/ID/KEY", shown(text))
	}
	return Unknown{fmt.Sprintf("%s is a reference that APISIX resolves and this check does not: it asks no secret manager", shown(text))}
}
