package extplugin

import (
	"net/http"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
)

// Plugin is the contract of apisix-go-plugin-runner's pkg/plugin.Plugin, method
// for method. It is declared here because that package brings the stock runner's
// server, logger and cache into the binary; a test holds the two together.
type Plugin interface {
	// Name is the plugin's name in a route's configuration.
	Name() string
	// ParseConf reads a configuration text. The host parses a text once and hands
	// the same conf to every call of every route that has the text. An error does
	// not fail open, as it does in the stock runner: such a route answers 500.
	ParseConf(in []byte) (conf interface{}, err error)
	// RequestFilter handles a call. What it writes to w is the client's answer; if
	// it writes nothing, APISIX continues with the request as it is: this host does not
	// rewrite requests. r, and the bytes it hands out, are valid until RequestFilter
	// returns.
	RequestFilter(conf interface{}, w http.ResponseWriter, r pkghttp.Request)
	// ResponseFilter is for ext-plugin-post-resp. The host never calls it, and leaves
	// every response as it is.
	ResponseFilter(conf interface{}, w pkghttp.Response)
}

// Parser is a [Plugin] that leaves it to the host to log what is wrong with a
// configuration: the host knows the route's name, and makes one line of all problems.
type Parser interface {
	Plugin
	// Parse is called instead of ParseConf. With an error, conf is still what
	// RequestFilter is called with, so that the plugin answers such a route's requests
	// itself; if it is nil, the host answers them with 500.
	Parse(in []byte) (conf any, warnings []error, err error)
}
