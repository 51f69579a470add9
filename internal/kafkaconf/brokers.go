package kafkaconf

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Broker is an entry of bootstrap.servers.
type Broker struct {
	Host, Port string
	// Wrong is what is wrong with the entry, and what is right; "" for nothing.
	Wrong string
	// Unusable entries librdkafka never reaches a broker by. One that is Wrong without
	// being unusable is read in another way than it is written.
	Unusable bool
}

// separators are what people put between addresses that are not separated by it.
const separators = "; |\t\r\n"

// defaultPort is librdkafka's.
const defaultPort = 9092

// Brokers reads bootstrap.servers as librdkafka does (rd_kafka_brokers_add): host,
// host:port, or either after "protocol://", separated by commas. protocol is
// security.protocol in lower case, "" where it is not known.
func Brokers(list, protocol string) (all []Broker) {
	skipped := false
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimLeft(entry, " \t\r\n"); entry == "" {
			continue
		}
		b := broker(entry, protocol)
		if b.Wrong != "" && strings.Contains(list, "@") { // behind a user and a password, which may have commas
			b.Wrong = "expected host:port; no host's name has '@'"
		}
		if skipped && !b.Unusable {
			b.Wrong, b.Unusable = "librdkafka reads no further than the entry before it", true
		}
		// It gives up the rest of the list, too.
		skipped = skipped || b.Unusable && strings.Contains(entry, "://")
		all = append(all, b)
	}
	return all
}

func broker(entry, protocol string) (b Broker) {
	address := entry
	if scheme, rest, ok := strings.Cut(entry, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if scheme = strings.ToLower(scheme); protocol != "" && scheme != protocol {
			b.Wrong = fmt.Sprintf("expected host:port, such as %q, without %.20s://: the protocol is security.protocol's to say", nearestAddress(host), scheme)
			b.Unusable = true
			return b
		}
		address = host
	}
	b.Host, b.Port = address, strconv.Itoa(defaultPort)
	first, last := strings.Index(address, ":"), strings.LastIndex(address, ":")
	if last >= 0 && (first == last || last > 0 && address[last-1] == ']') {
		b.Host = address[:last]
		b.setPort(address[last+1:])
	}
	b.checkHost()
	return b
}

// setPort reads a port as C's atoi does, into 16 bits.
func (b *Broker) setPort(text string) {
	digits := strings.TrimLeft(text, " \t")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, _ := strconv.ParseUint(digits, 10, 64)
	port := uint16(n)
	b.Port = strconv.Itoa(int(port))
	switch {
	case port == 0:
		b.Wrong, b.Unusable = "a port is a number from 1 to 65535, such as 9092", true
	case b.Port != strings.TrimSpace(text):
		b.Wrong = fmt.Sprintf("a port is a number from 1 to 65535: librdkafka reads %d", port)
	}
}

// checkHost looks at what no name server or system resolves.
func (b *Broker) checkHost() {
	if bare, ok := strings.CutPrefix(b.Host, "["); ok {
		b.Host = strings.TrimSuffix(bare, "]")
		if _, err := netip.ParseAddr(b.Host); err != nil {
			b.refuse("in brackets it is an IPv6 address, such as [::1]:9092")
		}
		return
	}
	if strings.Count(b.Host, ":") > 1 && !strings.ContainsAny(b.Host, separators) {
		b.checkBareIPv6()
		return
	}
	if strings.ContainsAny(b.Host, separators) {
		b.refuse("addresses are separated by commas: h1:9092,h2:9092")
		return
	}
	for _, c := range b.Host {
		if c < 0x80 && !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", c) {
			b.refuse(fmt.Sprintf("expected host:port; no host's name has %q", c))
			return
		}
	}
}

// checkBareIPv6 says which brackets are missing. An address alone librdkafka takes, with
// the usual port; what looks like address:port it takes for an address, if it is one.
func (b *Broker) checkBareIPv6() {
	whole, err := netip.ParseAddr(b.Host)
	i := strings.LastIndex(b.Host, ":")
	port, perr := strconv.Atoi(b.Host[i+1:])
	hasPort := perr == nil && port >= 1000 && port <= 65535
	address, aerr := netip.ParseAddr(b.Host[:i])
	switch {
	case hasPort && aerr == nil:
		b.refuse(fmt.Sprintf("an IPv6 address is in brackets: [%s]:%d", address, port))
	case err == nil:
		b.Wrong = fmt.Sprintf("an IPv6 address is in brackets: [%s]:%d", whole, defaultPort)
	default:
		b.refuse("expected host:port; an IPv6 address is in brackets: [::1]:9092")
	}
}

func (b *Broker) refuse(why string) {
	b.Wrong, b.Unusable = why, true
}

// nearestAddress is the host and port that somebody may have meant with a URL.
func nearestAddress(host string) string {
	if host == "" {
		host = "kafka"
	}
	if !strings.Contains(host, ":") {
		host += ":" + strconv.Itoa(defaultPort)
	}
	return fmt.Sprintf("%.80s", host)
}
