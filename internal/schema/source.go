package schema

import "context"

// Source is where a route has its schema from: its own text, or a registry. Several
// goroutines can use it at once.
type Source struct {
	inline *Schema
	cache  *Cache
	key    sourceKey
	from   *Registry
}

// sourceKey is what a cache keeps an answer by.
type sourceKey struct {
	registry registryKey
	version
}

// Inline returns the source of one schema. It has no id.
func Inline(s *Schema) *Source { return &Source{inline: s} }

// Source returns the source of a registered schema: a version of a subject, "latest"
// or a positive number. It asks nothing yet. The error is an [*Error] of
// KindConfiguration.
func (c *Cache) Source(from *Registry, subject, number string) (*Source, error) {
	if err := checkName(subject, number); err != nil {
		return nil, err
	}
	return &Source{cache: c, from: from, key: sourceKey{from.key, version{subject, number}}}, nil
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
