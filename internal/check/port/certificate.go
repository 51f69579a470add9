package port

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// soon is when a certificate's end is worth a warning.
const soon = 30 * 24 * time.Hour

// config is for a handshake that succeeds whatever the certificate is: what is wrong with
// it is said afterwards, and nothing secret is sent over such a connection.
func (s *tlsSettings) config(host string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return cmp.Or(s.certificate, &tls.Certificate{}), nil
		},
	}
}

// judge looks at a broker's certificates, its own first.
func (s *tlsSettings) judge(certs []*x509.Certificate, host, version string, now time.Time) (string, error) {
	if len(certs) == 0 {
		return "", errors.New("the broker shows no certificate")
	}
	leaf := certs[0]
	what := "the certificate of " + nameOf(leaf)
	if s.verify {
		if why := s.verifyChain(certs, now); why != "" {
			return "", errors.New(what + why)
		}
	}
	if s.verifyName && !isFor(leaf, host) {
		return "", fmt.Errorf("%s is for %s, not for %s; use such a name in bootstrap.servers, or ssl.endpoint.identification.algorithm=none",
			what, strings.Join(namesOf(leaf), ", "), host)
	}
	until := "valid until " + leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case !s.verify:
		return "", Doubt(fmt.Sprintf("%s, %s, %s; not verified", version, what, until))
	case leaf.NotAfter.Sub(now) < soon:
		return "", Doubt(fmt.Sprintf("%s, %s expires soon: it is %s", version, what, until))
	}
	return fmt.Sprintf("%s, %s, %s", version, what, until), nil
}

// verifyChain returns what is wrong with the chain, to be said after the certificate's name.
func (s *tlsSettings) verifyChain(certs []*x509.Certificate, now time.Time) string {
	leaf := certs[0]
	switch {
	case now.After(leaf.NotAfter):
		return " has expired on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	case now.Before(leaf.NotBefore):
		return " is valid only from " + leaf.NotBefore.UTC().Format(time.DateOnly) + " on; is the clock here right?"
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: s.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case err == nil:
		return ""
	case unknown:
		signer := certs[len(certs)-1].Issuer.String()
		return fmt.Sprintf(" is signed by %s, which is not among %s; name the CA that signed it in ssl.ca.location", Printable(signer), s.rootsFrom)
	case isInvalid && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf(" cannot be verified: that of its signer %s has expired on %s", nameOf(invalid.Cert), invalid.Cert.NotAfter.UTC().Format(time.DateOnly))
	}
	return " cannot be verified: " + err.Error()
}

// isFor reports whether the certificate is the host's. Unlike Go, librdkafka (OpenSSL) takes
// the common name of a certificate that has no other names.
func isFor(c *x509.Certificate, host string) bool {
	if c.VerifyHostname(host) == nil {
		return true
	}
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) > 0 {
		return false
	}
	return net.ParseIP(host) == nil && strings.EqualFold(c.Subject.CommonName, host)
}

func nameOf(c *x509.Certificate) string { return Printable(c.Subject.String()) }

// namesOf are the hosts of a certificate.
func namesOf(c *x509.Certificate) []string {
	const most = 10
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = append(names, c.Subject.CommonName)
	}
	for i, name := range names[:min(len(names), most)] {
		names[i] = Printable(name)
	}
	return names[:min(len(names), most)]
}

// isAlert reports whether the other side has said in TLS why it goes no further.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// alertCause says why the broker ends a handshake, or a connection after it.
func (s *tlsSettings) alertCause(err error) error {
	alert := isAlert(err)
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	text := strings.TrimPrefix(err.Error(), "tls: ")
	// What Java's TLS says of a certificate that is missing is "bad certificate".
	aboutCertificate := alert && (strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure"))
	switch {
	case aboutCertificate && s.certificate == nil:
		return fmt.Errorf("the broker wants a client's certificate; name one in ssl.certificate.location and its key in ssl.key.location: %s", text)
	case aboutCertificate:
		return fmt.Errorf("the broker refuses the client's certificate (ssl.certificate.location): %s", text)
	case alert:
		return fmt.Errorf("the broker ends the TLS handshake: %s", text)
	case isTimeout(err):
		return errors.New("the broker does not answer the TLS handshake")
	}
	return fmt.Errorf("the TLS handshake fails: %s", text)
}
