// Package client is one librdkafka producer of a pool, from its making to its end: it queues
// records, deals with librdkafka's reports, knows whether the cluster answers, reads the secrets
// of its connection again, and gives what it could not send to its successor.
//
// Its files use each other in one direction: drain.go, handover.go, queue.go and stats.go are
// about a [Client], client.go about the parts that it is made of, which have a file each.
//
// It is not for choosing the client of a record, nor for replacing one: that is for its [Owner],
// in internal/producer or internal/producer/transaction. Nobody else calls it.
package client
