package bot_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// onCall makes ben a member of the group that may break glass.
func (w *world) onCall() {
	w.slack.member = func(_ bot.Group, all []bot.PolicyAccount) (bot.Membership, error) {
		for _, a := range all {
			if a.ID == "T01TEAM/U09BEN" || a.ID == "T01TEAM/U07ANA" {
				return bot.MemberYes, nil
			}
		}
		return bot.MemberNo, nil
	}
}

func TestBreakGlassTellsBeforeTheCall(t *testing.T) {
	w := newWorld(t)
	w.onCall()
	a := w.say("ana", "vm delete 4001")
	code := button(a.card(), "Break glass")
	require.NotEmpty(t, code)
	require.NotEmpty(t, w.press("cho", code).card().Title)
	require.Len(t, w.press("ana", code).form().Fields, 2, "a reason, and the target: confirmation stands")
	require.NotEmpty(t, w.send("ana", code, "reason", "fire", "target", "4002").forms)
	w.row("vm delete").run = func(c *bot.Call) bot.Outcome {
		require.Len(t, w.slack.roots(alarm), 1, "told before the call")
		return accept(c)
	}
	for range 2 {
		require.NotZero(t, w.sendKey("same", "ana", code, "reason", "fire", "target", "4001").count())
	}
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(1))
	require.Equal(t, 1, w.row("vm delete").ran())
	require.Len(t, w.slack.roots(alarm), 1)
	require.Contains(t, words(w.slack.roots(alarm)[0].card), "fire")
	for _, r := range w.records() {
		if r.Kind == "intent" || r.Kind == "confirmed" {
			require.True(t, r.BreakGlass)
		}
	}
}

func TestBreakGlassBelowARefusalAndItsBounds(t *testing.T) {
	w := newWorld(t)
	w.onCall()
	code := button(w.say("ben", "vm delete 4009").card(), "Break glass")
	require.NotEmpty(t, code)
	require.NotEmpty(t, w.press("cho", code).card().Title)
	require.NotEmpty(t, w.send("ben", code, "reason", "").form().Fields[0].Error)
	a := w.send("ben", code, "reason", "fire")
	require.NotEmpty(t, button(a.card(), "Confirm"), "confirmation stands")
	require.Equal(t, "night", w.op(1).BreakGlass)

	require.Empty(t, button(w.say("ben", "vm stop 4001").card(), "Break glass"), "a deny stands")
	require.Empty(t, button(w.say("ben", "vm start 4001").card(), "Break glass"), "another command")
	require.Empty(t, button(w.say("cho", "vm create --cores 9").card(), "Break glass"), "who is not on call")
	require.Empty(t, button(w.say("ana", "vm create --cores 9").card(), "Break glass"), "a limit stands")
}

func TestALimitStandsUnderBreakGlassAtTheCall(t *testing.T) {
	w := newWorld(t)
	w.onCall()
	cores := 4
	w.row("vm create").preview = func(*bot.Call) (bot.Preview, error) {
		return bot.Preview{Title: "Create", Facts: bot.Facts{Cores: cores, Known: bot.FactCores}}, nil
	}
	code := button(w.say("ana", "vm create --cores 4").card(), "Break glass")
	cores = 9
	w.send("ana", code, "reason", "fire")
	w.skip(time.Minute)
	require.Zero(t, w.row("vm create").ran())
	require.Equal(t, bot.Invalidated, w.state(1))
}

func TestBreakGlassSkipsLocksAndFreezes(t *testing.T) {
	w := newWorld(t)
	w.onCall()
	w.clock.now = time.Date(2026, 12, 25, 12, 0, 0, 0, time.UTC)
	require.NoError(t, w.store.SetLock(w.ctx, w.clock.Now(), "", bot.Lock{Target: "vm/4009", By: "cho", Until: w.clock.Now().Add(time.Hour)}, bot.Written{}))
	a := w.say("ana", "vm delete 4009")
	require.Contains(t, words(a.card()), "year-end")
	w.send("ana", button(a.card(), "Break glass"), "reason", "fire")
	w.press("ana", w.code(1, "confirm"))
	w.send("ana", w.code(1, "confirm"), "target", "4009")
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(1))
}

func TestWhereTheAlarmCannotBePostedTheThreadIsTold(t *testing.T) {
	w := newWorld(t)
	w.onCall()
	w.slack.onPost = func(p bot.Place, _ string, _ bot.Card) error {
		if p.Channel == alarm.Channel {
			return &bot.PostError{Forbidden: true, Err: errors.New("not there")}
		}
		return nil
	}
	w.send("ana", button(w.say("ana", "vm stop 4009").card(), "Break glass"), "reason", "fire")
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(1))
	require.Contains(t, words(bot.Card{Lines: titlesOf(w.slack.thread(ops))}), "breaks glass")
}

func titlesOf(cards []bot.Card) []string {
	out := make([]string, len(cards))
	for i, c := range cards {
		out[i] = c.Title
	}
	return out
}

func TestALookUpThatFailsIsNoMembership(t *testing.T) {
	w := newWorld(t)
	w.slack.member = func(bot.Group, []bot.PolicyAccount) (bot.Membership, error) {
		return bot.MemberUnknown, errors.New("down")
	}
	require.Empty(t, button(w.say("ana", "vm delete 4001").card(), "Break glass"))
	w.onCall()
	require.NotEmpty(t, button(w.say("ana", "vm delete 4001").card(), "Break glass"), "a failure is not kept")
	asked := 0
	w.slack.member = func(bot.Group, []bot.PolicyAccount) (bot.Membership, error) { asked++; return bot.MemberNo, nil }
	w.say("ana", "help")
	require.Zero(t, asked, "an answer is kept for a minute")
	w.jump(61 * time.Second)
	w.say("ana", "help")
	require.Equal(t, 1, asked)
}

func TestBreakGlassOfAReadShowsIt(t *testing.T) {
	w := newWorld(t)
	w.slack.member = func(bot.Group, []bot.PolicyAccount) (bot.Membership, error) { return bot.MemberYes, nil }
	w.policy("commands: [vm stop, vm delete, vm create], tell", "commands: [vm stop, vm console], tell")
	a := w.say("ben", "vm console 4009")
	require.NotEmpty(t, a.card().Title)
	require.Empty(t, button(a.card(), "Break glass"), "it would lead to the same refusal")
}

func TestAFailedLookUpDoesNotHideBreakGlassWithoutAWord(t *testing.T) {
	w := newWorld(t)
	w.slack.member = func(bot.Group, []bot.PolicyAccount) (bot.Membership, error) {
		return bot.MemberUnknown, errors.New("missing_scope")
	}
	refused := w.say("ben", "vm delete 4009").card()
	require.Empty(t, button(refused, "Break glass"))
	require.Contains(t, words(refused), "Whether you may break glass is not known")
	asked := w.say("ana", "vm delete 4009").card()
	require.NotEmpty(t, button(asked, "Confirm"))
	require.Contains(t, words(asked), "Whether you may break glass is not known")
	require.NotContains(t, words(w.say("ben", "vm show 4009").card()), "break glass", "a read is not asked about")
}
