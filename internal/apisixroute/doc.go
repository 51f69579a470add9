// Package apisixroute reads and writes the documents in which Apache APISIX has a
// route: the Admin API's JSON and apisix.yaml. It finds the external plugins'
// configurations in what people have at hand, and writes a route around one. Where APISIX
// takes a value from its environment, it takes it from the caller's: variables.go replaces
// ${{NAME}} in a file, reference.go resolves a whole value, and read.go uses both.
//
// It knows the documents' forms only. What is good or bad about a route is
// internal/check's to say, what a route's properties may be internal/gateway's, and
// what is in a plugin's configuration internal/routeconf's. cmd/kafkaupstream and
// internal/check call it.
package apisixroute
