// Package port looks at a broker's port as a route's properties would use it: whether its name
// resolves, whether something listens there, what its certificate is and who signed it, whether
// it speaks Kafka's protocol, and which log-in it wants. Where an answer is not Kafka's, it
// says whose it is.
//
// It uses Go's own network and TLS, because librdkafka says "timed out" of most of this. It
// sends no secret and does not log in. internal/check and internal/verify call it.
//
// In reading order: address.go (names and connections), wire.go (two requests of Kafka's
// protocol), settings.go (a route's ssl.* properties), certificate.go (verifying a
// broker's), port.go (the steps themselves).
package port
