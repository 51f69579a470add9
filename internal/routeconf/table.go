package routeconf

import (
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
)

// Key is a key of a configuration, as docs/configuration.md and `kafkaupstream keys` describe it.
type Key struct {
	Name    string
	Value   string // what it may be, in words
	Default string // as JSON, or in words
	Does    string
	Example string // members of a configuration, as JSON
	Shown   bool   // its value may be shown to whoever may see the route: it has no secret and no address
	Below   []Key  // the keys of the object that its value is
}

// key is a Key and how its value is read.
type key[F any] struct {
	Key
	read F
}

// table has the keys of an object, in the order in which they are described.
type table[F any] []key[F]

// index is where a key is, -1: nowhere.
func (t table[F]) index(name string) int {
	return slices.IndexFunc(t, func(k key[F]) bool { return k.Name == name })
}

func (t table[F]) names() []string {
	names := make([]string, len(t))
	for i := range t {
		names[i] = t[i].Name
	}
	return names
}

// keys returns the keys for those who describe them.
func (t table[F]) keys() []Key {
	keys := make([]Key, len(t))
	for i := range t {
		keys[i] = t[i].Key
	}
	return keys
}

// Keys returns all keys of a configuration.
func Keys() []Key { return configKeys.keys() }

// Shown reports whether the values of a key may be shown to whoever may see the route, and whether there is such a key.
func Shown(name string) (shown, known bool) {
	i := configKeys.index(name)
	return i >= 0 && configKeys[i].Shown, i >= 0
}

// keyReader reads the value of a key, which stands at path.
type keyReader = func(c *configReader, path string, v any)

// schemaKeyReader is keyReader for a key below schema.
type schemaKeyReader = func(c *configReader, s *Schema, path string, v any)

// readKeys calls read with each member of an object for which the table has a key, and
// returns the members; false: v is no object.
func readKeys[F any](c *configReader, path string, v any, t table[F], read func(f F, path string, v any)) ([]field, bool) {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object, got %s", TypeName(v))
		return nil, false
	}
	if path != "" {
		path += "."
	}
	for _, f := range fields {
		if i := t.index(f.name); i >= 0 {
			read(t[i].read, path+f.name, f.value)
		} else {
			c.problem(path+f.name, "%s", nearest.UnknownKey(f.name, t.names()))
		}
	}
	return fields, true
}
