// Package durable delivers records that must not be lost: to Kafka while Kafka
// answers, and otherwise to this machine's disk first and to Kafka later, in order
// and once.
//
// A [Queue] stands between the plugin and the producers. It keeps one stream for
// each connection (and reaction to what Kafka refuses for good): while a stream is
// empty, its records go straight to Kafka and touch no disk. A record that Kafka has
// not acknowledged in time is appended to the stream, and from then on every new one
// queues behind it, until the stream's forwarder has sent them all.
//
// A record that librdkafka has when its time is up is on disk and under way at once:
// a flight. Its acknowledgement still counts; only when librdkafka gives it up is it
// sent again.
//
// A connection with transactions has streams of units: records of one request, which are
// sent in one transaction, one unit after another, by the owner of the directory only.
// Where a commit is not answered, a mark in Kafka shows what became of it (unitstream.go); and
// what became of a unit can be asked for again by its identity (units.go).
//
// The package is not for the format on disk (internal/spool) nor for producing
// (internal/producer). plugins/kafkaupstream sends through it, cmd/kafkaupstream
// makes it and, for the commands of `kafkaupstream spool`, looks into it.
package durable
