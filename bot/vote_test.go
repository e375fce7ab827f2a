package bot_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestAnApprovalByAnotherPersonRunsIt(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	require.Equal(t, bot.Pending, w.state(id))
	a := w.press("cho", w.code(id, "approve"))
	require.Equal(t, []string{"ack"}, a.events, "the change itself is the answer")
	w.due()
	require.Equal(t, bot.Succeeded, w.state(id))
	require.Equal(t, []string{"command", "preview", "confirmed", "vote", "intent", "outcome", "state"}, w.kinds(id))
}

func TestWhoMayNotApprove(t *testing.T) {
	for _, tc := range []struct{ rule, who, why string }{
		{"the requester himself", "ana", "You asked for this"},
		{"the requester from the other platform", "ana@discord", "You asked for this"},
		{"who is in another group", "ben", "Only leads"},
		{"who is in none", "eve", "Only leads"},
		{"a stranger", "stranger", "does not know your account"},
		{"a guest with the number of a lead", "guest", ""},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			id := w.asked("4009")
			before := w.op(id)
			for _, action := range []string{"approve", "deny"} {
				a := w.press(tc.who, w.code(id, action))
				require.Contains(t, words(a.card()), tc.why)
				require.NotEmpty(t, a.card().Title)
			}
			w.skip(time.Minute)
			require.Equal(t, before, w.op(id))
			require.Zero(t, w.row("vm delete").ran())
		})
	}
}

func TestTwoAccountsOfOnePersonAreOneVote(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	a := w.press("cho@discord", w.code(id, "approve"))
	require.Contains(t, a.card().Title, "already counted")
	require.Equal(t, bot.Pending, w.state(id))
	require.Len(t, w.op(id).Votes, 1)
	w.press("dia", w.code(id, "approve"))
	require.Equal(t, bot.Ready, w.state(id))
}

func TestTheSameVoteAgainChangesNothingAndSaysSo(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	for range 3 {
		require.NotZero(t, w.pressKey("same", "cho", w.code(id, "approve")).count())
	}
	require.Contains(t, w.press("cho", w.code(id, "approve")).card().Title, "already counted")
	require.Len(t, w.op(id).Votes, 1)
	require.Equal(t, bot.Pending, w.state(id))
}

func TestOneDenyEndsItForGood(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	for range 2 {
		require.NotZero(t, w.pressKey("same", "dia", w.code(id, "deny")).count())
	}
	require.Equal(t, bot.Denied, w.state(id))
	ended := w.op(id)
	for _, who := range []string{"dia", "cho", "ana"} {
		for _, action := range []string{"approve", "deny", "cancel", "confirm"} {
			if who != "ana" && (action == "cancel" || action == "confirm") {
				continue // never theirs
			}
			a := w.press(who, w.code(id, action))
			require.Contains(t, words(a.card()), "Denied by dia", "%s %s is told who ended it", who, action)
		}
	}
	w.skip(time.Hour)
	require.Equal(t, ended, w.op(id))
	require.Zero(t, w.row("vm delete").ran())
}

func TestAnApprovalMayBecomeADenyUntilTheCall(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.skip(5 * time.Minute) // of the delay of ten
	require.Equal(t, bot.Ready, w.state(id))
	w.press("cho", w.code(id, "deny"))
	require.Equal(t, bot.Denied, w.state(id))
	w.skip(time.Hour)
	require.Zero(t, w.row("vm delete").ran())
}

func TestAVoteForAnotherDigestDoesNotCount(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	op := w.op(id)
	op.Votes = []bot.Vote{{Person: "cho", Approve: true, Digest: "stale"}}
	_, err := w.store.Advance(w.ctx, w.clock.Now(), "", &op, bot.Written{})
	require.NoError(t, err)
	w.skip(time.Minute)
	require.Equal(t, bot.Pending, w.state(id))
	w.press("cho", w.code(id, "approve"))
	w.due()
	require.Equal(t, bot.Succeeded, w.state(id))
}

func TestAWrongNonceIsNoButtonOfTheOperation(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	for _, code := range []string{
		fmt.Sprintf("v1:%d:approve:0000000000000000", id), fmt.Sprintf("v1:%d:approve:%s0", id, w.op(id).Nonce),
		fmt.Sprintf("v1:%d:approve:%s", id+1, w.op(id).Nonce), fmt.Sprintf("v1:r%d:approve:%s", id, w.op(id).Nonce), "nonsense",
	} {
		require.NotEmpty(t, w.press("cho", code).card().Title, code)
	}
	require.Equal(t, bot.Pending, w.state(id))
}

