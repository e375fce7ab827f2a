package bot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hosterbot/bot/policy"
	"hosterbot/bot/secret"
)

// PolicySource gives the policy in force. *policy.Watcher is one.
type PolicySource interface {
	Current() *policy.Snapshot
	State() policy.State
}

// Provider is what the core has to know of the provider's API besides the
// commands: when a mutation may leave, what attacks a VM, and how the API is
// doing.
type Provider interface {
	// Acquire waits for the token of the limiter that the next mutation uses.
	// Its error is for people: mutations are paused.
	Acquire(ctx context.Context) error
	// SendBy gives a context in which a mutation that is not on the wire by t
	// is not sent at all.
	SendBy(ctx context.Context, t time.Time) context.Context
	// Incidents reads the network incidents of a VM, with the patience of
	// background work. Its error is for people, and Missing if the provider
	// knows no such VM.
	Incidents(ctx context.Context, vm int64) ([]Incident, error)
	Health() Health
}

// Config is what a Bot is made of. All but the marked fields are required.
type Config struct {
	Catalogue *Catalogue
	Store     Store
	Policy    PolicySource
	Provider  Provider
	Adapters  []Adapter
	Clock     Clock        // nil: SystemClock
	Logger    *slog.Logger // nil: none
	Metrics   Metrics      // nil: none
	Random    io.Reader    // of nonces; nil: crypto/rand
	Scale     float64      // multiplies every waiting time; 0: 1
	Demo      bool         // people say who they are: console and web of `demo`
	Serial    bool         // background work runs one thing at a time, when RunDue is called
	Owner     string       // name of this process, where several share a store
	Home      Place        // the audit channel, for alerts and anchors; zero: none
}

// Bot is the core: what stands between the chats and the provider. It
// implements Handler.
type Bot struct {
	catalogue *Catalogue
	store     *counted
	policy    PolicySource
	provider  Provider
	adapters  map[string]Adapter
	chats     []Adapter
	clock     Clock
	log       *slog.Logger
	metrics   Metrics
	random    io.Reader
	scale     float64
	demo      bool
	serial    bool
	owner     string
	home      Place
	started   time.Time
	policyErr error     // of the last look at the policy file; touched by PolicyLooked alone
	anchored  Anchor    // the last that was given, and
	anchorAt  time.Time // when; touched by Run alone

	members  memberCache
	floods   floodGate
	held     vault // passwords that exist only in an answer, until somebody has taken them
	given    vault // passwords that somebody typed for the next call
	scrub    secret.Scrubber
	busy     busySet
	free     freedLanes
	tracking *pool
	posting  *pool
	later    waitSet // operations that failed to be worked on
	resumed  busySet // threads in which a message that another process owed was sent
	paused   waitSet // threads that failed to be posted in, by their first owed message
	stopping atomic.Bool
	// wordsUntil is when the last words have to be said; it counts from the first.
	wordsUntil func() time.Time
	unsaved    atomic.Int64   // results that the store does not take
	calls      sync.WaitGroup // mutations in flight
	wake       chan struct{}  // something is due sooner than thought
	tell       chan struct{}  // a message is owed
	watch      watch
}

var _ Handler = (*Bot)(nil)

// New puts a bot together. Run or RunDue do its work in the background.
func New(c Config) (*Bot, error) {
	b := &Bot{
		catalogue: c.Catalogue, store: &counted{Store: c.Store, due: make(chan struct{}, 1)}, policy: c.Policy, provider: c.Provider,
		chats: c.Adapters, adapters: make(map[string]Adapter),
		clock: c.Clock, log: c.Logger, metrics: c.Metrics, random: c.Random,
		scale: c.Scale, demo: c.Demo, serial: c.Serial, owner: c.Owner, home: c.Home,
		wake: make(chan struct{}, 1), tell: make(chan struct{}, 1),
		watch:    watch{wake: make(chan struct{}, 1), posted: make(map[string]Ref)},
		tracking: newPool(trackAtOnce), posting: newPool(postsAtOnce),
	}
	if b.catalogue == nil || c.Store == nil || b.policy == nil || b.provider == nil {
		return nil, errors.New("bot: catalogue, store, policy and provider are required")
	}
	if b.clock == nil {
		b.clock = SystemClock{}
	}
	b.wordsUntil = sync.OnceValue(func() time.Time { return b.clock.Now().Add(lastWordsFor) })
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.metrics == nil {
		b.metrics = noMetrics{}
	}
	if b.random == nil {
		b.random = rand.Reader
	}
	if b.scale == 0 {
		b.scale = 1
	}
	for _, a := range c.Adapters {
		for _, p := range a.Platforms() {
			if _, twice := b.adapters[p]; twice {
				return nil, fmt.Errorf("bot: two adapters for %s", p)
			}
			b.adapters[p] = a
		}
	}
	b.started = b.clock.Now()
	b.anchorAt = b.started
	b.store.fresh.Store(1) // whatever came before the start may not be anchored
	b.held.clock, b.given.clock = b.clock, b.clock
	return b, nil
}

