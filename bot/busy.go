package bot

import (
	"maps"
	"sync"
	"time"
)

// busySet is a set of things, such as those that are worked on at this moment:
// it keeps two goroutines from working on one at once.
type busySet struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (s *busySet) take(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[string]bool)
	}
	if s.ids[id] {
		return false
	}
	s.ids[id] = true
	return true
}

func (s *busySet) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id]
}

// all are the things that are worked on at this moment.
func (s *busySet) all() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ids)
}

func (s *busySet) free(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

// waitSet remembers until when something is left alone.
type waitSet struct {
	mu    sync.Mutex
	until map[any]time.Time
}

func (s *waitSet) put(id any, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = make(map[any]time.Time)
	}
	s.until[id] = until
}

// left tells until when something is left alone, if it is.
func (s *waitSet) left(id any, now time.Time) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[id]
	if ok && !now.Before(until) {
		delete(s.until, id)
		return time.Time{}, false
	}
	return until, ok
}

// notNow keeps a loop that can begin nothing of what is due from asking again
// without a pause.
func notNow(next, now time.Time) time.Time {
	if soon := now.Add(20 * time.Millisecond); !next.IsZero() && next.Before(soon) {
		return soon
	}
	return next
}

// sooner is the earlier of two moments, of which a zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