func TestOfVotesAtOnceExactlyOneMovesOn(t *testing.T) {
	for range 10 {
		w := newWorld(t)
		id := w.asked("4001")
		var wait sync.WaitGroup
		answers := make([]*answer, 8)
		for i, who := range []string{"cho", "dia", "cho@discord", "dia@discord", "cho", "dia", "cho", "dia"} {
			wait.Go(func() {
				a := &answer{}
				w.bot.Press(w.ctx, bot.Press{Key: fmt.Sprint("race/", i), Account: accounts[who], Place: ops, Code: w.code(id, "approve"), Answer: a})
				answers[i] = a
			})
		}
		wait.Wait()
		require.Equal(t, bot.Ready, w.state(id))
		require.Len(t, w.op(id).Votes, 2)
		votes := 0
		for _, kind := range w.kinds(id) {
			if kind == "vote" {
				votes++
			}
		}
		require.Equal(t, 2, votes)
		for _, a := range answers {
			require.NotZero(t, a.count())
		}
		w.skip(time.Hour)
		require.Equal(t, 1, w.row("vm delete").ran())
	}
}

func TestADenyAtOnceWithTheLastApprovalIsNotLost(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		id := w.asked("4009")
		var wait sync.WaitGroup
		wait.Go(func() {
			w.bot.Press(w.ctx, bot.Press{Key: "a", Account: accounts["cho"], Place: ops, Code: w.code(id, "approve"), Answer: &answer{}})
		})
		wait.Go(func() {
			w.bot.Press(w.ctx, bot.Press{Key: "d", Account: accounts["dia"], Place: ops, Code: w.code(id, "deny"), Answer: &answer{}})
		})
		wait.Wait()
		w.skip(time.Hour)
		require.Equal(t, bot.Denied, w.state(id), "nothing was sent yet, so the deny wins in either order")
		require.Zero(t, w.row("vm delete").ran())
	}
}

func TestWhoLosesHisRightBeforeTheLastVoteDoesNotCount(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.policy("leads: [ana, cho, dia]", "leads: [ana, dia, ben]")
	again := words(w.press("cho", w.code(id, "approve")).card())
	require.Contains(t, again, "Only leads may approve this.")
	require.Contains(t, again, "Your approval of before counts no longer.")
	w.press("dia", w.code(id, "approve"))
	require.Equal(t, bot.Pending, w.state(id))
	w.due()
	thread := w.slack.thread(ops)
	line := thread[len(thread)-1]
	require.Equal(t, "dia approved (1 of 2)", line.Title)
	require.Equal(t, []string{"The approval of cho no longer counts under the policy."}, line.Lines, "why it still waits")
	root := words(w.slack.roots(ops)[0].card)
	require.Contains(t, root, "dia has approved")
	require.NotContains(t, root, "cho")
	w.press("ben", w.code(id, "approve"))
	require.Equal(t, bot.Ready, w.state(id))
	op := w.op(id)
	require.Equal(t, []string{"dia", "ben"}, op.Voters())
}

// A look-up that fails at the last vote is no reason to start over: the thread
// says why it still waits, and a press counts again.
func TestALookUpThatFailsAtTheLastVoteHoldsItUpUntilItWorks(t *testing.T) {
	w := newWorld(t)
	w.policy("by: [leads], count: 2", "by: [oncall, cho, dia], count: 2", "by: [leads], count: 1", "by: [cho, dia, oncall], count: 1")
	w.onCall() // ben
	works := w.slack.member
	id := w.asked("4001")
	w.press("ben", w.code(id, "approve"))
	w.jump(2 * time.Minute) // what is known of the group is forgotten
	w.slack.member = func(bot.Group, []bot.PolicyAccount) (bot.Membership, error) {
		return bot.MemberUnknown, errors.New("down")
	}
	w.press("dia", w.code(id, "approve"))
	require.Equal(t, bot.Pending, w.state(id))
	w.due()
	thread := w.slack.thread(ops)
	line := thread[len(thread)-1]
	require.Equal(t, "dia approved (1 of 2)", line.Title)
	require.Contains(t, words(line), "The approval of ben does not count while the look-up of a group fails. Press Approve again when it works.")
	op := w.op(id)
	require.Equal(t, []string{"ben", "dia"}, op.Voters(), "it may count again")
	require.Contains(t, words(w.press("ben", w.code(id, "approve")).card()), "already counted")
	require.Equal(t, bot.Pending, w.state(id))
	w.slack.member = works
	require.NotZero(t, w.press("dia", w.code(id, "approve")).count())
	require.Equal(t, bot.Ready, w.state(id))
	require.Len(t, w.op(id).Votes, 2)
}

