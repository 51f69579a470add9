package transporturl

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// options is the table of the driver's options (oslo_messaging/_drivers/kafka_driver/
// kafka_options.py): each returns librdkafka's property and its value, or "" for what
// is about listeners only.
var options = map[string]func(value string) (property, mapped string, err error){
	"compression_codec":       oneOf("compression.type", "none", "gzip", "snappy", "lz4", "zstd"),
	"producer_batch_size":     batchSize,
	"producer_batch_timeout":  batchTimeout,
	"security_protocol":       oneOf("security.protocol", "PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"),
	"sasl_mechanism":          as("sasl.mechanisms"),
	"ssl_cafile":              as("ssl.ca.location"),
	"ssl_client_cert_file":    as("ssl.certificate.location"),
	"ssl_client_key_file":     as("ssl.key.location"),
	"ssl_client_key_password": as("ssl.key.password"),
	"consumer_group":          as(""),
	"enable_auto_commit":      as(""),
	"kafka_consumer_timeout":  as(""),
	"kafka_max_fetch_bytes":   as(""),
	"max_poll_records":        as(""),
}

func optionNames() string { return strings.Join(slices.Sorted(maps.Keys(options)), ", ") }

func as(property string) func(string) (string, string, error) {
	return func(value string) (string, string, error) { return property, value, nil }
}

func oneOf(property string, choices ...string) func(string) (string, string, error) {
	return func(value string) (string, string, error) {
		if !slices.Contains(choices, value) {
			return "", "", fmt.Errorf("expected one of %s", strings.Join(choices, ", "))
		}
		return property, value, nil
	}
}

// maxBatch and maxLinger are librdkafka's.
const (
	maxBatch  = 1_000_000
	maxLinger = 900_000 // milliseconds
)

// batchSize: the driver's help calls it a size, and it is a number of messages.
func batchSize(value string) (string, string, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxBatch {
		return "", "", fmt.Errorf("expected a number of records from 1 to %d", maxBatch)
	}
	return "batch.num.messages", strconv.Itoa(n), nil
}

// batchTimeout is in seconds, with a fraction.
func batchTimeout(value string) (string, string, error) {
	seconds, err := strconv.ParseFloat(value, 64)
	ms := math.Round(seconds*1e9) / 1e6
	if err != nil || !(ms >= 0 && ms <= maxLinger) {
		return "", "", errors.New("expected seconds from 0 to 900, with a fraction or without")
	}
	return "linger.ms", strconv.FormatFloat(ms, 'f', -1, 64), nil
}
