package adapters

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"hosterbot/bot"
)

// Bounds of a chat that calls the bot over HTTP.
const (
	maxBody = 1 << 20
	// SignedFor is how far a signed timestamp may be from now.
	SignedFor = 5 * time.Minute
	// answerWithin leaves a little of the 3 s after which both chats show an
	// error.
	answerWithin = 2800 * time.Millisecond
)

// Body reads what a chat has sent, up to 1 MiB. It is false where that cannot
// be read; then the request is answered.
func Body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, "not read", http.StatusBadRequest)
	}
	return body, err == nil
}

// WriteJSON answers a request with v.
func WriteJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // who asked has gone
}

// Waiting is a request that waits for its one answer. Make it with NewWaiting.
type Waiting[T any] struct {
	mu      sync.Mutex
	over    bool // it has its answer, or waits no more
	answers chan T
}

// NewWaiting makes a request that has no answer yet.
func NewWaiting[T any]() *Waiting[T] { return &Waiting[T]{answers: make(chan T, 1)} }

// Answer gives the answer. It is false if there was one before, or nobody waits
// any more.
func (w *Waiting[T]) Answer(v T) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	w.over = true
	w.answers <- v
	return true
}

// Wait returns the answer. It is false where none came in the time that a chat
// gives, or before ctx ended; from then on there is none.
func (w *Waiting[T]) Wait(ctx context.Context, clock bot.Clock) (T, bool) {
	late := make(chan struct{})
	defer clock.AfterFunc(answerWithin, func() { close(late) })()
	select {
	case v := <-w.answers:
		return v, true
	case <-late:
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	select {
	case v := <-w.answers: // it came at the last moment
		return v, true
	default:
		var none T
		return none, false
	}
}
