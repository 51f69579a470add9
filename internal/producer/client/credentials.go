package client

import (
	"errors"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// makeRetry is when a producer that could not be made is tried again: its secrets could not be read, a
	// certificate's file was just being replaced, or there was no descriptor left.
	makeRetry = 2 * time.Second
	// rereadInterval is how often secrets are read again while the cluster does not
	// answer, or a broker refuses them.
	rereadInterval = 500 * time.Millisecond
)

// credentials are a connection's properties with the secrets that its references stand for.
// Any goroutine may use them.
type credentials struct {
	Conn   *kafkaconf.Connection
	Log    *slog.Logger
	lookUp func(value string) (string, error)

	redactor atomic.Pointer[func(string) string]
	current  atomic.Pointer[kafkaconf.Properties] // what librdkafka has; nil until it has any
}

func newCredentials(conn *kafkaconf.Connection, lookUp func(string) (string, error), log *slog.Logger) *credentials {
	c := &credentials{Conn: conn, Log: log, lookUp: lookUp}
	c.redactAlso(conn.Properties())
	return c
}

// Properties returns what librdkafka was given, with its secrets; nil until there is a
// librdkafka producer. They are not to be changed.
func (c *credentials) Properties() kafkaconf.Properties {
	if p := c.current.Load(); p != nil {
		return *p
	}
	return nil
}

// resolve reads the secrets.
func (c *credentials) resolve() (kafkaconf.Properties, error) { return c.Conn.Resolve(c.lookUp) }

// use notes what librdkafka is given.
func (c *credentials) use(props kafkaconf.Properties) {
	c.redactAlso(props)
	c.current.Store(&props)
}

// redactAlso makes Redact take these properties' secrets out, beside those that it took out
// before: librdkafka may still write about them.
func (c *credentials) redactAlso(props kafkaconf.Properties) {
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

// Redact takes the connection's secrets out of a text.
func (c *credentials) Redact(text string) string { return (*c.redactor.Load())(text) }

// renew reads the secrets again and returns the properties if one has changed. replace:
// librdkafka reads one that has changed only when a producer is made.
func (c *credentials) renew() (changed kafkaconf.Properties, replace bool) {
	props, err := c.resolve()
	before := c.Properties()
	if err != nil || maps.Equal(props, before) {
		return nil, false
	}
	c.Log.Warn("a secret has changed; reconnecting with the new value")
	c.use(props)
	for name := range props {
		if props[name] != before[name] && name != "sasl.username" && name != "sasl.password" {
			replace = true
		}
	}
	return props, replace
}

// unresolved logs why the secrets cannot be read or used, and returns the outcome of the
// connection's records.
func (c *credentials) unresolved(err error) *record.Error {
	if invalid, ok := errors.AsType[kafkaconf.InvalidError](err); ok {
		c.Log.Error("the value behind a reference in a route's connection cannot be used; its requests are answered 500", "error", invalid)
		return &record.Error{Kind: record.KindConfig, Reason: "the value behind a reference cannot be used: " + invalid.Error()}
	}
	c.Log.Error("a secret of a route's connection cannot be read; its requests are answered 503", "error", err)
	return &record.Error{Kind: record.KindAuthentication, Reason: "a secret cannot be read: " + err.Error()}
}
