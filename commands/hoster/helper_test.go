package hoster_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
)

// canary is the token of every test client. No output may hold it.
const canary = "17|CANARYqpVodrZ3edt0DV4Q81dxQekTAess"

// clock is a Clock that stands still, but for Sleep and Advance.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*timer
	slept  []time.Duration
	set    chan struct{} // closed and replaced when a timer is set
}

type timer struct {
	at time.Time
	f  func()
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), set: make(chan struct{})}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	c.slept = append(c.slept, d)
	c.mu.Unlock()
	c.Advance(d)
	return nil
}

func (c *clock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{at: c.now.Add(d), f: f}
	c.timers = append(c.timers, t)
	close(c.set)
	c.set = make(chan struct{})
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.timers, t)
		if i >= 0 {
			c.timers = slices.Delete(c.timers, i, i+1)
		}
		return i >= 0
	}
}

// Advance moves the clock and runs the timers that are then due.
func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []*timer
	c.timers = slices.DeleteFunc(c.timers, func(t *timer) bool {
		if t.at.After(c.now) {
			return false
		}
		due = append(due, t)
		return true
	})
	c.mu.Unlock()
	for _, t := range due {
		t.f()
	}
}

// Pauses are the sleeps so far.
func (c *clock) Pauses() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.slept)
}

// bench is a client, a provider made of one handler, and all that the client
// let out.
type bench struct {
	*hoster.Client
	clock *clock
	log   *bytes.Buffer
	seen  *recorder
}

// recorder counts what the provider saw.
type recorder struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	calls    []hoster.Call
}

func (r *recorder) Requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func (r *recorder) Bodies() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

func (r *recorder) Calls() []hoster.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// handler records each request before it is answered.
func (r *recorder) handler(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.requests = append(r.requests, req)
		r.bodies = append(r.bodies, string(body))
		r.mu.Unlock()
		next(w, req)
	}
}

// newBench starts a provider and a client for it; edit may change the client's
// configuration.
func newBench(tb testing.TB, answer http.HandlerFunc, edit ...func(*hoster.Config)) *bench {
	tb.Helper()
	seen := new(recorder)
	server := httptest.NewServer(seen.handler(answer))
	tb.Cleanup(server.Close)
	return newBenchAt(tb, server.URL, seen, edit...)
}

func newBenchAt(tb testing.TB, url string, seen *recorder, edit ...func(*hoster.Config)) *bench {
	tb.Helper()
	b := &bench{clock: newClock(), log: new(bytes.Buffer), seen: seen}
	cfg := hoster.Config{
		URL:    url,
		Token:  secret.New(canary),
		Rate:   1000,
		Clock:  b.clock,
		Jitter: func() float64 { return 0.5 },
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(call hoster.Call) {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.calls = append(seen.calls, call)
		},
	}
	for _, f := range edit {
		f(&cfg)
	}
	c, err := hoster.New(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		c.Close()
		require.NotContains(tb, b.log.String(), canary, "the token is in the log")
		require.NotContains(tb, fmt.Sprintf("%+v", c.Health()), canary, "the token is in Health")
	})
	b.Client = c
	return b
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// reply answers every request alike. Header lines are pairs.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// script answers each request by the next of the handlers, the last one again
// and again.
func script(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		next := handlers[0]
		if len(handlers) > 1 {
			handlers = handlers[1:]
		}
		mu.Unlock()
		next(w, r)
	}
}

// hangUp takes the connection and closes it, after writing what is given.
func hangUp(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.Close()
	}
}

// asError gives the *hoster.Error in err.
func asError(tb testing.TB, err error) *hoster.Error {
	tb.Helper()
	var e *hoster.Error
	require.ErrorAs(tb, err, &e)
	require.NotContains(tb, fmt.Sprintf("%v %+v %#v %v", err, e, e.Err, e.Fields), canary, "the token is in the error")
	return e
}