// scaled is a waiting time as this bot waits it.
func (b *Bot) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * b.scale) }

// nonce makes a word that nobody can guess.
func (b *Bot) nonce() string {
	var raw [8]byte
	if _, err := io.ReadFull(b.random, raw[:]); err != nil {
		panic(err) // no randomness, no safety
	}
	return hex.EncodeToString(raw[:])
}

// asker is who wants something, where, under which policy.
type asker struct {
	snap    *policy.Snapshot
	person  string // "" for a stranger
	account Account
	place   Place
	member  map[string]Membership
	*course
}

// asker finds out who an account is, under the policy of this moment.
func (b *Bot) asker(ctx context.Context, c *course, a Account, p Place) *asker {
	snap := b.policy.Current()
	person := b.who(snap, a)
	return &asker{snap: snap, person: person, account: a, place: p, member: b.memberships(ctx, snap, person), course: c}
}

// name is how an asker is called in records and cards.
func (w *asker) name() string {
	if w.person != "" {
		return w.person
	}
	return w.account.String()
}

// Handle implements Handler: a command that somebody typed.
func (b *Bot) Handle(ctx context.Context, r Request) {
	b.serve(ctx, r.Answer, r.Later, func(c *course) { b.typed(ctx, c, r) })
}

func (b *Bot) typed(ctx context.Context, c *course, r Request) {
	start := b.clock.Now()
	who := b.asker(ctx, c, r.Account, r.Place)
	if !b.admitted(ctx, r.Answer, who) {
		return
	}
	var p Parsed
	var err error
	if r.Words != "" {
		p, err = b.catalogue.ParseTyped(r.Words, r.Args, who.snap.Label)
	} else {
		p, err = b.catalogue.Parse(r.Line, who.snap.Label)
	}
	words := ""
	if err == nil {
		words = p.Command.Words // what else was typed may hold anything
	}
	who.atEnd(func() { b.logged(ctx, "command", words, who, start) })
	var missing *MissingError
	switch {
	case errors.As(err, &missing):
		who.outcome = "form"
		b.askForRest(ctx, r.Answer, who, missing)
	case err != nil:
		who.outcome = "invalid"
		b.metrics.Command("", who.outcome, b.clock.Now().Sub(start))
		b.say(ctx, r.Answer, b.refusal(err))
	default:
		b.dispatch(ctx, r.Key, r.Answer, who, p, wish{})
	}
}

// wish is what a command brings along that is not typed in its line.
type wish struct {
	breakGlass bool
	reason     string
	again      int64 // the operation that it repeats
	forOp      int64 // the operation that waits for it
}

// dispatch runs a command that was understood.
func (b *Bot) dispatch(ctx context.Context, key string, answer Responder, who *asker, p Parsed, w wish) {
	start := b.clock.Now()
	who.atEnd(func() { b.metrics.Command(p.Command.Words, who.outcome, b.clock.Now().Sub(start)) })
	if who.person == "" && p.Command.Effect != EffectOpen {
		b.refuseStranger(ctx, answer, who, p.Command)
		return
	}
	if p.Command.Mutates() {
		b.begin(ctx, key, answer, who, p, w)
		return
	}
	b.read(ctx, answer, who, p, 0)
}

// lastWordsFor is how long people are told that the chat has cut them off, all
// of them together.
const lastWordsFor = 3 * time.Second

// cutOff is what they are told: how far it came with what they asked is not
// known here.
var cutOff = Card{Tone: Bad, Title: "The bot is shutting down", Lines: []string{
	"This is not finished. Try again in a minute: `op list --open` shows whether something was begun.",
}}

// say answers, and logs where even that fails. At a stop, whoever is cut off
// hears of that instead.
func (b *Bot) say(ctx context.Context, answer Responder, c Card) {
	if ctx.Err() != nil && b.stopping.Load() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), b.wordsUntil().Sub(b.clock.Now()))
		defer cancel()
		c = cutOff
	}
	if err := answer.Reply(ctx, c); err != nil && ctx.Err() == nil {
		b.log.Warn("answer not delivered", "err", err)
	}
}

// ack acknowledges a request; a chat that cannot be reached will show so
// itself.
func (b *Bot) ack(ctx context.Context, answer Responder) {
	if err := answer.Ack(ctx); err != nil && ctx.Err() == nil {
		b.log.Warn("acknowledgement not delivered", "err", err)
	}
}

