package bot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// ends counts the end messages in the threads of a place.
func ends(c *chat, p bot.Place) (n int) {
	for _, card := range c.thread(p) {
		if strings.HasPrefix(card.Title, "ana: ") {
			n++
		}
	}
	return n
}

func TestOneMessageIsEditedThroughItsStates(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.due()
	w.press("cho", w.code(id, "approve"))
	w.due()
	for c, p := range map[*chat]bot.Place{w.slack: ops, w.discord: discord} {
		roots := c.roots(p)
		require.Len(t, roots, 1)
		require.Contains(t, roots[0].card.Title, "Done")
		require.Empty(t, button(roots[0].card, "Approve"), "decided: the buttons are gone")
		require.Contains(t, words(roots[0].card), "cho", "and it says by whom")
		require.Equal(t, 1, ends(c, p))
	}
}

func TestCopiesFollow(t *testing.T) {
	w := newWorld(t)
	w.sayIn(other, "ana", "vm delete 4001")
	w.press("ana", w.code(1, "confirm"))
	w.send("ana", w.code(1, "confirm"), "reason", "x", "target", "4001")
	w.due()
	w.press("cho", w.code(1, "approve"))
	w.due()
	for c, places := range map[*chat][]bot.Place{w.slack: {ops, other}, w.discord: {discord}} {
		for _, p := range places {
			require.Len(t, c.roots(p), 1)
			require.Contains(t, words(c.roots(p)[0].card), "cho has approved")
		}
	}
	w.press("dia", w.code(1, "deny"))
	w.due()
	require.Contains(t, w.slack.roots(other)[0].card.Title, "Denied")
	require.Contains(t, w.discord.roots(discord)[0].card.Title, "Denied")
	require.Len(t, w.discord.thread(discord), 2)
}

func TestProgressIsEditedAtMostEveryThreeSeconds(t *testing.T) {
	w := newWorld(t)
	_, j := w.begin(100*time.Second, 0.01)
	_ = j
	var at []time.Time
	w.slack.onEdit = func(bot.Card) error { at = append(at, w.clock.Now()); return nil }
	w.skip(3 * time.Minute)
	require.NotEmpty(t, at)
	for i := 1; i < len(at)-1; i++ {
		require.GreaterOrEqual(t, at[i].Sub(at[i-1]), 3*time.Second)
	}
	require.LessOrEqual(t, len(at), 22, "only for 5 % or a new state")
	require.Contains(t, w.slack.roots(ops)[0].card.Title, "Done")
}

func TestEveryThreadGetsItsEndOnceWhateverFails(t *testing.T) {
	for _, tc := range []struct {
		rule string
		fail func(n int) error
	}{
		{"ordinary errors", func(n int) error {
			if n%3 != 0 {
				return errors.New("502")
			}
			return nil
		}},
		{"slow down", func(n int) error {
			if n%4 != 0 {
				return &bot.PostError{RetryAfter: 7 * time.Second, Err: errors.New("429")}
			}
			return nil
		}},
		{"forty failures in a row", func(n int) error {
			if n > 2 && n < 43 {
				return errors.New("502")
			}
			return nil
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			n := 0
			w.slack.onPost = func(bot.Place, string, bot.Card) error { n++; return tc.fail(n) }
			w.say("ana", "vm start 4009")
			w.skip(5 * time.Hour)
			require.Len(t, w.slack.roots(ops), 1)
			require.Equal(t, 1, ends(w.slack, ops))
			require.Empty(t, w.store.owed)
		})
	}
}

// An end message waits for a channel that is closed to the bot, however long.
func TestAnEndMessageIsNeverGivenUp(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.due()
	closed := true
	w.slack.onPost = func(bot.Place, string, bot.Card) error {
		if closed {
			return &bot.PostError{Forbidden: true, Err: errors.New("is_archived")}
		}
		return nil
	}
	w.press("cho", w.code(id, "approve"))
	w.skip(10 * time.Hour)
	require.Equal(t, bot.Succeeded, w.state(id))
	require.Zero(t, ends(w.slack, ops))
	closed = false
	w.skip(10 * time.Minute)
	require.Equal(t, 1, ends(w.slack, ops))
	require.Equal(t, []string{"ana: done. It is done."}, titlesOf(w.slack.thread(ops)), "what is no end is given up")
}

