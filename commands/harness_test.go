package commands_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
	"hosterbot/commands"
	"hosterbot/commands/hoster"
	"hosterbot/commands/hoster/hostersim"
)

// clock moves only when it is told to, and when somebody sleeps by it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.skip(d)
	return ctx.Err()
}

// AfterFunc never calls: nothing here takes so long that the client gives up.
func (c *clock) AfterFunc(time.Duration, func()) func() bool { return func() bool { return true } }

func (c *clock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// time10 is longer than any power signal takes.
const time10 = 10 * time.Second

const password = "4-very-secret-SSH-word"

// world is the catalogue over the real client, and the simulator behind it.
type world struct {
	*hostersim.Sim
	tb    testing.TB
	clock *clock
	cat   *bot.Catalogue
	api   *hoster.Client
	bot   *bot.Bot
}

func start(tb testing.TB) *world {
	return startBehind(tb, func(sim http.Handler) http.Handler { return sim })
}

// startBehind puts something between the client and the simulator.
func startBehind(tb testing.TB, between func(http.Handler) http.Handler) *world {
	tb.Helper()
	c := &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	o := hostersim.Options{Token: "1|token-of-the-tests", Clock: c}
	sim := hostersim.New(o)
	srv := httptest.NewServer(between(sim))
	tb.Cleanup(srv.Close)
	api, err := hoster.New(hoster.Config{
		URL: srv.URL, Token: secret.New(o.Token), Rate: 1e6, Clock: c, Jitter: func() float64 { return 0 },
	})
	require.NoError(tb, err)
	tb.Cleanup(api.Close)
	cat, err := commands.Catalogue(api, c)
	require.NoError(tb, err)
	w := &world{Sim: sim, tb: tb, clock: c, cat: cat, api: api}
	w.knows()
	return w
}

func (w *world) fault(kind, name string) {
	w.tb.Helper()
	require.NoError(w.tb, w.Fault(kind, name))
}

// stored is a store that knows operations and nothing else.
type stored struct {
	bot.Store
	ops []bot.Operation
}

func (s stored) Operations(_ context.Context, f bot.OperationFilter) ([]bot.Operation, error) {
	var out []bot.Operation
	for _, op := range s.ops {
		if (f.Command == "" || f.Command == op.Command) && (!f.Open || !op.State.Final()) && (!f.Jobs || op.Job != nil) &&
			(f.Target == "" || f.Target == op.Target().String()) && !op.Created.Before(f.Since) && f.Before == 0 {
			out = append(out, op)
		}
	}
	limit := f.Limit
	if limit == 0 {
		limit = 100
	}
	return out[:min(len(out), limit)], nil
}

func (s stored) Operation(_ context.Context, id int64) (bot.Operation, error) {
	for _, op := range s.ops {
		if op.ID == id {
			return op, nil
		}
	}
	return bot.Operation{}, bot.ErrNotFound
}

// knows makes the bot behind all calls know these operations.
func (w *world) knows(ops ...bot.Operation) {
	w.tb.Helper()
	var err error
	w.bot, err = bot.New(bot.Config{
		Catalogue: w.cat, Store: stored{ops: ops}, Policy: struct{ bot.PolicySource }{},
		Provider: commands.Provider(w.api), Clock: w.clock,
	})
	require.NoError(w.tb, err)
}

// kept is the operation of a call that was accepted, as the core stores it.
func kept(c *bot.Call, id int64, state bot.State) bot.Operation {
	op := *c.Op
	op.ID, op.State, op.Person, op.Created = id, state, "ana", c.Now
	if op.Job != nil {
		op.Made = op.Job.Last.Targets
	}
	return op
}

// call parses a line and resolves what is ambiguous, as the core does.
func (w *world) call(line string) (*bot.Call, error) {
	w.tb.Helper()
	p, err := w.cat.Parse(line, func(string) ([]bot.Target, bool) { return nil, false })
	require.NoError(w.tb, err, line)
	c := &bot.Call{Bot: w.bot, Command: p.Command, Args: p.Args, Targets: p.Targets, Person: "ana", Now: w.clock.Now()}
	if p.Ambiguous != "" {
		param, _ := p.Command.Param(p.Ambiguous)
		t, err := param.Kind.Resolve(w.tb.Context(), c, p.Args.Text(p.Ambiguous))
		if err != nil {
			return c, err
		}
		c.Targets = []bot.Target{t}
	}
	return c, nil
}

func (w *world) read(line string) (bot.Card, error) {
	w.tb.Helper()
	c, err := w.call(line)
	if err != nil {
		return bot.Card{}, err
	}
	return c.Command.Read(w.tb.Context(), c)
}

func (w *world) mustRead(line string) bot.Card {
	w.tb.Helper()
	card, err := w.read(line)
	require.NoError(w.tb, err, line)
	return card
}

func (w *world) preview(line string) (*bot.Call, bot.Preview, error) {
	w.tb.Helper()
	c, err := w.call(line)
	if err != nil {
		return c, bot.Preview{}, err
	}
	c.Op = &bot.Operation{ID: 17, Command: c.Command.Words, Created: c.Now}
	pv, err := c.Command.Preview(w.tb.Context(), c)
	return c, pv, err
}

func (w *world) mustPreview(line string) bot.Preview {
	w.tb.Helper()
	_, pv, err := w.preview(line)
	require.NoError(w.tb, err, line)
	return pv
}

// run previews the line, and makes the call as the core would.
func (w *world) run(line string) (*bot.Call, bot.Outcome) {
	w.tb.Helper()
	c, pv, err := w.preview(line)
	require.NoError(w.tb, err, line)
	if pv.Args != nil {
		c.Args = pv.Args
	}
	if pv.Targets != nil {
		c.Targets = pv.Targets
	}
	now := w.clock.Now()
	c.Op.Args, c.Op.Targets, c.Op.Fields, c.Op.Baseline, c.Op.Fingerprint = c.Args, c.Targets, pv.Fields, pv.Baseline, pv.Fingerprint
	c.Op.Attempts = []bot.Attempt{{At: now, SendBy: now.Add(10 * time.Second)}}
	c.Secrets = map[string]secret.Secret{"password": secret.New(password)}
	o := c.Command.Run(w.tb.Context(), c)
	if o.Followed {
		c.Op.Job = &bot.Job{ID: o.Job, Since: w.clock.Now(), Last: bot.Progress{Phase: bot.Running, Fraction: -1}}
		c.Op.Outcome = o.Done
	}
	return c, o
}

// accepted runs a line that the provider accepts.
func (w *world) accepted(line string) (*bot.Call, bot.Outcome) {
	w.tb.Helper()
	c, o := w.run(line)
	require.Equal(w.tb, bot.Accepted, o.Class, "%s: %+v", line, o)
	return c, o
}

func (w *world) settle(c *bot.Call) bot.Verdict {
	w.tb.Helper()
	c.Now = w.clock.Now()
	v, err := c.Command.Settle(w.tb.Context(), c)
	require.NoError(w.tb, err)
	return v
}

// follow looks once, and keeps what it saw as the core does.
func (w *world) follow(c *bot.Call) bot.Progress {
	w.tb.Helper()
	c.Now = w.clock.Now()
	at, err := c.Command.Follow(w.tb.Context(), c)
	require.NoError(w.tb, err)
	c.Op.Job.Last = at
	return at
}

// end follows until the phase is another than running.
func (w *world) end(c *bot.Call) bot.Progress {
	w.tb.Helper()
	for range 200 {
		if at := w.follow(c); at.Phase != bot.Running {
			return at
		}
		w.clock.skip(10 * time.Second)
	}
	require.Fail(w.tb, "it never ends")
	return bot.Progress{}
}

// kindsSince are the kinds of call that reached the provider after the first n.
func (w *world) kindsSince(n int) map[string]int {
	kinds := map[string]int{}
	for _, call := range w.Calls()[n:] {
		kinds[call.Kind]++
	}
	return kinds
}

// text is everything in a value that could be stored or shown to others. The
// secrets of a card are not among it: they have no JSON.
func text(tb testing.TB, v any) string {
	tb.Helper()
	raw, err := json.Marshal(v)
	require.NoError(tb, err)
	return string(raw)
}

// flat is a card as a person reads it.
func flat(c bot.Card, now time.Time) string {
	var b strings.Builder
	line := func(parts ...string) {
		b.WriteString(bot.Flat(strings.Join(parts, " | "), now) + "\n")
	}
	line(c.Title)
	for _, l := range c.Lines {
		line(l)
	}
	for _, f := range c.Fields {
		line(f.Label, f.Value)
	}
	if c.Table != nil {
		for _, row := range c.Table.Rows {
			line(row...)
		}
		if len(c.Table.Rows) == 0 {
			line(c.Table.Empty)
		}
	}
	for _, n := range c.Notes {
		line(n)
	}
	return b.String()
}

// personal requires an error for people, and returns all that it says.
func personal(tb testing.TB, err error) (bot.ErrorKind, string) {
	tb.Helper()
	var e *bot.Error
	require.ErrorAs(tb, err, &e)
	return e.Kind, e.Text + " " + e.Hint
}
