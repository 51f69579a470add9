// Package producer hands records to Kafka through librdkafka and says what became
// of them.
//
// It keeps one librdkafka producer for each distinct set of connection properties,
// whatever number of routes use it, and knows of each whether its cluster answers and
// (internal/topics) which topics there are, so that a record that cannot be delivered is
// refused before it is queued. Every outcome is a [record.Ack] or a [record.Error];
// internal/librdkafka has the one table from its codes to kinds.
//
// It is not for deciding where a record goes or what a client is told: it knows
// neither routes nor HTTP. plugins/kafkaupstream calls it.
package producer
