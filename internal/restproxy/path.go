package restproxy

import (
	"slices"
	"strconv"
	"strings"
)

// Call is what a path asks the REST Proxy for.
type Call struct {
	Version   int  // of its API: 2 or 3; 0: it is none of its paths
	Offered   bool // it produces; other paths of the proxy's are not offered here
	Batch     bool // v3's records:batch
	Cluster   string
	Topic     string
	Partition int32 // of v2; -1: none
}

// ParsePath reads a path, which may begin with anything. Those that produce end in /topics/TOPIC (also with /records behind
// it), /topics/TOPIC/partitions/N, /v3/clusters/ID/topics/TOPIC/records or /v3/clusters/ID/topics/TOPIC/records:batch.
func ParsePath(path string) Call {
	if !slices.ContainsFunc(words[:], func(word string) bool { return strings.Contains(path, word) }) {
		return Call{Partition: -1} // as of most requests, which are not to pay for a list
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := range len(parts) - 1 {
		if parts[i] == "v3" && parts[i+1] == "clusters" {
			return parseV3(parts[i+2:])
		}
	}
	return parseV2(parts)
}

// words are parts of the proxy's paths: none of them is without one.
var words = [...]string{"topics", "consumers", "brokers", "v3/clusters"}

// maxCluster bounds a cluster's id, in bytes: the reply says it again for each record. Kafka's have 22.
const maxCluster = 100

// parseV3 reads what stands behind /v3/clusters.
func parseV3(parts []string) Call {
	call := Call{Version: 3, Partition: -1}
	if len(parts) != 4 || parts[0] == "" || len(parts[0]) > maxCluster || parts[1] != "topics" || parts[2] == "" {
		return call
	}
	call.Batch = parts[3] == "records:batch"
	if call.Offered = call.Batch || parts[3] == "records"; call.Offered {
		call.Cluster, call.Topic = parts[0], parts[2]
	}
	return call
}

func parseV2(parts []string) Call {
	n := len(parts)
	topic, partition := -1, int32(-1) // where the topic stands
	switch {
	case n >= 2 && parts[n-2] == "topics":
		topic = n - 1
	case n >= 3 && parts[n-3] == "topics" && parts[n-1] == "records":
		topic = n - 2
	case n >= 4 && parts[n-4] == "topics" && parts[n-2] == "partitions":
		if p, err := strconv.ParseUint(parts[n-1], 10, 31); err == nil {
			topic, partition = n-3, int32(p)
		}
	}
	switch {
	case topic >= 0 && parts[topic] != "":
		return Call{Version: 2, Offered: true, Topic: parts[topic], Partition: partition}
	case slices.ContainsFunc(parts, func(part string) bool { return slices.Contains(words[:], part) }):
		return Call{Version: 2, Partition: -1}
	}
	return Call{Partition: -1}
}
