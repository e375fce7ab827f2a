package bot_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/policy"
	"hosterbot/bot/secret"
)

// house is the policy of these tests. Tests change it by replacing words.
const house = `
version: 1
people:
  ana: {slack: T01TEAM/U07ANA, discord: "118200000000000077"}
  ben: {slack: T01TEAM/U09BEN}
  cho: {slack: T01TEAM/U10CHO, discord: "991100000000000003"}
  dia: {slack: T01TEAM/U11DIA, discord: "991100000000000004"}
  eve: {slack: T01TEAM/U12EVE}
groups:
  ops: [ana, ben, cho, dia]
  leads: [ana, cho, dia]
  oncall: {slack_usergroup: T01TEAM/S0ONCALL}
labels:
  web-1: {vm: [4001]}
  prod: {vm: [4001, 4002]}
roles:
  viewer: {allow: [all reads]}
  operator: {include: [viewer], allow: [all changes, all interrupts]}
  owner: {include: [operator], allow: [all costs, all destroys, all secrets, op resolve, op note]}
grants:
  - {id: everyone-reads, to: [ops], role: viewer}
  - {id: ops-operate, to: [ops], role: operator, in: [slack:T01TEAM/C0OPS, discord:300000000000000001/400000000000000001]}
  - {id: leads-own, to: [leads], role: owner}
limits:
  - {id: ceiling, commands: [vm create], cores: 8}
denies:
  - {id: keep-ben, who: [ben], commands: [vm stop], targets: [prod], because: "Production. Ask a lead."}
guards:
  - {id: loss, commands: [all destroys], confirm: type-target, reason: required, approve: {by: [leads], count: 1, within: 20m}, ask: [slack:T01TEAM/C0OPS, discord:300000000000000001/400000000000000001]}
  - {id: prod-two, commands: [vm delete], targets: [prod], approve: {by: [leads], count: 2}, backup: 24h, delay: 10m}
freezes:
  - {id: year-end, from: 2026-12-24T00:00:00+01:00, to: 2027-01-02T00:00:00+01:00, commands: [all costs, all destroys], because: "Nobody is around."}
break_glass:
  - {id: night, who: [oncall], commands: [vm stop, vm delete, vm create], tell: slack:T01TEAM/C0ALARM}
`

// The places and accounts of the policy.
var (
	ops     = place("slack", "T01TEAM", "C0OPS")
	other   = place("slack", "T01TEAM", "C0OTHER")
	alarm   = place("slack", "T01TEAM", "C0ALARM")
	discord = place("discord", "300000000000000001", "400000000000000001")
	direct  = bot.Place{Place: policy.Place{Platform: "slack", Direct: true}}
)

func place(platform, team, channel string) bot.Place {
	return bot.Place{Place: policy.Place{Platform: platform, Team: team, Channel: channel}}
}

var accounts = map[string]bot.Account{
	"ana":         {Platform: "slack", Team: "T01TEAM", User: "U07ANA"},
	"ben":         {Platform: "slack", Team: "T01TEAM", User: "U09BEN"},
	"cho":         {Platform: "slack", Team: "T01TEAM", User: "U10CHO"},
	"dia":         {Platform: "slack", Team: "T01TEAM", User: "U11DIA"},
	"eve":         {Platform: "slack", Team: "T01TEAM", User: "U12EVE"},
	"stranger":    {Platform: "slack", Team: "T01TEAM", User: "U99WHO"},
	"guest":       {Platform: "slack", Team: "T09ELSE", User: "U07ANA", Guest: true},
	"ana@discord": {Platform: "discord", Team: "300000000000000001", User: "118200000000000077"},
	"cho@discord": {Platform: "discord", Team: "300000000000000001", User: "991100000000000003"},
	"dia@discord": {Platform: "discord", Team: "300000000000000001", User: "991100000000000004"},
}

