//go:build !cgo

// With CGO_ENABLED=0, or where Go finds no C compiler, the Go command finds two packages in this folder, and its only error
// is the name of this one. Without this file it would be a list of C's names that are undefined.
package kafkaupstream_needs_cgo_set_CGO_ENABLED_1_and_install_a_C_compiler
