package producer

import (
	"errors"
	"maps"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// secretRetry is when a producer whose secrets could not be read is tried again.
	secretRetry = 2 * time.Second
	// rereadInterval is how often secrets are read again while the cluster does not
	// answer.
	rereadInterval = 500 * time.Millisecond
)

// resolve returns the properties with the secrets that their references stand for.
func (c *client) resolve() (kafkaconf.Properties, error) {
	props, err := c.conn.Resolve(c.pool.resolve)
	if err != nil {
		return nil, err
	}
	c.setRedactor(props)
	return props, nil
}

// setRedactor makes redact take these properties' secrets out, and those of the
// properties that references stood for before.
func (c *client) setRedactor(props kafkaconf.Properties) {
	before := c.redactor.Load()
	now := kafkaconf.Redactor(props)
	f := func(text string) string {
		if before != nil {
			text = (*before)(text)
		}
		return now(text)
	}
	c.redactor.Store(&f)
}

func (c *client) redact(text string) string { return (*c.redactor.Load())(text) }

// reread looks for other secrets behind the references while the cluster does not
// answer: not every cluster says that it is because of them.
func (c *client) reread() {
	if time.Since(c.read) < rereadInterval {
		return
	}
	c.read = time.Now()
	props, err := c.resolve()
	if err != nil || maps.Equal(props, c.resolved) {
		return
	}
	c.log.Warn("a secret has changed; reconnecting with the new value")
	changed := func(name string) bool { return props[name] != c.resolved[name] }
	others := 0
	for name := range props {
		if changed(name) && name != "sasl.username" && name != "sasl.password" {
			others++
		}
	}
	c.resolved = props
	if others > 0 { // librdkafka reads these once
		c.failed()
		return
	}
	if err := c.kafka.SetSASLCredentials(props["sasl.username"], props["sasl.password"]); err != nil {
		c.log.Error("the producer does not take the new secret and is replaced", "error", c.redact(err.Error()))
		c.failed()
	}
}

// unresolved logs why the producer has no secrets, or such as it cannot be made with, and
// returns the outcome of its records.
func (c *client) unresolved(err error) *record.Error {
	if invalid, ok := errors.AsType[kafkaconf.InvalidError](err); ok {
		c.log.Error("what a reference of a route's connection stands for cannot be used; its requests are answered 500", "error", invalid)
		return &record.Error{Kind: record.KindConfig, Reason: "what a reference stands for cannot be used: " + invalid.Error()}
	}
	c.log.Error("a secret of a route's connection cannot be read; its requests are answered 503", "error", err)
	return &record.Error{Kind: record.KindAuthentication, Reason: "a secret cannot be read: " + err.Error()}
}
