package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
	"github.com/kafkaupstream/kafkaupstream/test/pki"
)

// must is for what fails only if the test itself is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// listener is a broker's TLS port that shows the certificate.
func listener(i pki.Issued, name, protocol string, more map[string]string) kafkatest.Listener {
	l := kafkatest.Listener{Name: name, Protocol: protocol, Properties: map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.certificate.chain": i.Cert, "ssl.keystore.key": i.Key,
	}}
	for name, value := range more {
		l.Properties[name] = value
	}
	return l
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
