package guard

import (
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// MaxChain bounds how many subschemas apply to the same value, one through another:
// they and the value's depth make the depth of the recursion, and a goroutine whose
// stack is used up ends the process.
const MaxChain = 200

// CheckChains refuses a schema that applies itself to the same value without end, or
// only after too many others, of those that have been compiled. The error says where.
func (g *Guard) CheckChains() error {
	c := chains{lengths: map[*jsonschema.Schema]int{}, anchors: map[string][]*jsonschema.Schema{}}
	for _, s := range g.schemas {
		if s.DynamicAnchor != "" {
			c.anchors[s.DynamicAnchor] = append(c.anchors[s.DynamicAnchor], s)
		}
	}
	for _, s := range g.schemas {
		if _, err := c.length(s); err != nil {
			return err
		}
	}
	return nil
}

type chains struct {
	lengths map[*jsonschema.Schema]int // 0 while it is being found out
	anchors map[string][]*jsonschema.Schema
}

// length returns the length of the longest chain from s, itself included.
func (c *chains) length(s *jsonschema.Schema) (int, error) {
	if n, ok := c.lengths[s]; ok {
		if n == 0 {
			return 0, fmt.Errorf("%q refers to itself for the same value", s.Location)
		}
		return n, nil
	}
	c.lengths[s] = 0
	longest := 0
	for _, next := range c.next(s) {
		if next == nil {
			continue
		}
		n, err := c.length(next)
		if err != nil {
			return 0, err
		}
		longest = max(longest, n)
	}
	if longest == MaxChain {
		return 0, fmt.Errorf("%q begins a chain of more than %d schemas for the same value", s.Location, MaxChain)
	}
	c.lengths[s] = longest + 1
	return longest + 1, nil
}

// next returns the schemas that s applies to the value that it is applied to itself.
func (c *chains) next(s *jsonschema.Schema) []*jsonschema.Schema {
	if s.Ref != nil && s.DraftVersion < 2019 {
		return []*jsonschema.Schema{s.Ref} // there, nothing beside a "$ref" counts
	}
	all := []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else}
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
		all = append(all, c.anchors[s.DynamicRef.Anchor]...)
	}
	all = slices.Concat(all, s.AllOf, s.AnyOf, s.OneOf, slices.Collect(maps.Values(s.DependentSchemas)))
	for _, d := range s.Dependencies {
		if dependent, ok := d.(*jsonschema.Schema); ok {
			all = append(all, dependent)
		}
	}
	return all
}
