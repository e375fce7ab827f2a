package bot_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// helped answers "help WORDS" with what f says of the words.
func helped(t *testing.T, f func(*bot.Call, string) (bot.Card, error)) *world {
	w := newWorld(t)
	w.row("help").read = func(c *bot.Call) (bot.Card, error) { return f(c, c.Args.Text("command")) }
	return w
}

func TestHelpListsOnlyWhatOneMayRun(t *testing.T) {
	w := helped(t, func(c *bot.Call, words string) (bot.Card, error) { return c.Bot.Help(context.Background(), c, words) })
	w.slack.rows = 0
	rows := func(who string) (out []string) {
		for _, r := range w.say(who, "help").card().Table.Rows {
			out = append(out, r[0])
		}
		return out
	}
	require.Equal(t, []string{"`help`"}, rows("stranger"))
	require.Equal(t, []string{"`help`"}, rows("eve"))
	require.Equal(t, []string{"`help`", "`vm list`", "`vm show`", "`vm start`", "`vm stop`", "`backup create`", "`software install`", "`server check`"}, rows("ben"))
	require.Contains(t, rows("ana"), "`vm delete`")
	require.Contains(t, words(w.say("stranger", "help").card()), "whoami")
	require.Contains(t, words(w.say("ben", "help vm delete").card()), "You may not run it here")
	require.NotContains(t, words(w.say("ana", "help VM  delete").card()), "You may not")
	require.NotContains(t, words(w.say("ana", "help vm delete").card()), "no value", "a flag is not filled in")
	require.NotContains(t, words(w.say("ana", "help software install").card()), "password", "what is never typed is not listed")
	require.Contains(t, words(w.say("ben", "help vm").card()), "vm start")
	require.NotContains(t, words(w.say("ben", "help vm").card()), "vm delete")
	require.Contains(t, words(w.say("ana", "help vm delte").card()), "Did you mean")
	require.NotEmpty(t, w.say("ana", "help nonsense").card().Title)
}

func TestWhoAmITellsWhatToPaste(t *testing.T) {
	w := helped(t, func(c *bot.Call, _ string) (bot.Card, error) { return c.Bot.WhoAmI(context.Background(), c) })
	require.Contains(t, words(w.say("stranger", "help").card()), "NAME: {slack: T01TEAM/U99WHO}")
	text := words(w.say("ana", "help").card())
	for _, want := range []string{"You are ana", "ops, leads", "discord:118200000000000077"} {
		require.Contains(t, text, want)
	}
	account := accounts["ana@discord"]
	account.User = "5"
	a := &answer{}
	w.bot.Handle(w.ctx, bot.Request{Key: "k", Account: account, Place: discord, Line: "help", Answer: a})
	require.Contains(t, a.card().Lines[0], `{discord: "5"}`, "a number is in quotes in YAML")
}

func TestCanSaysWhatThePolicySaysAndRunsNothing(t *testing.T) {
	w := helped(t, func(c *bot.Call, words string) (bot.Card, error) { return c.Bot.Can(context.Background(), c, words) })
	for _, tc := range []struct{ who, line, title string }{
		{"ana", "vm start 4009", "Yes: "},
		{"ana", "vm delete 4009", "Yes, after what is asked: "},
		{"ana", "vm stop", "Yes, after what is asked: "},
		{"ben", "vm delete 4009", "No: "},
		{"ben", "vm stop 4001", "No: "},
		{"stranger", "vm start 4009", "No: "},
		{"ana", "vm create --cores 9", "No: "},
		{"ana", "vm create --cores 2 --price 5", "Yes, after what is asked: "},
		{"ana", `vm create --cores 2 --template "Debian 12 (DE)"`, `Yes, after what is asked: ` + bot.Code(`vm create --cores 2 --template "Debian 12 (DE)"`)},
	} {
		a := w.say(tc.who, "help "+tc.line)
		require.Contains(t, a.card().Title, tc.title, "%s: %s", tc.who, tc.line)
	}
	for _, line := range []string{"vm fly", "vm create --cores 2 --price x", "software install 4009 --password " + canary} {
		a := w.say("ana", "help "+line)
		require.Equal(t, bot.Warn, a.card().Tone, line)
		require.NotContains(t, words(a.card()), canary)
	}
	require.Zero(t, w.store.lastOp)
	for _, row := range w.rows {
		require.Zero(t, row.runs+row.previews)
	}
}

