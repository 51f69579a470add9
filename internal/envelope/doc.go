// Package envelope puts what a client sent into the wire form of a neighbour: of a system
// that reads Kafka in a dialect of its own.
//
// An [Envelope] is a row of the table in envelope.go: a JSON Schema of what clients may
// send, a function that makes the record's value of it, and what is to be known of the
// neighbour's readers. A further neighbour is a further row. Tests ask OPAL's own models
// whether the schema is right.
//
// What an envelope lets through, its readers take. That is more than a courtesy: a record
// that they cannot read ends OPAL's reader for good, and loses oslo.messaging's listener
// the records beside it. A null value or a codec other than gzip ends OPAL's reader with its
// health check green; a value that Python cannot read loses oslo's listener the rest of its poll.
//
// One envelope is no neighbour's: http, in http.go, holds the request as Kong's kafka-upstream does, and takes any body.
//
// plugins/kafkaupstream calls it for routes with envelope. It is not for topics, keys or
// delivery, and knows neither Kafka's client nor an HTTP server.
package envelope