// A root whose edits fail for hours is given up as such, and brought up to date
// with the end, which comes after it.
func TestNoEndIsToldBeforeItsRootShowsIt(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.due()
	fails := true
	w.slack.onEdit = func(bot.Card) error {
		if fails {
			return errors.New("502")
		}
		return nil
	}
	w.press("cho", w.code(id, "approve"))
	w.skip(10 * time.Hour)
	require.Equal(t, bot.Succeeded, w.state(id))
	require.Zero(t, ends(w.slack, ops))
	fails = false
	w.skip(10 * time.Minute)
	require.Equal(t, 1, ends(w.slack, ops))
	require.Contains(t, w.slack.roots(ops)[0].card.Title, "Done: ")
}

func TestRetryAfterOfAChatIsObeyed(t *testing.T) {
	w := newWorld(t)
	var at []time.Duration
	w.slack.onPost = func(bot.Place, string, bot.Card) error {
		at = append(at, w.clock.Now().Sub(noon))
		if len(at) == 1 {
			return &bot.PostError{RetryAfter: 30 * time.Second, Err: errors.New("429")}
		}
		return nil
	}
	w.say("ana", "vm start 4009")
	w.skip(time.Minute)
	require.Equal(t, []time.Duration{0, 30 * time.Second, 30 * time.Second}, at)
}

func TestADeletedRootIsPostedAnew(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.due()
	w.slack.roots(ops)[0].gone = true
	w.press("cho", w.code(id, "approve"))
	w.due()
	roots := w.slack.roots(ops)
	require.Len(t, roots, 2)
	require.Contains(t, roots[1].card.Title, "Done")
	last := w.slack.messages[len(w.slack.messages)-1]
	require.Equal(t, "2", last.place.Thread[:0]+fmt.Sprint(slices.Index(w.slack.messages, roots[1])+1), "the end stands under the new root")
	require.Equal(t, last.place.Thread, fmt.Sprint(slices.Index(w.slack.messages, roots[1])+1))
}

func TestTheOrderWithinAThreadIsKeptOverFailures(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.slack.onPost = func(p bot.Place, _ string, _ bot.Card) error {
		if n++; n%2 == 1 {
			return errors.New("502")
		}
		return nil
	}
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.press("cho", w.code(id, "deny"))
	w.skip(time.Hour)
	require.Equal(t, []string{"cho approved (1 of 2)", "dia approved (2 of 2)", "ana: denied. Denied by cho. Nothing was done."}, titlesOf(w.slack.thread(ops)))
}

func TestTheOrderWithinAThreadIsKeptOverARestartInAPause(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.due()
	fails := true
	w.slack.onPost = func(bot.Place, string, bot.Card) error {
		if fails {
			return &bot.PostError{RetryAfter: time.Minute, Err: errors.New("429")}
		}
		return nil
	}
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.due()
	fails = false
	w.restart()
	w.skip(5 * time.Minute)
	require.Equal(t, []string{"cho approved (1 of 2)", "dia approved (2 of 2)"}, titlesOf(w.slack.thread(ops)))
}

func TestAForbiddenPlaceHoldsUpNoOther(t *testing.T) {
	w := newWorld(t)
	w.discord.onPost = func(bot.Place, string, bot.Card) error {
		return &bot.PostError{Forbidden: true, Err: errors.New("50001")}
	}
	id := w.asked("4009")
	w.press("cho", w.code(id, "approve"))
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
	require.Len(t, w.slack.roots(ops), 1)
	require.Equal(t, 1, ends(w.slack, ops))
	w.say("ana", "vm start 4008")
	w.due()
	require.Len(t, w.slack.roots(ops), 2)
}

