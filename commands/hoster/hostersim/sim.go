// Package hostersim is the hosting provider in memory: HosterAPI over HTTP,
// with servers that start and stop, jobs that take their time, and faults on
// demand. Tests, the demo and `hosterbot simulate` talk to it.
//
// It knows the provider's documentation and nothing of ours. It shares no code
// with the client, so that a misreading by one is caught by the other.
//
// One request: ServeHTTP finds its row in endpoints (endpoint.go), checks the
// token and takes an armed fault (fault.go); the row's handler reads or changes
// the world (world.go); the answer is encoded (reply.go) and the call recorded
// (call.go). Nothing runs between requests: what is due by now happens at the
// start of each, see world.advance.
//
// Where the documentation is silent the simulator chose:
//   - deleting a running VM without force is 400 "0xa1: vm is running";
//   - a signal that makes no sense, such as starting a running VM, is 500 0xa1;
//   - change answers true, and over its limits 400 0xb0;
//   - a smaller disk is 400 0xb1, a backup that is not listed 400 0xa5;
//   - an unknown template, package, offer or address is 404 0x01;
//   - an argument of the wrong type, or one that is not documented, is 422;
//   - an order leaves the market at once, and a dedicated server answers
//     404 0x01 on everything but the list and terminate until it is complete;
//   - ipCount counts IPv4 addresses; every VM has an IPv6 address as well;
//   - the status of backups is "none" where there never was one.
//
// To add an endpoint: a row in endpoints, its handler in the file of its noun,
// its documented answers in testdata/examples.json. To add a fault: a row in
// faults, and where it changes the work rather than the answer, a constant that
// the handler asks for; a test fails for a fault that no test tries.
package hostersim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Clock is the simulator's time. Sleep returns ctx's error if that ends first.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

// Options configures a simulator; the zero value is the demo world in real time.
type Options struct {
	Token string  // Bearer token to accept; "" accepts any non-empty one
	Clock Clock   // nil is the system's
	Seed  uint64  // passwords, job lengths, figures: same seed and calls, same bytes
	Speed float64 // 10 is ten times faster than a real provider, but for hanging and slow calls; 0 is 1
	Empty bool    // no servers; market, templates and software are there
	// Observe is called after each request, if it is not nil. It must not
	// call the simulator.
	Observe func(Call)
}

// Sim is one provider with one account. It is an http.Handler for /api/v1/...,
// safe for concurrent use; every request sees a whole state of the world.
type Sim struct {
	token   string
	clock   Clock
	observe func(Call)

	mu    sync.Mutex
	world *world
	down  bool
	armed []armed
	calls []*Call
}

var _ http.Handler = (*Sim)(nil)

// New returns a provider that is born now, by o.Clock.
func New(o Options) *Sim {
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Speed <= 0 {
		o.Speed = 1
	}
	w := newWorld(o.Seed, o.Speed)
	if !o.Empty {
		w.populate(o.Clock.Now())
	}
	return &Sim{token: o.Token, clock: o.Clock, observe: o.Observe, world: w}
}

// SetDown makes the provider unreachable: while down, every call is recorded
// and its connection closed without an answer. No fault is used up.
func (s *Sim) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Secrets returns every password and ticket that it ever put into an answer,
// lost answers included; tickets also as they stand in the console's URL.
func (s *Sim) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.world.given...)
}

// RDNS returns the hostname last set for an address, or "". HosterAPI has no
// call for it; in the world outside one would ask the DNS.
func (s *Sim) RDNS(ip string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.rdns[ip]
}

// ServeHTTP answers one request. To close the connection without an answer it
// panics with http.ErrAbortHandler, which net/http's server understands.
func (s *Sim) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	to := route(r.Method, r.URL.Path)
	call, down := s.arrive(to, r)
	out := closed
	if !down {
		out = s.answer(rw, r, to, call)
	}
	s.mu.Lock()
	call.Status = out.status
	seen := *call
	s.mu.Unlock()
	if s.observe != nil {
		s.observe(seen)
	}
	out.write(rw)
}

func (s *Sim) answer(rw http.ResponseWriter, r *http.Request, to destination, call *Call) reply {
	switch {
	case to.endpoint == nil && to.allowed == nil:
		return refused(framework(http.StatusNotFound, "The route "+strings.TrimPrefix(r.URL.Path, "/")+" could not be found."))
	case to.endpoint == nil:
		out := refused(framework(http.StatusMethodNotAllowed, "The "+r.Method+" method is not supported for this route."))
		out.header = map[string]string{"Allow": strings.Join(to.allowed, ", ")}
		return out
	case !s.authorised(r):
		return refused(refuse(http.StatusUnauthorized, "0x03: unauthorized"))
	}
	var body []byte
	if to.mutating() {
		var err error
		body, err = io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return refused(framework(http.StatusRequestEntityTooLarge, "The payload is too large."))
		}
		if err != nil {
			return closed // the client went away in mid-sentence
		}
	}
	out, f := s.do(to, body, call)
	if f.wait > 0 && s.clock.Sleep(r.Context(), f.wait) != nil {
		return closed // the client went away
	}
	if f.answer != nil {
		out = f.answer(to.endpoint, r, out)
	}
	return out
}

// do carries a call out, unless the fault that it takes says not to.
func (s *Sim) do(to destination, body []byte, call *Call) (reply, fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.take(to.endpoint)
	if f.skips {
		return reply{}, f
	}
	req := &request{now: s.clock.Now(), id: to.id, fault: f.name}
	s.world.advance(req.now)
	result, err := to.serve(s.world, req, body)
	if err != nil {
		return refused(err), f
	}
	call.Done = !req.ineffective
	return succeeded(result), f
}

func (s *Sim) authorised(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && token != "" && (s.token == "" || token == s.token)
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
