package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// registryState is the structures of a registry, or of a replica: SDMX-JSON messages by
// the URN of the structure.
type registryState map[string]string

// registryChange is one transaction of the registry: messages that replace structures,
// or the URN of one that is deleted.
type registryChange struct {
	number   int
	messages []registryMessage
	deleted  string
}

func (c *registryChange) records() int { return max(len(c.messages), 1) }

// registryMessage is an SDMX-JSON structure message with one structure.
type registryMessage struct{ urn, text string }

// registryModel makes changes and keeps the state that they come to.
type registryModel struct {
	random *rand.Rand
	state  registryState
	number int
}

// registryKinds are kinds of structures: the collection's name in SDMX-JSON, and the
// package and class in URNs.
var registryKinds = []struct{ collection, class string }{
	{"codelists", "codelist.Codelist"},
	{"conceptSchemes", "conceptscheme.ConceptScheme"},
	{"dataStructures", "datastructure.DataStructure"},
	{"dataflows", "datastructure.Dataflow"},
}

// next makes a change: of ten, five add structures, three change some, two delete one.
func (m *registryModel) next() registryChange {
	m.number++
	c := registryChange{number: m.number}
	known := slices.Sorted(maps.Keys(m.state))
	what := m.random.IntN(10)
	switch {
	case what < 2 && len(known) > 0:
		c.deleted = known[m.random.IntN(len(known))]
		delete(m.state, c.deleted)
	case what < 5 && len(known) > 0:
		m.random.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
		for _, urn := range known[:min(1+m.random.IntN(4), len(known))] {
			c.messages = append(c.messages, m.message(urn))
		}
	default:
		for i := range 1 + m.random.IntN(4) {
			kind := registryKinds[m.random.IntN(len(registryKinds))]
			urn := fmt.Sprintf("urn:sdmx:org.sdmx.infomodel.%s=TEST:S_%d_%d(1.0)", kind.class, m.number, i)
			c.messages = append(c.messages, m.message(urn))
		}
	}
	for _, message := range c.messages {
		m.state[message.urn] = message.text
	}
	return c
}

// message is the full content of a structure, as a registry publishes it after a change.
func (m *registryModel) message(urn string) registryMessage {
	kind := registryKinds[0]
	for _, k := range registryKinds {
		var rest string
		if n, _ := fmt.Sscanf(urn, "urn:sdmx:org.sdmx.infomodel."+k.class+"=TEST:%s", &rest); n == 1 {
			kind = k
		}
	}
	var items []map[string]any
	for i := range 1 + m.random.IntN(30) {
		items = append(items, map[string]any{"id": fmt.Sprintf("I%d", i), "name": fmt.Sprintf("Item %d of change %d – „ü“", i, m.number)})
	}
	text, err := json.Marshal(map[string]any{
		"meta": map[string]any{"id": fmt.Sprintf("TX%06d", m.number), "sender": map[string]any{"id": "TEST"}},
		"data": map[string]any{kind.collection: []any{map[string]any{
			"agencyID": "TEST", "version": "1.0", "items": items,
			"links": []any{map[string]any{"rel": "external", "urn": "not this one"}, map[string]any{"rel": "self", "urn": urn}},
		}}},
	})
	if err != nil {
		panic(err) // of maps and texts: cannot fail
	}
	return registryMessage{urn, string(text)}
}
