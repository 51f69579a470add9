package notify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hook is a URL of the server with tokens wherever people put them.
func hook(t *testing.T, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path, u.RawQuery = url.UserPassword("token-1", "token-2"), "/token-3", "key=token-4"
	return u.String()
}

func TestWebhookIsPosted(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		got = strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Content-Type"), user, password, string(body)}, "\n")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	if log := tellOnce(t, Options{Webhook: hook(t, server)}, deadLetter); log != "" {
		t.Errorf("the log is %q", log)
	}
	if want := "POST\n/token-3?key=token-4\napplication/json\ntoken-1\ntoken-2\n" + deadLetterJSON; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFailedWebhookIsLoggedWithoutItsTokens(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(code)
		}
	}
	cases := []struct {
		says    string
		handler http.HandlerFunc
		want    string
	}{
		{"a refusal", status(http.StatusForbidden), "the reply's status is 403"},
		{"a server's error", status(http.StatusInternalServerError), "the reply's status is 500"},
		{"a redirect, which is not followed", status(http.StatusTemporaryRedirect), "the reply's status is 307"},
		{"a connection that is closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		// A server sees that its client has gone only after it has read the request.
		{"no reply in time", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, "context deadline exceeded"},
		{"a header without end", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "exceeded"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			o := Options{Webhook: hook(t, server), Timeout: time.Minute}
			if strings.Contains(c.want, "deadline") {
				o.Timeout = 100 * time.Millisecond
			}
			expectFailure(t, tellOnce(t, o, deadLetter), server.URL, c.want)
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("the event went elsewhere %d times", n)
	}
}

func TestWebhookThatNobodyServesIsLoggedWithoutItsTokens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	expectFailure(t, tellOnce(t, Options{Webhook: hook(t, server)}, deadLetter), server.URL, "connection refused")
}

func TestWebhookThatIsNoneIsLoggedWithoutItsTokens(t *testing.T) {
	log := tellOnce(t, Options{Webhook: "https://token-1:token-2@/%token-3"}, deadLetter)
	expectFailure(t, log, "notifications by webhook are off", "expected an http or https URL")
}

// expectFailure checks that the log has the texts, and nothing of a token or the event.
func expectFailure(t *testing.T, log string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(log, want) {
			t.Errorf("got %q, want %q", log, want)
		}
	}
	for _, hidden := range []string{"token", deadLetter.Reason} {
		if strings.Contains(log, hidden) {
			t.Errorf("%q has %q", log, hidden)
		}
	}
}
