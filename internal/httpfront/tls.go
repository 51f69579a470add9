package httpfront

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

// Certificates are the server's certificate and whom it takes client certificates of, read from files again when
// [Certificates.Read] is called.
type Certificates struct {
	CertFile, KeyFile string
	ClientCAFile      string // "": clients need no certificate
	read              atomic.Pointer[certificates]
	stale             atomic.Bool
}

// certificates are what was read.
type certificates struct {
	config      *tls.Config
	authorities []*x509.Certificate // of clients
}

// Read reads the files. Where it fails, what was read before stays in use.
func (c *Certificates) Read() error {
	read, err := c.load()
	if c.stale.Store(err != nil); err == nil {
		c.read.Store(read)
	}
	return err
}

// Stale reports whether the last Read has failed.
func (c *Certificates) Stale() bool { return c.stale.Load() }

func (c *Certificates) load() (*certificates, error) {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	read := &certificates{config: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: nextProtos, MinVersion: tls.VersionTLS12}}
	if c.ClientCAFile == "" {
		return read, nil
	}
	text, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-client-ca: %w", err)
	}
	read.config.ClientCAs, read.config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if authority, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" { // others may be beside it
			read.config.ClientCAs.AddCert(authority)
			read.authorities = append(read.authorities, authority)
		}
	}
	if len(read.authorities) == 0 {
		return nil, errors.New("--tls-client-ca: there is no certificate in the file")
	}
	return read, nil
}

// Files are those that Read reads.
func (c *Certificates) Files() (files []string) {
	for _, name := range []string{c.CertFile, c.KeyFile, c.ClientCAFile} {
		if name != "" {
			files = append(files, name)
		}
	}
	return files
}

var nextProtos = []string{"h2", "http/1.1"}

// config is a server's: each new connection gets what was read last.
func (c *Certificates) config() *tls.Config {
	return &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.read.Load().config, nil },
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &c.read.Load().config.Certificates[0], nil
		},
		NextProtos: nextProtos, MinVersion: tls.VersionTLS12,
	}
}

// takes reports whether a connection's certificate is of an authority that is still in the file: TLS looked when the connection began,
// and a gateway's lasts as long as it is used. An authority is its name and its key: its certificate may be another since, for a later end.
func (c *Certificates) takes(connection *tls.ConnectionState) bool {
	authorities := c.read.Load().authorities
	return authorities == nil || slices.ContainsFunc(connection.VerifiedChains, func(chain []*x509.Certificate) bool {
		root := chain[len(chain)-1]
		return slices.ContainsFunc(authorities, func(a *x509.Certificate) bool {
			return bytes.Equal(a.RawSubject, root.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, root.RawSubjectPublicKeyInfo)
		})
	})
}
