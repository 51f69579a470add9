package kafkatest

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// settle returns when every change made so far is in force on every running
// broker. The controller answers when a change is decided; a broker hears of
// it later, and shows it in its metadata a moment before it acts on it. But
// brokers apply changes strictly in order. So settle makes two more, changes
// of a quota that nobody has: when the first is seen on a broker, what came
// before it is seen; and the second is a later step of its own, so when that
// is seen, what came before it is also done.
func (c *Cluster) settle(ctx context.Context) error {
	c.settling.Lock()
	defer c.settling.Unlock()
	for range 2 {
		c.mark++
		if err := c.alterQuota(ctx, c.mark); err != nil {
			return fmt.Errorf("kafkatest: wait until the brokers have settled: %w", err)
		}
		for _, n := range c.running() {
			err := poll(ctx, func() (bool, error) {
				quota, err := n.quota(ctx)
				// One that dies meanwhile needs no waiting for.
				return quota == c.mark || !n.running(), err
			})
			if err != nil {
				return fmt.Errorf("kafkatest: wait until broker %d has settled: %w", n.id, err)
			}
		}
	}
	return nil
}

// The quota that settle changes limits what no client ever does: change
// topics as a user that does not exist.
const (
	settleUser  = "kafkatest-settle"
	settleQuota = "controller_mutation_rate"
)

func (c *Cluster) alterQuota(ctx context.Context, value float64) error {
	user := settleUser
	entity := kmsg.NewAlterClientQuotasRequestEntryEntity()
	entity.Type, entity.Name = "user", &user
	op := kmsg.NewAlterClientQuotasRequestEntryOp()
	op.Key, op.Value = settleQuota, value
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	entry.Entity = append(entry.Entity, entity)
	entry.Ops = append(entry.Ops, op)
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = append(req.Entries, entry)
	n, err := c.anyBroker()
	if err != nil {
		return err
	}
	resp, err := req.RequestWith(ctx, n)
	if err != nil {
		return err
	}
	for _, e := range resp.Entries {
		if err := failure(e.ErrorCode, e.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// quota is settle's quota as this broker knows it, 0 when it knows none.
func (n *broker) quota(ctx context.Context) (float64, error) {
	user := settleUser
	component := kmsg.NewDescribeClientQuotasRequestComponent()
	component.EntityType, component.MatchType, component.Match = "user", kmsg.QuotasMatchTypeExact, &user
	req := kmsg.NewPtrDescribeClientQuotasRequest()
	req.Components = append(req.Components, component)
	resp, err := req.RequestWith(ctx, n)
	if err != nil {
		return 0, err
	}
	for _, e := range resp.Entries {
		for _, v := range e.Values {
			if v.Key == settleQuota {
				return v.Value, nil
			}
		}
	}
	return 0, failure(resp.ErrorCode, resp.ErrorMessage)
}

// failure is what a broker answered, with its own words where it has some.
func failure(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err == nil || message == nil || *message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, *message)
}
