package check

import (
	"context"
	"net/netip"

	"github.com/kafkaupstream/kafkaupstream/internal/check/port"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// maxAddresses bounds what is looked at of a list of brokers.
const maxAddresses = 50

// bootstrap returns the addresses that librdkafka tries of bootstrap.servers.
func (w *way) bootstrap() (all []port.Address) {
	for _, b := range kafkaconf.Brokers(w.props["bootstrap.servers"], w.props.Protocol()) {
		if !b.Unusable {
			all = append(all, port.Address{Host: b.Host, Port: b.Port})
		}
	}
	return all[:min(len(all), maxAddresses)]
}

// network looks at the way to the brokers that the configuration names. One that can
// be reached is enough to go on.
func (w *way) network(ctx context.Context) {
	addresses := []port.Address{{}} // one line for what is skipped
	if w.blocked == "" {
		if addresses = w.bootstrap(); len(addresses) == 0 {
			w.needs(ctx, "names", "", func(context.Context) outcome { return fail("bootstrap.servers names no broker") })
			addresses = []port.Address{{}}
		}
	}
	if w.blocked == "" {
		var err error
		if w.ports, err = port.New(w.interrupt, w.props); err != nil {
			w.needs(ctx, "tls", "", func(context.Context) outcome { return fail("%v", err) })
		}
	}
	reached := 0
	for _, a := range addresses {
		if w.reach(ctx, a) {
			reached++
		}
	}
	if reached == 0 {
		w.block("no broker can be reached")
	}
}

// reach tries one broker, from its name to an answer in Kafka's protocol.
func (w *way) reach(ctx context.Context, a port.Address) bool {
	before := w.blocked
	defer func() { w.blocked = before }() // what fails here fails for this broker alone
	target := ""
	if a.Host != "" {
		target = a.String()
	}
	if _, err := netip.ParseAddr(a.Host); err != nil {
		w.needs(ctx, "names", a.Host, func(ctx context.Context) outcome { return told(port.LookUp(ctx, a.Host)) })
	}
	w.needs(ctx, "connect", target, func(ctx context.Context) outcome { return told(w.ports.Connect(ctx, a)) })
	if w.props.UsesTLS() {
		w.needs(ctx, "tls", target, func(ctx context.Context) outcome { return told(w.ports.Handshake(ctx, a)) })
	}
	w.needs(ctx, "kafka", target, func(ctx context.Context) outcome { return told(w.ports.Greet(ctx, a)) })
	return w.blocked == "" && ctx.Err() == nil
}