func TestARequestNamesWhoMayApproveAtMostFiveAndNobodyElse(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.due()
	names := func() (out []string) {
		for _, m := range w.slack.roots(ops)[0].card.Mentions {
			out = append(out, m.User)
		}
		return out
	}
	require.Equal(t, []string{"U10CHO", "U11DIA"}, names(), "eligible, and not the requester")
	w.press("cho", w.code(id, "approve"))
	w.due()
	require.Equal(t, []string{"U11DIA"}, names(), "who has voted is left in peace")
	w.press("dia", w.code(id, "deny"))
	w.due()
	require.Empty(t, names())
	last := w.slack.thread(ops)[len(w.slack.thread(ops))-1]
	require.Equal(t, []bot.Account{{Platform: "slack", Team: "T01TEAM", User: "U07ANA"}}, last.Mentions, "the end names the requester")
	for i := range 8 {
		w.policy("people:\n", "people:\n  p"+fmt.Sprint(i)+": {slack: T01TEAM/U5"+fmt.Sprint(i)+"}\n", "leads: [ana, cho, dia]", "leads: [ana, cho, dia, p"+fmt.Sprint(i)+"]")
	}
	many, members := "people:\n", "leads: [ana, cho, dia"
	for i := range 8 {
		many += fmt.Sprintf("  p%d: {slack: T01TEAM/U5%d}\n", i, i)
		members += fmt.Sprintf(", p%d", i)
	}
	w.policy("people:\n", many, "leads: [ana, cho, dia", members)
	w.asked("4009")
	w.due()
	require.Len(t, w.slack.roots(ops)[1].card.Mentions, 5)
}

func TestMessagesOwedSurviveARestart(t *testing.T) {
	w := newWorld(t)
	down := true
	w.slack.onPost = func(bot.Place, string, bot.Card) error {
		if down {
			return errors.New("down")
		}
		return nil
	}
	w.say("ana", "vm start 4009")
	w.skip(time.Minute)
	require.Empty(t, w.slack.log)
	down = false
	w.restart()
	w.skip(10 * time.Minute)
	require.Len(t, w.slack.roots(ops), 1)
	require.Equal(t, 1, ends(w.slack, ops))
}

// What a killed process owed first in a thread may stand already, and the chat
// is told so. What comes after it was never sent, and of what is owed since, the
// bot knows.
func TestAfterARestartAChatIsToldWhatMayStandAlready(t *testing.T) {
	w := newWorld(t)
	var down bool
	again := map[string]bool{} // by operation, and whether it is a root
	w.slack.onPost = func(p bot.Place, _ string, c bot.Card) error {
		if down {
			return errors.New("down")
		}
		again[fmt.Sprint(c.Op, p.Thread == "")] = c.Again
		return nil
	}
	first := w.asked("4009")
	w.skip(time.Second)
	down = true
	w.press("cho", w.code(first, "deny"))
	second := w.asked("4010")
	w.press("cho", w.code(second, "deny"))
	w.skip(time.Second)
	down = false
	w.restart()
	w.skip(10 * time.Minute)
	third := w.asked("4011")
	w.due()
	require.Equal(t, map[string]bool{
		fmt.Sprint(first, true): false, fmt.Sprint(first, false): true, // root and end
		fmt.Sprint(second, true): true, fmt.Sprint(second, false): false, fmt.Sprint(third, true): false,
	}, again)
}

func TestAPostWhoseAnswerIsLostIsTriedUnderItsKey(t *testing.T) {
	w := newWorld(t)
	keys := map[string]int{}
	w.slack.onPost = func(_ bot.Place, key string, _ bot.Card) error {
		if keys[key]++; keys[key] == 1 {
			return &bot.PostError{Lost: true, Err: errors.New("time out")}
		}
		return nil
	}
	w.say("ana", "vm start 4009")
	w.skip(time.Minute)
	for key, n := range keys {
		require.Equal(t, 2, n, key)
	}
	require.Len(t, keys, 2)
}

func TestAnUnwatchedOperationOwesNothing(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm delete 4009")
	w.say("ana", "vm stop 4008")
	w.press("ana", w.code(2, "cancel"))
	w.skip(time.Hour)
	require.Empty(t, w.slack.log)
	require.Empty(t, w.discord.log)
	require.Empty(t, w.store.owed)
}

