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
	// A plugin that also runs there keeps the error in its conf instead and answers
	// 500 itself; if that conf has a method Invalid() bool that returns true, the
	// host still says in the log which route it is.
	ParseConf(in []byte) (conf interface{}, err error)
	// RequestFilter handles a call. What it writes to w is the client's answer; if
	// it writes nothing, APISIX goes on with the request as it is: this host does not
	// rewrite requests. r, and the bytes it hands out, are valid until RequestFilter
	// returns.
	RequestFilter(conf interface{}, w http.ResponseWriter, r pkghttp.Request)
	// ResponseFilter is for ext-plugin-post-resp. The host never calls it, and leaves
	// every response as it is.
	ResponseFilter(conf interface{}, w pkghttp.Response)
}
