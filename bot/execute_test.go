package bot_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"hosterbot/bot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// One attempt: what every class of answer leads to.
func TestOneAttempt(t *testing.T) {
	seen := func(is bot.Settled) func(*bot.Call) (bot.Verdict, error) {
		return func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: is, Text: "What was read."}, nil }
	}
	fails := func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{}, errors.New("down") }
	no := bot.Outcome{Class: bot.NoAnswer, Status: 502, Text: "bad gateway"}
	a1 := bot.Outcome{Class: bot.NoAnswer, Status: 500, Code: "0xa1", Text: "failed to stop", Settle: true}
	for _, tc := range []struct {
		rule    string
		command string // "vm start" has no settling read, "vm stop" has one
		out     bot.Outcome
		settle  func(*bot.Call) (bot.Verdict, error)
		state   bot.State
		runs    int
		says    string
	}{
		{"accepted, nothing to read: done", "vm start", bot.Outcome{Class: bot.Accepted, Done: "Started."}, nil, bot.Succeeded, 1, "Started."},
		{"accepted and seen: done", "vm stop", bot.Outcome{Class: bot.Accepted, Done: "Stopped."}, seen(bot.Done), bot.Succeeded, 1, "Stopped."},
		{"accepted and never seen: said so", "vm stop", bot.Outcome{Class: bot.Accepted, Done: "Stopped."}, seen(bot.NotDone), bot.Succeeded, 1, "What was read."},
		{"accepted and not readable: said so", "vm stop", bot.Outcome{Class: bot.Accepted, Done: "Stopped."}, fails, bot.Succeeded, 1, "could not be read"},
		{"accepted and not to be told: said so", "vm stop", bot.Outcome{Class: bot.Accepted, Done: "Stopped."}, seen(bot.Unclear), bot.Succeeded, 1, "What was read."},
		{"accepted and something else is there: a person looks", "vm stop", bot.Outcome{Class: bot.Accepted}, seen(bot.Person), bot.LostTrack, 1, "not what was asked for"},
		{"refused: failed, code and text shown", "vm start", bot.Outcome{Class: bot.Refused, Status: 404, Code: "0x01", Text: "no such vm", Means: "It is gone."}, nil, bot.Failed, 1, "no such vm"},
		{"refused is not settled by reading", "vm stop", bot.Outcome{Class: bot.Refused, Text: "no"}, seen(bot.Done), bot.Failed, 1, "refused: no"},
		{"refused without a reason: our words stand alone", "vm start", bot.Outcome{Class: bot.Refused, Text: "The provider answered HTTP 400 without a reason."}, nil, bot.Failed, 1, `"The provider answered HTTP 400 without a reason."`},
		{"not sent: three tries, then cancelled", "vm start", bot.Outcome{Class: bot.NotSent, Text: "no route"}, nil, bot.Cancelled, 3, "Nothing was sent"},
		{"throttled: five tries, then cancelled", "vm start", bot.Outcome{Class: bot.Throttled, Status: 429, Text: "slow down"}, nil, bot.Cancelled, 5, "Nothing was done, after 5 tries"},
		{"throttled for longer than it may take: cancelled", "vm start", bot.Outcome{Class: bot.Throttled, RetryAfter: 6 * time.Minute, Text: "slow down"}, nil, bot.Cancelled, 1, "Nothing was done, after 1 try"},
		{"no answer and no read: a person, never sent again", "vm start", no, nil, bot.NeedsHuman, 1, "The answer, HTTP 502, does not tell what happened."},
		{"no answer and seen: done after all", "vm stop", no, seen(bot.Done), bot.SettledDone, 1, "it is done"},
		{"no answer and not seen until it cannot land: not done", "vm stop", no, seen(bot.NotDone), bot.SettledNotDone, 1, "it was not done"},
		{"no answer and not to be told: a person", "vm stop", no, seen(bot.Unclear), bot.NeedsHuman, 1, "The answer, HTTP 502, does not tell what happened."},
		{"no answer and something else is there: a person", "vm stop", no, seen(bot.Person), bot.NeedsHuman, 1, "What was read."},
		{"no answer and not readable: unknown", "vm stop", no, fails, bot.Unknown, 1, "nobody knows"},
		{"an unknown class is no answer", "vm start", bot.Outcome{Class: "new"}, nil, bot.NeedsHuman, 1, "No answer came."},
		{"an outcome of nothing is no answer", "vm start", bot.Outcome{}, nil, bot.NeedsHuman, 1, "No answer came."},
		{"0xa1 without a read: failed", "vm start", a1, nil, bot.Failed, 1, "failed to stop"},
		{"0xa1 and no effect: failed", "vm stop", a1, seen(bot.NotDone), bot.Failed, 1, "failed to stop"},
		{"0xa1 and the effect is there: done after all", "vm stop", a1, seen(bot.Done), bot.SettledDone, 1, "failed (`failed to stop`), and yet it is done: What was read."},
		{"0xa1 and not readable: unknown", "vm stop", a1, fails, bot.Unknown, 1, "one read did not tell"},
		{"0xa1 and something else is there: a person", "vm stop", a1, seen(bot.Person), bot.NeedsHuman, 1, "What was read."},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			row := w.row(tc.command)
			row.run = func(c *bot.Call) bot.Outcome {
				op := w.op(c.Op.ID)
				require.Equal(t, bot.Intent, op.State, "the intent is on disk before the call")
				require.Len(t, op.Attempts, row.ran())
				return tc.out
			}
			if tc.settle != nil {
				row.settle = tc.settle
			}
			if tc.command == "vm stop" {
				w.confirmed("ana", "vm stop 4009")
			} else {
				w.say("ana", "vm start 4009")
			}
			w.skip(10 * time.Minute)
			require.Equal(t, tc.state, w.state(1), w.op(1).Outcome)
			require.Equal(t, tc.runs, row.ran())
			require.Contains(t, words(bot.Card{Lines: []string{w.op(1).Outcome}}), tc.says)
			intents, outcomes := 0, 0
			for _, r := range w.records() {
				switch r.Kind {
				case "intent":
					intents++
					require.Equal(t, intents, r.Attempt)
				case "outcome":
					outcomes++
					require.Equal(t, []string{string(tc.out.Class), tc.out.Code, tc.out.Text}, []string{r.Decision, r.Code, r.Text})
				}
			}
			require.Equal(t, []int{tc.runs, tc.runs}, []int{intents, outcomes})
			roots := w.slack.roots(ops)
			require.Len(t, roots, 1, "one message per operation")
			require.Contains(t, words(roots[0].card), tc.says)
			require.Equal(t, tc.runs, w.api.tokens, "a token of the limiter each")
		})
	}
}

