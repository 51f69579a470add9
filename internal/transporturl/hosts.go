package transporturl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// defaultPort is Kafka's. The driver has none, and cannot connect without.
const defaultPort = 9092

// credentials are a user's name and password, nil where there is none.
type credentials struct{ user, password *string }

func (c credentials) equal(d credentials) bool {
	same := func(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(c.user, d.user) && same(c.password, d.password)
}

// readHosts reads user:password@host:port,… where Kafka has one user: the same at each
// host, or at some of them only.
func (u *URL) readHosts(list string) error {
	var brokers []string
	var login credentials
	number := 0
	for host := range strings.SplitSeq(list, ",") {
		if host == "" {
			continue
		}
		number++
		var own credentials
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			own = readCredentials(host[:at])
			host = host[at+1:]
		}
		if own.user != nil {
			if login.user != nil && !login.equal(own) {
				return fmt.Errorf("host %d: it has another user or password than the host before, and Kafka takes one for all", number)
			}
			login = own
		}
		broker, err := readHost(host)
		if err != nil {
			return fmt.Errorf("host %d: %w", number, err)
		}
		brokers = append(brokers, broker)
	}
	if len(brokers) > 0 {
		u.Properties["bootstrap.servers"] = strings.Join(brokers, ",")
	}
	for name, value := range map[string]*string{"sasl.username": login.user, "sasl.password": login.password} {
		if value == nil {
			continue
		}
		if *value == "" || !utf8.ValidString(*value) || strings.ContainsFunc(*value, unicode.IsControl) {
			return fmt.Errorf("the value for %s is empty, or has a character that it cannot have", name)
		}
		u.Properties[name] = *value
	}
	return nil
}

func readCredentials(text string) (c credentials) {
	user, password, hasPassword := strings.Cut(text, ":")
	user, password = unquote(user), unquote(password)
	c.user = &user
	if hasPassword {
		c.password = &password
	}
	return c
}

// readHost reads host:port, [IPv6]:port, or an IPv6 address without port.
func readHost(text string) (string, error) {
	name, port := text, strconv.Itoa(defaultPort)
	if inside, after, ok := strings.Cut(strings.TrimPrefix(text, "["), "]"); strings.HasPrefix(text, "[") {
		if !ok || after != "" && after[0] != ':' {
			return "", errors.New("it has a [ without a ], or something between ] and the port")
		}
		name = inside
		if after != "" {
			port = after[1:]
		}
		if a, err := netip.ParseAddr(name); err != nil || !a.Is6() {
			return "", errors.New("what is in [ ] is no IPv6 address")
		}
	} else if strings.Count(text, ":") == 1 {
		name, port, _ = strings.Cut(text, ":")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("its port must be a number from 1 to 65535 (in a user or password, write : as %3A, / as %2F, ? as %3F, a comma as %2C)")
	}
	if strings.Contains(name, ":") {
		if a, err := netip.ParseAddr(name); err != nil || !a.Is6() {
			return "", errors.New("it has more than one colon, and is no IPv6 address")
		}
		return "[" + name + "]:" + port, nil
	}
	if name == "" || strings.ContainsFunc(name, notInTopic) {
		return "", errors.New("its name must have letters, digits, '.', '_' and '-' only")
	}
	return name + ":" + port, nil
}