// refusal is the card of an error.
func (b *Bot) refusal(err error) Card {
	var e *Error
	if !errors.As(err, &e) {
		b.log.Error("unexpected error", "err", b.scrub.Scrub(err.Error()))
		return Card{Tone: Bad, Title: "Something went wrong", Lines: []string{"Nothing was done. The log says more."}}
	}
	if e.Err != nil {
		b.log.Info("refused", "kind", e.Kind, "err", b.scrub.Scrub(e.Err.Error()))
	}
	c := Card{Tone: Warn, Title: e.Text}
	if e.Kind == Unavailable {
		c.Tone = Bad
	}
	if e.Hint != "" {
		c.Lines = append(c.Lines, e.Hint)
	}
	return c
}

// refuse says why a command is not run.
func (b *Bot) refuse(ctx context.Context, answer Responder, who *asker, err error) {
	who.failed(err)
	b.say(ctx, answer, b.refusal(err))
}

// failed notes that a command came to nothing for a fault of ours, the
// provider's or a chat's, and not for what was asked.
func (w *asker) failed(err error) {
	if e := (*Error)(nil); !errors.As(err, &e) || e.Kind == Unavailable {
		w.outcome = "failed"
	}
}

// Limits on how much one person may ask.
const (
	perPerson   = 20 // commands a minute
	perStranger = 60 // for all unknown accounts together
)

// floodGate counts commands, for each person and for all strangers.
type floodGate struct {
	mu    sync.Mutex
	gates map[string]*gate
}

type gate struct {
	passed []time.Time // of the last minute, oldest first
	shut   time.Time   // when "slow down" was last said
	count  int         // refused since then
}

// pass lets one command through if fewer than most passed in the last minute.
func (g *gate) pass(now time.Time, most int) bool {
	for len(g.passed) > 0 && now.Sub(g.passed[0]) >= time.Minute {
		g.passed = g.passed[1:]
	}
	if len(g.passed) >= most {
		return false
	}
	g.passed = append(g.passed, now)
	return true
}

// admit lets a command through, or says once a minute that it is too many.
func (b *Bot) admit(ctx context.Context, who *asker) error {
	if b.stopping.Load() {
		return Errorf(Unavailable, "The bot is shutting down. Nothing was done: try again in a minute.")
	}
	most := perPerson
	switch {
	case who.person == "":
		most = perStranger
	case b.demo: // one keyboard speaks for everybody
		return nil
	}
	if who.account.Guest && who.person == "" {
		return Errorf(Forbidden, "Guests, people of other workspaces, and bots are served only where the policy names them.")
	}
	now := b.clock.Now()
	b.floods.mu.Lock()
	if b.floods.gates == nil {
		b.floods.gates = make(map[string]*gate)
	}
	g, ok := b.floods.gates[who.person]
	if !ok {
		g = &gate{}
		b.floods.gates[who.person] = g
	}
	over := now.Sub(g.shut) >= time.Minute
	count := 0
	if over { // what the last minute refused after its first is counted now
		count, g.count = g.count, 0
	}
	allowed := g.pass(now, most)
	switch {
	case allowed:
	case over:
		g.shut = now
		count++
	default:
		g.count++
	}
	b.floods.mu.Unlock()
	if count > 0 {
		b.record(ctx, Record{Kind: "flood", Person: who.person, Account: who.account.String(), Place: who.place.String(), Decision: "deny", Count: count})
	}
	if allowed {
		return nil
	}
	if over {
		return Errorf(TooMany, "That is more than %d commands in a minute: nothing was done. What comes on top gets no answer until the minute is over.", most)
	}
	return errFlood
}

// refusedAtStop answers a press that comes while the bot shuts down.
func (b *Bot) refusedAtStop(ctx context.Context, answer Responder) bool {
	if b.stopping.Load() {
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The bot is shutting down. Nothing was done: press again in a minute.")))
	}
	return b.stopping.Load()
}

// admitted is admit, with its no said: once a minute, so that a flood is not
// answered by a flood.
func (b *Bot) admitted(ctx context.Context, answer Responder, who *asker) bool {
	switch err := b.admit(ctx, who); {
	case err == nil:
		return true
	case errors.Is(err, errFlood):
		b.ack(ctx, answer)
	default:
		b.say(ctx, answer, b.refusal(err))
	}
	return false
}

// errFlood is an excess that was already answered this minute.
var errFlood = Errorf(TooMany, "Too many commands. Nothing was done.")

// record writes audit records that belong to no change of state.
func (b *Bot) record(ctx context.Context, records ...Record) {
	b.write(ctx, Written{Audit: records})
}

// write is record with the messages that belong to the records.
func (b *Bot) write(ctx context.Context, w Written) {
	if err := b.store.Append(ctx, b.clock.Now(), "", w); err != nil {
		b.log.Error("audit record not written", "err", err)
	}
	if len(w.Owed) > 0 {
		b.nudge(b.tell)
	}
}
