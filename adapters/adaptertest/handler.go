package adaptertest

import (
	"context"
	"sync/atomic"
	"time"

	"hosterbot/bot"
)

// Stub is a bot that does what a test says; else nothing.
type Stub struct {
	OnHandle   func(context.Context, bot.Request)
	OnPress    func(context.Context, bot.Press)
	OnSubmit   func(context.Context, bot.Submission)
	OnComplete func(bot.Completion) []bot.Choice
}

var _ bot.Handler = (*Stub)(nil)

func (s *Stub) Handle(ctx context.Context, r bot.Request) {
	if s.OnHandle != nil {
		s.OnHandle(ctx, r)
	}
}

func (s *Stub) Press(ctx context.Context, p bot.Press) {
	if s.OnPress != nil {
		s.OnPress(ctx, p)
	}
}

func (s *Stub) Submit(ctx context.Context, f bot.Submission) {
	if s.OnSubmit != nil {
		s.OnSubmit(ctx, f)
	}
}

func (s *Stub) Complete(_ context.Context, c bot.Completion) []bot.Choice {
	if s.OnComplete == nil {
		return nil
	}
	return s.OnComplete(c)
}

// Watched is a bot that tells the key of what it was told, when it has
// returned.
type Watched struct {
	bot.Handler
	Returned chan<- string
}

func (w *Watched) Handle(ctx context.Context, r bot.Request) {
	w.Handler.Handle(ctx, r)
	w.Returned <- r.Key
}

func (w *Watched) Press(ctx context.Context, p bot.Press) {
	w.Handler.Press(ctx, p)
	w.Returned <- p.Key
}

func (w *Watched) Submit(ctx context.Context, s bot.Submission) {
	w.Handler.Submit(ctx, s)
	w.Returned <- s.Key
}

// Hasty is the machine's clock, but that short waits are skipped: it goes
// ahead by as much.
type Hasty struct {
	bot.SystemClock
	ahead atomic.Int64
}

func (h *Hasty) Now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func (h *Hasty) Sleep(ctx context.Context, d time.Duration) error {
	if d < 2*time.Second {
		h.ahead.Add(int64(d))
		return ctx.Err()
	}
	return h.SystemClock.Sleep(ctx, d)
}
