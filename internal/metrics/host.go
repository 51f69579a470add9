package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
)

// host collects what the host of the plugin says of itself.
type host func() extplugin.Stats

var (
	connections       = describe("apisix_connections", "Connections of APISIX that are open.")
	connectionsBroken = describe("apisix_connections_broken_total", "Connections of APISIX that ended by an error.")
	callsRefused      = describe("apisix_frames_refused_total", "Frames of APISIX that were malformed or of an unknown type.")
	tokensUnknown     = describe("apisix_tokens_unknown_total", "Calls with a token of another process or an expired one, on which APISIX prepares the route again.")
	tokens            = describe("apisix_tokens", "Tokens held: one for a route, or for a route and consumer.")
	configurations    = describe("configurations", "Configuration texts held, by whether they can be used; one that nobody uses any more goes after APISIX's expire time and a fifth.", "state")
	invalidParsed     = describe("configurations_invalid_total", "Configuration texts that came and cannot be used.")
)

// Describe names the metrics.
func (host) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		connections, connectionsBroken, callsRefused, tokensUnknown, tokens, configurations, invalidParsed,
	} {
		out <- d
	}
}

// Collect takes a look.
func (look host) Collect(out chan<- prometheus.Metric) {
	s := look()
	out <- gauge(connections, float64(s.Connections))
	out <- count(connectionsBroken, s.ConnectionsBroken)
	out <- count(callsRefused, s.CallsRefused)
	out <- count(tokensUnknown, s.TokensUnknown)
	out <- gauge(tokens, float64(s.Tokens))
	out <- gauge(configurations, float64(s.Configurations-s.Invalid), "valid")
	out <- gauge(configurations, float64(s.Invalid), "invalid")
	out <- count(invalidParsed, s.InvalidParsed)
}
