package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
)

// host collects what the host of the plugin says of itself.
func host(look func() extplugin.Stats) prometheus.Collector {
	type stats = extplugin.Stats
	const texts = "Configuration texts held, by whether they can be used; one that nobody uses any more goes after APISIX's expire time and a fifth."
	return numbers[stats]{look, []number[stats]{
		gaugeOf("apisix_connections", "Connections of APISIX that are open.", nil, func(s *stats) int64 { return s.Connections }),
		counterOf("apisix_connections_broken_total", "Connections of APISIX that ended by an error.", nil, func(s *stats) int64 { return s.ConnectionsBroken }),
		counterOf("apisix_frames_refused_total", "Frames of APISIX that were malformed or of an unknown type.", nil, func(s *stats) int64 { return s.CallsRefused }),
		counterOf("apisix_tokens_unknown_total", "Calls with a token of another process or an expired one, on which APISIX prepares the route again.",
			nil, func(s *stats) int64 { return s.TokensUnknown }),
		gaugeOf("apisix_tokens", "Tokens held: one for a route, or for a route and consumer.", nil, func(s *stats) int64 { return s.Tokens }),
		gaugeOf("configurations", texts, prometheus.Labels{"state": "valid"}, func(s *stats) int64 { return s.Configurations - s.Invalid }),
		gaugeOf("configurations", texts, prometheus.Labels{"state": "invalid"}, func(s *stats) int64 { return s.Invalid }),
		counterOf("configurations_invalid_total", "Configuration texts that came and cannot be used.", nil, func(s *stats) int64 { return s.InvalidParsed }),
	}}
}
