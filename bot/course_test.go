package bot_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// What reads from the provider is left to the chat: a mutation is stored and
// acknowledged before, a read acknowledged, and nothing was said yet.
func TestWhatIsSlowIsLeftToTheChat(t *testing.T) {
	read, m := 0, &counts{}
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Metrics = m })
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { read++; return bot.Card{Title: "VM 4001"}, nil }
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) { read++; return bot.Preview{Title: "Delete VM 4009"}, nil }
	left := func(line string) (*answer, func()) {
		var rest func()
		a := &answer{}
		w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: line, Answer: a, Later: func(r bot.Rest) { rest = r.Run }})
		return a, rest
	}
	shown, show := left("vm show 4001")
	asked, ask := left("vm delete 4009")
	for _, a := range []*answer{shown, asked} {
		require.Equal(t, []string{"ack"}, a.events)
	}
	require.Equal(t, bot.Confirming, w.state(1))
	require.Zero(t, read)
	require.Empty(t, m.commands, "they are not over")
	ask()
	show()
	require.Equal(t, "VM 4001", shown.card().Title)
	require.NotEmpty(t, button(asked.card(), "Confirm"))
	require.Equal(t, []string{"vm delete handled", "vm show handled"}, m.commands)

	var rest func()
	a := &answer{}
	w.bot.Press(w.ctx, bot.Press{Key: w.key(), Account: accounts["ana"], Place: ops, Code: button(shown.card(), "Share"), Answer: a, Later: func(r bot.Rest) { rest = r.Run }})
	require.Equal(t, []string{"ack"}, a.events)
	rest()
	require.Contains(t, words(a.card()), "Shared in the channel.")
}

// What takes long shows that it is at work, also where it waits for its turn.
func TestWhatWaitsForItsTurnIsAtWork(t *testing.T) {
	w := newWorld(t)
	a := &answer{}
	var rest func()
	w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: "vm show 4001", Answer: a, Later: func(r bot.Rest) { rest = r.Run }})
	w.clock.move(2 * time.Second)
	require.Contains(t, a.card().Title, "Working on")
	rest()
	require.NotContains(t, a.card().Title, "Working on")
}

// It takes a read to know what a name means, and that may wait for long too.
func TestANameThatWaitsForItsTurnIsAtWork(t *testing.T) {
	w := newWorld(t)
	a := &answer{}
	var rest func()
	w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: "server check 4009", Answer: a, Later: func(r bot.Rest) { rest = r.Run }})
	require.Equal(t, []string{"ack"}, a.events)
	w.clock.move(2 * time.Second)
	require.Equal(t, "Working on `server check` …", a.card().Title)
	rest()
	w.due()
	require.Equal(t, bot.Succeeded, w.state(1))
}

// What is left is answered for as well.
func TestWhatIsLeftMayPanic(t *testing.T) {
	m := &counts{}
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Metrics = m })
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { panic("oops") }
	a := &answer{}
	var rest func()
	w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: "vm show 4001", Answer: a, Later: func(r bot.Rest) { rest = r.Run }})
	rest()
	require.Equal(t, "Something went wrong", a.card().Title)
	require.Equal(t, 1, m.panics)
	require.Equal(t, []string{"vm show failed"}, m.commands)
}

// Nothing is left of what is refused.
func TestNothingIsLeftOfARefusal(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"vm nonsense", "vm show", "vm delete"} {
		a := &answer{}
		w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: line, Answer: a,
			Later: func(bot.Rest) { t.Error(line) }})
		require.NotEmpty(t, a.events)
	}
}

// Whoever is cut off at a stop hears that, wherever it catches him, and hears
// nothing else; but all of them together hold the stop up for a moment only.
func TestAStopIsSaidToWhomItCutsOff(t *testing.T) {
	w := newWorld(t)
	ctx, cut := context.WithCancel(t.Context())
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { cut(); return bot.Card{Title: "VM 4001"}, ctx.Err() }
	var rests []func()
	ask := func(line string) *answer {
		a := &answer{}
		w.bot.Handle(ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: line, Answer: a, Later: func(r bot.Rest) { rests = append(rests, r.Run) }})
		return a
	}
	all := []*answer{ask("vm show 4001"), ask("vm list"), ask("vm delete 4009"), ask("vm list")}
	w.bot.Stop()
	for _, rest := range rests[:3] { // the first reads as it is cut off
		rest()
	}
	for _, a := range all[:3] {
		require.Equal(t, "The bot is shutting down", a.card().Title)
	}
	require.Zero(t, w.row("vm list").ran())
	w.jump(5 * time.Second)
	for _, a := range all {
		require.NotContains(t, words(a.card()), "Working on")
	}
	rests[3]()
	require.Equal(t, []string{"ack"}, all[3].events, "it is too late for that")
}

// A lock, a word on an unknown outcome, a look at the bot itself and a password
// that the bot alone holds are wanted while the provider hangs, and do not wait
// behind what asks it.
func TestWhatAsksNoProviderSaysSo(t *testing.T) {
	w := newWorld(t)
	w.row("op note").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Accepted, Done: "Noted."} }
	w.row("vm reset-password").run = func(*bot.Call) bot.Outcome {
		return bot.Outcome{Class: bot.Accepted, Done: "Reset.", Secret: secret.New(canary)}
	}
	asks := make(map[string]bool)
	later := func(of string) bot.Later {
		return func(r bot.Rest) { asks[of] = r.Asks; r.Run() }
	}
	for _, line := range []string{"op note --text x", "audit", "vm list", "vm show 4001", "server check 4009"} {
		w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: line, Answer: &answer{}, Later: later(line)})
	}
	id := w.confirmed("ana", "vm reset-password 4009", "reason", "x", "target", "4009")
	w.press("cho", w.code(id, "approve"))
	w.due()
	a := &answer{}
	w.bot.Press(w.ctx, bot.Press{Key: w.key(), Account: accounts["ana"], Place: ops, Code: w.code(id, "reveal"), Answer: a, Later: later("reveal")})
	require.Equal(t, canary, a.card().Secrets[0].Value.Reveal())
	require.Equal(t, map[string]bool{
		"op note --text x": false, "audit": false, "vm list": true, "vm show 4001": true, "server check 4009": true, "reveal": false,
	}, asks)
}
