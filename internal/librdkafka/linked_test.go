package librdkafka

import (
	"os"
	"os/exec"
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

// A build without cgo fails with an error that names cgo, and not with a list of undefined names.
func TestBuildWithoutCgoSaysThatItNeedsIt(t *testing.T) {
	build := exec.Command("go", "list", "-deps", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "kafkaupstream_needs_cgo_set_CGO_ENABLED_1_and_install_a_C_compiler") {
		t.Errorf("%v: %s", err, out)
	}
}
