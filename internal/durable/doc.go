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
// A stream is shared by requests (deliver.go), its forwarder (forward.go; records.go and
// unitrounds.go are its rounds) and an operator's commands ([Stream]). Whoever sends from disk, or
// takes records out, holds the stream's turn; what others use meanwhile is in types with a lock of
// their own (flights.go, gate.go, units.go). The arrows between these files run one way: from
// [Queue.Streams], [Queue.Stats] and [Queue.Way] to the queue, from that to the forwarders, from
// those to the stream, from that to its parts.
//
// The package is not for the format on disk (internal/spool), for producing (internal/producer),
// nor for what an operator may ask and do (internal/durable/operator, which a command reaches
// through internal/durable/control). plugins/kafkaupstream sends through it, internal/core
// makes it.
package durable