// The kinds of value of these tests.
var (
	vmKind = &bot.Kind{
		Name: "VM", Expects: "a VM's number such as 4001, or its name", Targets: []string{"vm"},
		Parse: func(text string) (string, error) {
			n, err := strconv.ParseUint(strings.TrimPrefix(text, "vm/"), 10, 31)
			if err != nil || n == 0 {
				return "", errors.New("not a VM")
			}
			return strconv.FormatUint(n, 10), nil
		},
		Target: func(v string) (bot.Target, error) { return bot.ParseTarget("vm/" + v) },
	}
	countKind = &bot.Kind{
		Name: "COUNT", Expects: "a number from 1 to 1000", Type: bot.Integer, Min: 1, Max: 1000,
		Parse: func(text string) (string, error) {
			n, err := strconv.ParseUint(text, 10, 31)
			if err != nil || n == 0 || n > 1000 {
				return "", errors.New("not a count")
			}
			return strconv.FormatUint(n, 10), nil
		},
	}
	coresKind = &bot.Kind{Name: "CORES", Expects: "a number of cores", Type: bot.Integer, Min: 1, Max: 1000, Parse: countKind.Parse, Fact: "cores"}
	wordKind  = &bot.Kind{Name: "TEXT", Expects: "a word or two", MaxLen: 100}
	freeKind  = &bot.Kind{Name: "TEXT", Expects: "what you want to say", MaxLen: 300, Hidden: true}
	flagKind  = &bot.Kind{Name: "FLAG", Expects: "no value", Type: bot.Flag}
	pickKind  = &bot.Kind{
		Name: "OUTCOME", Expects: "done, not-done or unsure", Choices: []bot.Choice{{Value: "done"}, {Value: "not-done"}, {Value: "unsure"}},
		Parse: func(text string) (string, error) {
			if text != "done" && text != "not-done" && text != "unsure" {
				return "", errors.New("not an outcome")
			}
			return text, nil
		},
	}
)

// row is what a test says a command does.
type row struct {
	preview func(*bot.Call) (bot.Preview, error)
	run     func(*bot.Call) bot.Outcome
	settle  func(*bot.Call) (bot.Verdict, error)
	follow  func(*bot.Call) (bot.Progress, error)
	read    func(*bot.Call) (bot.Card, error)
	reveal  func(*bot.Call) (bot.Card, error)

	mu                               sync.Mutex
	previews, runs, settles, follows int
	reads, reveals                   int
	lastArgs                         bot.Args
	lastPlace                        bot.Place
	lastSecret                       string
}

func (r *row) count(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}

func (r *row) ran() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs
}

func accept(*bot.Call) bot.Outcome {
	return bot.Outcome{Class: bot.Accepted, Status: 200, Done: "It is done."}
}

// machine is the target of most commands, as a preview sees it.
func machine(c *bot.Call) (bot.Preview, error) {
	t := c.Target()
	return bot.Preview{
		Title:       c.Command.Words + " " + bot.Code(t.String()),
		Fields:      []bot.Field{{Label: "State", Value: "running"}},
		Fingerprint: []bot.Field{{Label: "IPs", Value: "203.0.113." + strconv.FormatInt(t.ID%100, 10)}, {Label: "Template", Value: "Debian12.0"}},
		Lane:        t.String(), Backed: true, LastBackup: c.Now.Add(-time.Hour), Baseline: []byte(`{"state":"running"}`),
	}, nil
}

// world is a bot with everything around it.
type world struct {
	tb      testing.TB
	ctx     context.Context
	store   *memory
	clock   *hand
	slack   *chat
	discord *chat
	api     *api
	rules   *rules
	rows    map[string]*row
	bot     *bot.Bot
	cat     *bot.Catalogue
	config  bot.Config
	keys    int
	lookMu  sync.Mutex
	looked  int // calls of Due and Owed since the clock moved
	lookAt  time.Time
}

// newWorld builds a bot that works serially on a clock that a test moves.
func newWorld(tb testing.TB, change ...func(*world, *bot.Config)) *world {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	w := &world{
		tb: tb, ctx: ctx, store: newMemory(), clock: &hand{now: noon},
		slack: &chat{platforms: []string{"slack"}, rows: 3}, discord: &chat{platforms: []string{"discord"}, rows: 5}, api: &api{},
		rows: map[string]*row{}, rules: &rules{},
	}
	tb.Cleanup(func() {
		for _, c := range []*chat{w.slack, w.discord} {
			c.mu.Lock()
			require.Empty(tb, c.lost)
			c.mu.Unlock()
		}
	})
	w.cat = w.catalogue()
	w.policy()
	// A loop that spins on one moment is a bug of its own: end it, and say so.
	w.store.before = func(method string) error {
		if method != "Due" && method != "Owed" {
			return nil
		}
		w.lookMu.Lock()
		defer w.lookMu.Unlock()
		now := w.clock.Now()
		if w.config.Clock == nil {
			now = time.Now()
		}
		if !now.Equal(w.lookAt) {
			w.looked, w.lookAt = 0, now
		}
		if w.looked++; w.looked > 600 {
			return fmt.Errorf("hot loop: %s was asked 600 times at %s", method, w.lookAt)
		}
		return nil
	}
	w.config = bot.Config{
		Catalogue: w.cat, Store: w.store, Policy: w.rules, Provider: w.api, Adapters: []bot.Adapter{w.slack, w.discord},
		Clock: w.clock, Random: rand.NewChaCha8([32]byte{1}), Serial: true,
	}
	for _, f := range change {
		f(w, &w.config)
	}
	if !w.config.Serial {
		w.config.Random = nil // ChaCha8 is for one goroutine
	}
	w.restart()
	return w
}

