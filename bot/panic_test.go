package bot_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// A card that a chat cannot draw is tried again like any other message; it ends
// no process, and holds up no other thread.
func TestAMessageThatPanicsHoldsUpNoOther(t *testing.T) {
	w := newWorld(t)
	broken := true
	w.slack.onPost = func(_ bot.Place, key string, c bot.Card) error {
		if broken && strings.HasPrefix(key, "root/1/") {
			panic("oops")
		}
		return nil
	}
	w.say("ana", "vm start 4009")
	w.say("ana", "vm start 4008")
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(1))
	require.Len(t, w.slack.roots(ops), 1, "the other's")
	broken = false
	w.skip(time.Hour)
	require.Len(t, w.slack.roots(ops), 2)
}

// A panic after the answer came leaves an intent without an outcome: it is
// unknown at once, not only after a restart, and never sent again.
func TestAnAnswerThatIsNotTakenIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.row("vm stop").run = func(c *bot.Call) bot.Outcome {
		before := w.store.before
		w.store.before = func(method string) error {
			if method == "Advance" {
				w.store.before = before
				panic("oops")
			}
			return nil
		}
		return accept(c)
	}
	id := w.confirmed("cho", "vm stop 4009")
	w.due()
	require.Equal(t, bot.Intent, w.state(id))
	w.skip(16 * time.Second)
	require.Contains(t, w.op(id).Outcome, "The bot made a mistake while it took the answer")
	require.Contains(t, words(w.slack.roots(ops)[0].card), "Outcome unknown")
	w.skip(time.Hour)
	require.True(t, w.state(id).HoldsLane() || w.state(id).Final())
	require.NotEqual(t, bot.Intent, w.state(id))
	require.Equal(t, 1, w.row("vm stop").ran())
}

// A VM whose incidents cannot be drawn keeps the watch from no other.
func TestAWatchThatPanicsOverOneVMGoesOnWithTheNext(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.attack(4002, "2", true)
	s.slack.onPost = func(_ bot.Place, _ string, c bot.Card) error {
		if strings.Contains(c.Title, "4001") {
			panic("oops")
		}
		return nil
	}
	s.due()
	require.Len(t, s.said(), 1)
	require.Contains(t, s.said()[0], "4002")
	require.Less(t, len(s.api.asked), 5, "at the watch's own pace")
}

// Every panic is counted, wherever it is survived: an alert looks at the count.
func TestEveryPanicIsCounted(t *testing.T) {
	m := &counts{}
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Metrics = m })
	oops := func(*bot.Call) (bot.Card, error) { panic("oops") }
	w.row("vm show").read = oops
	w.say("ana", "vm show 4001")
	require.Equal(t, 1, m.panics, "a handler")
	t.Cleanup(func() { vmKind.Complete = nil })
	vmKind.Complete = func(context.Context, *bot.Call, string) ([]bot.Choice, error) { panic("oops") }
	w.bot.Complete(w.ctx, bot.Completion{Account: accounts["ana"], Place: ops, Words: "vm delete", Param: "vm"})
	require.Equal(t, 2, m.panics, "a completion")
	w.row("vm start").run = func(*bot.Call) bot.Outcome { panic("oops") }
	w.say("ana", "vm start 4009")
	w.due()
	require.Equal(t, 3, m.panics, "a call")
}

// Whoever was told that something went wrong is not told a second later that the
// bot is at work on it.
func TestAfterAPanicNothingIsAtWork(t *testing.T) {
	w := newWorld(t)
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { panic("oops") }
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) { panic("oops") }
	for _, line := range []string{"vm show 4001", "vm delete 4009"} {
		a := w.say("ana", line)
		w.clock.move(2 * time.Second)
		require.Equal(t, "Something went wrong", a.card().Title, line)
	}
}

// A look-up of a group that panics is one that failed.
func TestALookUpThatPanicsIsNoMember(t *testing.T) {
	m := &counts{}
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Metrics = m })
	w.slack.member = func(bot.Group, []bot.PolicyAccount) (bot.Membership, error) { panic("oops") }
	require.Empty(t, button(w.say("ana", "vm delete 4001").card(), "Break glass"))
	require.Positive(t, m.panics)
}

// A chat that cannot show that the bot is at work ends no process, and has its
// answer all the same.
func TestWorkThatCannotBeShownIsDone(t *testing.T) {
	m := &counts{}
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Metrics = m })
	a := &answer{slow: func(c bot.Card) {
		if c.Tone == bot.Busy {
			panic("oops")
		}
	}}
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) {
		w.clock.move(2 * time.Second)
		return bot.Card{Title: "VM 4001"}, nil
	}
	w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: where("ana"), Line: "vm show 4001", Answer: a})
	require.Equal(t, "VM 4001", a.card().Title)
	require.Equal(t, 1, m.panics)
}
