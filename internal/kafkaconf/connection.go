package kafkaconf

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Connection is a set of connection properties, to be made once for a route.
type Connection struct {
	*content
	held atomic.Int64 // bytes that Pool.Hold has given out
}

// content is what the connections of equal properties and mode share: a gateway can have
// thousands of routes, and few sets of properties.
type content struct {
	mode   record.Mode
	id     string     // equal for equal effective properties
	route  Properties // as the route has them; values may be references to secrets
	props  Properties // effective
	more   Properties // those of props that neither the route nor its mode has: see derived
	origin string     // equal for equal properties of the route, whatever the mode
	// MessageMaxBytes is the largest record the producer takes, in bytes.
	MessageMaxBytes int
	queued, slow    *atomic.Int64 // see Queued; slow is that of Alone

	aloneOnce sync.Once
	aloneConn *Connection // made by alone

	striped     bool // see Striped
	stripesOnce sync.Once
	stripes     []Connection // made by Stripe
}

// contents are those in use, by what they are made of. Its mutex is held while one is looked up or put.
var contents = struct {
	sync.Mutex
	made map[madeOf]weak.Pointer[content]
}{made: map[madeOf]weak.Pointer[content]{}}

type madeOf struct {
	mode  record.Mode
	route string // the identity of the properties as the route has them
}

// New makes a route's connection of its properties; see [Effective]. The error
// is an [InvalidError].
func New(route Properties, mode record.Mode) (*Connection, error) {
	contents.Lock()
	defer contents.Unlock()
	of := madeOf{mode, identity(route)}
	if c := contents.made[of].Value(); c != nil {
		return &Connection{content: c}, nil
	}
	props, err := Effective(route, mode)
	if err != nil {
		return nil, err
	}
	c := &content{
		mode: mode, id: identity(props), route: maps.Clone(route), props: props,
		origin: identity(canonical(route)), MessageMaxBytes: messageMaxBytes(props), striped: canStripe(props, mode),
		queued: new(atomic.Int64), slow: new(atomic.Int64),
	}
	contents.made[of] = weak.Make(c)
	runtime.AddCleanup(c, forget, of)
	return &Connection{content: c}, nil
}

// forget takes a content that nobody uses out of contents, unless there is another by now.
func forget(of madeOf) {
	contents.Lock()
	defer contents.Unlock()
	if contents.made[of].Value() == nil {
		delete(contents.made, of)
	}
}

// Transactional reports whether all records of a request are one transaction.
func (c *Connection) Transactional() bool { return c.mode.Transactional }

// Origin identifies the route's properties, whatever its mode: 64 hexadecimal
// digits.
func (c *Connection) Origin() string { return c.origin }

// ID identifies what librdkafka is given: 64 hexadecimal digits, equal for equal
// properties, and for a stripe its number behind them.
func (c *Connection) ID() string { return c.id }

// ProducerID names the connection's producers in log lines and metrics: the first eight
// digits of ID.
func (c *Connection) ProducerID() string { return c.id[:8] }

// Mode is the mode that the connection was made for.
func (c *Connection) Mode() record.Mode { return c.mode }

// Held counts the bytes of memory that the pool has given out for the connection's
// requests.
func (c *Connection) Held() *atomic.Int64 { return &c.held }

// Queued counts the bytes of memory of the records that the connection's producers have. Derived connections
// and stripes have the same counter: a connection's share of the memory does not grow with its producers. Alone has
// another one: its records go slowly, and take no room of the others.
func (c *Connection) Queued() *atomic.Int64 { return c.queued }

// Value returns one of the properties that librdkafka is given, "" where it is not given.
func (c *Connection) Value(name string) string { return c.props[name] }

// Route returns a copy of the properties of which the connection was made. They
// hold secrets, unless these are references.
func (c *Connection) Route() Properties { return maps.Clone(c.route) }

// Properties returns a copy of what librdkafka is given, where references to secrets
// are not resolved.
func (c *Connection) Properties() Properties { return maps.Clone(c.props) }

// Resolve returns what librdkafka is given, with the secrets that references stand for.
// Now that these are known, they are looked at as [Check] does: an [InvalidError] is about
// them, another error is resolve's.
func (c *Connection) Resolve(resolve func(string) (string, error)) (Properties, error) {
	route := Properties{}
	for name, value := range c.route {
		if _, used := c.props[Canonical(name)]; !used {
			continue // acks=0, see Effective
		}
		secret, err := resolve(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		route[name] = secret
	}
	if err := Check(route, c.mode); err != nil {
		return nil, err
	}
	props, err := Effective(route, c.mode)
	if err != nil {
		return nil, err
	}
	maps.Copy(props, c.more)
	return props, nil
}

// As returns a connection of the same route properties with another mode.
func (c *Connection) As(mode record.Mode) *Connection {
	if c.mode == mode {
		return c
	}
	other, err := New(c.route, mode)
	if err != nil {
		panic(err) // the modes differ in defaults only, which are valid
	}
	return other
}

// Access returns the properties that say how to reach the cluster and log in, for
// another kind of client. Secrets are resolved with resolve.
func (c *Connection) Access(resolve func(string) (string, error)) (Properties, error) {
	access := Properties{}
	for name, value := range c.props {
		for _, prefix := range []string{"bootstrap.servers", "security.", "sasl.", "ssl.", "enable.ssl.", "https.", "enable.sasl."} {
			if strings.HasPrefix(name, prefix) {
				var err error
				if access[name], err = resolve(value); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return access, nil
}

func identity(props Properties) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(props)) {
		fmt.Fprintf(h, "%d:%s=%d:%s;", len(name), name, len(props[name]), props[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

func canonical(props Properties) Properties {
	c := Properties{}
	for name, value := range props {
		c[Canonical(name)] = value
	}
	return c
}
