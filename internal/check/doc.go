// Package check says what is wrong with a route's configuration and with its way to
// Kafka, before a request finds it out: every finding at once, then a step for each
// thing on the way that can fail, each with its cause and not only its symptom.
//
// It is for people and for their deployment scripts. It repairs nothing, and writes to
// Kafka only where Options.Topic says. The rules of a configuration are those of
// plugins/kafkaupstream, the documents' forms those of internal/apisixroute, the
// properties' table is internal/librdkafka's. cmd/kafkaupstream calls it.
//
// Names, TCP and TLS are looked at with Go's own means, which can say what a
// certificate is and who signed it; from the log-in on librdkafka does the work, as in
// the plugin.
package check
