// Package hoster is the client of HosterAPI: one method for each of the 37
// calls that the provider documents, typed answers, and errors that say what
// may be concluded.
//
// A read is tried up to four times. A mutation is one attempt on a connection
// of its own, never repeated here: its [Class] says whether a byte of it may
// have left, and the caller decides. All calls share one limiter; a read takes
// its token itself, a mutation uses the one that [Client.Acquire] gave.
//
// It is a leaf: it knows HTTP and bot/secret, and nothing of chats, policies
// or stores. It logs no body, no header and no URL. Passwords and console
// links leave it as [secret.Secret] only.
//
// How to add an API call:
//  1. Put the documented request and answers into testdata/examples.json.
//  2. Write the method in the file of its resource, with a new endpoint name,
//     by read, readOnce or c.mutate.
//  3. Write the decoder beside it from the kinds in decode.go, which survive
//     what PHP makes of numbers, flags, lists and objects.
//  4. Add its row to calls in answers_test.go; the test fails without it.
//  5. Teach hostersim to answer it, and give it a row in commands.
package hoster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"hosterbot/bot/secret"
)

// Times and bounds of one call. Config.TimeScale multiplies the times, but
// none below minTimeout; the console's is the provider's and stays.
const (
	mutationTimeout = 90 * time.Second
	readTimeout     = 10 * time.Second
	readBudget      = 20 * time.Second // of a read with all its tries
	readTries       = 4
	firstBackoff    = 500 * time.Millisecond
	maxBackoff      = 8 * time.Second
	minTimeout      = 2 * time.Second
	consoleTimeout  = 5 * time.Second // the link lives 10 s from the request

	maxBody     = 4 << 20 // bytes of an answer; the largest documented one has 3 KB
	defaultRate = 20
)

// Clock is what the client knows of time.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or with ctx's error if ctx ends first.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f once after d, unless stop is called first; stop tells
	// whether it was in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// Config is what a client is made of. URL and Token are required.
type Config struct {
	// URL is the base such as https://reseller.hosterapi.de, to which /api/v1
	// is added. http:// is for loopback only.
	URL string
	// Token is the Bearer token.
	Token secret.Secret
	// Rate is calls a second, with a burst of twice that; 0 means 20.
	Rate float64
	// Clock is the time; nil means the system's.
	Clock Clock
	// TimeScale multiplies the client's own waiting times, for rehearsals and
	// tests. What the provider asks for by Retry-After is not scaled. 0 means 1.
	TimeScale float64
	// Jitter gives numbers in [0,1); nil means math/rand.
	Jitter func() float64
	// Logger gets one debug line for each attempt: endpoint, status, class,
	// duration. nil means none.
	Logger *slog.Logger
	// Observe is called after each attempt, if it is not nil.
	Observe func(Call)
	// Waited is called after each wait at the limiter that ended with a token,
	// if it is not nil.
	Waited func(Priority, time.Duration)
}

// Call is one attempt that is over.
type Call struct {
	Endpoint string // from a bounded set, such as "vm-status"
	Method   string
	Class    Class
	Status   int // 0 if there was none
	Took     time.Duration
	Attempt  int // from 1
}

// Client speaks HosterAPI. It is safe for concurrent use.
type Client struct {
	base      string
	token     secret.Secret
	clock     Clock
	scale     float64
	jitter    func() float64
	log       *slog.Logger
	observe   func(Call)
	waited    func(Priority, time.Duration)
	limiter   *limiter
	health    *health
	scrubber  *secret.Scrubber
	reads     *http.Transport
	mutations *http.Transport
}

