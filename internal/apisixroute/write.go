package apisixroute

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
)

// Route is a route with one configuration of one plugin, and no upstream.
type Route struct {
	ID, Name string
	URIs     []string
	Hosts    []string // none: any
	Methods  []string // none: any
	// Phase is the external plugin that runs it: PreReq or PostReq.
	Phase string
	// Plugin and Value are the plugin's name and its configuration.
	Plugin, Value string
}

// The longest name and the longest id that APISIX takes (apisix/schema_def.lua).
const (
	maxName = 100
	maxID   = 64
)

// idHash is the length of what tells long topics apart in an id, in hexadecimal digits.
const idHash = 12

// ID is the id of a topic's route: the topic, and for a topic that is too long for an id its
// beginning and a hash of all of it. Cut only, two topics with the same beginning would
// overwrite each other's route.
func ID(topic string) string {
	if len(topic) <= maxID {
		return topic
	}
	hash := fmt.Sprintf("-%x", sha256.Sum256([]byte(topic)))[:1+idHash]
	return topic[:maxID-len(hash)] + hash
}

// Validate says what APISIX would refuse, in its words.
func (r *Route) Validate() error {
	if len(r.Name) > maxName {
		return fmt.Errorf("property \"name\" validation failed: it has more than %d characters", maxName)
	}
	for _, uri := range r.URIs {
		if !strings.HasPrefix(uri, "/") {
			return errors.New("property \"uri\" validation failed: it does not begin with \"/\"")
		}
	}
	g := gateway.Route{
		ID: r.ID, URIs: r.URIs, Hosts: r.Hosts, Methods: r.Methods, Phase: r.Phase,
		Conf: []gateway.ConfEntry{{Name: r.Plugin, Value: r.Value}},
	}
	return g.Validate()
}

// routeForm is a route as APISIX's documents have it.
type routeForm struct {
	ID      string                `json:"id" yaml:"id"`
	Name    string                `json:"name,omitempty" yaml:"name,omitempty"`
	URI     string                `json:"uri,omitempty" yaml:"uri,omitempty"`
	URIs    []string              `json:"uris,omitempty" yaml:"uris,flow,omitempty"`
	Host    string                `json:"host,omitempty" yaml:"host,omitempty"`
	Hosts   []string              `json:"hosts,omitempty" yaml:"hosts,flow,omitempty"`
	Methods []string              `json:"methods,omitempty" yaml:"methods,flow,omitempty"`
	Plugins map[string]pluginForm `json:"plugins" yaml:"plugins"`
}

type pluginForm struct {
	Conf []entryForm `json:"conf" yaml:"conf"`
}

type entryForm struct {
	Name  string     `json:"name" yaml:"name"`
	Value quotedText `json:"value" yaml:"value"`
}

// quotedText is a text that YAML has in single quotes, where that is possible: people
// compare it with the JSON it is.
type quotedText string

// MarshalYAML implements yaml.Marshaler.
func (t quotedText) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.SingleQuotedStyle, Value: string(t)}, nil
}

func (r *Route) form() routeForm {
	f := routeForm{
		ID: r.ID, Name: r.Name, Methods: r.Methods,
		Plugins: map[string]pluginForm{r.Phase: {Conf: []entryForm{{r.Plugin, quotedText(r.Value)}}}},
	}
	f.URI, f.URIs = oneOrSeveral(r.URIs)
	f.Host, f.Hosts = oneOrSeveral(r.Hosts)
	return f
}

// oneOrSeveral is for the two properties that APISIX has for a text or several.
func oneOrSeveral(texts []string) (one string, several []string) {
	if len(texts) == 1 {
		return texts[0], nil
	}
	return "", texts
}

// JSON returns the body of the Admin API's request, PUT /apisix/admin/routes/ID.
func (r *Route) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(r.form())
	return b.Bytes(), err
}

// YAML returns an apisix.yaml with the routes.
func YAML(routes []*Route) ([]byte, error) {
	var b bytes.Buffer
	forms := make([]routeForm, len(routes))
	for i, r := range routes {
		forms[i] = r.form()
	}
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(map[string][]routeForm{"routes": forms}); err != nil {
		return nil, err
	}
	b.WriteString("#END\n") // without it APISIX takes the file for half written
	return b.Bytes(), nil
}

// Curl returns a command for a shell that puts the route at the Admin API. The API's
// key is taken from the variable ADMIN_KEY when the command runs.
func (r *Route) Curl(adminURL string) ([]byte, error) {
	body, err := r.JSON()
	if err != nil {
		return nil, err
	}
	url := strings.TrimSuffix(adminURL, "/") + "/apisix/admin/routes/" + r.ID
	return fmt.Appendf(nil, "curl -sS --fail-with-body -X PUT %s -H \"X-API-KEY: $ADMIN_KEY\" -d %s\n",
		shellQuote(url), shellQuote(strings.TrimSpace(string(body)))), nil
}

// shellQuote makes one word of a text for any POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
