package core

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

// A probe that waited for a disk that hangs would take the routes out of service that need no disk, and keep a thread.
func TestReadinessDoesNotWaitForADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		pool := producer.NewPool(producer.Options{Log: slog.New(slog.DiscardHandler)})
		defer pool.Close(t.Context())
		c := &Core{pool: pool, queue: new(durable.Queue),
			disk: diskfile.NewLook(func() (disk spoolDisk, _ error) {
				<-release
				return disk, nil
			})}
		for _, most := range []time.Duration{2 * time.Second, 0} {
			began := time.Now()
			out := c.Readiness()
			if len(out.Reasons) > 0 || len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "the disk hangs") || time.Since(began) > most {
				t.Errorf("%+v after %v", out, time.Since(began))
			}
		}
	})
}