func TestHealthNamesThePartThatFails(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, bot.Good, w.bot.HealthCard(w.ctx).Tone)
	w.store.before = func(method string) error {
		if method == "Ping" {
			return bot.ErrUnavailable
		}
		return nil
	}
	card := w.bot.HealthCard(w.ctx)
	require.Equal(t, bot.Warn, card.Tone)
	require.Equal(t, []string{"store", "down"}, card.Table.Rows[0][:2])
	require.NotEmpty(t, w.bot.PolicyCard(w.ctx).Fields)
}

func TestAReloadIsRecordedOnceForEachFailure(t *testing.T) {
	w := newWorld(t)
	bad := errors.New("policies.yaml:3:1: unknown key")
	for _, look := range []struct {
		changed bool
		err     error
	}{{false, nil}, {false, bad}, {false, bad}, {false, errors.New("another")}, {true, nil}, {false, bad}} {
		w.bot.PolicyLooked(w.ctx, look.changed, look.err)
	}
	var said []string
	for _, r := range w.records() {
		said = append(said, r.Decision)
	}
	require.Equal(t, []string{"refused", "refused", "loaded", "refused"}, said)
}

func TestLocksOfARow(t *testing.T) {
	w := newWorld(t)
	target := "vm/4009"
	w.row("op note").run = func(c *bot.Call) bot.Outcome {
		if c.Args.Text("text") == "clear" {
			return c.Bot.ClearLock(w.ctx, c, target)
		}
		return c.Bot.SetLock(w.ctx, c, target, "maintenance\x01", time.Hour)
	}
	require.Contains(t, words(w.say("ana", "op note --text set").card()), "is locked until")
	locks, err := w.bot.Locks(w.ctx)
	require.NoError(t, err)
	require.Len(t, locks, 1)
	require.Equal(t, "maintenance", locks[0].Reason)
	require.Contains(t, words(w.say("cho", "vm start 4009").card()), "locked by ana")
	require.Contains(t, words(w.say("ana", "op note --text clear").card()), "no longer locked")
	again := words(w.say("ana", "op note --text clear").card())
	require.Contains(t, again, "There is no lock on vm/4009.")
	require.NotContains(t, again, "The provider", "it was not asked")
	records, err := w.bot.AuditLog(w.ctx, bot.AuditFilter{Target: target})
	require.NoError(t, err)
	require.Len(t, records, 3, "set, refused, cleared")
}

// A store that does not answer is no lock that is not there.
func TestAStoreThatDoesNotTakeAnUnlockIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.row("op note").run = func(c *bot.Call) bot.Outcome { return c.Bot.ClearLock(w.ctx, c, "vm/4009") }
	require.NoError(t, w.store.SetLock(w.ctx, noon, "", bot.Lock{Target: "vm/4009", By: "ana", Until: noon.Add(time.Hour)}, bot.Written{}))
	before := w.store.before
	w.store.before = func(method string) error {
		if method == "ClearLock" {
			w.store.before = before
			return bot.ErrUnavailable
		}
		return nil
	}
	require.NotContains(t, words(w.say("ana", "op note --text clear").card()), "no lock")
	w.skip(5 * time.Second)
	require.Equal(t, bot.Succeeded, w.state(1))
	locks, err := w.bot.Locks(w.ctx)
	require.NoError(t, err)
	require.Empty(t, locks)
}