// What the provider said yes to is not called done before it is seen.
func TestWhatWasNeverSeenIsNotCalledDone(t *testing.T) {
	for rule, settle := range map[string]func(*bot.Call) (bot.Verdict, error){
		"still there": func(*bot.Call) (bot.Verdict, error) {
			return bot.Verdict{Is: bot.NotDone, Text: "It is still there."}, nil
		},
		"cannot tell": func(*bot.Call) (bot.Verdict, error) {
			return bot.Verdict{Is: bot.Unclear, Text: "It tells nothing."}, nil
		},
		"not readable": func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{}, errors.New("down") },
	} {
		t.Run(rule, func(t *testing.T) {
			w := newWorld(t)
			w.row("vm delete").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Accepted, Done: "It is deleted."} }
			w.row("vm delete").settle = settle
			id := w.asked("4009")
			w.press("cho", w.code(id, "approve"))
			w.skip(time.Minute)
			require.Equal(t, bot.Succeeded, w.state(id))
			root := w.slack.roots(ops)[0].card
			require.Equal(t, bot.Warn, root.Tone)
			require.Equal(t, "Accepted, but still not seen: vm delete `vm/4009`", root.Title)
			require.NotEmpty(t, button(root, "Show"), "it may be there")
			thread := w.slack.thread(ops)
			end := thread[len(thread)-1]
			require.Equal(t, bot.Warn, end.Tone)
			require.Contains(t, end.Title, "ana: accepted, but still not seen. ")
			require.Contains(t, words(end), "Look again in a few minutes")
			said := words(root) + words(end) + words(w.press("dia", w.code(id, "approve")).card())
			require.NotRegexp(t, `(?i)\bdone\b|is deleted`, said)
			require.Regexp(t, "(?i)accepted, but still not seen.*accepted, but still not seen.*accepted, but still not seen", said)
		})
	}
}

