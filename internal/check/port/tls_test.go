package port

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

var now = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// signed is a certificate that its parent has signed, or itself.
func signed(t *testing.T, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestWhatIsSaidOfACertificate(t *testing.T) {
	const ok, doubt, problem = "ok", "doubt", "problem"
	rootKey, middleKey, leafKey := newKey(t), newKey(t), newKey(t)
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	rootForm := ca("root")
	root := signed(t, rootForm, rootForm, rootKey, rootKey)
	middle := signed(t, ca("middle"), root, middleKey, rootKey)
	spent := ca("spent")
	spent.NotBefore, spent.NotAfter = now.AddDate(-2, 0, 0), now.AddDate(0, 0, -1)
	spentMiddle := signed(t, spent, root, middleKey, rootKey)
	leaf := func(parent *x509.Certificate, c x509.Certificate) *x509.Certificate {
		c.Subject.CommonName = "broker.example"
		key := middleKey
		if parent == root {
			key = rootKey
		}
		return signed(t, &c, parent, leafKey, key)
	}
	named := x509.Certificate{DNSNames: []string{"broker.example", "*.kafka.example"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}}
	early := named
	early.NotBefore, early.NotAfter = now.AddDate(0, 0, 1), now.AddDate(1, 0, 0)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	strict := tlsSettings{roots: pool, rootsFrom: "ssl.ca.location", verify: true, verifyName: true}
	for name, c := range map[string]struct {
		settings tlsSettings
		certs    []*x509.Certificate
		host     string
		status   string
		message  string
	}{
		"by name":            {strict, []*x509.Certificate{leaf(root, named)}, "broker.example", ok, "TLS 1.3, the certificate of CN=broker.example, valid until 2027-07-01"},
		"by pattern":         {strict, []*x509.Certificate{leaf(root, named)}, "b1.kafka.example", ok, "valid until"},
		"by address":         {strict, []*x509.Certificate{leaf(root, named)}, "10.0.0.1", ok, "valid until"},
		"by common name":     {strict, []*x509.Certificate{leaf(root, x509.Certificate{})}, "Broker.example", ok, "valid until"},
		"of another":         {strict, []*x509.Certificate{leaf(root, named)}, "other", problem, "is for broker.example, *.kafka.example, 10.0.0.1, not for other"},
		"of another, common": {strict, []*x509.Certificate{leaf(root, x509.Certificate{})}, "other", problem, "is for broker.example, not for other"},
		"over a CA between":  {strict, []*x509.Certificate{leaf(middle, named), middle}, "broker.example", ok, "valid until"},
		"without that CA":    {strict, []*x509.Certificate{leaf(middle, named)}, "broker.example", problem, "is signed by CN=middle, which is not among ssl.ca.location"},
		"a CA that is spent": {strict, []*x509.Certificate{leaf(spentMiddle, named), spentMiddle}, "broker.example", problem, "that of its signer CN=spent has expired on 2026-06-30"},
		"of the future":      {strict, []*x509.Certificate{leaf(root, early)}, "broker.example", problem, "is valid only from 2026-07-02 on; is the clock here right?"},
		"none":               {strict, nil, "broker.example", problem, "the broker shows no certificate"},
		"any":                {tlsSettings{}, []*x509.Certificate{leaf(middle, named)}, "other", doubt, "not verified"},
	} {
		text, err := c.settings.judge(c.certs, c.host, "TLS 1.3", now)
		status := ok
		if err != nil {
			status, text = problem, err.Error()
		}
		if _, is := errors.AsType[Doubt](err); is {
			status = doubt
		}
		if status != c.status || !strings.Contains(text, c.message) {
			t.Errorf("%s: %s, %q", name, status, text)
		}
	}
}

func TestTheFilesOfTLS(t *testing.T) {
	key := newKey(t)
	form := &x509.Certificate{Subject: pkix.Name{CommonName: "c"}}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed(t, form, form, key, key).Raw}))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyText := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	locked := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}))
	dir := t.TempDir()
	for name, text := range map[string]string{"a.pem": cert, "note.txt": "hello"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type p = kafkaconf.Properties
	for name, c := range map[string]struct {
		props   p
		foreign bool
		err     string
	}{
		"nothing":                       {p{}, false, ""},
		"a directory of CAs":            {p{"ssl.ca.location": dir}, false, ""},
		"a file of one":                 {p{"ssl.ca.location": filepath.Join(dir, "a.pem")}, false, ""},
		"the system's":                  {p{"ssl.ca.location": "probe"}, false, ""},
		"no certificate in the file":    {p{"ssl.ca.location": filepath.Join(dir, "note.txt")}, false, "ssl.ca.location has no certificate in PEM form"},
		"no certificate in the text":    {p{"ssl.ca.pem": "x"}, false, "ssl.ca.pem has no certificate in PEM form"},
		"no file":                       {p{"ssl.ca.location": "/no/such"}, false, "ssl.ca.location cannot be read: no such file or directory"},
		"a pair":                        {p{"ssl.certificate.pem": cert, "ssl.key.pem": keyText}, false, ""},
		"a certificate alone":           {p{"ssl.certificate.pem": cert}, false, "without its key"},
		"a key alone":                   {p{"ssl.key.pem": keyText}, false, "without its certificate"},
		"no file of a key":              {p{"ssl.certificate.pem": cert, "ssl.key.location": "/no/such"}, false, "ssl.key.location cannot be read"},
		"no key":                        {p{"ssl.certificate.pem": cert, "ssl.key.pem": cert}, false, "ssl.certificate and ssl.key: "},
		"a key that Go does not open":   {p{"ssl.certificate.pem": cert, "ssl.key.pem": locked}, true, ""},
		"a store that Go does not open": {p{"ssl.keystore.location": "/store.p12"}, true, ""},
	} {
		s, err := newTLSSettings(c.props)
		if s.foreignKey != c.foreign || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v %v", name, s.foreignKey, err)
		}
	}
}
