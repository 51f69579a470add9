package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/httpfront"
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

// front collects what serve's HTTP server says of itself.
func front(look func() httpfront.Stats) prometheus.Collector {
	type stats = httpfront.Stats
	return numbers[stats]{look, []number[stats]{
		gaugeOf("http_connections", "Connections of clients that are open.", nil, func(s *stats) int64 { return s.Connections }),
		counterOf("http_requests_unrouted_total", "Requests that no route takes.", nil, func(s *stats) int64 { return s.Unrouted }),
		counterOf("http_requests_unproven_total", "Requests that only the gateway may send, and somebody else did.", nil, func(s *stats) int64 { return s.Unproven }),
		gaugeOf("http_routes", "Routes that are served.", nil, func(s *stats) int64 { return s.Routes }),
		gaugeOf("http_routes_valid", "1: the file's routes are served; 0: it has errors, and the routes from before are served.", nil, func(s *stats) int64 { return s.Valid }),
		counterOf("http_routes_read_total", "Times that a changed file's routes were read.", nil, func(s *stats) int64 { return s.Reads }),
		gaugeOf("http_certificate_valid", "1: the certificate is that of its files, or there is none; 0: they cannot be read again, and the one from before is used.",
			nil, func(s *stats) int64 { return s.Certificate }),
	}}
}