// New makes a client; it calls nobody. Its errors name the setting that is
// wrong and never show the token.
func New(cfg Config) (*Client, error) {
	base, err := baseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("hosterapi url: %w", err)
	}
	token := cfg.Token.Reveal()
	if token == "" {
		return nil, errors.New("HOSTERAPI_TOKEN is empty")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("HOSTERAPI_TOKEN holds a blank or a character that no header can carry")
	}
	if cfg.Rate == 0 {
		cfg.Rate = defaultRate
	}
	if !(cfg.Rate > 0) || math.IsInf(cfg.Rate, 0) {
		return nil, fmt.Errorf("hosterapi rate: %v is not a positive number of calls a second", cfg.Rate)
	}
	if cfg.TimeScale == 0 {
		cfg.TimeScale = 1
	}
	if !(cfg.TimeScale > 0) || math.IsInf(cfg.TimeScale, 0) {
		return nil, fmt.Errorf("time scale: %v is not a positive number", cfg.TimeScale)
	}
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Call) {}
	}
	if cfg.Waited == nil {
		cfg.Waited = func(Priority, time.Duration) {}
	}
	c := &Client{
		base:      base,
		token:     cfg.Token,
		clock:     cfg.Clock,
		scale:     cfg.TimeScale,
		jitter:    cfg.Jitter,
		log:       cfg.Logger,
		observe:   cfg.Observe,
		waited:    cfg.Waited,
		limiter:   newLimiter(cfg.Clock, cfg.Rate),
		health:    newHealth(cfg.Clock),
		scrubber:  new(secret.Scrubber),
		reads:     newReadTransport(),
		mutations: newMutationTransport(),
	}
	c.scrubber.Know(cfg.Token)
	return c, nil
}

// Close closes idle connections. Calls in flight go on.
func (c *Client) Close() {
	c.reads.CloseIdleConnections()
	c.mutations.CloseIdleConnections()
}

