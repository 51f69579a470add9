package check

import (
	"context"
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
	c := &tls.Config{ServerName: host, InsecureSkipVerify: true}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if s.certificate == nil {
			return &tls.Certificate{}, nil
		}
		return s.certificate, nil
	}
	return c
}

// handshake looks at the broker's certificate.
func (w *way) handshake(ctx context.Context, a address) outcome {
	conn, err := dial(ctx, a, w.props)
	if err != nil {
		return fail("%s", dialCause(err, a))
	}
	defer conn.Close()
	secured := tls.Client(conn, w.secure.config(a.host))
	if err := secured.HandshakeContext(ctx); err != nil {
		return w.noTLS(a, err)
	}
	state := secured.ConnectionState()
	return w.secure.judge(state.PeerCertificates, a.host, tls.VersionName(state.Version), time.Now())
}

// noTLS says why there was no handshake.
func (w *way) noTLS(a address, err error) outcome {
	switch {
	case isAlert(err):
		return fail("%s", w.alertCause(err))
	case w.speaksPlainKafka(a):
		return fail("this port speaks Kafka without TLS and security.protocol is %s; set %s, or use the port of a TLS listener",
			w.props.Protocol(), withoutTLS(w.props.Protocol()))
	case w.speaksHTTP(a):
		return fail("this is not Kafka: an HTTP server answers, without TLS")
	case isTimeout(err):
		return fail("it takes connections and does not answer the TLS handshake: not Kafka, or a broker that hangs")
	}
	return fail("this port does not speak TLS")
}

// judge looks at a broker's certificates, its own first.
func (s *tlsSettings) judge(certs []*x509.Certificate, host, version string, now time.Time) outcome {
	if len(certs) == 0 {
		return fail("the broker shows no certificate")
	}
	leaf := certs[0]
	what := "the certificate of " + nameOf(leaf)
	if s.verify {
		if why := s.verifyChain(certs, now); why != "" {
			return fail("%s", what+why)
		}
	}
	if s.verifyName && !isFor(leaf, host) {
		return fail("%s is for %s, not for %s; use such a name in bootstrap.servers, or ssl.endpoint.identification.algorithm=none",
			what, strings.Join(namesOf(leaf), ", "), host)
	}
	until := "valid until " + leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case !s.verify:
		return warn("%s, %s, %s; not verified", version, what, until)
	case leaf.NotAfter.Sub(now) < soon:
		return warn("%s, %s expires soon: it is %s", version, what, until)
	}
	return ok("%s, %s, %s", version, what, until)
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
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		signer := certs[len(certs)-1].Issuer.String()
		return fmt.Sprintf(" is signed by %s, which is not among %s; name the CA that signed it in ssl.ca.location", printable([]byte(signer)), s.rootsFrom)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
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

func nameOf(c *x509.Certificate) string { return printable([]byte(c.Subject.String())) }

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
		names[i] = printable([]byte(name))
	}
	return names[:min(len(names), most)]
}

// isAlert reports whether the other side has said in TLS why it goes no further.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// alertCause says why the broker goes no further.
func (w *way) alertCause(err error) string {
	text := err.Error()
	var op *net.OpError
	if errors.As(err, &op) {
		text = strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	// What Java's TLS says of a certificate that is missing is "bad certificate".
	aboutCertificate := isAlert(err) && (strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure"))
	switch {
	case aboutCertificate && w.secure.certificate == nil:
		return "the broker wants a client's certificate; name one in ssl.certificate.location and its key in ssl.key.location: " + text
	case aboutCertificate:
		return "the broker refuses the client's certificate (ssl.certificate.location): " + text
	case isAlert(err):
		return "the broker ends the TLS handshake: " + text
	case isTimeout(err):
		return "the broker does not answer the TLS handshake"
	}
	return "the TLS handshake fails: " + text
}