func TestAThreadGetsOneEndMessage(t *testing.T) {
	w := newWorld(t)
	w.row("vm create").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Unclear}, nil }
	w.row("vm create").follow = func(*bot.Call) (bot.Progress, error) { return bot.Progress{Phase: bot.Lost, Text: "0xc1"}, nil }
	id := w.confirmed("ana", "vm create --cores 2")
	w.skip(10 * time.Minute)
	require.Equal(t, bot.LostTrack, w.state(id))
	w.say("cho", fmt.Sprintf("op resolve %d done --reason looked", id))
	w.due()
	require.Equal(t, bot.ResolvedDone, w.state(id))
	ends := 0
	for _, c := range w.slack.thread(ops) {
		if strings.HasPrefix(c.Title, "ana: ") {
			ends++
		}
	}
	require.Equal(t, 1, ends, "%v", w.slack.log)
}

func TestACopyMentionsAccountsOfItsOwnPlatform(t *testing.T) {
	w := newWorld(t)
	w.asked("4009")
	w.due()
	roots := w.discord.roots(discord)
	require.Len(t, roots, 1)
	require.NotEmpty(t, roots[0].card.Mentions)
	for _, m := range roots[0].card.Mentions {
		require.Equal(t, "discord", m.Platform, "%+v", m)
	}
}

func TestManyPausedThreadsHoldUpNoOther(t *testing.T) {
	w := newWorld(t)
	w.slack.onPost = func(bot.Place, string, bot.Card) error { return errors.New("slack is down") }
	for i := range 260 {
		w.jump(3 * time.Second) // 20 commands a minute
		w.say([]string{"ana", "cho", "dia"}[i%3], fmt.Sprintf("vm start %d", 5000+i))
	}
	w.sayIn(discord, "ana@discord", "vm start 4009")
	_, err := w.bot.RunDue(w.ctx)
	require.NoError(t, err)
	require.NotEmpty(t, w.discord.roots(discord))
}

func TestARootPostedAnewHasAKeyOfItsOwn(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.due()
	w.slack.roots(ops)[0].gone = true
	w.press("cho", w.code(id, "deny"))
	w.due()
	roots := w.slack.roots(ops)
	require.Len(t, roots, 2)
	require.NotEqual(t, roots[0].key, roots[1].key)
}

func TestARootPostedForALineIsRemembered(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	refuse := true
	w.slack.onPost = func(p bot.Place, _ string, _ bot.Card) error {
		if p.Thread == "" && refuse {
			return &bot.PostError{Forbidden: true, Err: errors.New("not in the channel")}
		}
		if p.Thread != "" {
			return errors.New("no thread yet")
		}
		return nil
	}
	w.due() // the root is given up
	require.NoError(t, w.store.Append(w.ctx, w.clock.Now(), "", bot.Written{Owed: []bot.Owed{{Op: id, Place: ops, Kind: bot.OwedLine, Card: bot.Card{Title: "line"}}}}))
	refuse = false
	w.skip(30 * time.Second)
	require.Len(t, w.slack.roots(ops), 1)
}

// TestAStopIsNoTry: what the end of the process keeps from being sent is owed
// as it was, however often that happens.
func TestAStopIsNoTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		w.asked("4009")
		before, _, err := w.store.Owed(w.ctx, time.Now(), "me", 100)
		require.NoError(t, err)
		require.NotEmpty(t, before)
		for range 30 {
			ctx, stop := contextOf(t)
			refuses := func(bot.Place, string, bot.Card) error { stop(); return &bot.PostError{Err: ctx.Err()} }
			w.slack.onPost, w.discord.onPost = refuses, refuses
			require.NoError(t, w.bot.Run(ctx))
			w.restart()
		}
		after, _, err := w.store.Owed(w.ctx, time.Now(), "me", 100)
		require.NoError(t, err)
		require.Equal(t, before, after)
	})
}
