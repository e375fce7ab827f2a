package adapters

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"hosterbot/bot"
)

// Self is who the bot is in a chat, once the chat has said so. Make it with
// NewSelf.
type Self[T any] struct {
	clock bot.Clock
	chat  string
	me    atomic.Pointer[T]
	known chan struct{} // closed when me is set
	once  sync.Once
}

// NewSelf makes a Self that knows nothing yet. chat is what people call it.
func NewSelf[T any](clock bot.Clock, chat string) *Self[T] {
	return &Self[T]{clock: clock, chat: chat, known: make(chan struct{})}
}

// Meet notes who the bot is.
func (s *Self[T]) Meet(me *T) {
	s.me.Store(me)
	s.once.Do(func() { close(s.known) })
}

// Get is who the bot is; zero before the chat said so.
func (s *Self[T]) Get() (me T) {
	if p := s.me.Load(); p != nil {
		me = *p
	}
	return me
}

// Wait waits until the chat has said who the bot is, for at most d: at a start,
// posts may be wanted before that.
func (s *Self[T]) Wait(ctx context.Context, d time.Duration) error {
	if s.me.Load() != nil {
		return nil
	}
	known, err := Await(ctx, s.clock, s.known, d)
	if !known && err == nil {
		err = fmt.Errorf("not connected to %s yet", s.chat)
	}
	return err
}

// Introduce asks a chat who the bot is until it says so, ctx ends, or it
// refuses the credentials: only then there is an error. ask meets the bot;
// trouble is told what came of the other tries.
func (s *Self[T]) Introduce(ctx context.Context, ask func(context.Context) error, trouble func(error)) error {
	for failures := 0; s.me.Load() == nil; failures++ {
		if s.clock.Sleep(ctx, Backoff(failures)) != nil {
			return nil
		}
		err := ask(ctx)
		var fatal *FatalError
		switch {
		case errors.As(err, &fatal):
			return err
		case err != nil && ctx.Err() == nil:
			trouble(err)
		}
	}
	return nil
}

// Await waits until known is closed, for at most d. It is false if that did
// not happen.
func Await(ctx context.Context, clock bot.Clock, known <-chan struct{}, d time.Duration) (bool, error) {
	late := make(chan struct{})
	defer clock.AfterFunc(d, func() { close(late) })()
	select {
	case <-known:
		return true, nil
	case <-late:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