func TestWhoLosesHisRightBeforeExecutionLosesHisVote(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.policy("leads: [ana, cho, dia]", "leads: [ana, dia, ben]")
	w.skip(11 * time.Minute)
	require.Equal(t, bot.Pending, w.state(id))
	op := w.op(id)
	require.Equal(t, []string{"dia"}, op.Voters())
	require.Zero(t, w.row("vm delete").ran())
	thread := w.slack.thread(ops)
	require.Contains(t, thread[len(thread)-1].Title, "The approval of cho no longer counts")
	require.Equal(t, []bot.Account{accounts["ben"]}, thread[len(thread)-1].Mentions, "who else may approve is called")
	require.NotZero(t, w.press("cho", w.code(id, "approve")).count())
	require.Equal(t, bot.Pending, w.state(id))
	w.press("ben", w.code(id, "approve"))
	w.skip(11 * time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
}

func TestADenyOfTheApproverTakesHisVoteAway(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.policy("who: [ben], commands: [vm stop], targets: [prod]", "who: [cho], commands: [vm stop, vm delete], targets: [vm/4009]")
	require.Contains(t, words(w.press("cho", w.code(id, "approve")).card()), "keep-ben")
	require.Equal(t, bot.Pending, w.state(id))
}

func TestThePasswordIsAskedForLastAndGoesIntoTheCall(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "software install 4009")
	w.due()
	require.Equal(t, bot.Ready, w.state(1))
	require.Zero(t, w.row("software install").ran())
	root := w.slack.roots(ops)[0].card
	require.Contains(t, words(root), "SSH root password")
	code := button(root, "Enter password")
	require.NotEmpty(t, w.press("cho", code).card().Title, "only the requester")
	f := w.press("ana", code).form()
	require.True(t, f.Fields[0].Secret)
	require.NotEmpty(t, w.send("ana", code).form().Fields[0].Error, "an empty one is asked for again")
	w.send("cho", code, "password", "of another")
	w.due()
	require.Zero(t, w.row("software install").ran())
	w.send("ana", code, "password", canary)
	w.row("software install").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Refused, Text: "wrong password " + canary} }
	w.due()
	require.Equal(t, 1, w.row("software install").ran())
	require.Equal(t, canary, w.row("software install").lastSecret)
	require.NotContains(t, string(w.store.dump()), canary)
	require.NotZero(t, w.send("ana", code, "password", "again").count())
	require.Equal(t, bot.Failed, w.state(1))
}

func TestAPasswordIsForgottenWithARestart(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "software install 4009")
	w.due()
	w.send("ana", w.code(1, "secret"), "password", canary)
	w.restart()
	w.due()
	require.Zero(t, w.row("software install").ran())
	require.Equal(t, bot.Ready, w.state(1), "it is asked for again")
	w.send("ana", w.code(1, "secret"), "password", canary)
	w.due()
	require.Equal(t, bot.Succeeded, w.state(1))
}

