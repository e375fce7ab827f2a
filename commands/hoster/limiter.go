package hoster

import (
	"container/list"
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Priority is the place of a call in the limiter's queue.
type Priority int

// The priorities, first served first. A quarter of the rate is for People
// alone.
const (
	People Priority = iota
	Mutation
	Settling
	Polling
	priorities int = iota
)

type priorityKey struct{}

// WithPriority gives the reads made with the returned context their priority;
// without it they are People's. Mutations do not look at it.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

func priority(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

const (
	peopleShare = 0.25

	// The window of X-RateLimit-Limit in Laravel, "throttle:60,1" by default.
	// No header tells it before a 429.
	rateWindow = time.Minute

	defaultRetryAfter = 5 * time.Second // for a 429 without Retry-After
	maxRetryAfter     = time.Hour
	slowest           = 1.0 / 8 // of the rate, after one 429 upon another
	recovery          = time.Minute
)

// limiter is the one gate for all calls: a token bucket, a second one within
// it for all but people, and a queue before both. It has no goroutine: the
// first in the queue watches the clock, the others wait for his leaving.
//
// The provider's own budget narrows it: X-RateLimit-Limit caps the rate,
// X-RateLimit-Remaining the tokens at hand, a 429 stops everything for as long
// as it says and halves the rate, which doubles again after a quiet minute.
type limiter struct {
	clock Clock
	rate  float64 // as configured

	mu        sync.Mutex
	queue     [priorities]list.List // of *waiter
	all       *rate.Limiter
	rest      *rate.Limiter // for all but people
	allAfter  time.Time     // no token before
	restAfter time.Time

	limit     float64 // X-RateLimit-Limit; 0: not told
	remaining float64
	windowEnd time.Time
	slow      float64 // 1, halved by a 429
	slowSince time.Time
}

// waiter is one caller in the queue; turn tells him to look again.
type waiter struct{ turn chan struct{} }

func newLimiter(clock Clock, perSecond float64) *limiter {
	l := &limiter{clock: clock, rate: perSecond, slow: 1}
	now := clock.Now()
	l.all = rate.NewLimiter(0, burst(2*perSecond))
	l.rest = rate.NewLimiter(0, burst(2*perSecond*(1-peopleShare)))
	l.tune(now)
	return l
}

// burst is a bucket's size: whole tokens, at least the one that a call takes.
func burst(tokens float64) int { return max(1, int(tokens)) }

// wait takes one token, in the order of priority and then of arrival. It
// returns ctx's error if ctx ends first, and a *pauseError at once if the
// provider's pause outlasts patience; 0 is endless patience.
func (l *limiter) wait(ctx context.Context, p Priority, patience time.Duration) error {
	p = min(max(p, People), Polling)
	w := &waiter{turn: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.queue[p].PushBack(w)
	defer l.leave(p, e)
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		now := l.clock.Now()
		if left := l.pause(p).Sub(now); patience > 0 && left > patience {
			return &pauseError{left: left}
		}
		first := l.first() == w
		delay := l.delay(p, now)
		if first && delay <= 0 {
			l.all.AllowN(now, 1)
			if p != People {
				l.rest.AllowN(now, 1)
			}
			return nil
		}
		l.mu.Unlock()
		var err error
		if first {
			err = l.clock.Sleep(ctx, delay)
		} else {
			select {
			case <-w.turn:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		l.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// leave takes a caller out of the queue and wakes the one who is now first.
func (l *limiter) leave(p Priority, e *list.Element) {
	l.queue[p].Remove(e)
	if w := l.first(); w != nil {
		select {
		case w.turn <- struct{}{}:
		default:
		}
	}
}

func (l *limiter) first() *waiter {
	for p := range l.queue {
		if e := l.queue[p].Front(); e != nil {
			return e.Value.(*waiter)
		}
	}
	return nil
}

// pause is when p's calls may go on.
func (l *limiter) pause(p Priority) time.Time {
	if p != People && l.restAfter.After(l.allAfter) {
		return l.restAfter
	}
	return l.allAfter
}

// paused is when people's calls may go on.
func (l *limiter) paused() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause(People)
}

// delay is how long until there is a token for p.
func (l *limiter) delay(p Priority, now time.Time) time.Duration {
	d := max(l.pause(p).Sub(now), tokenIn(l.all, now))
	if p != People {
		d = max(d, tokenIn(l.rest, now))
	}
	return d
}

func tokenIn(bucket *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - bucket.TokensAt(now)
	return time.Duration(missing / float64(bucket.Limit()) * float64(time.Second))
}

// tune sets both buckets to what is allowed now.
func (l *limiter) tune(now time.Time) {
	perSecond, size := l.rate, 2*l.rate
	if l.limit > 0 {
		perSecond = min(perSecond, l.limit/rateWindow.Seconds())
		size = min(size, l.limit)
	}
	perSecond *= l.slow
	l.all.SetLimitAt(now, rate.Limit(perSecond))
	l.all.SetBurstAt(now, burst(size))
	l.rest.SetLimitAt(now, rate.Limit(perSecond*(1-peopleShare)))
	l.rest.SetBurstAt(now, burst(size*(1-peopleShare)))
}

// learn takes from an answer what it says about the provider's budget.
func (l *limiter) learn(status int, header http.Header) {
	if status == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	l.learnSpeed(status, header, now)
	limit, ok := count(header, "X-RateLimit-Limit")
	if ok && limit > 0 {
		l.limit = limit
	}
	l.tune(now)
	if status == http.StatusTooManyRequests {
		return // Retry-After has said it better than a Remaining of 0
	}
	if left, ok := count(header, "X-RateLimit-Remaining"); ok && l.limit > 0 {
		l.learnRemaining(left, now)
	}
}

// learnSpeed stops for a 429 and slows down, or speeds up after a quiet time.
func (l *limiter) learnSpeed(status int, header http.Header, now time.Time) {
	if status == http.StatusTooManyRequests {
		// Calls in flight together get their 429 together; that counts once.
		if !now.Before(l.allAfter) {
			l.slow = max(slowest, l.slow/2)
		}
		l.slowSince = now
		pause := defaultRetryAfter
		if header.Get("Retry-After") != "" {
			pause = retryAfter(header, now)
		}
		l.windowEnd = now.Add(pause)
		if l.windowEnd.After(l.allAfter) {
			l.allAfter = l.windowEnd
		}
		return
	}
	if l.slow < 1 && now.Sub(l.slowSince) >= recovery {
		l.slow = min(1, l.slow*2)
		l.slowSince = now
	}
}

// learnRemaining never lets more go in this window than the provider has left,
// and keeps a quarter of the window for people.
func (l *limiter) learnRemaining(left float64, now time.Time) {
	reserve := math.Floor(l.limit * peopleShare)
	// Answers overtake each other, so a little more is no new window yet.
	if !now.Before(l.windowEnd) || left > l.remaining+reserve {
		l.windowEnd = now.Add(rateWindow)
	}
	l.remaining = left
	drain(l.all, left, now)
	drain(l.rest, left-reserve, now)
	if left <= reserve {
		l.restAfter = l.windowEnd
	}
	if left < 1 && l.windowEnd.After(l.allAfter) {
		l.allAfter = l.windowEnd
	}
}

// drain leaves at most most tokens in the bucket.
func drain(bucket *rate.Limiter, most float64, now time.Time) {
	if excess := int(bucket.TokensAt(now) - max(0, most)); excess > 0 {
		bucket.AllowN(now, excess)
	}
}

func count(header http.Header, key string) (float64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(header.Get(key)), 10, 32)
	return float64(n), err == nil
}

// retryAfter is what Retry-After asks for, as seconds or as a date (RFC 9110,
// section 10.2.3); 0 if it asks for nothing that can be read.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if seconds > 0 { // false for NaN
			return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
		}
		return 0
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}
