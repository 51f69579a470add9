package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// setting is a property of a configuration.
type setting struct {
	path, name, value string
}

// settings returns the properties under config. What is wrong with their form has been
// found already.
func settings(path string, text []byte) (all []setting) {
	var conf struct {
		Config map[string]json.RawMessage `json:"config"`
	}
	if json.Unmarshal(text, &conf) != nil {
		return nil
	}
	path = join(path, "config")
	add := func(path string, object map[string]json.RawMessage) {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if value, ok := scalar(object[name]); ok {
				all = append(all, setting{path + "." + name, name, value})
			}
		}
	}
	add(path, conf.Config)
	const nested = "default.topic.config"
	var topic map[string]json.RawMessage
	if json.Unmarshal(conf.Config[nested], &topic) == nil {
		add(path+"."+nested, topic)
	}
	return all
}

// scalar returns a string, a number or a boolean as librdkafka is given it.
func scalar(raw json.RawMessage) (string, bool) {
	var text string
	switch {
	case len(raw) == 0, raw[0] == '{', raw[0] == '[', string(raw) == "null":
		return "", false
	case raw[0] != '"':
		return string(raw), true
	}
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}

// properties looks at librdkafka's properties. The route is nil where the
// configuration is invalid.
func (l *linter) properties(path string, text []byte, route *kafkaupstream.Route) {
	good := settled{producer.Properties{}, map[string]string{}}
	bad := map[string]bool{}
	for _, s := range settings(path, text) {
		if producer.Refused(s.name) != "" {
			continue // that is said already
		}
		name := producer.Canonical(s.name)
		p, ok := librdkafka.Find(s.name)
		if !ok {
			l.problem(s.path, "%s", librdkafka.Unknown(s.name))
			continue
		}
		if !l.setting(s, p) {
			bad[name] = true
			continue
		}
		good.values[name], good.paths[name] = s.value, s.path
	}
	l.security(good)
	if route != nil {
		l.trial(join(path, "config"), good, bad, route.Connection().Properties())
	}
}

// settled are a route's properties that are good each for itself, and where they are,
// by their canonical names.
type settled struct {
	values producer.Properties
	paths  map[string]string
}

// setting looks at one property and tells whether librdkafka takes its value.
func (l *linter) setting(s setting, p librdkafka.Property) bool {
	if !secrets.IsReference(s.value) {
		if err := p.Check(s.value); err != nil {
			l.problem(s.path, "%s", err)
			return false
		}
	}
	switch {
	case p.Deprecated:
		l.warn(s.path, "it is deprecated, and there for old configurations only; remove it")
	case p.ConsumerOnly:
		l.warn(s.path, "it is a consumer's and has no effect on a producer; remove it")
	}
	return true
}

// protocols are what security.protocol can be.
const (
	plaintext     = "plaintext"
	ssl           = "ssl"
	saslPlaintext = "sasl_plaintext"
	saslSSL       = "sasl_ssl"
)

// protocolOf returns the security.protocol of properties with canonical names.
func protocolOf(props producer.Properties) string {
	if p := strings.ToLower(props["security.protocol"]); p != "" {
		return p
	}
	return plaintext
}

func usesTLS(props producer.Properties) bool {
	p := protocolOf(props)
	return p == ssl || p == saslSSL
}

func usesSASL(props producer.Properties) bool {
	p := protocolOf(props)
	return p == saslPlaintext || p == saslSSL
}

// security looks at properties that say how to reach the cluster and log in.
func (l *linter) security(given settled) {
	props, paths := given.values, given.paths
	if secrets.IsReference(props["security.protocol"]) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		switch {
		case strings.HasPrefix(name, "ssl.") && !usesTLS(props):
			l.warn(paths[name], "it has no effect while security.protocol is %s; ssl or sasl_ssl uses TLS", protocolOf(props))
		case strings.HasPrefix(name, "sasl.") && !usesSASL(props):
			l.warn(paths[name], "it has no effect while security.protocol is %s; sasl_ssl or sasl_plaintext logs in", protocolOf(props))
		}
	}
	const verify = "enable.ssl.certificate.verification"
	if v := props[verify]; usesTLS(props) && (strings.EqualFold(v, "false") || v == "f" || v == "0") {
		l.warn(paths[verify], "anybody can pose as the broker; name its CA in ssl.ca.location instead")
	}
	if protocolOf(props) == saslPlaintext && props["sasl.mechanisms"] == "PLAIN" {
		l.warn(paths["security.protocol"], "the password crosses the network as it is; sasl_ssl encrypts it, the SCRAM mechanisms never send it")
	}
}

// trial lets librdkafka say what it has against the properties together. Nothing is
// connected to, and no file is read.
func (l *linter) trial(path string, given settled, bad map[string]bool, effective producer.Properties) {
	if usesSASL(effective) {
		switch effective["sasl.mechanisms"] {
		case "":
			l.problem(path, "sasl.mechanisms is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
			return
		case "OAUTHBEARER":
			return // it would fetch a token
		}
	}
	conf := kafka.ConfigMap{"log_level": 0}
	for name, value := range effective {
		p, known := librdkafka.Find(name)
		switch {
		case !known, bad[name], name == "bootstrap.servers", name == "log_level", name == "debug", strings.HasPrefix(name, "ssl."):
			continue
		case secrets.IsReference(value) && p.IsText():
			value = "x"
		case secrets.IsReference(value):
			continue
		}
		conf[name] = value
	}
	p, err := kafka.NewProducer(&conf)
	if err == nil {
		p.Close()
		return
	}
	message := producer.Redactor(effective)(errorText(err))
	for name, at := range given.paths {
		if strings.Contains(message, fmt.Sprintf("%q", name)) {
			path = at
		}
	}
	l.problem(path, "librdkafka refuses it: %s", message)
}

// errorText is an error without the code that kafka.Error writes into it.
func errorText(err error) string {
	if e, ok := err.(kafka.Error); ok {
		return e.String()
	}
	return err.Error()
}