// restart makes a new bot over the same store.
func (w *world) restart() {
	w.tb.Helper()
	b, err := bot.New(w.config)
	require.NoError(w.tb, err)
	require.NoError(w.tb, b.Recover(w.ctx))
	w.bot = b
}

// policy puts the house's policy in force, with some words replaced.
func (w *world) policy(replace ...string) {
	w.tb.Helper()
	text := house
	for i := 0; i < len(replace); i += 2 {
		require.Contains(w.tb, text, replace[i])
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	known, ok := parsed.Load(text)
	if !ok {
		snap, err := policy.Parse("policies.yaml", []byte(text), w.cat.Vocabulary())
		require.NoError(w.tb, err)
		known, _ = parsed.LoadOrStore(text, snap)
	}
	w.rules.mu.Lock()
	defer w.rules.mu.Unlock()
	w.rules.snap = known.(*policy.Snapshot)
}

// parsed are the policies of these tests by their text: a snapshot never
// changes, and all catalogues here are alike.
var parsed sync.Map

// row is what a command does, to be scripted.
func (w *world) row(words string) *row {
	r, ok := w.rows[words]
	if !ok {
		r = &row{}
		w.rows[words] = r
	}
	return r
}

// catalogue is one row of each sort.
func (w *world) catalogue() *bot.Catalogue {
	vm := bot.Param{Name: "vm", Kind: vmKind, Summary: "VM", Required: true, Positional: true}
	rows := []bot.Command{
		{Words: "help", Summary: "Show help", Effect: bot.EffectOpen, Params: []bot.Param{{Name: "command", Kind: freeKind, Summary: "Command", Positional: true, Rest: true}}},
		{Words: "vm list", Summary: "List VMs", Effect: bot.EffectReads, List: true},
		{Words: "vm show", Summary: "Show a VM", Effect: bot.EffectReads, Params: []bot.Param{vm}},
		{Words: "vm console", Summary: "Open a console", Effect: bot.EffectSecrets, Params: []bot.Param{vm}, Opens: true},
		{Words: "job reveal", Summary: "Reveal a password", Effect: bot.EffectSecrets, Params: []bot.Param{vm}},
		{Words: "vm start", Summary: "Start a VM", Effect: bot.EffectChanges, Params: []bot.Param{vm}},
		{Words: "vm stop", Summary: "Stop a VM", Effect: bot.EffectInterrupts, Params: []bot.Param{vm}},
		{Words: "vm delete", Summary: "Delete a VM", Effect: bot.EffectDestroys, Params: []bot.Param{
			vm, {Name: "force", Kind: flagKind, Summary: "Also if it runs"}, {Name: "note", Kind: freeKind, Summary: "Note"},
			{Name: "template", Kind: wordKind, Summary: "Template"},
		}},
		{Words: "vm create", Summary: "Create a VM", Effect: bot.EffectCosts, Whole: true, Params: []bot.Param{
			{Name: "cores", Kind: coresKind, Summary: "Cores", Required: true}, {Name: "template", Kind: wordKind, Summary: "Template"},
		}},
		{Words: "vm reset-password", Summary: "Reset a password", Effect: bot.EffectDestroys, Params: []bot.Param{vm}, SoftLane: true},
		{Words: "backup create", Summary: "Back up a VM", Effect: bot.EffectChanges, Params: []bot.Param{vm}},
		{Words: "software install", Summary: "Install software", Effect: bot.EffectChanges, AskSecret: "SSH root password", Params: []bot.Param{
			vm, {Name: "password", Kind: freeKind, Summary: "SSH root password", Secret: true},
		}},
		{Words: "op resolve", Summary: "Resolve an operation", Effect: bot.EffectControls, Local: true, Quiet: true, Params: []bot.Param{
			{Name: "op", Kind: countKind, Summary: "Operation", Required: true, Positional: true},
			{Name: "outcome", Kind: pickKind, Summary: "Outcome", Required: true, Positional: true},
			{Name: "reason", Kind: freeKind, Summary: "Reason", Required: true},
		}},
		{Words: "op note", Summary: "Note something", Effect: bot.EffectControls, Local: true, Quiet: true, Params: []bot.Param{
			{Name: "text", Kind: freeKind, Summary: "Text", Required: true},
		}},
	}
	follows := map[string]bool{"vm create": true, "backup create": true}
	settles := map[string]bool{"vm delete": true, "vm stop": true, "vm create": true}
	reveals := map[string]bool{"vm console": true, "job reveal": true, "vm create": true}
	for i := range rows {
		cmd := &rows[i]
		r := w.row(cmd.Words)
		switch cmd.Effect {
		case bot.EffectOpen, bot.EffectReads, bot.EffectSecrets:
			r.read = func(c *bot.Call) (bot.Card, error) { return bot.Card{Title: "Read " + c.Command.Words}, nil }
			cmd.Read = func(_ context.Context, c *bot.Call) (bot.Card, error) {
				r.count(&r.reads)
				r.lastPlace = c.Place
				return r.read(c)
			}
		default:
			r.preview, r.run = machine, accept
			cmd.Preview = func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
				if err := ctx.Err(); err != nil {
					return bot.Preview{}, err
				}
				r.count(&r.previews)
				return r.preview(c)
			}
			cmd.Run = func(_ context.Context, c *bot.Call) bot.Outcome {
				r.count(&r.runs)
				r.mu.Lock()
				r.lastArgs, r.lastSecret = c.Args, c.Secrets["password"].Reveal()
				r.mu.Unlock()
				return r.run(c)
			}
		}
		if settles[cmd.Words] {
			r.settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Done, Text: "It is there."}, nil }
			cmd.Settle = func(_ context.Context, c *bot.Call) (bot.Verdict, error) {
				r.count(&r.settles)
				return r.settle(c)
			}
		}
		if follows[cmd.Words] {
			r.run = func(*bot.Call) bot.Outcome {
				return bot.Outcome{Class: bot.Accepted, Status: 200, Job: 15, Followed: true}
			}
			r.follow = func(*bot.Call) (bot.Progress, error) {
				return bot.Progress{Phase: bot.Finished, Word: "done", Fraction: 1, Text: "It is done."}, nil
			}
			cmd.Follow = func(_ context.Context, c *bot.Call) (bot.Progress, error) {
				r.count(&r.follows)
				return r.follow(c)
			}
		}
		if reveals[cmd.Words] {
			r.reveal = func(*bot.Call) (bot.Card, error) {
				return bot.Card{Title: "Here", Secrets: []bot.Shown{{Label: "password", Value: secret.New(canary)}}}, nil
			}
			cmd.Reveal = func(_ context.Context, c *bot.Call) (bot.Card, error) {
				r.count(&r.reveals)
				return r.reveal(c)
			}
		}
	}
	w.row("vm create").preview = func(c *bot.Call) (bot.Preview, error) {
		return bot.Preview{Title: "Create a VM", Lane: "account/create", Facts: bot.Facts{Cores: int(c.Args.Int("cores")), Known: bot.FactCores}}, nil
	}
	nothing := func(c *bot.Call) (bot.Preview, error) { return bot.Preview{Title: c.Command.Words}, nil }
	w.row("op note").preview, w.row("op resolve").preview = nothing, nothing
	w.row("op resolve").run = func(c *bot.Call) bot.Outcome {
		return c.Bot.Resolve(context.Background(), c, bot.Resolution{Op: c.Args.Int("op"), Word: c.Args.Text("outcome"), Reason: c.Args.Text("reason")})
	}
	cat, err := bot.NewCatalogue(rows)
	require.NoError(w.tb, err)
	return cat
}

