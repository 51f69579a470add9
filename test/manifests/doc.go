// Package manifests has tests of the files in examples/kubernetes: they are decoded strictly into the types of Kubernetes' API
// and of the Prometheus Operator. (Decoding knows every member and its type; what a cluster's own validation adds, as values of a list, it does not.) It is a module of its own, so that the program has nothing of Kubernetes.
package manifests
