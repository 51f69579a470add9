package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

// soon is when a certificate's end is worth a warning.
const soon = 30 * 24 * time.Hour

// tlsSettings are a route's ssl.* properties as Go has them.
type tlsSettings struct {
	roots       *x509.CertPool // nil: the system's
	rootsFrom   string         // where they are from, for people
	verify      bool           // the certificate
	verifyName  bool           // and that it is the host's
	certificate *tls.Certificate
	// foreignKey tells that the client's key is in a form that only librdkafka reads.
	foreignKey bool
}

func newTLSSettings(props producer.Properties) (tlsSettings, error) {
	s := tlsSettings{rootsFrom: "the system's CAs", verify: true}
	switch strings.ToLower(props["enable.ssl.certificate.verification"]) {
	case "false", "f", "0":
		s.verify = false
	}
	s.verifyName = s.verify && !strings.EqualFold(props["ssl.endpoint.identification.algorithm"], "none")
	if err := s.setRoots(props); err != nil {
		return s, err
	}
	return s, s.setCertificate(props)
}

func (s *tlsSettings) setRoots(props producer.Properties) error {
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
func (s *tlsSettings) setCertificate(props producer.Properties) error {
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
func pemOf(props producer.Properties, name string) ([]byte, error) {
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
			protocolOf(w.props), withoutTLS(protocolOf(w.props)))
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

// isFor tells whether the certificate is the host's. Unlike Go, librdkafka (OpenSSL) takes
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

// isAlert tells whether the other side has said in TLS why it goes no further.
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
