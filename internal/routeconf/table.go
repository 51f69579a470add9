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
type key struct {
	Key
	read func(c *configReader, path string, v any) // path is where it stands
}

// table has the keys of an object, in the order in which they are described.
type table []key

// index is where a key is, -1: nowhere.
func (t table) index(name string) int {
	return slices.IndexFunc(t, func(k key) bool { return k.Name == name })
}

func (t table) names() []string {
	names := make([]string, len(t))
	for i := range t {
		names[i] = t[i].Name
	}
	return names
}

// keys returns the keys for those who describe them.
func (t table) keys() []Key {
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

// readKeys reads each member of an object for which the table has a key; false: v is no object.
func (c *configReader) readKeys(path string, v any, t table) bool {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object, got %s", TypeName(v))
		return false
	}
	if path != "" {
		path += "."
	}
	for _, f := range fields {
		if i := t.index(f.name); i >= 0 {
			t[i].read(c, path+f.name, f.value)
		} else {
			c.problem(path+f.name, "%s", nearest.UnknownKey(f.name, t.names()))
		}
	}
	return true
}