// Every click is answered: whoever presses whatever in whatever state gets an
// answer, or sees the change.
func TestEveryClickIsAnswered(t *testing.T) {
	bring := map[bot.State]func(*world) int64{
		bot.Confirming: func(w *world) int64 { w.say("ana", "vm delete 4009"); return 1 },
		bot.Pending:    func(w *world) int64 { return w.asked("4009") },
		bot.Ready: func(w *world) int64 {
			w.api.paused = errors.New("paused")
			id := w.asked("4009")
			w.press("cho", w.code(id, "approve"))
			w.due()
			return id
		},
		bot.Checking: func(w *world) int64 {
			w.row("vm delete").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Throttled, RetryAfter: time.Minute} }
			return w.approved()
		},
		bot.Following: func(w *world) int64 {
			w.row("backup create").follow = func(*bot.Call) (bot.Progress, error) { return bot.Progress{Phase: bot.Running, Fraction: 0.5}, nil }
			w.say("ana", "backup create 4009")
			w.due()
			return 1
		},
		bot.Unknown: func(w *world) int64 {
			w.row("vm delete").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
			w.row("vm delete").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Unclear}, nil }
			return w.approved()
		},
		bot.LostTrack: func(w *world) int64 {
			w.row("backup create").follow = func(*bot.Call) (bot.Progress, error) { return bot.Progress{Phase: bot.Lost}, nil }
			w.say("ana", "backup create 4009")
			w.skip(5 * time.Minute)
			return 1
		},
		bot.Succeeded: func(w *world) int64 { return w.approved() },
		bot.Failed: func(w *world) int64 {
			w.row("vm delete").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Refused} }
			return w.approved()
		},
		bot.Denied:    func(w *world) int64 { id := w.asked("4009"); w.press("cho", w.code(id, "deny")); return id },
		bot.Cancelled: func(w *world) int64 { id := w.asked("4009"); w.press("ana", w.code(id, "cancel")); return id },
		bot.Expired:   func(w *world) int64 { id := w.asked("4009"); w.skip(time.Hour); return id },
		bot.Invalidated: func(w *world) int64 {
			id := w.asked("4009")
			w.policy("leads-own, to: [leads]", "leads-own, to: [cho, dia]")
			w.press("cho", w.code(id, "approve"))
			w.due()
			return id
		},
	}
	for state, f := range bring {
		for _, action := range append(bot.Actions(), "nonsense") {
			for _, who := range []string{"ana", "cho", "ben", "stranger"} {
				for _, form := range []bool{false, true} {
					name := fmt.Sprintf("%s, %s by %s, form %v", state, action, who, form)
					w := newWorld(t)
					id := f(w)
					require.Equal(t, state, w.state(id), name)
					before, version := len(w.slack.log), w.op(id).Version
					var a *answer
					if form {
						a = w.send(who, w.code(id, action), "reason", "x", "target", "4009", "outcome", "unsure", "password", canary)
					} else {
						a = w.press(who, w.code(id, action))
					}
					shown := len(a.cards) + len(a.forms) + len(a.files)
					w.skip(time.Second)
					changed := w.op(id).Version != version && len(w.slack.log) > before
					another := w.store.lastOp > id && len(w.slack.log) > before
					require.True(t, shown > 0 || changed || another, "%s is not answered: %v", name, a.events)
					require.LessOrEqual(t, shown, 1, "%s is answered twice: %+v", name, a.cards)
					require.NotContains(t, words(a.card()), "Something went wrong", name)
					for _, c := range a.cards {
						if action != "deny" { // TestBugEveryRefusalSaysWhy
							require.NotEmpty(t, c.Title, name)
						}
					}
					require.NotContains(t, string(w.store.dump()), canary, name)
				}
			}
		}
	}
}

// approved brings a vm delete of 4009 through its vote and its call.
func (w *world) approved() int64 {
	id := w.asked("4009")
	w.press("cho", w.code(id, "approve"))
	w.skip(0)
	return id
}

func TestAFormDeliveredTwiceKeepsItsPassword(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "software install 4009")
	w.due()
	for range 2 {
		w.sendKey("same", "ana", w.code(1, "secret"), "password", canary)
	}
	w.due()
	require.Equal(t, canary, w.row("software install").lastSecret)
	require.Equal(t, bot.Succeeded, w.state(1))
}

func TestACancelThatMeetsAnotherChangeStillCancels(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	raced := false
	w.store.before = func(method string) error {
		if method == "Advance" && !raced {
			raced = true
			op, _ := w.peek(id)
			_, err := w.store.advance(w.clock.Now(), "", op, bot.Written{})
			return err
		}
		return nil
	}
	w.press("ana", w.code(id, "cancel"))
	require.True(t, raced)
	require.Equal(t, bot.Cancelled, w.state(id))
}

func TestEveryRefusalSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.api.paused = errors.New("paused")
	w.say("ana", "vm start 4009")
	w.due()
	a := w.press("cho", w.code(1, "deny"))
	require.NotEmpty(t, a.card().Title, "%+v", a.card())
}

func TestShowShowsWhatTheOperationActedOn(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm start 4009")
	w.due()
	a := w.press("ana", button(w.slack.roots(ops)[0].card, "Show"))
	require.Equal(t, "Read vm show", a.card().Title)
}
