package port

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// tlsSettings are a route's ssl.* properties as Go has them.
type tlsSettings struct {
	roots       *x509.CertPool // nil: the system's
	rootsFrom   string         // where they are from, for people
	verify      bool           // the certificate
	verifyName  bool           // and that it is the host's
	certificate *tls.Certificate
	// foreignKey reports that the client's key is in a form that only librdkafka reads.
	foreignKey bool
}

func newTLSSettings(props kafkaconf.Properties) (tlsSettings, error) {
	s := tlsSettings{rootsFrom: "the system's CAs"}
	s.verify = props["enable.ssl.certificate.verification"] != "false"
	s.verifyName = s.verify && props["ssl.endpoint.identification.algorithm"] != "none"
	if err := s.setRoots(props); err != nil {
		return s, err
	}
	return s, s.setCertificate(props)
}

func (s *tlsSettings) setRoots(props kafkaconf.Properties) error {
	location := props["ssl.ca.location"]
	switch {
	case props["ssl.ca.pem"] != "":
		s.rootsFrom = "ssl.ca.pem"
		s.roots = x509.NewCertPool()
		if !s.roots.AppendCertsFromPEM([]byte(props["ssl.ca.pem"])) {
			return errors.New("ssl.ca.pem has no certificate in PEM form")
		}
	case location != "" && location != "probe":
		s.rootsFrom = "ssl.ca.location"
		s.roots = x509.NewCertPool()
		return addRoots(s.roots, location)
	}
	return nil
}

// addRoots adds the certificates of a file, or of all files of a directory.
func addRoots(roots *x509.CertPool, location string) error {
	info, err := os.Stat(location)
	if err != nil {
		return fmt.Errorf("ssl.ca.location cannot be read: %w", plainError(err))
	}
	files := []string{location}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(location, "*")); err != nil {
			return fmt.Errorf("ssl.ca.location cannot be read: %w", err)
		}
	}
	found := false
	for _, file := range files {
		text, err := readFile(file)
		if err != nil && !info.IsDir() {
			return fmt.Errorf("ssl.ca.location cannot be read: %w", err)
		}
		found = roots.AppendCertsFromPEM(text) || found
	}
	if !found {
		return errors.New("ssl.ca.location has no certificate in PEM form")
	}
	return nil
}

// setCertificate reads what the client shows of itself.
func (s *tlsSettings) setCertificate(props kafkaconf.Properties) error {
	if props["ssl.keystore.location"] != "" || props["ssl_certificate"] != "" || props["ssl_key"] != "" {
		s.foreignKey = true
		return nil
	}
	certificate, err := pemOf(props, "ssl.certificate")
	if err != nil {
		return err
	}
	key, err := pemOf(props, "ssl.key")
	switch {
	case err != nil:
		return err
	case certificate == nil && key == nil:
		return nil
	case key == nil:
		return errors.New("ssl.certificate is given without its key: ssl.key.location or ssl.key.pem")
	case certificate == nil:
		return errors.New("ssl.key is given without its certificate: ssl.certificate.location or ssl.certificate.pem")
	}
	block, _ := pem.Decode(key)
	if block != nil && (strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "") {
		s.foreignKey = true
		return nil
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil { // it quotes nothing of them
		return fmt.Errorf("ssl.certificate and ssl.key: %w", err)
	}
	s.certificate = &pair
	return nil
}

// pemOf returns what NAME.pem holds or NAME.location names, nil when neither is set.
func pemOf(props kafkaconf.Properties, name string) ([]byte, error) {
	if text := props[name+".pem"]; text != "" {
		return []byte(text), nil
	}
	if props[name+".location"] == "" {
		return nil, nil
	}
	text, err := readFile(props[name+".location"])
	if err != nil {
		return nil, fmt.Errorf("%s.location cannot be read: %w", name, err)
	}
	return text, nil
}

// maxPEM is the size of the largest file that is read, in bytes.
const maxPEM = 4 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plainError(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM))
	return text, plainError(err)
}

// plainError is an error of the file system without the path, which the configuration has.
func plainError(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
