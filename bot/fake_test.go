package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"hosterbot/bot"
	"hosterbot/bot/policy"
)

const longestKey = 1 << 15

// pruneAtOnce is how much of each one call of Prune forgets.
const pruneAtOnce = 1000

// hand is a clock that stands still until a test moves it.
type hand struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
}

type handTimer struct {
	at time.Time
	f  func()
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// Sleep moves the clock: who waits for time in a test gets it.
func (h *hand) Sleep(ctx context.Context, d time.Duration) error {
	h.move(d)
	return ctx.Err()
}

func (h *hand) AfterFunc(d time.Duration, f func()) func() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := &handTimer{h.now.Add(d), f}
	h.timers = append(h.timers, t)
	return func() bool { return h.take(t) }
}

func (h *hand) take(t *handTimer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.timers, t)
	if i >= 0 {
		h.timers = slices.Delete(h.timers, i, i+1)
	}
	return i >= 0
}

// move sets the clock, also back, and runs what is due meanwhile.
func (h *hand) move(d time.Duration) {
	until := h.Now().Add(d)
	for {
		h.mu.Lock()
		var first *handTimer
		for _, t := range h.timers {
			if !t.at.After(until) && (first == nil || t.at.Before(first.at)) {
				first = t
			}
		}
		if first == nil {
			h.now = until
			h.mu.Unlock()
			return
		}
		if first.at.After(h.now) {
			h.now = first.at
		}
		h.mu.Unlock()
		if h.take(first) {
			first.f()
		}
	}
}

// message is what stands in a chat.
type message struct {
	place bot.Place
	key   string
	card  bot.Card
	edits int
	gone  bool

	byline string // the same in all its states
}

// chat is a fake Adapter: it keeps what was said, in order, and fails as a
// test says.
type chat struct {
	platforms []string
	rows      int
	onPost    func(p bot.Place, key string, c bot.Card) error
	onEdit    func(c bot.Card) error
	canPost   func(bot.Place) error
	member    func(g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error)

	mu       sync.Mutex
	messages []*message
	log      []string // "post PLACE TITLE", "edit PLACE TITLE"
	lost     []string // edits after which a chat would no longer find the message
}

var _ bot.Adapter = (*chat)(nil)

func (c *chat) Platforms() []string                          { return c.platforms }
func (c *chat) Run(ctx context.Context, _ bot.Handler) error { <-ctx.Done(); return nil }
func (c *chat) Limits() bot.Limits                           { return bot.Limits{Rows: c.rows} }
func (c *chat) Health() bot.Health                           { return bot.Health{Name: c.platforms[0], OK: true} }

func (c *chat) CanPost(_ context.Context, p bot.Place) error {
	if c.canPost != nil {
		return c.canPost(p)
	}
	return nil
}

func (c *chat) Member(_ context.Context, g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error) {
	if c.member != nil {
		return c.member(g, accounts)
	}
	return bot.MemberNo, nil
}

func (c *chat) Post(ctx context.Context, p bot.Place, key string, card bot.Card) (bot.Ref, error) {
	if err := ctx.Err(); err != nil {
		return bot.Ref{}, err
	}
	if c.onPost != nil {
		if err := c.onPost(p, key, card); err != nil {
			return bot.Ref{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, &message{place: p, key: key, card: clone(card), byline: card.Byline})
	c.log = append(c.log, "post "+p.String()+" "+card.Title)
	return bot.Ref{Place: p, ID: fmt.Sprint(len(c.messages))}, nil
}

func (c *chat) Edit(ctx context.Context, r bot.Ref, card bot.Card) error {
	if c.onEdit != nil {
		if err := c.onEdit(card); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var n int
	if _, err := fmt.Sscan(r.ID, &n); err != nil || n < 1 || n > len(c.messages) {
		return &bot.PostError{Gone: true, Err: errors.New("no such message")}
	}
	m := c.messages[n-1]
	if m.gone {
		return &bot.PostError{Gone: true, Err: errors.New("deleted")}
	}
	if card.Byline != m.byline || card.Byline == "" || !slices.Contains(card.Notes, card.Byline) {
		c.lost = append(c.lost, fmt.Sprintf("the root message %q is no longer found by %q: %q", card.Title, m.byline, card.Notes))
	}
	m.card, m.edits = clone(card), m.edits+1
	c.log = append(c.log, "edit "+m.place.String()+" "+card.Title)
	return nil
}

// roots are the messages in a place outside threads.
func (c *chat) roots(p bot.Place) []*message {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*message
	for _, m := range c.messages {
		if m.place == p {
			out = append(out, m)
		}
	}
	return out
}

// thread are the messages in threads of a place, in order.
func (c *chat) thread(p bot.Place) []bot.Card {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []bot.Card
	for _, m := range c.messages {
		if m.place.Thread != "" && m.place.Place == p.Place {
			out = append(out, m.card)
		}
	}
	return out
}

// answer is a fake Responder: it keeps the platform's rules about what may
// come after what.
type answer struct {
	mu     sync.Mutex
	events []string
	cards  []bot.Card
	forms  []bot.Form
	files  []bot.File
	noForm bool
	slow   func(bot.Card) // called before a card counts as shown
}

var _ bot.Responder = (*answer)(nil)

func (a *answer) add(event string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, event)
}

func (a *answer) Ack(context.Context) error { a.add("ack"); return nil }

func (a *answer) Form(_ context.Context, f bot.Form) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) > 0 || a.noForm {
		return errors.New("a form has to be the first answer")
	}
	a.events = append(a.events, "form")
	a.forms = append(a.forms, f)
	return nil
}

func (a *answer) Reply(ctx context.Context, c bot.Card) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.slow != nil {
		a.slow(c)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, "card")
	a.cards = append(a.cards, c)
	return nil
}

func (a *answer) File(_ context.Context, f bot.File) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, "file")
	a.files = append(a.files, f)
	return nil
}

// card is the last card, the zero Card if there is none.
func (a *answer) card() bot.Card {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cards) == 0 {
		return bot.Card{}
	}
	return a.cards[len(a.cards)-1]
}

func (a *answer) form() bot.Form {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.forms) == 0 {
		return bot.Form{}
	}
	return a.forms[len(a.forms)-1]
}

func (a *answer) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)
}

// words is all text of a card.
func words(c bot.Card) string {
	body, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// api is a fake Provider.
type api struct {
	mu      sync.Mutex
	paused  error
	tokens  int
	sendBys []time.Time
	attacks func(vm int64) ([]bot.Incident, error) // nil: there are none
	asked   []int64                                // whose incidents were read
}

func (p *api) Acquire(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		return p.paused
	}
	p.tokens++
	return nil
}

func (p *api) SendBy(ctx context.Context, t time.Time) context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sendBys = append(p.sendBys, t)
	return ctx
}

func (p *api) Incidents(_ context.Context, vm int64) ([]bot.Incident, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, vm)
	if p.attacks == nil {
		return nil, nil
	}
	return p.attacks(vm)
}

func (p *api) Health() bot.Health { return bot.Health{Name: "HosterAPI", OK: true} }

// rules is a fake PolicySource.
type rules struct {
	mu   sync.Mutex
	snap *policy.Snapshot
}

func (r *rules) Current() *policy.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap
}

func (r *rules) State() policy.State { return policy.State{Hash: r.Current().Hash()} }
