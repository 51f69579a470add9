// Package kafkaconf knows what a route's connection properties mean: which a route may set,
// how librdkafka reads their values, which contradict each other or the route's way of
// delivery, this project's defaults ([Effective]), and which hold secrets. A [Connection] is
// such a set of properties; routes with equal ones share a producer.
//
// It connects to nothing. The plugin and `check` refuse a route by it, internal/producer
// makes its producers of it.
package kafkaconf
