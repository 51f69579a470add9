package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
)

// ClientOptions are APISIX's fixed numbers, each of them open to tests. The zero value is APISIX.
type ClientOptions struct {
	// ConnectTimeout is how long connecting may take: 1 s.
	ConnectTimeout time.Duration
	// Timeout is how long sending one frame and waiting for the next may take together: 60 s. (APISIX has one clock
	// of 60 s for each.)
	Timeout time.Duration
	// IdleTimeout is how long an idle connection is kept: 180 s.
	IdleTimeout time.Duration
	// MaxIdle is how many idle connections are kept: 32, as in one worker of APISIX. Negative: none. The number of
	// connections in use has no limit.
	MaxIdle int
}

// Client speaks the ext-plugin protocol from APISIX's side. It may be used by any number of goroutines.
//
// A call takes an idle connection, or makes a new one by the socket's path, so a runner that has renamed its socket
// onto the path is found. An idle connection that its peer has closed is not used. What was sent once is never sent
// again, and after any error the connection is closed.
type Client struct {
	path    string
	options ClientOptions
	pool    pool
	lastID  atomic.Uint32
}

// NewClient makes a client for the runner that listens, now or later, on the Unix socket at path.
func NewClient(path string, o ClientOptions) *Client {
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, time.Second)
	o.Timeout = cmp.Or(o.Timeout, 60*time.Second)
	return &Client{path: path, options: o, pool: pool{
		max: max(cmp.Or(o.MaxIdle, 32), 0), timeout: cmp.Or(o.IdleTimeout, 180*time.Second),
	}}
}

// Close closes the idle connections; those in use are closed when their calls end. Later calls return ErrClosed.
func (c *Client) Close() error {
	c.pool.close()
	return nil
}

// PrepareConf hands a route's plugins to the runner and gets the token that stands for them in calls. The runner may
// answer a key that it has seen with the token of that time. Errors: a RunnerError, ErrProtocol, ErrFrameTooLarge,
// ErrClosed, the context's, or those of the connection.
func (c *Client) PrepareConf(ctx context.Context, key string, conf []ConfEntry) (uint32, error) {
	e := newEncoder()
	defer e.release()
	frame, err := e.prepareConf(key, conf)
	if err != nil {
		return 0, err
	}
	var token uint32
	err = c.do(ctx, e, frame, framePrepareConf, nil, func(payload []byte) (err error) {
		token, err = decodeToken(payload)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("PrepareConf: %w", err)
	}
	return token, nil
}

// Call asks the runner what to do with a request (HTTPReqCall). Errors are those of PrepareConf, ErrMethod, and the
// Body callback's if it is an ErrAbort.
func (c *Client) Call(ctx context.Context, token uint32, r *Request) (*Response, error) {
	e := newEncoder()
	defer e.release()
	frame, err := e.reqCall(token, c.id(r.ID), r)
	if err != nil {
		return nil, err
	}
	var resp *Response
	err = c.do(ctx, e, frame, frameReqCall, r, func(payload []byte) (err error) {
		resp, err = decodeReqCall(payload)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("HTTPReqCall: %w", err)
	}
	return resp, nil
}

// id numbers calls as APISIX's worker 0 does: 22 bits, then from the start again.
func (c *Client) id(given uint32) uint32 {
	if given != 0 {
		return given
	}
	return c.lastID.Add(1) & (1<<22 - 1)
}

// do sends a frame, answers the runner's questions about the request (nil: it may ask none) and hands the payload of its answer, a frame
// of the same type, to decode.
func (c *Client) do(
	ctx context.Context, e *encoder, frame []byte, t frameType, asked *Request, decode func([]byte) error,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		cn, reused, err := c.conn(ctx)
		if err != nil {
			return err
		}
		err = c.doOn(ctx, cn, e, frame, t, asked, decode)
		if !reused || !errors.Is(err, errUnsent) {
			return err
		}
		// The runner closed an idle connection between the look and the write, and nothing was sent.
	}
}

func (c *Client) doOn(
	ctx context.Context, cn *conn, e *encoder, frame []byte, t frameType, asked *Request, decode func([]byte) error,
) (err error) {
	stop := cn.cancelWith(ctx)
	done := false
	defer func() { // deferred also for a callback that panics
		if stop() && done && cn.reusable() {
			c.pool.put(cn)
			return
		}
		cn.Close()
		if ctx.Err() != nil && err != nil {
			err = context.Cause(ctx)
		}
	}()

	if err := cn.arm(ctx); err != nil {
		return err
	}
	got, payload, err := cn.call(frame)
	for err == nil && got == frameExtraInfo && asked != nil {
		got, payload, err = asked.answer(ctx, cn, e, payload)
	}
	if err != nil {
		return err
	}
	switch got {
	case t:
		err = decode(payload)
	case frameError:
		err = decodeError(payload)
	default:
		err = fmt.Errorf("%w: unexpected type %d", ErrProtocol, got)
	}
	done = err == nil
	return err
}

func (c *Client) conn(ctx context.Context) (cn *conn, reused bool, err error) {
	cn, err = c.pool.get()
	if cn != nil || err != nil {
		return cn, true, err
	}
	cn, err = dial(ctx, c.path, c.options.ConnectTimeout, c.options.Timeout)
	return cn, false, err
}

// answer answers one question about the request and reads the frame that follows.
func (r *Request) answer(ctx context.Context, cn *conn, e *encoder, payload []byte) (frameType, []byte, error) {
	q, err := decodeQuestion(payload)
	if err != nil {
		return 0, nil, err
	}
	result, ok, err := r.find(q)
	if err != nil {
		return 0, nil, err
	}
	pieces := [][]byte{noResult}
	if ok {
		if pieces, err = e.extraInfo(result); err != nil {
			return 0, nil, err
		}
	}
	if err := cn.arm(ctx); err != nil {
		return 0, nil, err
	}
	var t frameType
	var next []byte
	if len(pieces) == 1 {
		t, next, err = cn.call(pieces[0])
	} else {
		t, next, err = cn.callInPieces(pieces)
	}
	if err == errUnsent { // of the answer; the call has been sent, and is not sent again
		err = io.EOF
	}
	return t, next, err
}

// find looks up what the runner asks for, and reports whether there is such a thing.
func (r *Request) find(q question) (result []byte, ok bool, err error) {
	switch q.info {
	case ExtraInfo.InfoVar:
		if r.Var == nil {
			return nil, false, nil
		}
		v, ok := r.Var(q.name)
		return []byte(v), ok, nil
	case ExtraInfo.InfoReqBody:
		if r.Body == nil {
			return nil, false, nil
		}
		result, err = r.Body()
		if errors.Is(err, ErrAbort) {
			return nil, false, err
		}
		return result, err == nil && len(result) > 0, nil
	case ExtraInfo.InfoRespBody: // there is no response yet
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("%w: unsupported info type: %d", ErrProtocol, q.info)
}
