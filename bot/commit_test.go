package bot_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// ledger is what was committed, acknowledged and sent, in order.
type ledger struct {
	answer
	seen []string
}

func (l *ledger) note(step string) { l.seen = append(l.seen, step) }

// before is how many commits came before a step, after the step before it.
func (l *ledger) before(tb testing.TB, after, step string) int {
	tb.Helper()
	n, counts := 0, after == ""
	for _, s := range l.seen {
		switch {
		case s == step && counts:
			return n
		case s == after && !counts:
			counts, n = true, 0
		case s != "acknowledged" && s != "sent":
			n++
		}
	}
	require.Fail(tb, "no such step", "%s: %q", step, l.seen)
	return 0
}

func (l *ledger) Ack(ctx context.Context) error {
	l.note("acknowledged")
	return l.answer.Ack(ctx)
}

func (l *ledger) Reply(ctx context.Context, c bot.Card) error {
	l.note("acknowledged")
	return l.answer.Reply(ctx, c)
}

func (l *ledger) Form(ctx context.Context, f bot.Form) error {
	l.note("acknowledged")
	return l.answer.Form(ctx, f)
}

// TestHowManyCommitsACallCosts: each commit is two fsyncs that a person waits
// for. What asks for a call costs two at most before it is acknowledged, and
// one more before the call leaves.
func TestHowManyCommitsACallCosts(t *testing.T) {
	for _, tc := range []struct {
		rule string
		line string
		// until brings the operation to where one request more makes the call.
		until func(w *world)
		ask   func(w *world, l *ledger)
	}{
		{"a plain command", "vm start 4009", nil, nil},
		{"the button that confirms", "vm stop 4009", nil, func(w *world, l *ledger) {
			w.bot.Press(w.ctx, bot.Press{Key: w.key(), Account: accounts["ana"], Place: ops, Code: w.code(1, "confirm"), Answer: l})
		}},
		{"the last vote", "vm delete 4009", func(w *world) {
			w.press("ana", w.code(1, "confirm"))
			w.send("ana", w.code(1, "confirm"), "reason", "INC-42", "target", "4009")
		}, func(w *world, l *ledger) {
			w.bot.Press(w.ctx, bot.Press{Key: w.key(), Account: accounts["cho"], Place: ops, Code: w.code(1, "approve"), Answer: l})
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			l := &ledger{}
			for _, words := range []string{"vm start", "vm stop", "vm delete"} {
				row := w.row(words)
				run := row.run
				row.run = func(c *bot.Call) bot.Outcome { l.note("sent"); return run(c) }
			}
			if tc.ask == nil {
				w.store.after = func(method string) error { l.note(method); return nil }
				w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: tc.line, Answer: l})
			} else {
				w.say("ana", tc.line)
				if tc.until != nil {
					tc.until(w)
				}
				w.store.after = func(method string) error { l.note(method); return nil }
				tc.ask(w, l)
			}
			w.due()
			require.LessOrEqual(t, l.before(t, "", "acknowledged"), 2, "%q", l.seen)
			require.LessOrEqual(t, l.before(t, "acknowledged", "sent"), 1, "%q", l.seen)
		})
	}
}
