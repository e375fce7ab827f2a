package adapters

import (
	"slices"
	"sync"
	"time"

	"hosterbot/bot"
)

// Bounds of an Outbox.
const (
	OutboxFor  = time.Hour
	outboxMost = 8192
)

// Outbox remembers what was posted a short while ago, so that the same message
// does not stand twice, and what was posted and never answered. Make it with
// NewOutbox.
type Outbox struct {
	clock bot.Clock

	mu    sync.Mutex
	posts map[string]Posted
}

// Posted is a message of an Outbox.
type Posted struct {
	Ref bot.Ref   // zero: its fate is not known
	At  time.Time // of the first try
}

// NewOutbox makes an Outbox.
func NewOutbox(clock bot.Clock) *Outbox {
	return &Outbox{clock: clock, posts: make(map[string]Posted)}
}

// Find returns the message of an ID. "" is nobody's.
func (o *Outbox) Find(id string) (Posted, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, ok := o.posts[id]
	return p, ok && id != ""
}

// Put remembers a message; a zero ref says that it may stand somewhere.
func (o *Outbox) Put(id string, ref bot.Ref) {
	if id == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock.Now()
	if len(o.posts) >= outboxMost {
		for k, p := range o.posts {
			if now.Sub(p.At) > OutboxFor {
				delete(o.posts, k)
			}
		}
		if len(o.posts) >= outboxMost {
			clear(o.posts)
		}
	}
	at := now
	if p, ok := o.posts[id]; ok {
		at = p.At
	}
	o.posts[id] = Posted{ref, at}
}

// Drop forgets a message that is no longer there.
func (o *Outbox) Drop(ref bot.Ref) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, p := range o.posts {
		if p.Ref == ref {
			delete(o.posts, k)
		}
	}
}

// PostID names a post for an Outbox: "" where it has no key.
func PostID(p bot.Place, key string) string {
	if key == "" {
		return ""
	}
	return p.Team + "/" + p.Channel + "/" + p.Thread + "/" + key
}

// SentAgain marks a card of which another copy may stand, in all that it will
// ever show: where it is a root message, that the copy stays as it is, whatever
// it says and offers.
func SentAgain(c bot.Card, p bot.Place) bot.Card {
	text := "(sent again)"
	if c.Byline != "" || c.Op != 0 && p.Thread == "" {
		text += " If a copy of this stands above, that one no longer changes."
	}
	c.Notes = append(slices.Clone(c.Notes), text)
	return c
}
