// Package httpfront is the core's way in for plain HTTP: a server whose routes can be exchanged between
// two requests. [Build] makes routes ready, [Server] serves them.
//
// It decides nothing about records. Which file routes are in is internal/routefile's, what a reply says
// plugins/kafkaupstream's. cmd/kafkaupstream makes it.
//
// net/http reads HTTP here: HTTP/2 with and without TLS, pipelining, Expect and chunked bodies are its. fasthttp
// costs half of it for a small request, and was left: of a body that a handler does not read to its end it takes
// the rest for the next request, and it has no HTTP/2.
//
// Read it in this order: server.go, routes.go (requests to routes), lint.go (what is wrong with routes), request.go (what the core asks), trust.go
// (whose word counts), tls.go, proxied.go.
package httpfront
