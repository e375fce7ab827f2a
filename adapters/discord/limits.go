package discord

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hosterbot/bot"
)

// urgency says what goes first where the pace is short.
type urgency bool

// Progress that comes late is replaced by newer progress; approvals, results
// and everything else goes before it.
const (
	progress urgency = false
	result   urgency = true
)

const (
	// All calls together; answers to interactions are not counted.
	// Source: https://discord.com/developers/docs/topics/rate-limits#global-rate-limit
	globalRate    = 45 // of 50 a second
	guessedLimit  = 5  // calls side by side of a bucket of which nothing is known
	keptForResult = 1  // of a bucket, that progress does not touch
	keptOfGlobal  = 10
	waitProgress  = 3 * time.Second
	callsUnderWay = 64
	gatesKept     = 4096
)

// limits holds calls back that Discord would refuse.
type limits struct {
	clock  bot.Clock
	global *rate.Limiter
	slots  chan struct{}

	mu    sync.Mutex
	until time.Time // Discord asked all to wait until then
	gates map[string]*gate
}

// gate is the bucket of one route.
type gate struct {
	limit     int // 0: unknown
	remaining int
	reset     time.Time // when all are there again
	until     time.Time // Discord asked to wait until then
	under     int       // calls under way
	urgent    int       // results that wait
	news      chan struct{}
}

func newLimits(clock bot.Clock) *limits {
	return &limits{
		clock: clock, global: rate.NewLimiter(globalRate, globalRate), slots: make(chan struct{}, callsUnderWay),
		gates: make(map[string]*gate),
	}
}

// enter waits until a call may be made; done takes what its answer says. A
// wait that is too long for its urgency is a PostError with RetryAfter, and no
// call. The route "" has no limits.
func (l *limits) enter(ctx context.Context, route string, u urgency) (done func(*seen), err error) {
	if route == "" {
		return func(*seen) {}, nil
	}
	patience := waitResult
	if u == progress {
		patience = waitProgress
	}
	late := l.clock.Now().Add(patience)
	first := true
	for {
		wait, news, ok := l.take(route, u, first)
		first = false
		if ok {
			break
		}
		left := late.Sub(l.clock.Now())
		if wait > left || left <= 0 {
			l.giveUp(route, u)
			return nil, &bot.PostError{RetryAfter: max(wait, time.Second), Err: fmt.Errorf("%s: the pace of Discord is used up", route)}
		}
		if wait == 0 { // a call under way may free a place
			wait = left
		}
		if err := l.sleep(ctx, wait, news); err != nil {
			l.giveUp(route, u)
			return nil, &bot.PostError{Err: err}
		}
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		l.leave(route, &seen{})
		return nil, &bot.PostError{Err: ctx.Err()}
	}
	return func(s *seen) {
		<-l.slots
		l.leave(route, s)
	}, nil
}

// sleep waits for d, or for news.
func (l *limits) sleep(ctx context.Context, d time.Duration, news <-chan struct{}) error {
	over := make(chan struct{})
	defer l.clock.AfterFunc(d, func() { close(over) })()
	select {
	case <-over:
	case <-news:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// take takes a place of a bucket. Without one it tells how long to wait, 0 for
// as long as it takes, and what says sooner that something has changed.
func (l *limits) take(route string, u urgency, first bool) (wait time.Duration, news <-chan struct{}, ok bool) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gate(route)
	if first && u == result {
		g.urgent++
	}
	if !now.Before(g.reset) {
		g.remaining = g.limit
	}
	free, kept := g.remaining-g.under, 0
	if g.limit == 0 {
		free = guessedLimit - g.under
	}
	if u == progress {
		if free > 0 && g.urgent > 0 {
			return 0, g.news, false
		}
		if g.limit > keptForResult {
			kept = keptForResult
		}
	}
	switch {
	case now.Before(g.until), now.Before(l.until):
		return max(g.until.Sub(now), l.until.Sub(now)), g.news, false
	case free <= kept && now.Before(g.reset):
		return g.reset.Sub(now), g.news, false
	case free <= kept:
		return 0, g.news, false
	}
	lack := 1 - l.global.TokensAt(now)
	if u == progress {
		lack += keptOfGlobal
	}
	if lack > 0 {
		return max(time.Duration(lack/globalRate*float64(time.Second)), time.Millisecond), g.news, false
	}
	l.global.AllowN(now, 1)
	g.under++
	if u == result {
		g.urgent--
	}
	return 0, nil, true
}

// giveUp ends the wait of a call that is not made.
func (l *limits) giveUp(route string, u urgency) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gate(route)
	if u == result {
		g.urgent--
	}
	g.tell()
}

// leave notes what the answer to a call said.
func (l *limits) leave(route string, s *seen) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gate(route)
	g.under--
	if s.limit > 0 {
		if now.Before(g.reset) && g.limit > 0 { // answers may overtake each other
			g.remaining = min(g.remaining-1, s.remaining)
		} else {
			g.remaining = s.remaining
		}
		g.limit = s.limit
		if reset := now.Add(s.reset); reset.After(g.reset) {
			g.reset = reset
		}
	}
	if s.wait > 0 {
		if s.global {
			l.until = now.Add(s.wait)
		} else {
			g.until = now.Add(s.wait)
		}
	}
	g.tell()
}

// tell wakes those who wait.
func (g *gate) tell() {
	close(g.news)
	g.news = make(chan struct{})
}

// gate finds a gate. The caller holds mu.
func (l *limits) gate(route string) *gate {
	if g, ok := l.gates[route]; ok {
		return g
	}
	if len(l.gates) >= gatesKept {
		now := l.clock.Now()
		for k, g := range l.gates {
			if g.under == 0 && g.urgent == 0 && now.After(g.reset) && now.After(g.until) {
				delete(l.gates, k)
			}
		}
	}
	g := &gate{news: make(chan struct{})}
	l.gates[route] = g
	return g
}
