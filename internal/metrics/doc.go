// Package metrics is what Prometheus sees of the program: a registry of its own, the
// counters and histograms that requests and acknowledgements are put into, and
// collectors that take looks at the other packages when they are asked.
//
// It is the only package that knows Prometheus. The others have a small Observer
// interface, or a method Stats that returns plain numbers; nothing of them knows this
// package. cmd/kafkaupstream makes it and ties it to them.
//
// Every series is made by the operator's configuration, none by a client: labels are
// statuses of the table of replies, modes and kinds of this program, brokers' numbers,
// and the ids of connections, of both at most as many as the constants here say.
//
// There is a series for what can happen and none for what cannot; the table of events in
// cmd/kafkaupstream moves every one of them.
//
// What each metric means and what to do about it is in docs/operations.md; a test holds
// the two together.
package metrics
