package schema

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

const (
	maxReply = 4 << 20 // bytes
	// latest is the version that is another after each registration.
	latest = "latest"
)

// Registered is a schema as the registry has it.
type Registered struct {
	ID         int    // 0 to 2³¹-1, the same for equal schemas
	Type       string // JSON, AVRO, PROTOBUF or another that the registry knows
	Schema     string // the schema's text
	References []Reference
}

// Reference is another registered schema that a schema refers to by a name.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Get asks for a version of a subject, "latest" or a positive number. It waits until
// ctx's deadline or the registry's timeout, whichever is first.
//
// The error is an [*Error]: KindConfiguration if subject or version do not exist or
// cannot, KindUnavailable for everything else. It has neither the URL nor anything
// of the reply.
func (r *Registry) Get(ctx context.Context, subject, version string) (Registered, error) {
	if err := checkName(subject, version); err != nil {
		return Registered{}, err
	}
	request, err := r.request(ctx, subject, version)
	if err != nil {
		return Registered{}, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return Registered{}, unavailable("the registry does not answer: %v", secrets.WithoutURL(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Registered{}, refusal(response.StatusCode, subject, version)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return Registered{}, unavailable("the registry's reply breaks off: %v", secrets.WithoutURL(err))
	}
	return parseReply(text)
}

// checkName refuses what would lead to another place than a subject.
func checkName(subject, version string) error {
	switch subject {
	case "":
		return misconfigured("a subject is required")
	case ".", "..":
		return misconfigured("the subject must not be . or ..")
	}
	if version == latest {
		return nil
	}
	n, err := strconv.ParseInt(version, 10, 32)
	if err != nil || n < 1 || version[0] == '+' {
		return misconfigured("the version must be %q or a positive number", latest)
	}
	return nil
}

func (r *Registry) request(ctx context.Context, subject, version string) (*http.Request, error) {
	to := r.base.JoinPath("subjects", url.PathEscape(subject), "versions", version)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return nil, misconfigured("the registry's URL: %v", secrets.WithoutURL(err))
	}
	request.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	request.Header.Set("User-Agent", "kafkaupstream")
	return request, r.authenticate(request)
}

func (r *Registry) authenticate(request *http.Request) error {
	secrets := []string{r.opts.Username, r.opts.Password, r.opts.Token}
	for i, value := range secrets {
		if value == "" {
			continue
		}
		secret, err := r.opts.Resolve(value)
		if err != nil {
			return unavailable("the registry's credentials: %v", err)
		}
		secrets[i] = secret
	}
	switch {
	case r.opts.Token != "":
		request.Header.Set("Authorization", "Bearer "+secrets[2])
	case r.opts.Username != "":
		request.SetBasicAuth(secrets[0], secrets[1])
	}
	return nil
}

func refusal(status int, subject, version string) error {
	switch {
	case status == http.StatusNotFound, status == http.StatusUnprocessableEntity:
		return misconfigured("the registry has no version %s of the subject %s", version, guard.Quoted(subject))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return unavailable("the registry refuses the credentials (status %d)", status)
	case 300 <= status && status < 400:
		return unavailable("the registry redirects, which is not followed (status %d)", status)
	}
	return unavailable("the registry answers with status %d", status)
}

// parseReply returns what a reply says. The registry leaves the type out where it is
// Avro.
func parseReply(text []byte) (Registered, error) {
	if len(text) > maxReply {
		return Registered{}, unavailable("the registry's reply is larger than %d bytes", maxReply)
	}
	var reply struct {
		ID         *int        `json:"id"`
		Type       string      `json:"schemaType"`
		Schema     *string     `json:"schema"`
		References []Reference `json:"references"`
	}
	err := json.Unmarshal(text, &reply)
	if err != nil || reply.ID == nil || reply.Schema == nil || *reply.ID < 0 || *reply.ID > math.MaxInt32 {
		return Registered{}, unavailable("the registry's reply is not that of a schema registry")
	}
	if reply.Type == "" {
		reply.Type = "AVRO"
	}
	return Registered{*reply.ID, reply.Type, *reply.Schema, reply.References}, nil
}
