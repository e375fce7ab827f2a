package bot_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// rolledBack is a world with an operation in each state, numbered as
// bot.States, whose store says that it is an older copy.
func rolledBack(t *testing.T) *world {
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Home = alarm })
	for i, s := range bot.States() {
		op := bot.Operation{
			State: s, Command: "vm reset-password", Args: bot.Args{{Name: "vm", Value: "4009"}}, Lane: "vm/" + string(s), Person: "ana", Account: accounts["ana"],
			Place: ops, Places: []bot.Place{ops}, Title: string(s), Nonce: "n", Created: noon, Expires: noon.Add(time.Hour), NextAt: noon.Add(time.Hour),
		}
		if !s.Waiting() {
			op.Attempts, op.Job = []bot.Attempt{{At: noon, SendBy: noon.Add(10 * time.Second)}}, &bot.Job{ID: 15}
		}
		stored, err := w.store.Create(w.ctx, noon, "", &op, bot.Written{})
		require.NoError(t, err)
		require.Equal(t, int64(i+1), stored.ID)
	}
	w.store.rolled = "an older copy is in its place"
	return w
}

// accept makes a new bot that goes on with the store.
func (w *world) accept() error {
	b, err := bot.New(w.config)
	require.NoError(w.tb, err)
	w.bot = b
	return errors.Join(b.AcceptRollback(w.ctx), b.Recover(w.ctx))
}

// becomes is what an accepted rollback makes of a state.
func becomes(s bot.State) bot.State {
	switch s {
	case bot.Confirming, bot.Pending, bot.Ready, bot.Checking:
		return bot.Invalidated
	case bot.Intent, bot.InProgress, bot.Following:
		return bot.Unknown
	}
	return s
}

func TestAnAcceptedRollbackInvalidatesApprovalsAndMakesOpenOperationsUnknown(t *testing.T) {
	w := rolledBack(t)
	require.NoError(t, w.accept())
	require.Empty(t, w.store.Rollback())
	for i, s := range bot.States() {
		op := w.op(int64(i + 1))
		require.Equal(t, becomes(s), op.State, s)
		if becomes(s) == s {
			require.Equal(t, int64(1), op.Version, "%s is not touched", s)
			continue
		}
		require.Contains(t, op.Outcome, "The store was restored from an older copy", s)
		require.Equal(t, []string{"state"}, w.kinds(op.ID))
		require.Equal(t, op.State == bot.Unknown, op.HoldsLane(), "%s keeps its lane", s)
	}
	records := w.records()
	require.Equal(t, "rollback", records[len(records)-1].Kind, "the last thing that is written")
	require.Equal(t, "an older copy is in its place", records[len(records)-1].Text)
	w.due()
	require.Equal(t, 4, ends(w.slack, ops), "what is over says so")
	alert := w.slack.roots(alarm)
	require.Len(t, alert, 1)
	require.Contains(t, words(alert[0].card), "Approvals invalidated: 4. Operations whose outcome is unknown now: 3.")

	for i, s := range bot.States() {
		id := int64(i + 1)
		if becomes(s) != bot.Invalidated {
			continue
		}
		for _, action := range []string{"approve", "confirm", "secret"} {
			w.send("cho", w.code(id, action), "password", canary, "reason", "x", "target", "4009")
		}
		require.Equal(t, bot.Invalidated, w.state(id))
	}
	require.Zero(t, w.row("vm reset-password").ran(), "nothing is sent")
}

func TestWhatARollbackMadeUnknownIsSettledByReading(t *testing.T) {
	w := newWorld(t)
	id, _ := w.begin(time.Hour, 0)
	w.row("vm create").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Done, Text: "VM 4010 is there."}, nil }
	w.store.rolled = "older"
	require.NoError(t, w.accept())
	require.Equal(t, bot.Unknown, w.state(id))
	w.skip(time.Minute)
	require.Equal(t, bot.SettledDone, w.state(id))
	require.Equal(t, 1, w.row("vm create").ran())
}

func TestARollbackThatWasCutShortIsDoneAgain(t *testing.T) {
	total := len(slices.DeleteFunc(bot.States(), func(s bot.State) bool { return becomes(s) == s })) + 1
	for n := range total {
		w := rolledBack(t)
		writes, fail := 0, true
		guard := w.store.before
		w.store.before = func(method string) error {
			if method == "Advance" || method == "EndRollback" {
				if writes++; fail && writes > n {
					return bot.ErrUnavailable
				}
			}
			return guard(method)
		}
		b, err := bot.New(w.config)
		require.NoError(t, err)
		require.ErrorIs(t, b.AcceptRollback(w.ctx), bot.ErrUnavailable)
		require.NotEmpty(t, w.store.Rollback())
		fail = false
		require.NoError(t, w.accept())
		require.Empty(t, w.store.Rollback())
		require.Equal(t, total+1, writes, "what was done is not done twice, but for the one that failed")
		for i, s := range bot.States() {
			require.Equal(t, becomes(s), w.state(int64(i+1)), s)
		}
	}
}

func TestWhereNothingWasRolledBackNothingIsAccepted(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	n := len(w.records())
	require.NoError(t, w.accept())
	require.Equal(t, bot.Pending, w.state(id))
	require.Len(t, w.records(), n)
}
