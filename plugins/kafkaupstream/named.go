package kafkaupstream

import (
	"github.com/kafkaupstream/kafkaupstream/internal/restproxy"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// The schemas that clients of the REST Proxy name. They are looked up: nothing is ever registered in a client's name.

// codes of the proxy's for schemas.
const (
	codeConversion = 42203
	codeLookup     = 40801
)

// namedSchema is a schema that a client has named, and what came of it. A body may name one for all of its records.
type namedSchema struct {
	of *schema.Name
	is *routeSchema
}

// named finds the schemas that a record's client has named for its key and value.
func (r *Served) named(w *work, d *draft, e *restproxy.Record) *Reply {
	for _, part := range []struct {
		of    *schema.Name
		to    **routeSchema
		known *namedSchema
		route *routeSchema
		end   string // of the subject
	}{
		{e.KeySchema, &d.keySchema, &w.namedKey, r.keySchema, "-key"},
		{e.ValueSchema, &d.schema, &w.namedValue, r.schema, "-value"},
	} {
		switch {
		case part.of == nil:
			continue
		case r.registry == nil || part.route != nil:
			return proxyRefuse(restproxy.CodePayload, "the route does not let a schema be set: the type must be BINARY, STRING or JSON")
		case part.known.of != part.of:
			is, err := r.asked(*part.of, d.Topic+part.end)
			if err != nil {
				return proxyRefuse(codeLookup, "the schema cannot be looked up: "+err.Error())
			}
			*part.known = namedSchema{part.of, is}
		}
		*part.to = part.known.is
	}
	return nil
}

// asked returns where a schema is from that a client names, with the subject if it names none.
func (r *Served) asked(name schema.Name, subject string) (*routeSchema, error) {
	if name.ID == 0 && name.Subject == "" {
		name.Subject = subject
	}
	if name.ID == 0 && name.Text == "" && name.Version == "" {
		name.Version = "latest"
	}
	name.Formats = r.Registry.Name.Formats
	source, err := r.schemas.Asked(r.registry, name)
	return &routeSchema{source, true}, err
}

// proxyRefuse is a refusal with a code of the proxy's, the first digits of which are the status.
func proxyRefuse(code int, message string) *Reply {
	reply := refuse(code/100, message)
	reply.proxyCode = code
	return reply
}

// under gives the refusal of a key or a value the proxy's code for it, if the client has named the schema.
func (r *Reply) under(named *routeSchema, version int) *Reply {
	switch {
	case r == nil || named == nil:
	case r.Status == 500: // what cannot be used is the client's choice
		return proxyRefuse(codeLookup, "the schema cannot be used: "+r.cause)
	case r.Status == 422 && version == 2:
		r.proxyCode = codeConversion
	}
	return r
}
