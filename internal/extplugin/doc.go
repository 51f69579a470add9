// Package extplugin is the plugin's side of APISIX's ext-plugin protocol: it
// listens on the Unix socket that APISIX names, keeps the configurations APISIX
// has prepared, and calls a plugin written against the contract of
// apisix-go-plugin-runner (pkg/plugin.Plugin, pkg/http.Request).
//
// It is not for what a plugin does with a request, and does not depend on Kafka. It has
// what a plugin needs that answers every request itself, and neither rewrites requests
// nor changes responses.
// cmd/kafkaupstream calls it (run and dev), and the benchmarks do.
//
// The stock runner (v0.5.0) is not used. It reads a frame with one read: bodies from about
// 200 kB break the connection every time, smaller ones now and then. It counts tokens from
// 1, so that after a reload an old token can mean another route. It skips a plugin whose
// configuration does not parse, and the request passes.
//
// The protocol is defined by ext-plugin.fbs in github.com/api7/ext-plugin-proto
// and by apisix/plugins/ext-plugin/init.lua in github.com/apache/apisix. A frame
// is one type byte, a 3-byte big-endian length and a FlatBuffer. The peer sends
// one call at a time on a connection and waits for the answer.
//
// The way of a call: [Server] accepts a connection, a session reads a frame,
// [confStore] finds the configuration behind its token, the plugin is called with
// a request that decodes the frame lazily, and the answer is written as one frame
// with one write.
package extplugin
