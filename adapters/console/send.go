package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// message is something that stands in the chat: in a channel, in a thread, or
// before one person's eyes.
type message struct {
	ref     bot.Ref
	root    *message // of a message in a thread
	to      string   // the one person who sees it; empty: all do
	copy    bool     // stands elsewhere, and the same stands in Home: it is not printed
	gone    bool
	card    bot.Card  // as it is, without secrets
	since   time.Time // when it became that
	buttons []*button
	op      string // number of the operation that its buttons belong to
}

// button is a button that was shown. Its number is never given again: pressed
// on an old card it sends what it sent then, as in a chat that has not
// refreshed.
type button struct {
	bot.Button
	number int
	on     *message
	live   bool
}

// rootKey is how the keys of root messages begin. They stand in Home too.
const rootKey = "root/"

// CanPost implements bot.Adapter.
func (c *Console) CanPost(_ context.Context, p bot.Place) error {
	return adapters.DemoPlace(p, c.opts.Channel, c.opts.Platforms)
}

// Post implements bot.Adapter. The same key in the same place is the same
// message, also after a restart of the bot.
func (c *Console) Post(ctx context.Context, p bot.Place, key string, card bot.Card) (bot.Ref, error) {
	if err := c.CanPost(ctx, p); err != nil {
		return bot.Ref{}, &bot.PostError{Forbidden: true, Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	place := p.String() + "\x00" + p.Thread + "\x00"
	if m := c.byKey[place+key]; m != nil && !m.gone {
		return m.ref, nil
	}
	m := &message{ref: bot.Ref{Place: p}}
	if p.Thread != "" {
		m.root = c.byID[p.Thread]
		if m.root == nil || m.root.gone {
			return bot.Ref{}, &bot.PostError{Gone: true, Err: fmt.Errorf("post in thread %s: no such message", p.Thread)}
		}
		m.copy = m.root.copy
	}
	card.Secrets = nil // a channel has too many eyes
	var original *message
	if m.root == nil && !c.home(p) {
		original = c.original(operation(card), card.Title)
		if original == nil && strings.HasPrefix(key, rootKey) { // it was faster than the one in Home
			original = m
		}
		m.copy = original != nil
	}
	c.keep(m, card)
	if key != "" {
		c.byKey[place+key] = m
	}
	switch {
	case original == m: // said below the one in Home
	case original != nil:
		c.screen.print(c.copied(original, p))
	case !m.copy:
		c.screen.print(c.posted(m))
		for _, other := range c.messages {
			if other.copy && other.root == nil && other.op != "" && other.op == m.op && m.root == nil {
				c.screen.print(c.copied(m, other.ref.Place))
			}
		}
	}
	return m.ref, nil
}

// Edit implements bot.Adapter. Without a terminal a state is printed once:
// what changed of it, and nothing if only the bar moved.
func (c *Console) Edit(_ context.Context, r bot.Ref, card bot.Card) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.byID[r.ID]
	if m == nil || m.gone {
		return &bot.PostError{Gone: true, Err: fmt.Errorf("edit message %s: no such message", r.ID)}
	}
	card.Secrets = nil
	old := m.card
	c.set(m, card)
	if m.copy {
		return nil
	}
	news, changed := difference(old, card)
	switch {
	case c.screen.holds(m, whole):
		c.screen.replace(c.posted(m))
	case !changed && card.Bar != nil && c.screen.holds(m, moving):
		c.screen.replace(c.moved(m))
	case changed:
		if len(card.Buttons) == 0 && len(old.Buttons) > 0 && empty(news) {
			news.Lines = []string{"(its buttons are gone)"}
		}
		c.screen.print(c.edited(m, news))
	case c.watched.is(m):
		c.screen.settle()
	case c.screen.terminal && card.Bar != nil && old.Bar != nil && *card.Bar != *old.Bar:
		c.screen.print(c.moved(m))
	}
	return nil
}

// keep gives a message its ID and shows a card on it. The ID of an earlier
// session names nothing here: its message is gone.
func (c *Console) keep(m *message, card bot.Card) {
	m.ref.ID = c.opts.Session + "m" + strconv.Itoa(len(c.messages)+1)
	c.messages = append(c.messages, m)
	c.byID[m.ref.ID] = m
	c.set(m, card)
}

// set makes card what a message shows. A button that it had keeps its number.
func (c *Console) set(m *message, card bot.Card) {
	m.card, m.since = card, c.now()
	for _, b := range m.buttons {
		b.live = false
	}
	if op := operation(card); op != "" {
		m.op = op
	}
	if m.copy {
		return
	}
	for _, b := range card.Buttons {
		i := slices.IndexFunc(m.buttons, func(had *button) bool { return had.Code == b.Code && had.Label == b.Label && !had.live })
		if i >= 0 {
			m.buttons[i].live, m.buttons[i].Style = true, b.Style
			continue
		}
		added := &button{Button: b, number: len(c.buttons) + 1, on: m, live: true}
		c.buttons = append(c.buttons, added)
		m.buttons = append(m.buttons, added)
	}
}

// home tells whether a place is where people speak.
func (c *Console) home(p bot.Place) bool {
	h := c.opts.Home
	return p.Platform == h.Platform && p.Team == h.Team && p.Channel == h.Channel
}

// original is the message in Home with the card of this operation, or under
// this title; nil if there is none.
func (c *Console) original(op, title string) *message {
	for _, m := range slices.Backward(c.messages) {
		if m.to == "" && m.root == nil && !m.gone && c.home(m.ref.Place) &&
			(op != "" && m.op == op || op == "" && m.card.Title == title) {
			return m
		}
	}
	return nil
}

// operation is the number that a card is about, "" if it is about none.
func operation(card bot.Card) string {
	if card.Op != 0 {
		return strconv.FormatInt(card.Op, 10)
	}
	for _, b := range card.Buttons {
		_, rest, _ := strings.Cut(b.Code, ":")
		op, _, ok := strings.Cut(rest, ":")
		if _, err := strconv.ParseInt(op, 10, 64); ok && err == nil {
			return op
		}
	}
	return ""
}

// answer answers one request of one person.
type answer struct {
	c       *Console
	person  string
	acked   bool
	replied *message
	form    bool
}

var (
	_ bot.Responder = (*answer)(nil)

	errFormLate = errors.New("open a form: it has to be the first answer")
)

// Ack implements bot.Responder. At the console nobody waits for it.
func (a *answer) Ack(context.Context) error {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	a.acked = true
	return nil
}

// Form implements bot.Responder.
func (a *answer) Form(_ context.Context, f bot.Form) error {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if a.acked || a.form || a.replied != nil {
		return errFormLate
	}
	a.form = true
	a.c.open(a.person, f)
	return nil
}

// Reply implements bot.Responder. A card that takes the place of another is
// printed below it, and the buttons of the first are old then.
func (a *answer) Reply(_ context.Context, card bot.Card) error {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	secrets := card.Secrets
	card.Secrets = nil
	if a.replied == nil {
		a.replied = &message{to: a.person, ref: bot.Ref{Place: c.opts.Home}}
		c.keep(a.replied, card)
	} else {
		c.set(a.replied, card)
	}
	b := c.whispered(a.replied, secrets)
	if c.screen.holds(a.replied, whole) { // takes a secret away that was there
		c.screen.replace(b)
		return nil
	}
	c.screen.print(b)
	return nil
}

// File implements bot.Responder.
func (a *answer) File(_ context.Context, f bot.File) error {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	a.c.screen.print(a.c.file(a.person, f))
	return nil
}
