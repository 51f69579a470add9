// Package pki makes certificates for tests: of an authority, for a time, in PEM form. Tests call it; nothing else does.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	Cert *x509.Certificate
	PEM  string
	key  *ecdsa.PrivateKey
}

// Issued is a certificate and its key, in PEM form.
type Issued struct{ Cert, Key string }

// New makes an authority, whose certificate has the name. Another of the same name is another authority.
func New(name string) *Authority {
	return sign(name, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
}

// Renew makes the authority's next certificate, for the same name and key.
func (a *Authority) Renew() *Authority { return sign(a.Cert.Subject.CommonName, a.key) }

func sign(name string, key *ecdsa.PrivateKey) *Authority {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return &Authority{must(x509.ParseCertificate(der)), text("CERTIFICATE", der), key}
}

// Issue signs a certificate that ends at the given time, for names and addresses of hosts.
func (a *Authority) Issue(name string, until time.Time, hosts ...string) Issued {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: until.AddDate(-1, 0, 0), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.Cert, key.Public(), a.key))
	return Issued{text("CERTIFICATE", der), text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))}
}

// Write writes the certificate and the key to the path with .crt and .key behind it.
func (i Issued) Write(t testing.TB, path string) {
	t.Helper()
	for suffix, text := range map[string]string{".key": i.Key, ".crt": i.Cert} {
		if err := os.WriteFile(path+suffix, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func text(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// must is for what fails only if this package is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
