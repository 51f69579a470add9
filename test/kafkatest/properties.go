package kafkatest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf16"
)

// format gives each node what Kafka's storage tool would: who it is, and the
// feature levels of a new cluster (without them a broker starts, but with the
// oldest features, so that transactions behave as in Kafka 3).
func (c *Cluster) format() error {
	checkpoint, err := os.ReadFile(c.kafka.checkpoint())
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	cluster := newClusterID()
	for _, n := range c.nodes {
		files := map[string][]byte{
			n.propertiesFile():                    c.serverProperties(n),
			n.dataDir() + "/bootstrap.checkpoint": checkpoint,
			n.dataDir() + "/meta.properties":      fmt.Appendf(nil, "version=1\nnode.id=%d\ncluster.id=%s\n", n.id, cluster),
		}
		if err := os.MkdirAll(n.dataDir(), 0o700); err != nil {
			return fmt.Errorf("kafkatest: %w", err)
		}
		for path, content := range files {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return fmt.Errorf("kafkatest: %w", err)
			}
		}
	}
	return nil
}

// newClusterID is Kafka's form of a UUID.
func newClusterID() string {
	var id [16]byte
	rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// serverProperties is a node's server.properties.
func (c *Cluster) serverProperties(n *broker) []byte {
	p := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        fmt.Sprint(n.id),
		"listeners":                      "CLIENT://" + n.addr + ",CONTROLLER://" + n.controllerAddr,
		"advertised.listeners":           "CLIENT://" + n.addr,
		"inter.broker.listener.name":     "CLIENT",
		"controller.listener.names":      "CONTROLLER",
		"controller.quorum.voters":       c.voters(),
		"listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                       n.dataDir(),
		"auto.create.topics.enable":      fmt.Sprint(c.opts.AutoCreateTopics),

		// Tests move leaders themselves; Kafka would move them back after five minutes.
		"auto.leader.rebalance.enable": "false",

		// A change of the metadata need not wait for company.
		"controller.quorum.append.linger.ms": "0",

		// One of everything, and small: a test cluster is started often.
		"offsets.topic.num.partitions":                 "1",
		"transaction.state.log.num.partitions":         "1",
		"share.coordinator.state.topic.num.partitions": "1",
		"group.initial.rebalance.delay.ms":             "0",
		"log.cleaner.dedupe.buffer.size":               "2097152",
		"num.network.threads":                          "1",
		"num.io.threads":                               "2",
		"background.threads":                           "2",
	}
	maps.Copy(p, c.replication())
	if c.opts.SASL {
		maps.Copy(p, c.security())
	}
	c.addListeners(n, p)
	maps.Copy(p, c.opts.Properties)

	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", key, escapeProperty(p[key]))
	}
	return b.Bytes()
}

func (c *Cluster) voters() string {
	voters := make([]string, 0, len(c.nodes))
	for _, n := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", n.id, n.controllerAddr))
	}
	return strings.Join(voters, ",")
}

// replication has every broker hold everything, and a dead one noticed within
// seconds. That matters to a single node too: after a kill, its new process is
// not let in before the session of the old one is over.
func (c *Cluster) replication() map[string]string {
	nodes, majority := fmt.Sprint(len(c.nodes)), fmt.Sprint(len(c.nodes)/2+1)
	return map[string]string{
		"default.replication.factor":                       nodes,
		"offsets.topic.replication.factor":                 nodes,
		"transaction.state.log.replication.factor":         nodes,
		"share.coordinator.state.topic.replication.factor": nodes,
		"min.insync.replicas":                              majority,
		"transaction.state.log.min.isr":                    majority,
		"share.coordinator.state.topic.min.isr":            majority,
		"broker.session.timeout.ms":                        "3000",
		"broker.heartbeat.interval.ms":                     "500",
		"controller.quorum.election.timeout.ms":            "500",
		"controller.quorum.fetch.timeout.ms":               "1000",
		"replica.lag.time.max.ms":                          "3000",
	}
}

func (c *Cluster) security() map[string]string {
	const (
		plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
		scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	)
	self := fmt.Sprintf("%s username=%s password=%s user_%s=%[3]s",
		plain, quoteJAAS(AdminUser), quoteJAAS(AdminPassword), AdminUser)
	users := self
	for _, user := range slices.Sorted(maps.Keys(c.opts.Users)) {
		users += fmt.Sprintf(" user_%s=%s", user, quoteJAAS(c.opts.Users[user]))
	}
	return map[string]string{
		"listener.security.protocol.map":       "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
		"sasl.enabled.mechanisms":              "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"sasl.mechanism.inter.broker.protocol": "PLAIN",
		"sasl.mechanism.controller.protocol":   "PLAIN",

		"listener.name.client.plain.sasl.jaas.config":         users + ";",
		"listener.name.client.scram-sha-256.sasl.jaas.config": scram,
		"listener.name.client.scram-sha-512.sasl.jaas.config": scram,

		// Without its own mechanism the controller's listener would want
		// SCRAM as well, and the broker dies at start.
		"listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
		"listener.name.controller.plain.sasl.jaas.config":  self + ";",

		"authorizer.class.name":          "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":                    "User:" + AdminUser,
		"allow.everyone.if.no.acl.found": "false",
	}
}

// addListeners adds the node's further listeners to its properties.
func (c *Cluster) addListeners(n *broker, p map[string]string) {
	for _, l := range c.opts.Listeners {
		addr := n.listeners[l.Name]
		advertised := cmp.Or(l.Advertised, addr)
		if l.Proxies != nil {
			advertised = l.Proxies[n.id-1]
		}
		if !strings.Contains(advertised, ":") {
			advertised += addr[strings.LastIndex(addr, ":"):]
		}
		p["listeners"] += "," + l.Name + "://" + addr
		p["advertised.listeners"] += "," + l.Name + "://" + advertised
		p["listener.security.protocol.map"] += "," + l.Name + ":" + l.Protocol
		prefix := "listener.name." + strings.ToLower(l.Name) + "."
		if strings.HasPrefix(l.Protocol, "SASL") {
			for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
				p[prefix+mechanism+".sasl.jaas.config"] = p["listener.name.client."+mechanism+".sasl.jaas.config"]
			}
		}
		for name, value := range l.Properties {
			p[prefix+name] = value
		}
	}
}

// quoteJAAS quotes a value in a JAAS line.
func quoteJAAS(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// escapeProperty writes a value as java.util.Properties reads it: Latin-1
// with \uXXXX for the rest.
func escapeProperty(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r < ' ' || r > '~':
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
