// Package kafkaupstream is the plugin's core: it reads a route's configuration,
// makes a record of a request, hands it to a producer and says in a reply what
// became of it.
//
// The core knows neither APISIX nor an HTTP server; it sees a request through the
// small interface [Request]. The adapter to APISIX's plugin contract is the
// package apisix below this one. Delivery is internal/producer's, JSON is utils'.
//
// Read it in the order of a request: config.go, handler.go, record.go, reply.go.
package kafkaupstream
