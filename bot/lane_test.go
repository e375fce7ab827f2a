package bot_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// lost is a command whose answer never came, and whose outcome no read tells.
func (w *world) lost(words string) int64 {
	w.tb.Helper()
	w.row(words).run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	id := w.confirmed("ana", words+" 4009", "reason", "x", "target", "4009")
	w.press("cho", w.code(id, "approve"))
	w.skip(4 * time.Minute)
	require.Equal(w.tb, bot.NeedsHuman, w.state(id))
	return id
}

// freedRecords are the records that say of an operation that its lane is free.
func (w *world) freedRecords(id int64) (n int) {
	w.tb.Helper()
	for _, r := range w.records() {
		if r.Op == id && r.Text == "lane freed" {
			n++
		}
	}
	return n
}

func TestAFreedLaneIsRecordedShownAndWarnedOf(t *testing.T) {
	w := newWorld(t)
	id := w.lost("vm reset-password")
	require.NotContains(t, words(w.slack.roots(ops)[0].card), "free for other operations")
	w.skip(2 * time.Minute)
	require.True(t, w.op(id).LaneFreed)
	require.Equal(t, 1, w.freedRecords(id))
	require.Contains(t, words(w.slack.roots(ops)[0].card), "Its target is free for other operations again.")
	card := w.say("ana", "vm delete 4009").card()
	require.Contains(t, card.Notes, "The outcome of operation 1 on the same target is unknown: `vm reset-password`.")
	require.NotContains(t, words(w.say("ana", "vm delete 4008").card()), "is unknown")
	w.restart()
	require.Contains(t, w.say("ana", "vm delete 4009").card().Notes, "The outcome of operation 1 on the same target is unknown: `vm reset-password`.", "a restart forgets nothing")
	w.say("cho", "op resolve 1 done --reason looked")
	require.NotContains(t, words(w.say("ana", "vm delete 4009").card()), "is unknown")
}

// What keeps its lane until a person has looked is not said to be free.
func TestALaneThatIsKeptIsNotRecordedAsFreed(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	w.say("ana", "vm start 4009")
	w.skip(time.Hour)
	require.Equal(t, bot.NeedsHuman, w.state(1))
	require.False(t, w.op(1).LaneFreed)
	require.Zero(t, w.freedRecords(1))
	require.Zero(t, w.op(1).NextAt, "it is not looked at again")
}

func TestASoftLaneIsFreedAfterFiveMinutes(t *testing.T) {
	w := newWorld(t)
	w.row("vm reset-password").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	id := w.confirmed("ana", "vm reset-password 4009", "reason", "x", "target", "4009")
	w.press("cho", w.code(id, "approve"))
	w.due()
	w.say("ana", "vm start 4009")
	w.skip(4 * time.Minute)
	require.Equal(t, bot.Ready, w.state(2))
	w.skip(2 * time.Minute)
	require.Equal(t, bot.NeedsHuman, w.state(id))
	require.Equal(t, bot.Succeeded, w.state(2))
}

func TestAnIntentWhoseAnswerIsLostDoesNotHoldItsLaneForEver(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm start 4009")
	lost := false
	w.store.after = func(method string) error {
		if op, err := w.peek(1); method == "Advance" && !lost && err == nil && op.State == bot.Intent {
			lost = true
			return bot.ErrUnavailable
		}
		return nil
	}
	w.skip(time.Hour)
	require.True(t, lost)
	require.NotEqual(t, bot.Intent, w.state(1))
	require.LessOrEqual(t, w.row("vm start").ran(), 1)
}

func TestWaitingForALaneCostsFewReads(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	w.say("ana", "vm start 4009")
	w.due()
	w.say("cho", "backup create 4009")
	w.skip(10 * time.Minute)
	require.Equal(t, bot.Expired, w.state(2), "the wait ends with its ten minutes")
	require.Less(t, w.row("backup create").previews, 30)
}

func TestABusyLaneIsWaitedForWithinTheTenMinutes(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	w.say("ana", "vm start 4009")
	w.due()
	require.Equal(t, bot.Unknown, w.state(1))
	w.say("cho", "backup create 4009")
	w.say("cho", "backup create 4008")
	w.skip(5 * time.Minute)
	require.Equal(t, bot.Succeeded, w.state(3), "another lane is free")
	require.Equal(t, bot.Ready, w.state(2))
	require.Zero(t, w.row("backup create").runs-1)
	require.Contains(t, words(w.slack.roots(ops)[1].card), "operation 1, whose outcome is unknown since")
	require.Contains(t, words(w.say("cho", "op resolve 1 done --reason looked").card()), "resolved as done")
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(2))
	w.say("ana", "vm start 4009")
	w.due()
	w.say("cho", "backup create 4009")
	w.skip(11 * time.Minute)
	require.Equal(t, bot.Expired, w.state(6), "nobody wants it hours later")
	op, err := w.store.Operation(w.ctx, 6)
	require.NoError(t, err)
	require.Regexp(t, `^It could not be sent in time: it waited for operation 5, whose outcome is unknown since .*\. Nothing was done\.$`, op.Outcome)
}
