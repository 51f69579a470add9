package schema

import "context"

// Source is where a route has its schema from: its own text, or a registry. Several
// goroutines can use it at once.
type Source struct {
	inline *Schema
	cache  *Cache
	key    sourceKey
	from   *Registry
	asked  bool // for by a client
	holds  bool // its entry; under the cache's lock
}

// sourceKey is what a cache keeps an answer by.
type sourceKey struct {
	registry registryKey
	Name
}

// Inline returns the source of one schema. It has no id.
func Inline(s *Schema) *Source { return &Source{inline: s} }

// Source returns the source of a schema that the configuration names. It asks nothing yet.
func (c *Cache) Source(from *Registry, name Name) *Source {
	return &Source{cache: c, from: from, key: sourceKey{from.key, name}}
}

// Asked is Source for a schema that a client names: of these so many are kept, and so many asked for at once, that
// clients who make names up use neither the memory nor the registry up. Others wait for their turn, in their order and
// as long as Current's ctx lets them. The error is [Name.Check]'s.
func (c *Cache) Asked(from *Registry, name Name) (*Source, error) {
	if err := name.Check(); err != nil {
		return nil, err
	}
	s := c.Source(from, name)
	s.asked = true
	return s, nil
}

// Current returns the schema as it is now, and its id in the registry; an inline
// schema's id is -1. Only while no answer has come yet it waits, until ctx ends; the
// error is then an [*Error] that says why there is none.
func (s *Source) Current(ctx context.Context) (*Schema, int, error) {
	if s.inline != nil {
		return s.inline, -1, nil
	}
	return s.cache.entry(s).current(ctx)
}