// TestAnUnknownOutcomeSaysWhatComesNext: whoever is woken by it has to know
// whether there is something to do.
func TestAnUnknownOutcomeSaysWhatComesNext(t *testing.T) {
	w := newWorld(t)
	w.row("vm stop").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	w.row("vm stop").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Unclear, Text: "Unclear."}, nil }
	w.confirmed("ana", "vm stop 4009")
	w.skip(time.Minute)
	require.Equal(t, bot.Unknown, w.state(1))
	require.Contains(t, words(w.slack.roots(ops)[0].card), "Nothing to do yet: the bot looks whether it was done, until ")
	w.row("vm stop").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{}, errors.New("down") }
	w.skip(time.Hour)
	require.Equal(t, bot.Unknown, w.state(1))
	op := w.op(1)
	said := words(w.bot.OperationCard(&bot.Call{}, &op))
	require.Contains(t, said, "The bot could not read yet whether it was done, and goes on trying.")
	require.NotContains(t, said, "Nothing to do yet")
	w.row("vm stop").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Unclear, Text: "Unclear."}, nil }
	w.skip(5 * time.Minute)
	require.Equal(t, bot.NeedsHuman, w.state(1))
	require.NotContains(t, words(w.slack.roots(ops)[0].card), "goes on trying")
}

// The provider says that it failed, and what is read says neither that nor the
// contrary: the thread is told, and nobody to try again.
func TestAFailureThatOneReadDoesNotShowIsToldAsUnknown(t *testing.T) {
	w := newWorld(t)
	w.row("vm stop").run = func(*bot.Call) bot.Outcome {
		return bot.Outcome{Class: bot.NoAnswer, Status: 500, Code: "0xa1", Text: "0xa1: failed to stop", Means: "Look at it, then try again.", Settle: true}
	}
	w.row("vm stop").settle = func(*bot.Call) (bot.Verdict, error) {
		return bot.Verdict{Is: bot.Person, Text: "It is something else."}, nil
	}
	w.confirmed("ana", "vm stop 4009")
	w.due()
	require.Equal(t, bot.Unknown, w.state(1))
	root := words(w.slack.roots(ops)[0].card)
	require.Contains(t, root, "Outcome unknown: ")
	require.Contains(t, root, "one read did not tell whether that is so. It is not sent again.")
	require.NotContains(t, root, "try again")
	thread := w.slack.thread(ops)
	require.Equal(t, []string{"Outcome unknown"}, titlesOf(thread))
	require.Contains(t, words(thread[0]), "0xa1: failed to stop")
}

func TestAThrottleThatIsTooLongSaysWhenToTryAgain(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome {
		return bot.Outcome{Class: bot.Throttled, RetryAfter: time.Hour, Text: "Slow down."}
	}
	w.say("ana", "vm start 4009")
	w.skip(time.Minute)
	require.Contains(t, words(w.slack.roots(ops)[0].card), "Try again in 1 h.")
}

func TestTriesOfWhatWasNotSentArePaced(t *testing.T) {
	w := newWorld(t)
	var at []time.Duration
	w.row("vm start").run = func(*bot.Call) bot.Outcome {
		at = append(at, w.clock.Now().Sub(noon))
		return bot.Outcome{Class: bot.NotSent}
	}
	w.say("ana", "vm start 4009")
	w.skip(time.Minute)
	require.Equal(t, []time.Duration{0, time.Second, 3 * time.Second}, at)
	for i, by := range w.api.sendBys {
		require.Equal(t, noon.Add(at[i]+10*time.Second), by, "sent within 10 s of its intent, or not at all")
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	w := newWorld(t)
	var at []time.Duration
	w.row("vm start").run = func(c *bot.Call) bot.Outcome {
		at = append(at, w.clock.Now().Sub(noon))
		if len(at) == 3 {
			return accept(c)
		}
		return bot.Outcome{Class: bot.Throttled, RetryAfter: 20 * time.Second}
	}
	w.say("ana", "vm start 4009")
	w.skip(2 * time.Minute)
	require.Equal(t, []time.Duration{0, 20 * time.Second, 40 * time.Second}, at)
	require.Equal(t, bot.Succeeded, w.state(1))
}

func TestWhatWasNotSentCanBeTakenBackBetweenTries(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Throttled, RetryAfter: time.Minute} }
	w.say("ana", "vm start 4009")
	w.due()
	require.Equal(t, bot.Checking, w.state(1))
	w.press("ana", w.code(1, "cancel"))
	w.skip(10 * time.Minute)
	require.Equal(t, bot.Cancelled, w.state(1))
	require.Equal(t, 1, w.row("vm start").ran())
}

