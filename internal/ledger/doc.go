// Package ledger holds replies of a gateway against what is in Kafka's topic: which
// records were promised and are lost, which are there although the reply said that they
// never would be, which are there twice, out of order, or elsewhere than the reply says.
//
// It knows neither HTTP nor Kafka. A client sends the records of a [Run], writes what it
// was told of each into a [Ledger], reads the topic into a [Settlement], and asks that for
// an [Account]. A [Pace] says when the next record may be sent. internal/verify does so
// for `kafkaupstream verify`, against anybody's gateway; test/chaos under every fault.
//
// In reading order: record.go (a record's name and its value), entry.go and reply.go (what the client
// was told of it), ledger.go, settlement.go (what of it lies in the topic), account.go (what
// both come to); pace.go stands alone. A file uses only those before it.
package ledger
