// Package client is one librdkafka producer of a pool, from the first record to the last: it
// queues records, deals with librdkafka's reports, knows whether the cluster answers, reads the
// secrets of its connection again, and gives what it could not send to its successor. Its files
// use each other in one direction: drain, handover and queue are about a [Client]; client.go is about
// what a delivery, a link, a budget and the like are.
//
// It is not for choosing the client of a record, nor for replacing one: that is for an [Owner],
// which internal/producer is, and internal/producer/transaction.
package client
