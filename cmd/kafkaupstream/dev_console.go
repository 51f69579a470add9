package main

import (
	"net"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/console"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// console is the page about the gateway at that URL, which is asked when front and the reader of records are there.
func (o *devOptions) console(url string, front *devFront, partitions func() (map[string]int, error)) *console.Console {
	options := console.Options{
		Gateway: url, Brokers: o.brokers, ListenHost: hostOf(o.listen), AllowOrigins: strings.Split(o.allowOrigin, ","),
		Routes: func() []console.Route { return consoleRoutes(front.routes()) }, Partitions: partitions,
	}
	if o.front == frontAPISIX { // the other has no routes that come and go
		options.PutRoute = func(e console.Edit) error { return front.put(e) }
	}
	if o.broker != nil { // a nil pointer would be a Broker
		options.Broker = o.broker
	}
	return console.New(options)
}

// consoleRoutes describes the gateway's routes for the console.
func consoleRoutes(routes []gateway.Route) []console.Route {
	var list []console.Route
	for _, r := range routes {
		if r.Disabled {
			continue
		}
		shown := console.Route{ID: r.ID, URIs: r.URIs, Methods: r.Methods, Hosts: r.Hosts, Problem: "it has no plugin " + apisix.Name}
		for _, c := range r.Conf {
			if c.Name != apisix.Name {
				continue
			}
			shown.Conf, shown.Hidden = shownConf(c.Value)
			parsed, err := routeconf.ParseRoute([]byte(c.Value), apisix.Limits)
			if err != nil {
				shown.Problem = err.Error() // names keys, and no value of a property
				break
			}
			summary := parsed.Summary()
			shown.Summary, shown.Problem = &summary, ""
			break
		}
		list = append(list, shown)
	}
	return list
}

// hostOf is the host of an address to listen on.
func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address) // it has been listened on
	return host
}
