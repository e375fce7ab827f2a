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
	TokenRefused bool // a 401, and no proof of the contrary since: mutations are paused
	Reachable    bool // false once a call found no API, until one does; true at first
	// Paused is until when the provider wants no calls, after a 429. It is zero
	// while a read would wait for the end of it.
	Paused time.Time
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
	var shape *shapeErr
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
		h.now.Reachable = class == Throttled || errors.As(err, &shape) || errors.As(err, &e) && e.Code != "" || ownStatus(status)
		h.now.LastErr, h.now.LastErrAt = err.Error(), now
	}
}

// ownStatus tells whether an answer that could not be read is the API's own by
// its status. A success that is no envelope, a redirect and a proxy's 502 come
// from something else in its place.
func ownStatus(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return status >= 400
}
