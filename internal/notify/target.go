package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// target is one way to reach the operator.
type target struct {
	name string
	send func(context.Context, Event) error
}

const (
	// maxOutput is how much of a failed command's output is logged, in bytes.
	maxOutput = 200
	// outputWait is how long a command's output is waited for after its end, when a
	// process that it has started still holds it. It is less than grace.
	outputWait = 100 * time.Millisecond
)

// command returns what runs a line of shell for an event. The line gets a process
// group of its own, of which nothing outlives it.
func command(line string) func(context.Context, Event) error {
	return func(ctx context.Context, e Event) error {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		var output beginning
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
		cmd.Env = append(os.Environ(),
			"KAFKAUPSTREAM_EVENT="+e.Event,
			"KAFKAUPSTREAM_STREAM="+e.Stream,
			"KAFKAUPSTREAM_TOPIC="+e.Topic,
			"KAFKAUPSTREAM_REASON="+e.Reason,
			"KAFKAUPSTREAM_RECEIPT="+e.Receipt,
			"KAFKAUPSTREAM_COUNT="+strconv.Itoa(e.Count),
			"KAFKAUPSTREAM_TIME="+e.Time.Format(time.RFC3339Nano))
		cmd.Stdin = bytes.NewReader(append(text, '\n')) // a command may append events to a file
		cmd.Stdout, cmd.Stderr = &output, &output
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.WaitDelay = outputWait
		if err := cmd.Start(); err != nil {
			return err
		}
		// When ctx ends, Wait kills the shell; what the shell has started goes with the
		// group. Usually nobody is left in it.
		err = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if err == nil || errors.Is(err, exec.ErrWaitDelay) { // which means that the status was 0, too
			return nil
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("killed: %w", ctx.Err())
		}
		if len(output) > 0 {
			err = fmt.Errorf("%w; its output begins with %q", err, string(output))
		}
		return err
	}
}

// beginning keeps the first maxOutput bytes of what is written to it.
type beginning []byte

// Write never fails: a command must not stop because it says much.
func (b *beginning) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), maxOutput-len(*b))]...)
	return len(p), nil
}

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
			return fmt.Errorf("%s://%s: %w", to.Scheme, to.Host, secrets.WithoutURL(err))
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
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "kafkaupstream")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close() // it says nothing that is used
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the reply's status is %d", response.StatusCode)
	}
	return nil
}