// baseURL checks the address and gives it with /api/v1. Its errors repeat
// nothing of the address, which may hold a password.
func baseURL(address string) (string, error) {
	u, err := url.Parse(strings.TrimRight(address, "/"))
	switch {
	case err != nil || u.Hostname() == "":
		return "", errors.New("is not an address such as https://reseller.hosterapi.de")
	case u.User != nil:
		return "", errors.New("must not hold a user name or a password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must not hold a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u.String() + "/api/v1", nil
	case u.Scheme == "http":
		return "", errors.New("http:// would send the token in the clear; it is for loopback only")
	}
	return "", errors.New("must begin with https://")
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// call is one row of the provider's documentation, filled in.
type call struct {
	name    string // the endpoint, bounded
	method  string
	path    string // below /api/v1
	body    any    // nil: none
	timeout time.Duration
	mutates bool
}

// read gets path and decodes its result, trying again where that can help.
func read[T any](ctx context.Context, c *Client, name, path string, decode func(json.RawMessage) (T, error)) (T, error) {
	return retry(ctx, c, call{name: name, method: http.MethodGet, path: path, timeout: c.scaled(readTimeout)}, readTries, decode)
}

// readOnce is read with a single try, for what is worthless when late.
func readOnce[T any](ctx context.Context, c *Client, name, path string, timeout time.Duration, decode func(json.RawMessage) (T, error)) (T, error) {
	return retry(ctx, c, call{name: name, method: http.MethodGet, path: path, timeout: timeout}, 1, decode)
}

// retry makes at most tries attempts within the read budget, and gives the
// last one's error. Refused is final.
func retry[T any](ctx context.Context, c *Client, q call, tries int, decode func(json.RawMessage) (T, error)) (T, error) {
	var (
		none     T
		last     error
		deadline time.Time // of the whole, from the first try on: the queue is ours
		left     = c.scaled(readBudget)
		most     = q.timeout
	)
	for n := 1; ; n++ {
		if err := c.turn(ctx, priority(ctx), left); err != nil {
			if last != nil {
				return none, last
			}
			return none, c.unsent(q, err)
		}
		if n == 1 {
			deadline = c.clock.Now().Add(left)
		}
		if left = deadline.Sub(c.clock.Now()); left <= 0 {
			return none, last
		}
		var value T
		q.timeout = min(most, left)
		last = c.attempt(ctx, q, n, func(raw json.RawMessage) (err error) {
			value, err = decode(raw)
			return err
		})
		switch ClassOf(last) {
		case Accepted:
			return value, nil
		case Refused:
			return none, last
		}
		pause := c.backoff(n, last)
		left = deadline.Sub(c.clock.Now()) - pause
		if n == tries || left <= 0 || c.clock.Sleep(ctx, pause) != nil {
			return none, last
		}
	}
}

// backoff is how long to wait after the nth try: full jitter, and not less
// than the provider asked for.
func (c *Client) backoff(n int, err error) time.Duration {
	most := min(maxBackoff, firstBackoff<<(n-1))
	pause := time.Duration(c.jitter() * float64(most) * c.scale)
	var e *Error
	if errors.As(err, &e) {
		pause = max(pause, e.RetryAfter)
	}
	return pause
}

// mutate sends one mutation once. The caller's ctx gives values only: when it
// ends, a request on its way must still be heard out.
func (c *Client) mutate(ctx context.Context, name, method, path string, body any, secrets ...secret.Secret) (Result, error) {
	return c.mutateAs(ctx, decodeResult, name, method, path, body, secrets...)
}

// mutateAs is mutate for an answer that is read in its own way.
func (c *Client) mutateAs(ctx context.Context, decode func(json.RawMessage) Result, name, method, path string, body any, secrets ...secret.Secret) (Result, error) {
	for _, s := range secrets {
		c.scrubber.Know(s)
		defer c.scrubber.Forget(s)
	}
	q := call{name: name, method: method, path: path, body: body, timeout: c.scaled(mutationTimeout), mutates: true}
	if c.health.paused() {
		return Result{}, c.unsent(q, ErrPaused)
	}
	var result Result
	err := c.attempt(context.WithoutCancel(ctx), q, 1, func(raw json.RawMessage) error {
		result = decode(raw)
		c.scrubber.Know(result.Password)
		defer c.scrubber.Forget(result.Password)
		result.JobStatus, result.Word, result.Text = c.clean(result.JobStatus), c.clean(result.Word), c.clean(result.Text)
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	return result, nil
}

// Acquire waits for the token that the next mutation uses; the mutation itself
// takes none. The wait may be as long as the provider's Retry-After. Its error
// is of Class NotSent and wraps ctx's if ctx ends first, or ErrPaused while
// mutations are paused: a 401 on any call pauses them, until a read gets an
// answer that shows the token to be accepted again.
func (c *Client) Acquire(ctx context.Context, p Priority) error {
	q := call{name: "acquire"}
	if c.health.paused() {
		return c.unsent(q, ErrPaused)
	}
	if err := c.turn(ctx, p, 0); err != nil {
		return c.unsent(q, err)
	}
	if c.health.paused() { // by a call that was in flight meanwhile
		return c.unsent(q, ErrPaused)
	}
	return nil
}

// turn takes a token of the limiter, and tells how long that took.
func (c *Client) turn(ctx context.Context, p Priority, patience time.Duration) error {
	began := c.clock.Now()
	if err := c.limiter.wait(ctx, p, patience); err != nil {
		return err
	}
	c.waited(p, c.clock.Now().Sub(began))
	return nil
}

// Health is how the API has been doing, as the calls saw it.
func (c *Client) Health() Health {
	h, now := c.health.snapshot(), c.clock.Now()
	if until := c.limiter.paused(); until.Sub(now) > c.scaled(readBudget) {
		h.Paused = until
	}
	return h
}

// scaled is a time-out under Config.TimeScale.
func (c *Client) scaled(d time.Duration) time.Duration {
	return max(time.Duration(float64(d)*c.scale), minTimeout)
}

type sendByKey struct{}

// WithSendBy makes a mutation that is not on the wire by t end unsent, with
// Class NotSent.
func WithSendBy(ctx context.Context, t time.Time) context.Context {
	return context.WithValue(ctx, sendByKey{}, t)
}

func sendBy(ctx context.Context) time.Time {
	t, _ := ctx.Value(sendByKey{}).(time.Time)
	return t
}

// systemClock is the machine's clock.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (systemClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}
