package httpfront

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// Certificates are the server's certificate and whom it takes client certificates of, read from files again when
// [Certificates.Read] is called.
type Certificates struct {
	CertFile, KeyFile string
	ClientCAFile      string // "": clients need no certificate
	config            atomic.Pointer[tls.Config]
}

// Read reads the files. What it returns keeps what was read before in use.
func (c *Certificates) Read() error {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	if c.ClientCAFile != "" {
		text, err := os.ReadFile(c.ClientCAFile)
		if err != nil {
			return fmt.Errorf("--tls-client-ca: %w", err)
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(text) {
			return errors.New("--tls-client-ca: there is no certificate in the file")
		}
	}
	c.config.Store(config)
	return nil
}

// Files are those that Read reads.
func (c *Certificates) Files() []string {
	files := []string{c.CertFile, c.KeyFile}
	if c.ClientCAFile != "" {
		files = append(files, c.ClientCAFile)
	}
	return files
}

// Config is a server's: each new connection gets what was read last.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.config.Load(), nil },
		GetCertificate:     func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.config.Load().Certificates[0], nil },
		NextProtos:         []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}
}
