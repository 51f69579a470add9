// Package topics caches what the cluster reports about a producer's topics: whether they exist, their
// partitions and leaders, and which partitions have taken a record of the producer. It
// asks the cluster through a function, remembers the answers for a while, and bounds what
// made-up names cost.
//
// It neither produces nor connects. internal/producer has a [Cache] for each producer.
package topics
