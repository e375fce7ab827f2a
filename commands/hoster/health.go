package hoster

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// Health is how the API has been doing, as the calls saw it.
type Health struct {
	LastOK       time.Time // the last answer that was the API's own; zero: none yet
	LastErr      string    // the last trouble, without secrets
	LastErrAt    time.Time
	TokenRefused bool          // a 401, and no proof of the contrary since: mutations are paused
	Reachable    bool          // false once a call found no API, until one does; true at first
	Paused       time.Duration // for how much longer the API wants no call at all
}

// health keeps Health. A token that is refused pauses mutations.
type health struct {
	clock Clock
	mu    sync.Mutex
	now   Health
}

func newHealth(clock Clock) *health {
	return &health{clock: clock, now: Health{Reachable: true}}
}

func (h *health) snapshot() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *health) paused() bool { return h.snapshot().TokenRefused }

// record takes in the outcome of one attempt.
func (h *health) record(mutates bool, status int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock.Now()
	class := ClassOf(err)
	refusedToken := status == http.StatusUnauthorized || IsCode(err, Unauthorized)
	var e *Error
	switch {
	case refusedToken:
		h.now.TokenRefused = true
		h.now.Reachable = true
		h.now.LastErr, h.now.LastErrAt = err.Error(), now
	case class == Accepted, class == Refused:
		h.now.Reachable = true
		h.now.LastOK = now
		// A proxy's 403 says nothing of the token, but a read that the API
		// refused for another reason had to be let in first.
		if !mutates && (class == Accepted || errors.As(err, &e) && e.Code != "") {
			h.now.TokenRefused = false
		}
	case errors.Is(err, errTooLate):
		// This side's doing; it says nothing of the API.
	default:
		h.now.Reachable = status != 0 && status != http.StatusBadGateway &&
			status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout
		h.now.LastErr, h.now.LastErrAt = err.Error(), now
	}
}
