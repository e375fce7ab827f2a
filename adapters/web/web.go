// Package web is the chat of `hosterbot demo` in a browser: people of the
// policy speak in one channel, on a page that needs no account and asks nobody
// outside for anything.
//
// It stands in for all platforms, as the console does. It knows bot and
// adapters; the policy, the provider's calls and the lines with a colon reach
// it through [Options] alone.
//
// One request: guard.go lets it in or not, receive.go makes a bot.Request of
// it, send.go takes the answer, render.go says what the page is told of it,
// and stream.go tells it. The page is page.html, page.css, page.js (streams,
// panes, keys) and show.js (how each thing looks), without a build step; it
// shows what it is told by textContent alone.
//
// The state is kept, not the events: a stream that was away is told what has
// changed since, and a slow one skips what is no longer true.
//
// To add a part of a card: view in render.go, and card in show.js.
package web

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// Bounds on what a page can make this process hold and do.
const (
	rows        = 50      // of a table on one page
	maxMessages = 2000    // the oldest go
	maxCalls    = 300     // of the provider's, that a new page is shown
	maxFiles    = 20      // the oldest can no longer be saved
	maxFile     = 4 << 20 // bytes of one
	maxStreams  = 40
	maxRunning  = 64      // requests that the bot works on at once
	maxBody     = 1 << 18 // bytes of a request
	maxLine     = 4000    // characters of a command
)

// Options are what a Web is made of. Home and People are required.
type Options struct {
	Home      bot.Place                // the channel in which people speak
	Channel   string                   // what it is called: "#ops"; empty: its ID
	Platforms []string                 // for which it stands in; empty: that of Home
	People    []string                 // who may speak
	Strangers []string                 // those of People whom the policy does not know
	Name      func(bot.Account) string // what a pinged account is called; nil: its ID
	Clock     bot.Clock                // nil: the machine's
	Session   string                   // makes keys and IDs differ from those of earlier runs over the same store
	// Guide says what the policy makes of a line that somebody types. Nil:
	// the page says nothing of it.
	Guide func(ctx context.Context, person, line string) Guide
	// Stage runs a line with a colon, such as ":skip 10m". Its error is for
	// people. Nil: such lines cannot run.
	Stage func(ctx context.Context, line string) error
	// Member tells whether a person is in a looked-up group. Nil: nobody is.
	Member func(person, group string) bool
}

// Guide is what the policy makes of a line.
type Guide struct {
	Usage   string   `json:"usage,omitempty"`   // "vm delete VM [--force]"
	Summary string   `json:"summary,omitempty"` // what the command does
	Effect  string   `json:"effect,omitempty"`  // "destroys"
	Problem string   `json:"problem,omitempty"` // why there is no decision yet
	Verdict string   `json:"verdict,omitempty"` // deny, approve, confirm, allow; empty: none
	Lines   []string `json:"lines,omitempty"`   // why, what would be asked, by which rules
	People  []Ruling `json:"people,omitempty"`  // what the same line would be to each person
}

// Ruling is the policy's word for one person.
type Ruling struct {
	Person  string `json:"person"`
	Verdict string `json:"verdict"`
}

// Call is a call that reached the provider, for the panel of calls. It holds
// no body and no header: secrets stand in those.
type Call struct {
	Kind     string // "vm-status"
	Method   string
	Path     string
	Mutating bool
	Status   int    // 0: no answer
	Note     string // "carried out, but not answered"
	Took     time.Duration
	At       time.Time
}

// Web is the chat. Make it with New.
type Web struct {
	opts  Options
	token string
	mux   *http.ServeMux

	mu       sync.Mutex // guards all below
	attached *attachment
	since    time.Time
	requests int
	running  int
	seq      int64         // of the last change
	changed  chan struct{} // closed by the next change
	made     int           // messages
	messages []*message
	byID     map[string]*message
	byKey    map[string]*message
	forms    map[string]*openForm // by person
	calls    []seenCall
	files    []*message
	streams  map[*stream]bool
	serving  sync.WaitGroup
}

// attachment is one life of the bot: from Run to the end of its context.
type attachment struct {
	handler bot.Handler
	atEnd   func(f func()) (stop func() bool)
	calls   sync.WaitGroup
}

var (
	_ bot.Adapter  = (*Web)(nil)
	_ http.Handler = (*Web)(nil)
)

// New makes a web chat with a token of its own.
func New(o Options) *Web {
	if o.Clock == nil {
		o.Clock = bot.SystemClock{}
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
	w := &Web{
		opts:    o,
		token:   rand.Text(),
		changed: make(chan struct{}),
		byID:    make(map[string]*message),
		byKey:   make(map[string]*message),
		forms:   make(map[string]*openForm),
		streams: make(map[*stream]bool),
	}
	w.mux = w.routes()
	return w
}

// Link is the address at which a browser is let in, for a server that listens
// at address. What stands after # never leaves the browser in a request line.
func (w *Web) Link(address string) string { return "http://" + address + "/#" + w.token }

// Serve answers requests that come by l until ctx ends, and returns when all
// is answered.
func (w *Web) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: w, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 1 << 14,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(l)
	w.serving.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Platforms implements bot.Adapter.
func (w *Web) Platforms() []string { return slices.Clone(w.opts.Platforms) }

// Run implements bot.Adapter: it attaches h until ctx ends, and returns when
// the calls under way have. Pages stay open over a restart of the bot.
func (w *Web) Run(ctx context.Context, h bot.Handler) error {
	a := &attachment{handler: h, atEnd: func(f func()) func() bool { return context.AfterFunc(ctx, f) }}
	w.attach(a)
	<-ctx.Done()
	w.mu.Lock()
	if w.attached == a {
		w.attached, w.since = nil, w.opts.Clock.Now()
	}
	w.mu.Unlock()
	a.calls.Wait()
	return nil
}

func (w *Web) attach(a *attachment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attached, w.since = a, w.opts.Clock.Now()
}

// Limits implements bot.Adapter.
func (w *Web) Limits() bot.Limits { return bot.Limits{Rows: rows} }

// Health implements bot.Adapter.
func (w *Web) Health() bot.Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := bot.Health{Name: "web", OK: w.attached != nil, Text: "listening", Since: w.since}
	if !h.OK {
		h.Text = "not started"
	}
	return h
}

// Member implements bot.Adapter.
func (w *Web) Member(_ context.Context, g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error) {
	for _, a := range accounts {
		if a.Platform == adapters.Demo && w.opts.Member != nil && w.opts.Member(a.ID, g.Name) {
			return bot.MemberYes, nil
		}
	}
	return bot.MemberNo, nil
}

// Saw puts a call of the provider into the panel of calls.
func (w *Web) Saw(c Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) == maxCalls {
		w.calls = slices.Delete(w.calls, 0, maxCalls/10)
	}
	w.calls = append(w.calls, seenCall{c, w.change()})
}

// seenCall is a call with the number of the change that it is.
type seenCall struct {
	Call
	seq int64
}

// change wakes every stream, and gives the change its number. w.mu is held.
func (w *Web) change() int64 {
	w.seq++
	close(w.changed)
	w.changed = make(chan struct{})
	return w.seq
}

// account is who a person is here.
func account(person string) bot.Account { return bot.Account{Platform: adapters.Demo, User: person} }
