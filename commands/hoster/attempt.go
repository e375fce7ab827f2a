package hoster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"
)

// What ends an attempt from this side.
var (
	errTimedOut = errors.New("no answer in time")
	errTooLate  = errors.New("too late to be sent")
	errTooBig   = fmt.Errorf("the answer is longer than %d MiB", maxBody>>20)
	errClosed   = errors.New("the connection was closed before the answer was complete")
	errNoHTTP   = errors.New("the answer is no HTTP")
)

// attempt sends q once, then tells limiter, health, log and observer. It
// returns nil if the provider accepted q and accept could read the result,
// else an *Error.
func (c *Client) attempt(ctx context.Context, q call, n int, accept func(json.RawMessage) error) error {
	start := c.clock.Now()
	status, header, err := c.exchange(ctx, q, accept)
	took := c.clock.Now().Sub(start)
	class := ClassOf(err)

	c.limiter.learn(status, header)
	if status != 0 || ctx.Err() == nil { // a caller who left says nothing of the API
		c.health.record(q.mutates, status, err)
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "hosterapi call",
		slog.String("endpoint", q.name),
		slog.Int("status", status),
		slog.String("class", string(class)),
		slog.Duration("took", took),
		slog.Int("attempt", n))
	c.observe(Call{Endpoint: q.name, Method: q.method, Class: class, Status: status, Took: took, Attempt: n})
	return err
}

// exchange is one request and its answer.
func (c *Client) exchange(ctx context.Context, q call, accept func(json.RawMessage) error) (int, http.Header, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	flight := &flight{clock: c.clock}
	if q.mutates {
		flight.sendBy = sendBy(ctx)
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: flight.board})
	req, err := c.request(ctx, q)
	if err != nil {
		return 0, nil, c.unsent(q, err)
	}

	defer c.clock.AfterFunc(q.timeout, func() { cancel(errTimedOut) })()
	if t := flight.sendBy; !t.IsZero() {
		if c.clock.Now().After(t) {
			return 0, nil, c.unsent(q, errTooLate)
		}
		defer c.clock.AfterFunc(t.Sub(c.clock.Now()), func() {
			if !c.clock.Now().Before(t) && flight.ground() {
				cancel(errTooLate)
			}
		})()
	}

	// The transport itself and not http.Client: it follows no redirect, keeps
	// no cookie, and puts no URL into its errors.
	transport := c.reads
	if q.mutates {
		transport = c.mutations
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		// Grounding comes before the verdict: a writer that is still busy must
		// not send what is about to be called unsent.
		if flight.ground() {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return 0, nil, c.unsent(q, err)
		}
		return 0, nil, c.failure(q, NoAnswer, broken(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		err = broken(ctx, err)
	case len(raw) > maxBody:
		err = errTooBig
	}
	return resp.StatusCode, resp.Header, c.judge(q, resp, raw, err, accept)
}

// broken is why an answer did not come, or not whole, in words that quote none
// of it: net/http puts the line that it cannot read into its errors.
func broken(ctx context.Context, err error) error {
	var network *net.OpError
	switch cause := context.Cause(ctx); {
	case cause != nil:
		return cause
	case errors.As(err, &network):
		return network
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errClosed
	}
	return errNoHTTP
}

// request builds q. It has no GetBody, so that nothing below can send it again.
func (c *Client) request(ctx context.Context, q call) (*http.Request, error) {
	var body io.Reader
	if q.body != nil {
		raw, err := json.Marshal(q.body)
		if err != nil {
			return nil, errors.New("encode the request") // the cause might quote it
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, body)
	if err != nil {
		return nil, errors.New("build the request")
	}
	req.GetBody = nil
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("User-Agent", "hosterbot")
	return req, nil
}

// judge classifies an answer by the table "One attempt" of the design's
// safety page. readErr is what went wrong while its body was read.
func (c *Client) judge(q call, resp *http.Response, raw []byte, readErr error, accept func(json.RawMessage) error) error {
	if success(resp.StatusCode) {
		if readErr != nil {
			return c.answerError(q, resp, NoAnswer, complaint{}, readErr)
		}
		result, trouble, err := decodeEnvelope(raw)
		switch {
		case err != nil:
			return c.answerError(q, resp, NoAnswer, complaint{}, err)
		case trouble != nil:
			return c.answerError(q, resp, classOfComplaint(q, Refused, *trouble), *trouble, nil)
		}
		if err := accept(result); err != nil {
			return c.answerError(q, resp, NoAnswer, complaint{}, &shapeErr{err})
		}
		return nil
	}
	var trouble complaint
	if readErr == nil {
		trouble = decodeComplaint(resp.StatusCode, resp.Header.Get("Content-Type"), raw)
	}
	return c.answerError(q, resp, classOfComplaint(q, classOfStatus(resp.StatusCode), trouble), trouble, readErr)
}

// classOfComplaint is the class of an answer with a complaint in it. 0xa3 is a
// time-out on the provider's side: whatever the status around it, a mutation
// may have happened.
func classOfComplaint(q call, class Class, trouble complaint) Class {
	if code, _ := CodeOf(trouble.text); q.mutates && class == Refused && code == Timeout {
		return NoAnswer
	}
	return class
}

func success(status int) bool { return status >= 200 && status < 300 }

// answerError is the error for an answer that came.
func (c *Client) answerError(q call, resp *http.Response, class Class, trouble complaint, cause error) error {
	e := &Error{
		Class:    class,
		Endpoint: q.name,
		Status:   resp.StatusCode,
		Text:     c.clean(trouble.text),
		Err:      c.cleanError(cause),
	}
	e.Code, _ = CodeOf(e.Text)
	for i, field := range slices.Sorted(maps.Keys(trouble.fields)) {
		if i == 0 {
			e.Fields = make(map[string]string)
		}
		if i == maxFields {
			break
		}
		e.Fields[c.clean(field)] = c.clean(trouble.fields[field])
	}
	if !success(resp.StatusCode) {
		e.RetryAfter = retryAfter(resp.Header, c.clock.Now())
	}
	return e
}

// failure is the error for an attempt without an answer.
func (c *Client) failure(q call, class Class, cause error) error {
	return &Error{Class: class, Endpoint: q.name, Err: c.cleanError(cause)}
}

// unsent is the error for a call of which nothing was sent. Where the cause is
// the provider's own pause, it is throttled, with the time that is left.
func (c *Client) unsent(q call, cause error) error {
	var pause *pauseError
	if errors.As(cause, &pause) {
		return &Error{Class: Throttled, Endpoint: q.name, RetryAfter: pause.left, Err: pause}
	}
	return c.failure(q, NotSent, cause)
}

// pauseError says that the provider wants no call for longer than the caller
// would wait.
type pauseError struct{ left time.Duration }

func (e *pauseError) Error() string {
	return fmt.Sprintf("the provider asked for a pause of %s", e.left.Round(time.Second))
}
