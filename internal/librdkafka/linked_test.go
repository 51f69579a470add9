package librdkafka

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func TestLinkedLibrariesTellTheirVersions(t *testing.T) {
	linked := LinkedIn()
	if _, version := kafka.LibraryVersion(); linked.Librdkafka != version || version == "" {
		t.Errorf("librdkafka %q, confluent-kafka-go says %q", linked.Librdkafka, version)
	}
	if features := strings.Split(linked.Features, ","); !slices.Contains(features, "ssl") || !slices.Contains(features, "zstd") {
		t.Errorf("features %q", linked.Features)
	}
	if !regexp.MustCompile(`^OpenSSL [1-9]\d*\.\d+\.\d+`).MatchString(linked.OpenSSL) {
		t.Errorf("OpenSSL %q", linked.OpenSSL)
	}
}
