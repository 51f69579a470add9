// Package transaction delivers records in Kafka's transactions: batches of a route, by
// [Producers.Together], and one after another those of a durable stream, by a [Serial], whose
// commit can be looked up later.
//
// It has the transactional ids and the producers with them, each of which is a [client.Client].
// internal/producer has the [Producers] of a process; nobody else calls it.
package transaction
