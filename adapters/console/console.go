// Package console is the chat of `hosterbot demo`: people of the policy speak
// in one channel, on a terminal, through a pipe, or from a transcript.
//
// It stands in for all platforms. It knows bot, adapters and the terminal; the
// simulator, the clock and the policy it reaches through [Control] alone.
//
// To add a line with a colon: a method in Control, its row in colons in
// script.go, and its line in the help of receive.go. To add a part of a card:
// render.go, for the whole card and for what changed of it.
package console

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// patience is how long a prompt waits for the answer to the last line. What
// takes longer prints above the prompt when it comes.
const patience = 2 * time.Second

// rows is how many rows of a table fit on one page of a terminal.
const rows = 40

// Control is what lines with a colon reach: the parts of the demo around the
// bot.
type Control interface {
	// Fault makes the provider's next call of a kind go wrong.
	Fault(kind, fault string) error
	// Restart stops the bot and starts it again over the same store.
	Restart(ctx context.Context) error
	// Skip lets time pass.
	Skip(ctx context.Context, d time.Duration) error
	// Policy puts another policy file in force, or says what is wrong with it:
	// the policy before it stays then.
	Policy(ctx context.Context, file string) (refused []string)
	// Member puts a person into a looked-up group.
	Member(person, group string) error
	// Wait returns when operation op has ended.
	Wait(ctx context.Context, op int64) error
	// Job is the operation that a job of the provider belongs to.
	Job(ctx context.Context, job int64) (op int64, err error)
	// Idle runs everything that is due now. A transcript calls it after each
	// line.
	Idle(ctx context.Context) error
}

// Options are what a Console is made of. Out, Home and People are required.
type Options struct {
	In  io.Reader // where Interact reads
	Out io.Writer

	Terminal bool // In and Out are a terminal: edit lines, redraw in place
	Color    bool //
	Width    int  // columns of a line; 0: 100
	Height   int  // lines of the terminal; 0: 24

	Home      bot.Place                // the channel in which people speak
	Channel   string                   // what it is called: "#ops"; empty: its ID
	Platforms []string                 // for which it stands in; empty: that of Home
	People    []string                 // who may speak; the first begins
	Name      func(bot.Account) string // what a pinged account is called; nil: its ID
	Clock     bot.Clock                // nil: the machine's
	Control   Control                  // nil: lines with a colon cannot run
	Session   string                   // makes the keys of requests differ from those of earlier runs over the same store
}

// Console is the chat. Make it with New.
type Console struct {
	opts Options

	mu       sync.Mutex // guards all below, and every write to Out
	attached *attachment
	changed  chan struct{} // closed when attached changes
	requests int
	messages []*message
	byID     map[string]*message
	byKey    map[string]*message
	buttons  []*button
	forms    map[string]*openForm       // by person
	members  map[string]map[string]bool // group, person
	since    time.Time
	speaker  string   // whose line the prompt reads
	asked    question // what it reads
	watched  *watch   // what is kept in sight; nil: nothing
	screen   screen
}

// attachment is one life of the bot: from Run to the end of its context.
type attachment struct {
	handler bot.Handler
	atEnd   func(f func()) (stop func() bool) // calls f when the life ends
	calls   sync.WaitGroup
}

var _ bot.Adapter = (*Console)(nil)

// New makes a console. Nothing runs before Run.
func New(o Options) *Console {
	if o.Clock == nil {
		o.Clock = bot.SystemClock{}
	}
	if o.Width <= 0 {
		o.Width = 100
	}
	if o.Height <= 0 {
		o.Height = 24
	}
	if o.Channel == "" {
		o.Channel = "#" + o.Home.Channel
	}
	if len(o.Platforms) == 0 {
		o.Platforms = []string{o.Home.Platform}
	}
	if o.Name == nil {
		o.Name = adapters.DemoName
	}
	return &Console{
		opts:    o,
		changed: make(chan struct{}),
		byID:    make(map[string]*message),
		byKey:   make(map[string]*message),
		forms:   make(map[string]*openForm),
		members: make(map[string]map[string]bool),
		screen:  screen{out: o.Out, width: o.Width, height: o.Height},
	}
}

// Platforms implements bot.Adapter.
func (c *Console) Platforms() []string { return slices.Clone(c.opts.Platforms) }

// Run implements bot.Adapter: it attaches h until ctx ends, and returns when
// the calls under way have. Attached anew after a restart, the console still
// knows its messages, its numbers and the forms that are open.
func (c *Console) Run(ctx context.Context, h bot.Handler) error {
	a := &attachment{handler: h, atEnd: func(f func()) func() bool { return context.AfterFunc(ctx, f) }}
	c.attach(a)
	<-ctx.Done()
	c.mu.Lock()
	if c.attached == a {
		c.attached = nil
		c.since = c.opts.Clock.Now()
	}
	c.mu.Unlock()
	a.calls.Wait()
	return nil
}

func (c *Console) attach(a *attachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attached = a
	c.since = c.opts.Clock.Now()
	close(c.changed)
	c.changed = make(chan struct{})
}

// call gives the bot something to do, as soon as there is one, and returns
// when it has.
func (c *Console) call(ctx context.Context, f func(context.Context, bot.Handler)) error {
	for {
		c.mu.Lock()
		a, changed := c.attached, c.changed
		if a != nil {
			a.calls.Add(1)
		}
		c.mu.Unlock()
		if a == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		defer a.calls.Done()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer a.atEnd(cancel)()
		f(ctx, a.handler)
		return nil
	}
}

// Limits implements bot.Adapter.
func (c *Console) Limits() bot.Limits { return bot.Limits{Rows: rows} }

// Health implements bot.Adapter.
func (c *Console) Health() bot.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := bot.Health{Name: "console", OK: c.attached != nil, Text: "listening", Since: c.since, Fatal: true}
	if !h.OK {
		h.Text = "not started"
	}
	return h
}

// Member implements bot.Adapter: somebody is in a group since a line
// `:member PERSON GROUP`, and nobody is before.
func (c *Console) Member(_ context.Context, g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range accounts {
		if a.Platform == adapters.Demo && c.members[g.Name][a.ID] {
			return bot.MemberYes, nil
		}
	}
	return bot.MemberNo, nil
}

// Joined tells whether a line `:member` put a person into a group.
func (c *Console) Joined(person, group string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members[group][person]
}

// join puts a person into a group.
func (c *Console) join(person, group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members[group] == nil {
		c.members[group] = make(map[string]bool)
	}
	c.members[group][person] = true
}

// account is who a person is here.
func account(person string) bot.Account { return bot.Account{Platform: adapters.Demo, User: person} }

// fd is the terminal's file descriptor, if there is one to ask.
func (c *Console) fd() (int, bool) {
	f, ok := c.opts.In.(interface{ Fd() uintptr })
	if !ok || !c.opts.Terminal {
		return 0, false
	}
	fd := int(f.Fd())
	return fd, term.IsTerminal(fd)
}
