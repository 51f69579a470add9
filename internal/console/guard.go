package console

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/nginxuri"
)

// policy lets the page load what is embedded and nothing else, and refuses every use of text as markup
// (require-trusted-types-for): what is in a record stays text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func guard(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// knownHost reports whether the name that a browser has for this server can only be this machine's. A page of somebody
// else's whose name was pointed at this machine (DNS rebinding) would be of the same origin as the console: it has a
// name in Host that is neither an address nor one that was asked for.
func (c *Console) knownHost(hostPort string) bool {
	host := strings.Trim(nginxuri.HostName(hostPort), "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && strings.EqualFold(host, c.options.ListenHost)
}

// routeHost reports whether a route is for this host by name.
func (c *Console) routeHost(host string) bool {
	return slices.ContainsFunc(c.options.Routes(), func(r Route) bool {
		return slices.ContainsFunc(r.Hosts, func(pattern string) bool {
			end, wild := strings.CutPrefix(strings.ToLower(pattern), "*")
			return host == end || wild && strings.HasSuffix(host, end)
		})
	})
}

// foreign reports whether a request for the gateway comes from a web page that is not its own. Such a page reads no answer,
// but a simple POST (a form, a fetch of text/plain) needs none to produce a record.
func (c *Console) foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return !sameOrigin(r) || namesNoOrigin(r) && !c.knownHost(r.Host) && !c.routeHost(nginxuri.HostName(r.Host))
	case slices.Contains(c.options.AllowOrigins, origin):
		return false
	}
	return !sameOrigin(r) || !c.knownHost(r.Host)
}

// namesNoOrigin reports whether a browser leaves the origin out where a page asks its own host, over plain HTTP.
func namesNoOrigin(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// sameOrigin reports whether a request comes from the console's own page, from a person, or from a program: what sends
// neither header is no browser.
func sameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return false
}

// ownPage reports whether a request can only come from the console's own page: a browser names the origin of every POST, and a
// program does not pretend to have one.
func ownPage(r *http.Request) bool { return r.Header.Get("Origin") != "" && sameOrigin(r) }