// canary is a secret that must turn up nowhere but before its owner's eyes.
const canary = "c4nary-hunter2"

// key is a fresh delivery's.
func (w *world) key() string {
	w.keys++
	return fmt.Sprintf("slack/T01TEAM/%d", w.keys)
}

// where is the place that somebody types in.
func where(who string) bot.Place {
	if strings.HasSuffix(who, "@discord") {
		return discord
	}
	return ops
}

// say types a command in the ops channel.
func (w *world) say(who, line string) *answer { return w.sayIn(where(who), who, line) }

func (w *world) sayIn(p bot.Place, who, line string) *answer { return w.sayKey(w.key(), p, who, line) }

func (w *world) sayKey(key string, p bot.Place, who, line string) *answer {
	w.tb.Helper()
	account, ok := accounts[who]
	require.True(w.tb, ok, who)
	a := &answer{}
	w.bot.Handle(w.ctx, bot.Request{Key: key, Account: account, Place: p, Line: line, Answer: a})
	return a
}

// press presses a button by its code.
func (w *world) press(who, code string) *answer { return w.pressKey(w.key(), who, code) }

func (w *world) pressKey(key, who, code string) *answer {
	a := &answer{}
	w.bot.Press(w.ctx, bot.Press{Key: key, Account: accounts[who], Place: where(who), Code: code, Answer: a})
	return a
}

