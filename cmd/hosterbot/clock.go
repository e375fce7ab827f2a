package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"hosterbot/bot"
)

// demoClock is a clock that the demo can move.
type demoClock interface {
	bot.Clock
	// Jump moves the time on at once; what was due meanwhile runs first.
	Jump(d time.Duration)
	// AdvanceTo returns when it is t: at once where time is not real.
	AdvanceTo(ctx context.Context, t time.Time) error
	// NextTimer is when the next AfterFunc is due; zero: none.
	NextTimer() time.Time
}

var (
	_ demoClock = (*scriptClock)(nil)
	_ demoClock = (*movedClock)(nil)
)

// timer is one AfterFunc.
type timer struct {
	at   time.Time
	f    func()
	real *time.Timer // of a movedClock
}

// timers are the AfterFuncs of a clock.
type timers struct {
	mu  sync.Mutex
	all []*timer
}

func (ts *timers) add(t *timer) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.all = append(ts.all, t)
}

// take removes a timer, and tells whether it was still there.
func (ts *timers) take(t *timer) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	i := slices.Index(ts.all, t)
	if i < 0 {
		return false
	}
	ts.all = slices.Delete(ts.all, i, i+1)
	return true
}

// first is the timer that is due first, nil if there is none.
func (ts *timers) first() *timer {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var first *timer
	for _, t := range ts.all {
		if first == nil || t.at.Before(first.at) {
			first = t
		}
	}
	return first
}

// NextTimer implements demoClock.
func (ts *timers) NextTimer() time.Time {
	if t := ts.first(); t != nil {
		return t.at
	}
	return time.Time{}
}

// scriptClock is the clock of a script: it begins on a fixed date and stands
// still, unless somebody waits. A wait moves it.
type scriptClock struct {
	timers
	now struct {
		sync.Mutex
		time.Time
	}
}

// scriptStart is when every script begins: a Monday morning.
var scriptStart = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

func newScriptClock() *scriptClock {
	c := &scriptClock{}
	c.now.Time = scriptStart
	return c
}

// Now implements bot.Clock.
func (c *scriptClock) Now() time.Time {
	c.now.Lock()
	defer c.now.Unlock()
	return c.now.Time
}

func (c *scriptClock) set(t time.Time) {
	c.now.Lock()
	defer c.now.Unlock()
	if t.After(c.now.Time) {
		c.now.Time = t
	}
}

// Sleep implements bot.Clock: it moves the clock and returns at once.
func (c *scriptClock) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() == nil { // who no longer waits moves nothing
		c.Jump(d)
	}
	return ctx.Err()
}

// AfterFunc implements bot.Clock. f runs on the goroutine that moves the clock.
func (c *scriptClock) AfterFunc(d time.Duration, f func()) func() bool {
	t := &timer{at: c.Now().Add(d), f: f}
	c.add(t)
	return func() bool { return c.take(t) }
}

// Jump implements demoClock.
func (c *scriptClock) Jump(d time.Duration) { _ = c.AdvanceTo(context.Background(), c.Now().Add(d)) }

// AdvanceTo implements demoClock.
func (c *scriptClock) AdvanceTo(_ context.Context, until time.Time) error {
	for {
		t := c.first()
		if t == nil || t.at.After(until) {
			c.set(until)
			return nil
		}
		if c.take(t) {
			c.set(t.at)
			t.f()
		}
	}
}

// movedClock is the machine's clock, which can be set forward.
type movedClock struct {
	timers
	ahead struct {
		sync.Mutex
		by time.Duration
	}
}

// Now implements bot.Clock.
func (c *movedClock) Now() time.Time {
	c.ahead.Lock()
	defer c.ahead.Unlock()
	return time.Now().Add(c.ahead.by)
}

// Sleep implements bot.Clock.
func (c *movedClock) Sleep(ctx context.Context, d time.Duration) error {
	done := make(chan struct{})
	stop := c.AfterFunc(d, func() { close(done) })
	defer stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AfterFunc implements bot.Clock.
func (c *movedClock) AfterFunc(d time.Duration, f func()) func() bool {
	t := &timer{at: c.Now().Add(d), f: f}
	c.mu.Lock() // a Jump that sees it has to see its real timer too
	defer c.mu.Unlock()
	c.all = append(c.all, t)
	t.real = time.AfterFunc(d, func() {
		if c.take(t) {
			f()
		}
	})
	return func() bool { return c.take(t) && t.real.Stop() }
}

// Jump implements demoClock.
func (c *movedClock) Jump(d time.Duration) {
	c.ahead.Lock()
	c.ahead.by += d
	c.ahead.Unlock()
	now := c.Now()
	for {
		t := c.first()
		if t == nil || t.at.After(now) {
			break
		}
		if c.take(t) {
			go t.f()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.all {
		t.real.Reset(t.at.Sub(now))
	}
}

// AdvanceTo implements demoClock.
func (c *movedClock) AdvanceTo(ctx context.Context, t time.Time) error {
	if d := t.Sub(c.Now()); d > 0 {
		return c.Sleep(ctx, d)
	}
	return ctx.Err()
}
