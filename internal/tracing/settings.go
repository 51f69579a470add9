package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// defaultTimeout bounds one export.
const defaultTimeout = 10 * time.Second

// settings are those of OTLP's exporter
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter).
type settings struct {
	url     *url.URL
	header  http.Header
	timeout time.Duration
	gzip    bool
	tls     *tls.Config
}

// readSettings returns nil where no traces are asked for. Errors name a variable and
// quote no value: there may be secrets in them.
func readSettings(getenv func(string) string) (*settings, error) {
	if strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true") {
		return nil, nil
	}
	switch getenv("OTEL_TRACES_EXPORTER") {
	case "", "otlp":
	case "none":
		return nil, nil
	default:
		return nil, errors.New("OTEL_TRACES_EXPORTER: expected otlp or none")
	}
	endpoint, whole := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), true
	if endpoint == "" {
		endpoint, whole = getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), false
	}
	if endpoint == "" {
		return nil, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL such as http://collector:4318")
	}
	if !whole {
		u = u.JoinPath("v1", "traces")
	}
	s := &settings{url: u, header: http.Header{}, timeout: defaultTimeout}
	return s, s.read(func(name string) (variable, value string) {
		variable = "OTEL_EXPORTER_OTLP_TRACES_" + name
		if value = getenv(variable); value == "" {
			variable = "OTEL_EXPORTER_OTLP_" + name
			value = getenv(variable)
		}
		return variable, value
	})
}

// read reads what there is one variable for all signals for, and one for traces.
func (s *settings) read(get func(name string) (variable, value string)) error {
	if variable, protocol := get("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("%s: expected http/protobuf, which collectors take on port 4318", variable)
	}
	variable, headers := get("HEADERS")
	if err := s.readHeaders(headers); err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	if variable, text := get("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 || ms > 3600000 {
			return fmt.Errorf("%s: expected milliseconds, from 1 to 3600000", variable)
		}
		s.timeout = time.Duration(ms) * time.Millisecond
	}
	switch variable, text := get("COMPRESSION"); text {
	case "", "none":
	case "gzip":
		s.gzip = true
	default:
		return fmt.Errorf("%s: expected gzip or none", variable)
	}
	return s.readTLS(get)
}

// readHeaders reads name=value,… of which both are percent-encoded.
func (s *settings) readHeaders(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		n, err1 := url.PathUnescape(strings.TrimSpace(name))
		v, err2 := url.PathUnescape(strings.TrimSpace(value))
		if !ok || n == "" || err1 != nil || err2 != nil || strings.ContainsAny(n+v, "\r\n\x00") || strings.ContainsAny(n, " :") {
			return errors.New("expected name=value pairs with commas between them")
		}
		s.header.Set(n, v)
	}
	return nil
}

// readTLS reads whom to trust, and who to be.
func (s *settings) readTLS(get func(name string) (variable, value string)) error {
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if variable, file := get("CERTIFICATE"); file != "" {
		s.tls.RootCAs = x509.NewCertPool()
		if text, err := os.ReadFile(file); err != nil || !s.tls.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("%s: expected a file with certificates in PEM", variable)
		}
	}
	variable, certificate := get("CLIENT_CERTIFICATE")
	_, key := get("CLIENT_KEY")
	if certificate == "" && key == "" {
		return nil
	}
	own, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("%s and …_KEY: expected files with a certificate and its key in PEM", variable)
	}
	s.tls.Certificates = []tls.Certificate{own}
	return nil
}
