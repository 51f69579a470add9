package schema

import (
	"bytes"
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

const maxReply = 4 << 20 // bytes

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

// Get asks for a schema. It waits until ctx's deadline or the registry's timeout, whichever is first.
//
// The error is an [*Error]: KindConfiguration if there is no such schema or cannot be, or if it is of another format,
// KindUnavailable for everything else. It has neither the URL nor anything of the reply.
func (r *Registry) Get(ctx context.Context, name Name) (Registered, error) {
	if err := name.Check(); err != nil {
		return Registered{}, err
	}
	request, err := r.request(ctx, name)
	if err != nil {
		return Registered{}, err
	}
	client, err := newClient(r.opts)
	if err != nil {
		return Registered{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return Registered{}, unavailable("the registry does not answer: %v", secrets.WithoutURL(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Registered{}, refusal(response.StatusCode, name)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return Registered{}, unavailable("the registry's reply breaks off: %v", secrets.WithoutURL(err))
	}
	of, err := parseReply(text, name)
	if err == nil && name.Format != "" && of.Type != string(name.Format) {
		err = misconfigured("the registered schema is of the type %s, not %s", guard.Quoted(of.Type), name.Format)
	}
	return of, err
}

// request asks for a schema by GET, or by POST for what a subject has of a text.
func (r *Registry) request(ctx context.Context, name Name) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	to := r.base.JoinPath("subjects", url.PathEscape(name.Subject))
	switch {
	case name.ID > 0:
		to = r.base.JoinPath("schemas", "ids", strconv.Itoa(name.ID))
	case name.Text != "":
		method = http.MethodPost
		text, _ := json.Marshal(map[string]any{"schema": name.Text, "schemaType": name.Format}) // of strings: cannot fail
		body = bytes.NewReader(text)
	default:
		to = to.JoinPath("versions", name.Version)
	}
	request, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		return nil, misconfigured("the registry's URL: %v", secrets.WithoutURL(err))
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	}
	request.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	request.Header.Set("User-Agent", "kafkaupstream")
	return request, r.authenticate(request)
}

// CanAsk returns why no question could be put: an [*Error] of KindUnavailable of the CA file or a secret. It asks nothing.
func (r *Registry) CanAsk() error {
	if _, err := newClient(r.opts); err != nil {
		return err
	}
	return r.authenticate(&http.Request{Header: http.Header{}})
}

func (r *Registry) authenticate(request *http.Request) error {
	secrets := []string{r.opts.Username, r.opts.Password, r.opts.Token}
	for i, value := range secrets {
		if value == "" || r.opts.Resolve == nil {
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

func refusal(status int, name Name) error {
	switch {
	case status == http.StatusNotFound, status == http.StatusUnprocessableEntity:
		return misconfigured("the registry has no %s", name)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return unavailable("the registry refuses the credentials (status %d)", status)
	case 300 <= status && status < 400:
		return unavailable("the registry redirects, which is not followed (status %d)", status)
	}
	return unavailable("the registry answers with status %d", status)
}

// parseReply returns what a reply says. The registry leaves the type out where it is
// Avro, and the id where it was asked by it.
func parseReply(text []byte, name Name) (Registered, error) {
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
	if name.ID > 0 {
		reply.ID = &name.ID
	}
	if name.Text != "" && reply.Schema == nil {
		reply.Schema = &name.Text
	}
	if err != nil || reply.ID == nil || reply.Schema == nil || *reply.ID < 0 || *reply.ID > math.MaxInt32 {
		return Registered{}, unavailable("the registry's reply is not that of a schema registry")
	}
	if reply.Type == "" {
		reply.Type = string(Avro)
	}
	return Registered{*reply.ID, reply.Type, *reply.Schema, reply.References}, nil
}
