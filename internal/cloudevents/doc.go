// Package cloudevents turns CloudEvents 1.0 that came over HTTP into the keys,
// values and headers of Kafka records.
//
// It is for the moment at which a request is known to be for a route of events:
// [ModeOf] tells in which of HTTP's content modes it came, [DecodeBinary],
// [DecodeStructured] and [DecodeBatch] make events of it, and [Event.Record] makes a
// record of an event. plugins/kafkaupstream calls them.
//
// It is not for producing, for choosing topics, for looking into an event's data, or
// for event formats other than JSON.
//
// CloudEvents' own SDK is not used: it accepts an id given twice, turns 1e3 into 1000, and
// adds 1.4 MB and six modules to the binary.
//
// # Sources
//
// The sections that comments name are those of CloudEvents 1.0.2 (spec), of its JSON
// event format (json), and of its bindings to HTTP (http) and Kafka (kafka). The rules
// are kept strictly: what this package lets through, another implementation reads as
// the same event. The one exception is for the SDKs that do not percent-encode headers.
//
// # Which mode goes out
//
// Out is for all events of a route, however they came, as it is in Knative's KafkaSink.
// Binary is the zero value: a consumer without support for CloudEvents finds the data
// as the record's value, compacted topics work, filters read headers without decoding,
// and Knative's broker for Kafka stores events so. Kafka has no batches (kafka 1.3):
// the events of one become a record each.
//
// # Memory
//
// An event's data is a part of the body it came in wherever that is possible. Beyond
// the body, decoding takes at most its size once more for compaction or base64, and
// what the attributes take: an event has at most 100 of them, a batch as many events as
// its caller allows.
package cloudevents
