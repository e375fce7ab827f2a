package slack

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hosterbot/bot"
)

// pace is how often a method may be called.
type pace struct {
	every   time.Duration
	burst   int
	channel bool // counted for each channel by itself
}

// paces keep the bot below what Slack refuses, burst and all: no minute holds
// more than the documented number. Methods that are not listed wait only when
// Slack says so.
// Source: https://docs.slack.dev/apis/web-api/rate-limits
var paces = map[string]pace{
	methodPost:    {every: 1100 * time.Millisecond, burst: 1, channel: true}, // 1/s a channel
	methodUpdate:  {every: 1500 * time.Millisecond, burst: 10},               // tier 3: 50/min
	methodGroups:  {every: 4 * time.Second, burst: 5},                        // tier 2: 20/min
	methodHistory: {every: 2 * time.Second, burst: 10},                       // tier 3
	methodOpen:    {every: 3 * time.Second, burst: redialsAtOnce},            // and no storm of redials
}

// The methods that have a pace of their own.
const (
	methodPost      = "chat.postMessage"
	methodUpdate    = "chat.update"
	methodGroups    = "usergroups.users.list"
	methodHistory   = "conversations.history"
	methodOpen      = "apps.connections.open"
	methodEphemeral = "chat.postEphemeral"
	methodUsers     = "users.info"
	methodChannels  = "conversations.info"
	methodFiles     = "files"
	methodViews     = "views.open"
	methodDirect    = "conversations.open"
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
	keptForResults = 4 // of chat.update's burst, that progress does not touch
	waitProgress   = 3 * time.Second
	waitResult     = 30 * time.Second
	postsAtOnce    = 64 // calls under way, at most
	gatesKept      = 4096
	redialsAtOnce  = 30
)

// limits holds calls back that Slack would refuse.
type limits struct {
	clock bot.Clock
	slots chan struct{}

	mu    sync.Mutex
	gates map[string]*gate
}

// gate is the pace of one method, or of one method in one channel.
type gate struct {
	limit *rate.Limiter // nil: none
	until time.Time     // Slack asked to wait until then
}

func newLimits(clock bot.Clock) *limits {
	return &limits{clock: clock, slots: make(chan struct{}, postsAtOnce), gates: make(map[string]*gate)}
}

// gateKey names the gate that a call passes.
func gateKey(method, channel string) string {
	if paces[method].channel {
		return method + " " + channel
	}
	return method
}

// enter waits until a call may be made. A wait that is too long for its
// urgency is a PostError with RetryAfter, and no call.
func (l *limits) enter(ctx context.Context, method, channel string, u urgency) error {
	patience := waitResult
	if u == progress {
		patience = waitProgress
	}
	for {
		d, booked := l.book(gateKey(method, channel), method, u, patience)
		if !booked && d > patience {
			return &bot.PostError{RetryAfter: d, Err: fmt.Errorf("%s: the pace of Slack is used up", method)}
		}
		if d > 0 {
			patience -= d
			if err := l.clock.Sleep(ctx, d); err != nil {
				return &bot.PostError{Err: err}
			}
		}
		if booked {
			return nil
		}
	}
}

// book takes a turn, and tells how long it is until then. Without a turn it
// tells when to ask again.
func (l *limits) book(key, method string, u urgency, patience time.Duration) (time.Duration, bool) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gate(key, method)
	paused := max(g.until.Sub(now), 0)
	if g.limit == nil {
		return paused, paused <= patience
	}
	if u == progress && g.limit.Burst() > keptForResults {
		if lack := 1 + keptForResults - g.limit.TokensAt(now); lack > 0 || paused > 0 {
			wait := time.Duration(lack / float64(g.limit.Limit()) * float64(time.Second))
			return max(wait, paused, time.Millisecond), false
		}
	}
	r := g.limit.ReserveN(now, 1)
	d := max(r.DelayFrom(now), paused)
	if d > patience {
		r.CancelAt(now)
		return d, false
	}
	return d, true
}

// gate finds a gate. The caller holds mu.
func (l *limits) gate(key, method string) *gate {
	if g, ok := l.gates[key]; ok {
		return g
	}
	if len(l.gates) >= gatesKept {
		now := l.clock.Now()
		for k, g := range l.gates {
			if now.After(g.until) && (g.limit == nil || g.limit.TokensAt(now) >= float64(g.limit.Burst())) {
				delete(l.gates, k)
			}
		}
	}
	g := &gate{}
	if p, ok := paces[method]; ok {
		g.limit = rate.NewLimiter(rate.Every(p.every), p.burst)
	}
	l.gates[key] = g
	return g
}

// pause keeps a method still for as long as Slack asked.
func (l *limits) pause(method, channel string, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := gateKey(method, channel)
	if until := l.clock.Now().Add(d); until.After(l.gate(key, method).until) {
		l.gates[key].until = until
	}
}

// slot takes one of the places for calls under way.
func (l *limits) slot(ctx context.Context) (free func(), err error) {
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots }, nil
	case <-ctx.Done():
		return nil, &bot.PostError{Err: ctx.Err()}
	}
}
