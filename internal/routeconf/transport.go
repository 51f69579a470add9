package routeconf

import (
	"maps"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/internal/transporturl"
)

func (c *configReader) readTransportURL(path string, v any) {
	text, ok := c.text(path, v)
	if !ok {
		return
	}
	if secrets.IsReference(text) {
		c.problem(path, "it cannot be a reference as a whole: give the secret alone as one, \"sasl.password\" in config, and leave it out of the URL")
		return
	}
	u, err := transporturl.Parse(text)
	if err != nil {
		c.problem(path, "%s", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(u.Properties)) {
		if err := c.reference(path, name, u.Properties[name]); err != nil {
			c.problem(path, "the value for %s: %s", name, err)
			return
		}
	}
	c.transport = u
	if u.VirtualHost != "" {
		c.route.TopicEnd = "." + u.VirtualHost
	}
}

// mergeTransport adds what the transport URL says to the properties of config.
func (c *configReader) mergeTransport() {
	u := c.transport
	if u == nil {
		return
	}
	inConfig := map[string]string{} // canonical names to those of config
	for _, name := range slices.Sorted(maps.Keys(c.properties)) {
		inConfig[kafkaconf.Canonical(name)] = name
	}
	if c.properties == nil {
		c.properties = kafkaconf.Properties{}
	}
	for _, name := range slices.Sorted(maps.Keys(u.Properties)) {
		switch other, twice := inConfig[name]; {
		case !twice:
			c.properties[name], c.paths[name] = u.Properties[name], "transport_url"
		case !sameValue(name, c.properties[other], u.Properties[name]):
			c.problem("transport_url", "it and config.%s say different things", other)
		}
	}
	for name, value := range u.Defaults {
		if _, set := c.properties[name]; !set && inConfig[name] == "" {
			c.properties[name], c.paths[name] = value, "transport_url"
		}
	}
	c.checkTransportTLS()
}

// sameValue reports whether librdkafka reads the same in two values of a property.
func sameValue(name, a, b string) bool {
	readA, errA := kafkaconf.Value(name, a)
	readB, errB := kafkaconf.Value(name, b)
	return a == b || errA == nil && errB == nil && readA == readB
}

// checkTransportTLS refuses options for TLS where there will be none: the driver connects
// in the clear then, and whoever named a certificate wants something else.
func (c *configReader) checkTransportTLS() {
	if protocol := c.properties["security.protocol"]; strings.HasSuffix(strings.ToUpper(protocol), "SSL") {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.transport.Properties)) {
		if strings.HasPrefix(name, "ssl.") {
			c.problem("transport_url", "it has an option of TLS (%s), but the connection does not use TLS: set security_protocol to SSL or SASL_SSL", name)
			return
		}
	}
}
