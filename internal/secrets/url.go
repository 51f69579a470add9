package secrets

import (
	"errors"
	"net/url"
)

// WithoutURL returns the error of an HTTP client or of [url.Parse] without the URL that its
// text begins with: any part of a URL may be a secret.
func WithoutURL(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		return of.Err
	}
	return err
}
