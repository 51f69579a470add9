// Package notify tells an operator of what needs a person, by a command, a webhook
// or both: a [Notifier] is told of an [Event], and each of the two gets at most one
// notification for a cause (an event of a stream and a topic) in an interval.
//
// It is not a log, nor a queue: what happens again within the interval is counted
// and the sum sent at its end, nothing is tried twice, and nothing is kept over a
// restart. A notification carries no key, no payload and no property. What spools
// and forwards records calls it; flags or their environment give it its Options.
package notify