// send sends a form.
func (w *world) send(who, code string, values ...string) *answer {
	return w.sendKey(w.key(), who, code, values...)
}

func (w *world) sendKey(key, who, code string, values ...string) *answer {
	a, s := &answer{}, bot.Submission{Key: key, Account: accounts[who], Place: where(who), Code: code, Values: map[string]string{}, Secrets: map[string]secret.Secret{}}
	for i := 0; i < len(values); i += 2 {
		if values[i] == "password" {
			s.Secrets[values[i]] = secret.New(values[i+1])
			continue
		}
		s.Values[values[i]] = values[i+1]
	}
	s.Answer = a
	w.bot.Submit(w.ctx, s)
	return a
}

// due does what is due now.
func (w *world) due() time.Time {
	w.tb.Helper()
	next, err := w.bot.RunDue(w.ctx)
	require.NoError(w.tb, err)
	return next
}

// skip moves the clock, and does everything that becomes due meanwhile when it
// does.
func (w *world) skip(d time.Duration) {
	w.tb.Helper()
	until := w.clock.Now().Add(d)
	for {
		next := w.due()
		if next.IsZero() || next.After(until) {
			break
		}
		w.clock.move(next.Sub(w.clock.Now()))
	}
	w.clock.move(until.Sub(w.clock.Now()))
	w.due()
}

// jump moves the clock while nobody works.
func (w *world) jump(d time.Duration) { w.clock.move(d) }

// op is an operation as it is stored.
func (w *world) op(id int64) bot.Operation {
	w.tb.Helper()
	op, err := w.store.Operation(context.Background(), id)
	require.NoError(w.tb, err)
	return op
}

func (w *world) state(id int64) bot.State { w.tb.Helper(); return w.op(id).State }

// code is the code of an operation's button, whether it is shown or not.
func (w *world) code(id int64, action string) string {
	op := w.op(id)
	return bot.OpCode(&op, action)
}

// records are the audit records, oldest first.
func (w *world) records() []bot.Record {
	w.tb.Helper()
	all, err := w.store.Audit(context.Background(), bot.AuditFilter{Limit: 100_000})
	require.NoError(w.tb, err)
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// kinds are the kinds of the records of an operation, 0: of none.
func (w *world) kinds(op int64) []string {
	w.tb.Helper()
	out := []string{}
	for _, r := range w.records() {
		if r.Op == op {
			out = append(out, r.Kind)
		}
	}
	return out
}

// deleted brings a vm delete by ana to the votes: operation 1, of a VM that
// needs one approval (4009) or two (4001).
func (w *world) asked(vm string) int64 {
	w.tb.Helper()
	return w.confirmed("ana", "vm delete "+vm, "reason", "INC-42", "target", vm)
}

// confirmed types a command and confirms it.
func (w *world) confirmed(who, line string, values ...string) int64 {
	w.tb.Helper()
	w.say(who, line)
	ops, err := w.store.Operations(context.Background(), bot.OperationFilter{Limit: 1})
	require.NoError(w.tb, err)
	require.NotEmpty(w.tb, ops)
	id := ops[0].ID
	require.Equal(w.tb, bot.Confirming, ops[0].State, "%+v", ops[0])
	code := w.code(id, "confirm")
	if len(values) == 0 {
		w.press(who, code)
	} else {
		a := w.press(who, code)
		require.Len(w.tb, a.forms, 1, "a form is asked for: %+v", a.card())
		w.send(who, code, values...)
	}
	require.NotEqual(w.tb, bot.Confirming, w.state(id))
	return id
}

// button finds a button by its label.
func button(c bot.Card, label string) string {
	for _, b := range c.Buttons {
		if b.Label == label {
			return b.Code
		}
	}
	return ""
}

// contextOf is a context of a test that it ends itself.
func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// peek reads an operation without the store's hooks.
func (w *world) peek(id int64) (bot.Operation, error) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.store.operation(id)
}
