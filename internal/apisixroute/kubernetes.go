package apisixroute

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ingressClass is what APISIX's ingress controller calls its own, unless it was set up otherwise.
const ingressClass = "apisix"

// resource is what the objects of Kubernetes have in common.
type resource struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec any `yaml:"spec"`
}

type pluginConfigSpec struct {
	IngressClass string       `yaml:"ingressClassName"`
	Plugins      []pluginUsed `yaml:"plugins"`
}

type pluginUsed struct {
	Name   string     `yaml:"name"`
	Enable bool       `yaml:"enable"`
	Config pluginForm `yaml:"config"`
}

type routeSpec struct {
	IngressClass string     `yaml:"ingressClassName"`
	HTTP         []httpRule `yaml:"http"`
}

type httpRule struct {
	Name         string    `yaml:"name"`
	Match        httpMatch `yaml:"match"`
	PluginConfig string    `yaml:"plugin_config_name"`
}

type httpMatch struct {
	Hosts   []string `yaml:"hosts,omitempty"`
	Paths   []string `yaml:"paths"`
	Methods []string `yaml:"methods,flow,omitempty"`
}

// Kubernetes returns the route for APISIX's ingress controller: an ApisixPluginConfig, and an ApisixRoute that uses it, of
// apisix.apache.org/v2.
func (r *Route) Kubernetes() ([]byte, error) {
	name := objectName(r.ID)
	match := httpMatch{Hosts: r.Hosts, Paths: r.URIs, Methods: r.Methods}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	for _, object := range []resource{
		{Kind: "ApisixPluginConfig", Spec: pluginConfigSpec{ingressClass, []pluginUsed{{r.Phase, true, r.form().Plugins[r.Phase]}}}},
		{Kind: "ApisixRoute", Spec: routeSpec{ingressClass, []httpRule{{name, match, name}}}},
	} {
		object.APIVersion, object.Metadata.Name = "apisix.apache.org/v2", name
		if err := enc.Encode(object); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// maxObjectName is the longest name that is sure to do wherever Kubernetes has names.
const maxObjectName = 63

var (
	objectNames = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	notInNames  = regexp.MustCompile(`[^a-z0-9]+`)
)

// objectName makes an id the name of a Kubernetes object. An id that is not a valid name gets a hash at its end: without it,
// orders.a and orders_a would be one object.
func objectName(id string) string {
	if len(id) <= maxObjectName && objectNames.MatchString(id) {
		return id
	}
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(id)))[:idHash]
	name := notInNames.ReplaceAllString(strings.ToLower(id), "-")
	name = strings.Trim(name[:min(len(name), maxObjectName-1-idHash)], "-")
	return strings.TrimPrefix(name+"-"+hash, "-")
}
