package bot_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestAPlainChangeRunsAtOnceInTheChannel(t *testing.T) {
	w := newWorld(t)
	a := w.say("ana", "vm start 4009")
	require.Equal(t, []string{"ack"}, a.events, "the change itself is the answer")
	require.Zero(t, w.row("vm start").ran(), "stored and acknowledged before it is sent")
	w.due()
	require.Equal(t, 1, w.row("vm start").ran())
	require.Equal(t, bot.Succeeded, w.state(1))
	require.Equal(t, []string{"command", "intent", "outcome"}, w.kinds(1))
}

func TestAnInterruptionIsConfirmedByAButton(t *testing.T) {
	w := newWorld(t)
	a := w.say("ana", "vm stop 4009")
	require.NotEmpty(t, button(a.card(), "Confirm"))
	require.NotEmpty(t, button(a.card(), "Cancel"))
	w.due()
	require.Zero(t, w.row("vm stop").ran())
	require.Empty(t, w.slack.log, "the root is posted on Confirm")
	require.Equal(t, []string{"ack", "card"}, w.press("ana", button(a.card(), "Confirm")).events)
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(1))
	require.Len(t, w.slack.roots(ops), 1)
}

func TestOnlyTheRequesterConfirms(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm stop 4009")
	for _, who := range []string{"ben", "cho", "eve", "stranger"} {
		a := w.press(who, w.code(1, "confirm"))
		require.NotEmpty(t, a.card().Title, who)
		require.Equal(t, bot.Confirming, w.state(1), who)
	}
	w.press("ana@discord", w.code(1, "confirm"))
	require.Equal(t, bot.Ready, w.state(1), "it is the person who confirms, not the account")
}

func TestTheTargetIsTypedAndTheReasonGiven(t *testing.T) {
	long := strings.Repeat("x", 501)
	for _, tc := range []struct {
		rule, reason, target string
		ok                   bool
	}{
		{"both as asked", "INC-42", "4009", true},
		{"the target with its kind", "INC-42", "vm/4009", true},
		{"spaces around", " INC-42 ", " 4009 ", true},
		{"another target", "INC-42", "4008", false},
		{"a part of the target", "INC-42", "400", false},
		{"the target twice", "INC-42", "4009 4009", false},
		{"no target", "INC-42", "", false},
		{"no reason", "", "4009", false},
		{"a reason of spaces", "   ", "4009", false},
		{"a reason that is too long", long, "4009", false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			w.say("ana", "vm delete 4009")
			f := w.press("ana", w.code(1, "confirm")).form()
			require.Len(t, f.Fields, 2)
			a := w.send("ana", f.Code, "reason", tc.reason, "target", tc.target)
			if tc.ok {
				require.Equal(t, bot.Pending, w.state(1))
				require.Equal(t, strings.TrimSpace(tc.reason), w.op(1).Reason)
				return
			}
			require.Equal(t, bot.Confirming, w.state(1))
			require.Equal(t, []string{"form"}, a.events, "the form comes back")
			bad := 0
			for _, field := range a.form().Fields {
				require.Equal(t, strings.TrimSpace(map[string]string{"reason": tc.reason, "target": tc.target}[field.Name]), field.Value)
				if field.Error != "" {
					bad++
				}
			}
			require.Equal(t, 1, bad)
		})
	}
}

func TestAFormSentTwiceConfirmsOnce(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm delete 4009")
	for range 3 {
		require.NotZero(t, w.sendKey("same", "ana", w.code(1, "confirm"), "reason", "INC", "target", "4009").count())
	}
	require.Equal(t, []string{"command", "preview", "confirmed"}, w.kinds(1))
	for range 2 {
		require.NotZero(t, w.send("ana", w.code(1, "confirm"), "reason", "other", "target", "4009").count())
	}
	require.Equal(t, "INC", w.op(1).Reason, "what is confirmed does not change")
}

func TestARefusedPreviewCancelsAndSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) {
		return bot.Preview{}, bot.Errorf(bot.Conflict, "VM is running.").WithHint("Stop it first.")
	}
	a := w.say("ana", "vm delete 4009")
	require.Equal(t, "VM is running.", a.card().Title)
	require.Contains(t, words(a.card()), "Stop it first.")
	require.Equal(t, bot.Cancelled, w.state(1))
	w.due()
	require.Empty(t, w.slack.log, "what had no root owes no end")
}

func TestTheSecondDecisionIsMadeWithWhatWasRead(t *testing.T) {
	w := newWorld(t)
	w.row("vm create").preview = func(*bot.Call) (bot.Preview, error) {
		return bot.Preview{Title: "Create", Facts: bot.Facts{Cores: 9, Known: bot.FactCores}}, nil
	}
	a := w.say("ana", "vm create --cores 2")
	require.Contains(t, words(a.card()), "ends at 8 cores")
	require.Equal(t, bot.Denied, w.state(1))
	w.row("vm create").preview = func(*bot.Call) (bot.Preview, error) { return bot.Preview{Title: "Create"}, nil }
	a = w.say("ana", "vm create --cores 2")
	require.Contains(t, words(a.card()), "not known", "a fact that is missing then denies")
	require.Equal(t, bot.Denied, w.state(2))
}

func TestExpiryIsSeenAtTouchInEveryWaitingState(t *testing.T) {
	for _, tc := range []struct {
		rule   string
		bring  func(*world) int64
		after  time.Duration
		action string
		who    string
	}{
		{"confirming, by Confirm", func(w *world) int64 { w.say("ana", "vm stop 4009"); return 1 }, 10 * time.Minute, "confirm", "ana"},
		{"confirming, by Cancel", func(w *world) int64 { w.say("ana", "vm stop 4009"); return 1 }, 10 * time.Minute, "cancel", "ana"},
		{"pending, by Approve", func(w *world) int64 { return w.asked("4009") }, 20 * time.Minute, "approve", "cho"},
		{"pending, by Deny", func(w *world) int64 { return w.asked("4009") }, 20 * time.Minute, "deny", "cho"},
		{"ready, by Deny", func(w *world) int64 {
			w.api.paused = errors.New("paused")
			id := w.asked("4009")
			w.press("cho", w.code(id, "approve"))
			return id
		}, 10 * time.Minute, "deny", "dia"},
		{"ready, by the password", func(w *world) int64 { w.say("ana", "software install 4009"); w.due(); return 1 }, 10 * time.Minute, "secret", "ana"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			id := tc.bring(w)
			w.jump(tc.after - time.Second)
			require.True(t, w.op(id).State.Waiting())
			w.jump(time.Second)
			a := w.press(tc.who, w.code(id, tc.action))
			require.NotZero(t, a.count())
			require.Equal(t, bot.Expired, w.state(id))
			w.api.paused = nil
			w.due()
			for _, row := range w.rows {
				require.Zero(t, row.ran())
			}
			require.Contains(t, w.kinds(id), "state")
		})
	}
}

func TestExpiryComesByTheClockToo(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm stop 4009")
	id := w.asked("4008")
	w.skip(time.Hour)
	require.Equal(t, bot.Expired, w.state(1))
	require.Equal(t, bot.Expired, w.state(id))
	require.Len(t, w.slack.roots(ops), 1, "only what was confirmed has a root")
	require.Contains(t, w.slack.roots(ops)[0].card.Title, "Expired")
	require.Len(t, w.slack.thread(ops), 1)
}

func TestExpiryWhileTheBotIsDown(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.jump(24 * time.Hour)
	w.restart()
	require.NotZero(t, w.press("cho", w.code(id, "approve")).count())
	require.Equal(t, bot.Expired, w.state(id))
}

func TestWhatWaitsForItsRequesterIsToldAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm delete 4009")
	w.restart()
	w.restart()
	w.due()
	roots := w.slack.roots(ops)
	require.Len(t, roots, 1, "told once, however often it is restarted")
	require.Contains(t, roots[0].card.Title, "still waits to be confirmed: vm delete")
	require.Contains(t, words(roots[0].card), "op show 1")
	require.Equal(t, []bot.Account{accounts["ana"]}, roots[0].card.Mentions)

	w.jump(24 * time.Hour)
	w.say("ana", "vm delete 4001")
	w.jump(24 * time.Hour)
	w.restart()
	w.due()
	require.Len(t, w.slack.roots(ops), 1, "what has expired is not advertised")
}

func TestWhoWasPromisedNothingYetIsToldAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) {
		w.restart() // the process that reads the target dies
		return bot.Preview{}, bot.Errorf(bot.Unavailable, "nobody hears this")
	}
	w.say("ana", "vm delete 4009")
	w.due()
	require.Equal(t, bot.Cancelled, w.state(1))
	roots := w.slack.roots(ops)
	require.Len(t, roots, 1)
	require.Contains(t, words(roots[0].card), "type it again")
	require.Equal(t, []bot.Account{accounts["ana"]}, roots[0].card.Mentions)
}

func TestWhereTheBotMayNotPostIsFoundOutBeforeTheConfirmation(t *testing.T) {
	w := newWorld(t)
	w.slack.canPost = func(bot.Place) error { return bot.Errorf(bot.Forbidden, "Write /invite @hosterbot first.") }
	a := w.say("ana", "vm delete 4009")
	require.Equal(t, "Write /invite @hosterbot first.", a.card().Title)
	require.Zero(t, w.store.lastOp)
	require.Contains(t, words(w.say("ana", "vm show 4009").card()), "Read vm show", "a read still answers")
}

func TestAnAskPlaceThatCannotBePostedInIsSaid(t *testing.T) {
	w := newWorld(t)
	w.discord.canPost = func(bot.Place) error { return bot.Errorf(bot.Forbidden, "no permission") }
	a := w.say("ana", "vm delete 4009")
	require.Contains(t, words(a.card()), "Not posted in")
	require.Equal(t, []bot.Place{ops}, w.op(1).Places)
}

func TestTypedInPrivateItIsAskedWhereThePolicySays(t *testing.T) {
	w := newWorld(t)
	w.sayIn(direct, "ana", "vm delete 4009")
	require.Equal(t, []bot.Place{ops, discord}, w.op(1).Places)
	w.policy(`count: 1, within: 20m}, ask: [slack:T01TEAM/C0OPS, discord:300000000000000001/400000000000000001]}`, `count: 1, within: 20m}}`)
	a := w.sayIn(direct, "ana", "vm delete 4009")
	require.Contains(t, words(a.card()), "names no channel")
	require.EqualValues(t, 1, w.store.lastOp)
}

func TestAPlaceThatCountsTwiceGetsOneCopy(t *testing.T) {
	w := newWorld(t)
	w.sayIn(other, "ana", "vm delete 4009")
	require.Equal(t, []bot.Place{other, ops, discord}, w.op(1).Places)
	w.say("ana", "vm delete 4009")
	require.Equal(t, []bot.Place{ops, discord}, w.op(2).Places)
}

func TestTheSameNewThingTwiceInAMinuteIsAskedAbout(t *testing.T) {
	w := newWorld(t)
	w.confirmed("ana", "vm create --cores 2")
	require.Contains(t, words(w.say("ana", "vm create --cores 2").card()), "less than a minute ago: operation 1")
	require.NotContains(t, words(w.say("ana", "vm create --cores 3").card()), "less than a minute ago")
	require.NotContains(t, words(w.say("cho", "vm create --cores 2").card()), "less than a minute ago")
	w.jump(61 * time.Second)
	require.NotContains(t, words(w.say("ana", "vm create --cores 2").card()), "less than a minute ago")
}

func TestAQuietCommandAnswersPrivatelyWithItsEnd(t *testing.T) {
	w := newWorld(t)
	w.row("op note").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Accepted, Done: "Noted."} }
	a := w.say("ana", "op note --text "+canary)
	require.Contains(t, words(a.card()), "Noted.")
	require.Equal(t, bot.Succeeded, w.state(1))
	w.skip(time.Hour)
	require.Equal(t, 1, w.row("op note").ran())
	require.Empty(t, w.slack.log)
	for _, r := range w.records() {
		require.NotContains(t, r.Text+r.Target, canary, "free text stays out of the audit")
		require.Empty(t, r.Args)
	}
	require.NotContains(t, w.op(1).Title, canary)
}

