package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// parseWebhook's errors do not quote the URL, any part of which may be a token.
func parseWebhook(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("webhook: expected an http or https URL")
	}
	return u, nil
}

// webhook returns what posts an event. A connection is not kept: the next
// notification is a minute away at least, or to be sent in spite of this one.
func webhook(to *url.URL) func(context.Context, Event) error {
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// The event is for this host, and a token in the URL for no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, e Event) error {
		if err := post(ctx, client, to, e); err != nil {
			return fmt.Errorf("%s://%s: %w", to.Scheme, to.Host, err)
		}
		return nil
	}
}

func post(ctx context.Context, client *http.Client, to *url.URL, e Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(text))
	if err != nil {
		return withoutURL(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "kafkaupstream")
	response, err := client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	_ = response.Body.Close() // it says nothing that is used
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the reply's status is %d", response.StatusCode)
	}
	return nil
}

// withoutURL takes out of a client's error the URL it begins with.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
