package bot_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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
  owner: {include: [operator], allow: [all costs, all destroys, all secrets, op resolve, op note, audit]}
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
