package client

import (
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/topics"
)

var (
	// ErrRetired is returned by a client that takes no more records: its owner has or makes
	// another.
	ErrRetired = topics.ErrClosed
	// ErrShuttingDown is returned when there will be no other client: the process ends.
	ErrShuttingDown = &record.Error{Kind: record.KindUnavailable, Reason: "shutting down"}
)
