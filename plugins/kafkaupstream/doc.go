// Package kafkaupstream is the plugin's core: it makes records of a request as the
// route's configuration says, has them delivered, and replies with their outcomes.
//
// The core knows neither APISIX nor an HTTP server; it sees a request through the
// small interface [Request]. The adapter to APISIX's plugin contract is the
// package apisix below this one. Configurations are internal/routeconf's, delivery is
// internal/producer's and internal/durable's, JSON is utils'.
//
// Read it in the order of a request: handler.go (from a request to its reply), forms.go (what
// its body is), record.go (where the records go), body.go (what is in them) and batch.go (if there
// are several), deliver.go, reply.go, and restproxy.go for clients of the REST Proxy. What a route
// can have besides has a file each: headers.go, events.go, envelopes.go, schemas.go,
// idempotent.go, traced.go, dryrun.go. Errors that clients want in another form: problem.go.
package kafkaupstream
