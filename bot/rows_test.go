package bot_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
)

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
	serverKind = &bot.Kind{ // which one a name means, the provider has to say
		Name: "SERVER", Expects: "a server's name", Targets: []string{"vm"}, Ambiguous: true, Parse: vmKind.Parse,
		Target:  func(string) (bot.Target, error) { return bot.Target{}, nil },
		Resolve: func(_ context.Context, _ *bot.Call, v string) (bot.Target, error) { return bot.ParseTarget("vm/" + v) },
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
		{Words: "server check", Summary: "Check a server", Effect: bot.EffectChanges, Params: []bot.Param{
			{Name: "server", Kind: serverKind, Summary: "Server", Required: true, Positional: true},
		}},
		{Words: "op resolve", Summary: "Resolve an operation", Effect: bot.EffectControls, Local: true, Quiet: true, Params: []bot.Param{
			{Name: "op", Kind: countKind, Summary: "Operation", Required: true, Positional: true},
			{Name: "outcome", Kind: pickKind, Summary: "Outcome", Required: true, Positional: true},
			{Name: "reason", Kind: freeKind, Summary: "Reason", Required: true},
		}},
		{Words: "audit", Summary: "Show the audit log", Effect: bot.EffectControls, Local: true, List: true},
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
		switch {
		case cmd.List || cmd.Effect == bot.EffectOpen || cmd.Effect == bot.EffectReads || cmd.Effect == bot.EffectSecrets:
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
