// Package check says what is wrong with a route's configuration and with its way to
// Kafka, before a request finds it out: every finding at once, then a step for each
// thing on the way that can fail, each with its cause and not only its symptom.
//
// It is for people and for their deployment scripts. It repairs nothing, and writes to
// Kafka only where Options.Topic says. The rules of a configuration are those of
// internal/routeconf and, of a file of `serve`, internal/httpfront, the documents' forms those of internal/apisixroute, the
// properties' table is internal/librdkafka's. cmd/kafkaupstream calls it.
//
// Names, TCP and TLS are looked at by internal/check/port, which can say what a certificate
// is and who signed it; from the log-in on librdkafka does the work, as in the plugin.
//
// In reading order: report.go (findings, steps, and what a report is), lintroute.go and lint.go
// (the findings), client.go (librdkafka's client, and its errors in an operator's words), way.go
// (how a step is done, skipped or blocked), then the steps in the order in which they are
// taken: network.go, cluster.go, topic.go, send.go; and run.go, which takes them. A file
// uses only those before it.
package check
