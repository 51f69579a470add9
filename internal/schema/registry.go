package schema

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const defaultTimeout = 5 * time.Second

// Options are what a [Registry] needs besides its URL. All may be left out.
type Options struct {
	// Username and Password are for basic authentication, Token for a bearer token;
	// one of the two. They are resolved at each request.
	Username, Password, Token string
	// Resolve returns the secret that a value refers to, or the value itself. Its
	// errors name no secret. Registries that share a [Cache] share it.
	Resolve func(value string) (string, error)
	// CAFile has the certificates (PEM) to trust instead of the system's. It is read for each question.
	CAFile string
	// Timeout is for one question; 5 s by default.
	Timeout time.Duration
	// Client is what asks, instead of one of the registry's own; then CAFile is not
	// used. Its redirects are not followed.
	Client *http.Client
}

// Registry asks a Confluent-compatible Schema Registry. Several goroutines can use
// it at once.
type Registry struct {
	base *url.URL
	opts Options
	key  registryKey
}

// registryKey is what makes two registries the same: with other credentials, it may
// give another answer.
type registryKey struct {
	url, username, password, token, caFile string
	client                                 *http.Client
}

// NewRegistry returns the client of the registry at an http or https URL, which may
// have a path. It asks nothing yet and reads no file. The error is an [*Error] of KindConfiguration,
// without the URL, any part of which may be a secret.
func NewRegistry(rawURL string, opts Options) (*Registry, error) {
	base, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if opts.Token != "" && (opts.Username != "" || opts.Password != "") {
		return nil, refused("token", "a registry takes a user name and a password or a token, not both")
	}
	if opts.Password != "" && opts.Username == "" {
		return nil, refused("password", "a registry's password needs a user name")
	}
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	key := registryKey{base.String(), opts.Username, opts.Password, opts.Token, opts.CAFile, opts.Client}
	return &Registry{base, opts, key}, nil
}

// Resolving returns the registry with another way to find its secrets.
func (r *Registry) Resolving(resolve func(value string) (string, error)) *Registry {
	with := *r
	with.opts.Resolve = resolve
	return &with
}

func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, refused("registry", "the registry's URL must be an http or https URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, refused("registry", "the registry's URL must have no user, query or fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

func newClient(opts Options) (*http.Client, error) {
	client := &http.Client{}
	if opts.Client != nil {
		*client = *opts.Client
	} else {
		roots, err := readCA(opts.CAFile)
		if err != nil {
			return nil, err
		}
		client.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{RootCAs: roots},
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true, // the next question is a minute away
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	client.Timeout = opts.Timeout
	// The credentials are for this registry, and where it points to is not the route's
	// choice.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

// readCA returns the certificates in a file, or nil, the system's, if there is no
// file.
func readCA(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, unavailable("the registry's CA file: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, unavailable("the registry's CA file has no certificate")
	}
	return pool, nil
}
