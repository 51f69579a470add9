package core

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

// maxClusters bounds the clusters that a reply about readiness names.
const maxClusters = 100

// spoolDisk is what only the spool's disk knows: durable.Queue.State and Failing.
type spoolDisk struct {
	problem, failing error
	owner            bool
}

func (c *Core) lookAtDisk() (disk spoolDisk, _ error) {
	disk.problem, disk.owner = c.queue.State()
	disk.failing = c.queue.Failing()
	return disk, nil
}

// Readiness reports whether the core can serve: it can write to its spool if it has one, and at
// least one of its connections can take a record: the cluster answers, or its state is not known
// yet, or its records can be kept on disk. One failing cluster of several is only a warning, so that
// the routes of the others stay in service.
func (c *Core) Readiness() (out admin.Readiness) {
	var disk spoolDisk
	if c.queue != nil {
		var err error
		if disk, err = c.disk.Latest(); err != nil {
			disk = spoolDisk{owner: true, failing: err}
		}
		problem := disk.problem
		switch {
		case errors.Is(problem, fs.ErrPermission):
			out.Refuse(fmt.Sprintf("the spool's directory may not be used by the user %d: durable routes can keep no record until it and what is in it is that user's (chown; in Kubernetes fsGroup)", os.Geteuid()))
		case errors.Is(problem, syscall.EROFS):
			out.Refuse("the spool's file system is read-only: durable routes can keep no record until it is mounted writable")
		case problem != nil:
			out.Refuse("the spool's directory cannot be opened, or is not in its place any more: durable routes can keep no record; the log has the cause")
		case !disk.owner:
			out.Warn("another process has the spool: what this one keeps is sent after that process has ended")
		}
		const keepsNone = "durable routes can keep no record while their cluster does not answer"
		if c.queue.Exhausted() {
			out.Warn("the spool is full: " + keepsNone)
		}
		if disk.failing != nil && problem == nil {
			out.Warn(fmt.Sprintf("the spool's disk takes no record (%v): %s", disk.failing, keepsNone))
		}
	}
	producers := c.pool.Stats().Producers
	invalid, down, stuck := 0, 0, 0
	for i, p := range producers {
		switch p.State {
		case producer.StateInvalid:
			invalid++
		case producer.StateDown:
			if down++; c.queue == nil || disk.failing != nil || !c.queue.Keeps(&p) {
				stuck++
			}
		}
		if i < maxClusters {
			out.Clusters = append(out.Clusters, admin.Cluster{
				Producer: p.ID, Brokers: p.Brokers, Delivery: p.Mode.String(), State: string(p.State), Reason: p.Reason,
			})
		}
	}
	if down > 0 {
		out.Warn(fmt.Sprintf("the clusters of %d of %d connections do not answer", down, len(producers)))
	}
	if invalid > 0 {
		out.Warn(fmt.Sprintf("%d of %d connections cannot be made: a property is refused, or a secret cannot be read", invalid, len(producers)))
	}
	if stuck > 0 && stuck == len(producers)-invalid {
		out.Refuse("no cluster answers")
	}
	return out
}
