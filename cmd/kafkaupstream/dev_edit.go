package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/console"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// confMember is a member of a configuration, its value as it is written, and where that begins in the text.
type confMember struct {
	name  string
	value json.RawMessage
	at    int
}

// confMembers are those of a JSON object in their order, and first is the place in the text before them; false: it is no object.
func confMembers(text string) (members []confMember, first int, ok bool) {
	if !json.Valid([]byte(text)) {
		return nil, 0, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('{') {
		return nil, 0, false
	}
	first = int(dec.InputOffset())
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return nil, 0, false
		}
		members = append(members, confMember{name.(string), value, int(dec.InputOffset()) - len(value)}) // JSON has no other names
	}
	return members, first, true
}

// shownConf is what the console shows of a configuration, and the keys that it keeps to itself.
func shownConf(text string) (shown string, hidden []string) {
	var parts []string
	members, _, _ := confMembers(text)
	for _, m := range members {
		if isShown, known := routeconf.Shown(m.name); isShown {
			parts = append(parts, fmt.Sprintf("%q: %s", m.name, m.value))
		} else if known {
			hidden = append(hidden, m.name)
		}
	}
	var out bytes.Buffer
	if json.Indent(&out, []byte("{"+strings.Join(parts, ", ")+"}"), "", "  ") != nil {
		return "{}", hidden // cannot be: the parts are JSON
	}
	return out.String(), hidden
}

// keepHidden adds to a configuration what of the old one was not shown, unless it has it itself. What is no JSON object stays as it is,
// so that the place of the error is one in the text as it is written.
func keepHidden(text, old string) string {
	given, first, ok := confMembers(text)
	if !ok {
		return text
	}
	var kept []string
	before, _, _ := confMembers(old)
	for _, m := range before {
		isGiven := slices.ContainsFunc(given, func(g confMember) bool { return g.name == m.name })
		if isShown, known := routeconf.Shown(m.name); known && !isShown && !isGiven {
			kept = append(kept, fmt.Sprintf("%q:%s", m.name, m.value))
		}
	}
	if len(kept) == 0 {
		return text
	}
	if len(given) > 0 {
		kept = append(kept, "")
	}
	return text[:first] + strings.Join(kept, ",") + text[first:]
}

// putRoute makes a route of the gateway's, or changes its paths and its configuration.
func (o *devOptions) putRoute(g *gateway.Gateway, e console.Edit) error {
	r := gateway.Route{ID: e.ID, Phase: gateway.PostReq}
	routes := g.Routes()
	i := slices.IndexFunc(routes, func(r gateway.Route) bool { return r.ID == e.ID })
	switch {
	case e.New && i >= 0:
		return fmt.Errorf("there is a route %q already", e.ID)
	case !e.New && i < 0:
		return fmt.Errorf("there is no route %q any more", e.ID)
	case i >= 0:
		r = routes[i]
	}
	r.URIs = e.URIs
	at := slices.IndexFunc(r.Conf, func(c gateway.ConfEntry) bool { return c.Name == apisix.Name })
	if at < 0 {
		at = len(r.Conf)
		r.Conf = append(r.Conf, gateway.ConfEntry{Name: apisix.Name})
	}
	r.Conf[at].Value = withBrokers(keepHidden(e.Conf, r.Conf[at].Value), o.brokers)
	if _, err := routeconf.ParseRoute([]byte(r.Conf[at].Value), apisix.Limits); err != nil {
		return err
	}
	return g.PutRoute(r)
}