// What an attempt before was told says nothing of the one that was cut short.
func TestAnUnknownOutcomeGivesNoAdviceOfAnEarlierAttempt(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome {
		return bot.Outcome{Class: bot.Throttled, RetryAfter: time.Second, Means: "The provider asks to slow down. Nothing was done."}
	}
	w.say("ana", "vm start 4009")
	w.due()
	require.Equal(t, bot.Checking, w.state(1))
	ctx, kill := context.WithCancel(w.ctx)
	w.row("vm start").run = func(*bot.Call) bot.Outcome {
		w.store.before = func(string) error { kill(); return bot.ErrUnavailable }
		w.bot.Stop() // the result cannot be stored, and the process ends
		return bot.Outcome{Class: bot.NoAnswer}
	}
	w.clock.move(10 * time.Second)
	_, _ = w.bot.RunDue(ctx)
	w.store.before = nil
	w.restart()
	require.Equal(t, bot.Unknown, w.state(1))
	require.Empty(t, w.op(1).Hint)
}

func TestAPanicInACallLeavesItUnknown(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { panic("oops") }
	w.say("ana", "vm start 4009")
	w.skip(time.Hour)
	require.Equal(t, bot.NeedsHuman, w.state(1))
	require.Equal(t, 1, w.row("vm start").ran())
}

func TestWithoutAnIntentOnDiskNothingIsSent(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm start 4009")
	full := true
	w.store.before = func(method string) error {
		if full && method == "Advance" {
			return bot.ErrUnavailable
		}
		return nil
	}
	w.row("vm start").run = func(*bot.Call) bot.Outcome {
		require.False(t, full, "sent without an intent on disk")
		return bot.Outcome{Class: bot.Accepted}
	}
	w.skip(5 * time.Minute)
	require.Zero(t, w.row("vm start").ran())
	full = false
	w.skip(time.Minute)
	require.Equal(t, 1, w.row("vm start").ran())
	require.Equal(t, bot.Succeeded, w.state(1))
}

func TestAResultThatTheStoreDoesNotTakeIsKept(t *testing.T) {
	w := newWorld(t)
	full := 0
	var during []*answer
	w.row("vm start").run = func(c *bot.Call) bot.Outcome { full = 5; return accept(c) }
	w.store.before = func(method string) error {
		if method == "Advance" && full > 0 {
			if full--; full == 2 { // the bot works on: what it says meanwhile
				during = append(during, w.say("cho", "vm start 4008"), w.say("cho", "vm show 4001"))
				require.False(t, w.bot.Health(w.ctx)[0].OK)
			}
			return bot.ErrUnavailable
		}
		return nil
	}
	w.say("ana", "vm start 4009")
	w.due()
	require.Equal(t, bot.Succeeded, w.state(1))
	require.Equal(t, 1, w.row("vm start").ran())
	require.Len(t, during, 2)
	require.Contains(t, during[0].card().Title, "nothing new is begun")
	require.Contains(t, words(during[1].card()), "Read vm show")
	require.EqualValues(t, 1, w.store.lastOp)
	w.say("cho", "vm start 4008")
	require.EqualValues(t, 2, w.store.lastOp, "and when it is stored, new ones are taken again")
}

func TestAResultWhoseWriteWasLostIsNotWrittenTwice(t *testing.T) {
	w := newWorld(t)
	lost := false
	w.store.after = func(method string) error {
		if op, err := w.peek(1); method == "Advance" && !lost && err == nil && op.State == bot.Succeeded {
			lost = true
			return bot.ErrUnavailable
		}
		return nil
	}
	w.say("ana", "vm start 4009")
	w.skip(time.Minute)
	require.True(t, lost)
	require.Equal(t, []string{"command", "intent", "outcome"}, w.kinds(1))
	require.Len(t, w.slack.thread(ops), 1)
}

func TestAfterARestartAnIntentIsUnknownAndNothingIsSent(t *testing.T) {
	w := newWorld(t)
	ctx, kill := context.WithCancel(w.ctx)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { kill(); panic("killed") }
	w.say("ana", "vm start 4009")
	op := w.op(1)
	op.State, op.Lane, op.NextAt = bot.Intent, "vm/4009", time.Time{}
	op.Attempts = []bot.Attempt{{At: noon}}
	_, err := w.store.Advance(w.ctx, noon, "", &op, bot.Written{})
	require.NoError(t, err)
	_ = ctx
	w.restart()
	require.Equal(t, bot.Unknown, w.state(1))
	w.due()
	require.Contains(t, words(w.slack.roots(ops)[0].card), "stopped while the call was under way")
	w.skip(time.Hour)
	require.Equal(t, bot.NeedsHuman, w.state(1))
	require.Zero(t, w.row("vm start").ran())
	said := len(w.slack.thread(ops))
	w.restart()
	w.skip(time.Hour)
	require.Len(t, w.slack.thread(ops), said, "said once")
}

func TestWaitingOperationsGoOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.restart()
	w.press("dia", w.code(id, "approve"))
	w.restart()
	w.skip(11 * time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
	require.Len(t, w.slack.roots(ops), 1, "the same message")
}

func TestTheCallLivesOnWhenTheBotStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		w.row("vm start").run = func(c *bot.Call) bot.Outcome { <-time.After(30 * time.Second); return accept(c) }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		w.say("ana", "vm start 4009")
		<-time.After(time.Second)
		stop()
		require.NoError(t, <-done)
		w.bot.Finish()
		require.Equal(t, bot.Succeeded, w.state(1), "the answer is stored although everything else has ended")
	})
}

func TestASlowCallHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		w.row("vm start").run = func(c *bot.Call) bot.Outcome {
			if c.Target().ID == 4009 {
				<-time.After(90 * time.Second)
			}
			return accept(c)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		w.say("ana", "vm start 4009")
		<-time.After(time.Second)
		w.say("cho", "vm start 4008")
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, bot.Succeeded, w.state(2))
		require.Equal(t, bot.Intent, w.state(1))
		<-time.After(2 * time.Minute)
		require.Equal(t, bot.Succeeded, w.state(1))
		stop()
		<-done
	})
}

func TestASlowChannelHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		w.slack.onPost = func(bot.Place, string, bot.Card) error { <-time.After(time.Minute); return nil }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		w.say("ana", "vm start 4009")
		<-time.After(time.Second)
		w.sayIn(discord, "cho@discord", "vm start 4008")
		<-time.After(time.Second)
		synctest.Wait()
		require.Len(t, w.discord.roots(discord), 1)
		stop()
		<-done
	})
}

func TestManyAtOnceEachRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial, c.Demo = nil, false, false })
		w.row("vm start").run = func(c *bot.Call) bot.Outcome { <-time.After(100 * time.Millisecond); return accept(c) }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		const n = 200
		for i := range n {
			<-time.After(1100 * time.Millisecond)
			w.say([]string{"ana", "cho", "dia", "ben"}[i%4], fmt.Sprintf("vm start %d", 5000+i%7))
		}
		<-time.After(time.Minute)
		synctest.Wait()
		require.Equal(t, n, w.row("vm start").ran())
		ended := 0
		for _, op := range w.store.all() {
			require.Equal(t, bot.Succeeded, op.State, op.ID)
			ended++
		}
		require.Equal(t, n, ended)
		posts := map[string]int{}
		for _, m := range w.slack.messages {
			posts[m.key]++
		}
		require.Len(t, posts, 2*n, "a root and an end each")
		for key, times := range posts {
			require.Equal(t, 1, times, key)
		}
		stop()
		<-done
	})
}

func TestTheOutcomeIsScrubbedAndBounded(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome {
		return bot.Outcome{Class: bot.Refused, Text: strings.Repeat("x\x00\x1b", 5000)}
	}
	w.say("ana", "vm start 4009")
	w.due()
	require.Less(t, len(w.op(1).Outcome), 600)
	require.NotContains(t, w.op(1).Outcome, "\x1b")
	require.Contains(t, w.op(1).Outcome, "cut", "nothing is cut without saying so")
}

func TestTriesEndThoughTheirReasonsTakeTurns(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome {
		if w.row("vm start").ran()%2 == 0 {
			return bot.Outcome{Class: bot.Throttled, Status: 429, Text: "slow down"}
		}
		return bot.Outcome{Class: bot.NotSent, Text: "no route"}
	}
	w.say("ana", "vm start 4009")
	w.skip(6 * time.Minute)
	require.Equal(t, bot.Cancelled, w.state(1), "after %d attempts", w.row("vm start").ran())
	require.LessOrEqual(t, w.row("vm start").ran(), 8)
}

// TestAStopIsNoProviderThatDoesNotAnswer: a read that the end of the bot cuts
// off says nothing about the provider, and the next start goes on at once.
func TestAStopIsNoProviderThatDoesNotAnswer(t *testing.T) {
	var log strings.Builder
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	live := w.ctx
	var stop context.CancelFunc
	w.ctx, stop = context.WithCancel(live)
	w.row("vm start").preview = func(*bot.Call) (bot.Preview, error) {
		stop()
		return bot.Preview{}, bot.Errorf(bot.Unavailable, "The provider does not answer.").Because(context.Canceled)
	}
	w.say("ana", "vm start 4009")
	_, err := w.bot.RunDue(w.ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, bot.Ready, w.state(1))
	require.NotContains(t, log.String(), "target not readable")
	w.row("vm start").preview = machine
	w.ctx = live
	w.restart()
	w.skip(0)
	require.Equal(t, 1, w.row("vm start").ran())
}
