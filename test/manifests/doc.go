// Package manifests has tests of the files in examples/kubernetes: they are decoded strictly into the types of Kubernetes' API
// and of the Prometheus Operator. So each member and its type are known; which values a cluster takes is not. It is a module of
// its own, so that the program has nothing of Kubernetes.
package manifests
