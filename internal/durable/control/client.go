package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
)

// aliveWait is how long a runner may take to answer at all.
const aliveWait = 5 * time.Second

// ErrNoAnswer is returned by Dial when no process answers on the directory's socket.
var ErrNoAnswer = errors.New("no runner answers")

// Client asks the process that owns a directory to do what the methods of [operator.Operator]
// with the same names do.
type Client struct {
	dir  *os.File
	http http.Client
}

// Dial connects to the owner of the directory. The error is ErrNoAnswer where there
// is none, and fs.ErrNotExist where there is no directory.
func Dial(ctx context.Context, dirPath string) (*Client, error) {
	dir, err := os.Open(dirPath)
	if err != nil {
		return nil, err
	}
	path := address(dir, socketName)
	c := &Client{dir: dir}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true, // a person may think for long between two requests
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}
	ctx, cancel := context.WithTimeout(ctx, aliveWait)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, "alive", nil)
	if err != nil {
		c.Close()
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("the runner's socket belongs to another user: %w", err)
		}
		return nil, fmt.Errorf("%w: %v", ErrNoAnswer, err) // where it is no socket, the directory exists all the same
	}
	resp.Body.Close()
	return c, nil
}

// Close closes the directory.
func (c *Client) Close() error {
	return c.dir.Close()
}

// Streams returns the streams, by name.
func (c *Client) Streams(ctx context.Context) (infos []durable.StreamInfo, err error) {
	err = c.call(ctx, http.MethodGet, "streams", nil, &infos)
	return infos, err
}

// Room returns what the spool takes of what it may take.
func (c *Client) Room(ctx context.Context) (room durable.Room, err error) {
	err = c.call(ctx, http.MethodGet, "room", nil, &room)
	return room, err
}

// Find counts the records that a selection means, and changes nothing.
func (c *Client) Find(ctx context.Context, sel operator.Selection) (operator.Done, error) {
	return c.operate(ctx, "find", sel)
}

// Replay moves records; see [operator.Operator.Replay].
func (c *Client) Replay(ctx context.Context, sel operator.Selection, to *durable.Target) (operator.Done, error) {
	return c.operate(ctx, "replay", replayRequest{sel, to})
}

// Drop gives records up for good; see [operator.Operator.Drop].
func (c *Client) Drop(ctx context.Context, sel operator.Selection) (operator.Done, error) {
	return c.operate(ctx, "drop", sel)
}

// Suspend stops a stream.
func (c *Client) Suspend(ctx context.Context, stream string) (operator.Done, error) {
	return c.operate(ctx, "suspend", streamRequest{stream})
}

// Resume resumes a suspended stream.
func (c *Client) Resume(ctx context.Context, stream string) (operator.Done, error) {
	return c.operate(ctx, "resume", streamRequest{stream})
}

// Show calls f with each record, in order, until f returns an error.
func (c *Client) Show(ctx context.Context, req operator.ShowRequest, f func(*operator.RecordInfo) error) error {
	resp, err := c.do(ctx, http.MethodPost, "show", req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return decode(resp, nil)
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var line struct {
			operator.RecordInfo
			Error string `json:"error"`
		}
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the runner's answer broke off: %w", err)
		case line.Error != "":
			return errors.New(line.Error)
		}
		if err := f(&line.RecordInfo); err != nil {
			return err
		}
	}
}

func (c *Client) operate(ctx context.Context, name string, req any) (done operator.Done, err error) {
	err = c.call(ctx, http.MethodPost, name, req, &done)
	return done, err
}

// call makes a request and reads its reply into v; see decode.
func (c *Client) call(ctx context.Context, method, name string, req, v any) error {
	resp, err := c.do(ctx, method, name, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decode(resp, v)
}

func (c *Client) do(ctx context.Context, method, name string, req any) (*http.Response, error) {
	var body io.Reader
	if req != nil {
		text, err := json.Marshal(req)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://control/"+name, body)
	if err != nil {
		return nil, err
	}
	return c.http.Do(r)
}

// decode reads a reply into v or, where it is a problem, into the error; what was
// done nevertheless is in v then.
func decode(resp *http.Response, v any) error {
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the runner's answer broke off: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return json.Unmarshal(text, v)
	}
	var problem problemReply
	if json.Unmarshal(text, &problem) != nil || problem.Error == "" {
		return fmt.Errorf("the runner answered %s", resp.Status)
	}
	if done, ok := v.(*operator.Done); ok {
		*done = problem.Done
	}
	return errors.New(problem.Error)
}
