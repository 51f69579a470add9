package httpfront

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/pki"
)

// A gateway's connection lasts as long as it is used, and its authority may be removed since its keys are known.
func TestConnectionsOfAnAuthorityThatWasRemovedAreNotTheGateway(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			dir, authority, other := t.TempDir(), pki.New("authority"), pki.New("authority")
			issue := func(from *pki.Authority) pki.Issued {
				return from.Issue("name", time.Now().Add(time.Hour), "127.0.0.1")
			}
			issue(authority).Write(t, filepath.Join(dir, "server"))
			certificates := &Certificates{CertFile: dir + "/server.crt", KeyFile: dir + "/server.key", ClientCAFile: dir + "/ca.crt"}
			trust := func(texts ...string) {
				t.Helper()
				if err := os.WriteFile(certificates.ClientCAFile, []byte(strings.Join(texts, "")), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := certificates.Read(); err != nil {
					t.Fatal(err)
				}
			}
			trust(authority.PEM)
			f := start(t, Options{TLS: certificates, Trust: &Trust{Certificate: true, Variables: map[string]string{"consumer_name": "X-Consumer-Username"}}},
				"  - {id: a, match: {path: /a}, topic: t, key: $consumer_name}\n")
			issued := issue(authority)
			own, err := tls.X509KeyPair([]byte(issued.Cert), []byte(issued.Key))
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(authority.Cert)
			transport := &http.Transport{ForceAttemptHTTP2: http2, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}}
			defer transport.CloseIdleConnections()
			ask := func() (status int, err error) {
				r, err := http.NewRequest("POST", "https://"+f.address+"/a", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-Consumer-Username", "joe")
				reply, err := transport.RoundTrip(r)
				if err != nil {
					return 0, err
				}
				defer reply.Body.Close()
				if _, err := io.Copy(io.Discard, reply.Body); err != nil { // or the connection is not used again
					t.Error(err)
				}
				if reply.ProtoAtLeast(2, 0) != http2 {
					t.Error(reply.Proto)
				}
				return reply.StatusCode, nil
			}
			for _, step := range []struct {
				authorities []string
				status      int
			}{{[]string{authority.PEM}, 200}, {[]string{other.PEM, authority.PEM}, 200}, {[]string{authority.Renew().PEM}, 200}, {[]string{other.PEM}, 403}} {
				trust(step.authorities...)
				if status, err := ask(); status != step.status {
					t.Errorf("%d instead of %d, %v", status, step.status, err)
				}
			}
			await.Within(t, 20*time.Second, "the connection is closed, and there is no new one", func() bool {
				status, err := ask()
				return err != nil && status != 200
			})
			if f.Stats().Unproven == 0 {
				t.Errorf("%+v", f.Stats())
			}
		})
	}
}
