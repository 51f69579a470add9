// Package routeconf reads a route's configuration, the JSON text under the plugin's value:
// every key, its rules, and what works otherwise than it looks.
//
// [Lint] says all that is to be said of a text, to the plugin that loads a route as well as
// to `check` and `route`. It connects to nothing and reads no file. What a connection's
// properties mean is internal/kafkaconf's; what is done with a [Route], plugins/kafkaupstream's.
//
// Read it in this order: config.go (the table of keys and what depends on several), keys.go
// (keys that hold an object), topics.go, transport.go, lint.go (doubts); decode.go reads the
// JSON, template.go texts with variables.
package routeconf