func TestFreeTextStaysOutOfTitlesAndAudit(t *testing.T) {
	w := newWorld(t)
	w.row("vm delete").preview = nil
	w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) { pv, err := machine(c); pv.Title = ""; return pv, err }
	w.say("ana", "vm delete 4009 --note "+canary)
	require.NotContains(t, w.op(1).Title, canary)
	w.say("ben", "vm delete 4009 --note "+canary) // denied
	for _, r := range w.records() {
		require.NotContains(t, words(bot.Card{Title: r.Text, Lines: []string{r.Target}}), canary)
		require.False(t, r.Args.Has("note"))
	}
}

func TestTryAgainIsANewOperationOfWhoPressed(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Refused, Code: "0x01", Text: "no such vm"} }
	w.say("ana", "vm start 4009")
	w.due()
	require.Equal(t, bot.Failed, w.state(1))
	code := button(w.slack.roots(ops)[0].card, "Try again")
	for range 2 {
		require.NotZero(t, w.pressKey("same", "ben", code).count())
	}
	require.EqualValues(t, 2, w.store.lastOp)
	require.Equal(t, "ben", w.op(2).Person)
	require.EqualValues(t, 1, w.op(2).Again)
	w.press("eve", code)
	require.EqualValues(t, 2, w.store.lastOp, "it is decided anew")
}

func TestCancelTakesBackUntilTheCall(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm stop 4009")
	require.Contains(t, words(w.press("ana", w.code(1, "cancel")).card()), "Cancelled")
	id := w.asked("4009")
	for _, who := range []string{"cho", "ben", "eve", "stranger"} {
		require.NotZero(t, w.press(who, w.code(id, "cancel")).count())
		require.Equal(t, bot.Pending, w.state(id))
	}
	for range 2 {
		require.NotZero(t, w.pressKey("same", "ana", w.code(id, "cancel")).count())
	}
	require.Equal(t, bot.Cancelled, w.state(id))
	w.due()
	require.Len(t, w.slack.thread(ops), 1)
	w.press("cho", w.code(id, "approve"))
	w.skip(time.Hour)
	require.Zero(t, w.row("vm delete").ran())
}

func TestAReasonOfNothingVisibleIsNone(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm delete 4009")
	w.press("ana", w.code(1, "confirm"))
	w.send("ana", w.code(1, "confirm"), "reason", "\u200b\u2060", "target", "4009")
	require.Equal(t, bot.Confirming, w.state(1), "reason %q", w.op(1).Reason)
}

func TestARedeliveredCommandGetsTheFirstAnswer(t *testing.T) {
	w := newWorld(t)
	first := w.sayKey("same", ops, "ana", "vm delete 4009").card()
	again := w.sayKey("same", ops, "ana", "vm delete 4009").card()
	require.NotEmpty(t, button(first, "Confirm"))
	require.NotEmpty(t, button(again, "Confirm"), "%+v", again)
}

func TestASlowPreviewIsNoDataRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock = nil })
		w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) {
			<-time.After(1200 * time.Millisecond)
			return machine(c)
		}
		w.say("ana", "vm delete 4009")
		synctest.Wait()
	})
}

// A delivery that was refused is not begun when it comes again, whatever the
// policy says by then.
func TestADeliveryThatWasRefusedStaysRefused(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, w.sayKey("k", ops, "ben", "vm stop 4001").card().Title, "Not allowed")
	w.policy("who: [ben]", "who: [eve]")
	again := w.sayKey("k", ops, "ben", "vm stop 4001").card()
	require.Equal(t, "Already received, and refused then", again.Title)
	require.Empty(t, again.Buttons)
	_, err := w.peek(1)
	require.ErrorIs(t, err, bot.ErrNotFound)
}
