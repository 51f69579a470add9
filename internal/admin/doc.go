// Package admin is the HTTP server for those who operate the program: metrics, health
// and, where they are asked for, profiles. It has nothing to do with requests that are
// to be produced, and no record depends on it: what becomes of it never stops the program.
//
// It is not for what the metrics are or when the program is ready: it is given both.
// cmd/kafkaupstream makes it.
package admin
