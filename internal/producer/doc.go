// Package producer delivers records to Kafka through librdkafka and reports their outcomes.
//
// Its [Pool] keeps one librdkafka producer for each distinct set of connection properties,
// whatever number of routes use it, makes and replaces it, and chooses it for each record. The
// producer itself is package client below this one: it knows whether its cluster answers and
// (internal/topics) which topics there are, so that a record that cannot be delivered is
// refused before it is queued. Package transaction has the producers of transactions. Every
// outcome is a [record.Ack] or a [record.Error]; internal/librdkafka has the one table from its
// codes to kinds.
//
// Read pool.go, then suspect.go (why a refused batch replaces a producer) and deliver.go.
//
// It is not for deciding where a record goes or what an HTTP client gets: it knows
// neither routes nor HTTP. plugins/kafkaupstream and internal/durable call it.
package producer
