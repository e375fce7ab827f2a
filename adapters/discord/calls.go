package discord

import (
	"sync"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

const (
	// Nobody is to wait for more than a second, and Discord shows an error
	// after 3 s. The core acknowledges long before that: this is for when it, or
	// the look-up of an account, hangs.
	// Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-callback
	ackAfter = 900 * time.Millisecond
	// firstWithin is how long after it was made an interaction can be answered.
	firstWithin = 3 * time.Second
	// tokenFor is how long it can be answered further; a little less, so that
	// no answer comes too late by its way.
	tokenFor = 15*time.Minute - 10*time.Second
	// strangeAge is an age that no interaction has: Discord forgets them within
	// minutes, so the ID, or one of the clocks, says nothing.
	strangeAge = 24 * time.Hour
	// seenMost bounds the interactions that are known as taken.
	seenMost = 20_000
)

// calls are the handlers under way, and what was taken already.
type calls struct {
	*adapters.Workers
	clock bot.Clock

	mu   sync.Mutex
	seen map[string]time.Time // interactions, by ID
}

func newCalls(clock bot.Clock) *calls {
	return &calls{Workers: adapters.NewWorkers(clock), clock: clock, seen: make(map[string]time.Time)}
}

// first tells whether an interaction comes for the first time: after a resume
// Discord says again what it may have said before.
func (c *calls) first(id string) bool {
	now := c.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.seen[id]; again {
		return false
	}
	if len(c.seen) >= seenMost {
		for k, at := range c.seen {
			if now.Sub(at) > tokenFor {
				delete(c.seen, k)
			}
		}
		if len(c.seen) >= seenMost {
			clear(c.seen)
		}
	}
	c.seen[id] = now
	return true
}
