// Package gateway plays Apache APISIX's part towards an ext-plugin runner: HTTP on one side, APISIX's ext-plugin
// protocol over a Unix socket on the other. "kafkaupstream dev" serves it, tests and benchmarks drive it.
//
// It has two layers. [Client] speaks the protocol as apisix/plugins/ext-plugin/init.lua does and does not depend on HTTP
// servers; a benchmark can use it alone. [Gateway] is an [net/http.Handler] on top of it: routes with one ext-plugin
// plugin each, an Admin API to edit them, and for each request one call to the runner.
//
// It is not a proxy (there is no upstream: a request that the runner lets pass is answered 503, as APISIX answers a
// route without one), it has no other plugin than ext-plugin-pre-req and ext-plugin-post-req, it does not start the
// runner, and it is not meant for anything but a developer's own machine.
package gateway
