package bot_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// Votes that are collected anew begin a new wait: for the backup it is as long
// as the first one was, and the card shows what it waits for now.
func TestAnOperationThatIsApprovedAnewWaitsAnewForItsBackup(t *testing.T) {
	w := newWorld(t)
	w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) {
		pv, err := machine(c)
		pv.LastBackup = time.Time{}
		return pv, err
	}
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.skip(11 * time.Minute)
	require.True(t, w.op(id).NeedsBackup)
	w.policy("leads: [ana, cho, dia]", "leads: [ana, dia, ben]")
	w.skip(time.Minute)
	require.Equal(t, bot.Pending, w.state(id))
	w.press("ben", w.code(id, "approve"))
	require.Equal(t, bot.Ready, w.state(id))
	require.Empty(t, w.op(id).Waits)
	w.skip(23 * time.Hour)
	require.Equal(t, bot.Ready, w.state(id), "the delay, and then a day for the backup")
	w.skip(2 * time.Hour)
	require.Equal(t, bot.Expired, w.state(id))
}

// A command that is run for whoever typed it, and panics, is gone on with in
// the background.
func TestAQuietCommandThatPanicsIsGoneOnWith(t *testing.T) {
	w := newWorld(t)
	broken := true
	w.row("op note").preview = func(*bot.Call) (bot.Preview, error) {
		if broken {
			panic("oops")
		}
		return bot.Preview{Title: "op note"}, nil
	}
	require.Equal(t, "Something went wrong", w.say("cho", "op note --text x").card().Title)
	require.Equal(t, bot.Ready, w.state(1))
	broken = false
	w.skip(2 * time.Minute)
	require.Equal(t, bot.Succeeded, w.state(1))
}

func TestTheDelayIsWaitedForAndItsTenMinutesStartAfterwards(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.api.paused = bot.Errorf(bot.Unavailable, "Mutations are paused.")
	w.skip(10*time.Minute - time.Second)
	require.Equal(t, bot.Ready, w.state(id))
	require.Equal(t, 1, w.row("vm delete").previews, "nothing is read before the delay is over")
	w.skip(9 * time.Minute)
	require.Equal(t, bot.Ready, w.state(id))
	require.Contains(t, words(w.slack.roots(ops)[0].card), "Mutations are paused")
	w.api.paused = nil
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
}

func TestABackupIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	last := noon.Add(-25 * time.Hour)
	w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) {
		pv, err := machine(c)
		pv.LastBackup = last
		return pv, err
	}
	id := w.asked("4001")
	w.due()
	require.NotEmpty(t, button(w.slack.roots(ops)[0].card, "Back up first"))
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.skip(2 * time.Hour)
	require.Equal(t, bot.Ready, w.state(id))
	require.Zero(t, w.row("vm delete").ran())
	for range 2 {
		require.NotZero(t, w.pressKey("same", "ben", button(w.slack.roots(ops)[0].card, "Back up first")).count())
	}
	w.skip(time.Minute)
	require.EqualValues(t, 2, w.store.lastOp)
	require.Equal(t, []any{bot.Succeeded, "ben", id}, []any{w.state(2), w.op(2).Person, w.op(2).For})
	last = w.clock.Now()
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
}

func TestABackupThatNeverComesExpires(t *testing.T) {
	w := newWorld(t)
	w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) {
		pv, err := machine(c)
		pv.LastBackup = time.Time{}
		return pv, err
	}
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.skip(23 * time.Hour)
	require.Equal(t, bot.Ready, w.state(id))
	w.skip(2 * time.Hour)
	require.Equal(t, bot.Expired, w.state(id))
	require.Zero(t, w.row("vm delete").ran())
}

func TestABackupAsksNothingOfWhatHasNone(t *testing.T) {
	w := newWorld(t)
	w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) { pv, err := machine(c); pv.Backed = false; return pv, err }
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.skip(11 * time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
}
