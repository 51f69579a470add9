package producer

import (
	"fmt"
	"maps"
	"time"
)

const (
	// secretRetry is when a producer whose secrets could not be read is tried again.
	secretRetry = 2 * time.Second
	// rereadInterval is how often secrets are read again while the cluster does not
	// answer.
	rereadInterval = 500 * time.Millisecond
)

// resolve returns the properties with the secrets that their references stand for.
func (c *client) resolve() (Properties, error) {
	props := Properties{}
	for name, value := range c.conn.props {
		secret, err := c.pool.resolve(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		props[name] = secret
	}
	c.setRedactor(props)
	return props, nil
}

// setRedactor makes redact take these properties' secrets out, and those of the
// properties that references stood for before.
func (c *client) setRedactor(props Properties) {
	before := c.redactor.Load()
	now := Redactor(props)
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

// unreadable is the outcome of records whose producer has no secrets.
func unreadable(err error) *Error {
	return &Error{Kind: KindAuthentication, Reason: "a secret cannot be read: " + err.Error()}
}
