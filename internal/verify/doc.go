// Package verify asks whether a set-up loses records: it sends numbered records through
// a gateway, any HTTP gateway that produces to Kafka, keeps each reply, reads the topic
// and reports which promises were broken. The accounts are those of internal/ledger.
//
// It touches nothing but the records that it sends: it creates no topic, joins no
// consumer group, commits no offsets and deletes nothing. It breaks nothing either: that
// is for whoever runs it. cmd/kafkaupstream calls it.
//
// In reading order: topic.go (Kafka's side), load.go (the gateway's side), report.go, and
// verify.go (one after the other). A file uses only those before it.
package verify
