package hostersim

import (
	"net/http"
	"slices"
	"time"
)

// maxCalls bounds the record; the oldest tenth goes when it is full.
const maxCalls = 100_000

// Call is one request that reached the provider. Bodies are not kept: they
// hold passwords.
type Call struct {
	Time     time.Time // when it arrived
	Kind     string    // see Kinds; "" for a path or method that does not exist
	Method   string
	Path     string
	Mutating bool
	Status   int  // of the answer; 0 while there is none, and if none was sent
	Done     bool // it was carried out, whatever was answered
}

// Calls returns every request that reached the provider, in order of arrival.
// Of a very long history it has the newest 90,000 at least.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = *c
	}
	return calls
}

// Done returns the kinds of the changes that the provider carried out, in order
// of arrival.
func (s *Sim) Done() []string {
	var kinds []string
	for _, c := range s.Calls() {
		if c.Mutating && c.Done {
			kinds = append(kinds, c.Kind)
		}
	}
	return kinds
}

// arrive records a request, and reports whether the provider is down.
func (s *Sim) arrive(to destination, r *http.Request) (call *Call, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	call = &Call{Time: s.clock.Now(), Method: r.Method, Path: r.URL.Path}
	if to.endpoint != nil {
		call.Kind, call.Mutating = to.kind, to.mutating()
	}
	if len(s.calls) == maxCalls {
		s.calls = slices.Delete(s.calls, 0, maxCalls/10)
	}
	s.calls = append(s.calls, call)
	return call, s.down
}
