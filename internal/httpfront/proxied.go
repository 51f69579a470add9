package httpfront

import (
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

// Proxies are peers whose connections begin with a header of the PROXY protocol, which says which client is behind
// them. nil: there are none.
type Proxies = proxyproto.ConnPolicyFunc

// ParseProxies reads addresses and CIDR ranges. A connection of theirs without a header is closed; others' headers are
// no HTTP.
func ParseProxies(ranges []string) (Proxies, error) {
	return proxyproto.PolicyFromRanges(ranges, proxyproto.REQUIRE, proxyproto.SKIP)
}

// proxied is the listener with the clients' addresses for those of the proxies. A header has to come within the timeout.
func proxied(l net.Listener, from Proxies, timeout time.Duration) net.Listener {
	return &proxyproto.Listener{Listener: l, ConnPolicy: from, ReadHeaderTimeout: timeout}
}
