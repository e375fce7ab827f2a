package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// unknown brings a vm delete by ana to an unknown outcome.
func (w *world) unknown() int64 {
	w.row("vm delete").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer, Text: "time out"} }
	w.row("vm delete").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Unclear}, nil }
	return w.approved()
}

func TestAPersonResolvesWhatNobodyKnows(t *testing.T) {
	for word, state := range map[string]bot.State{"done": bot.ResolvedDone, "not-done": bot.ResolvedUndone, "unsure": bot.ResolvedUnsure} {
		w := newWorld(t)
		id := w.unknown()
		w.jump(160 * time.Second)
		a := w.say("cho", fmt.Sprintf("op resolve %d %s --reason looked", id, word))
		require.Contains(t, words(a.card()), "resolved as "+word)
		require.Equal(t, state, w.state(id))
		require.Equal(t, "cho", w.op(id).EndedBy)
		_, err := w.store.Holder(w.ctx, "vm/4009")
		require.ErrorIs(t, err, bot.ErrNotFound, "its lane is free")
		require.Contains(t, w.kinds(id), "resolve")
		a = w.say("cho", fmt.Sprintf("op resolve %d done --reason again", id))
		require.Contains(t, words(a.card()), "not one whose outcome is unknown")
		require.Equal(t, state, w.state(id), "final states never change")
		w.due()
		require.Equal(t, 1, ends(w.slack, ops))
		require.Equal(t, 1, w.row("vm delete").ran())
	}
}

func TestWhatNeedsAPersonPingsThem(t *testing.T) {
	w := newWorld(t)
	id := w.unknown()
	w.due()
	w.row("vm delete").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Person, Text: "Look."}, nil }
	w.skip(10 * time.Minute)
	require.Equal(t, bot.NeedsHuman, w.state(id))
	pinged := make(map[string][]string) // by the title's beginning
	for _, card := range w.slack.thread(ops) {
		head, _, _ := strings.Cut(card.Title, ".")
		for _, m := range card.Mentions {
			pinged[head] = append(pinged[head], m.User)
		}
	}
	require.Equal(t, map[string][]string{
		"A person has to look": {accounts["ana"].User, accounts["cho"].User}, // ana needed an approval, so she may not resolve it
	}, pinged)
}

func TestWhoMayResolveAndWhen(t *testing.T) {
	w := newWorld(t)
	id := w.unknown()
	line := fmt.Sprintf("op resolve %d done --reason looked", id)
	require.Contains(t, words(w.say("cho", line).card()), "may still be on its way", "not before 160 s")
	w.jump(159 * time.Second)
	w.say("cho", line)
	require.Equal(t, bot.Unknown, w.state(id))
	w.jump(time.Second)
	require.Contains(t, words(w.say("ana", line).card()), "somebody else has to resolve")
	require.Contains(t, words(w.say("ana@discord", line).card()), "somebody else has to resolve")
	require.Contains(t, words(w.say("ben", line).card()), "Not allowed")
	require.Equal(t, bot.Unknown, w.state(id))
	w.say("cho", line)
	require.Equal(t, bot.ResolvedDone, w.state(id))
}

// TestARefusedResolutionSaysNothingOfTheOperation: "Nothing was done." behind
// "VM 4009 has restarted." would be read as if it had not.
func TestARefusedResolutionSaysNothingOfTheOperation(t *testing.T) {
	w := newWorld(t)
	w.row("op resolve").preview = func(*bot.Call) (bot.Preview, error) {
		return bot.Preview{}, bot.Errorf(bot.Conflict, "It ended: VM 4009 has restarted.")
	}
	said := words(w.say("cho", "op resolve 1 done --reason looked").card())
	require.Contains(t, said, "It ended: VM 4009 has restarted. This command changed nothing.")
	require.NotContains(t, said, "Nothing was done")
}

func TestWhoAskedWithoutApprovalsMayResolveHimself(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	w.say("ana", "vm start 4009")
	w.due()
	w.jump(time.Hour)
	w.say("ana", "op resolve 1 done --reason looked")
	require.Equal(t, bot.ResolvedDone, w.state(1))
}

func TestTheResolveButtonAsksForTheWordAndTheReason(t *testing.T) {
	w := newWorld(t)
	id := w.unknown()
	w.jump(time.Hour)
	code := button(w.slack.roots(ops)[0].card, "Resolve")
	require.NotEmpty(t, code)
	f := w.press("cho", code).form()
	require.Len(t, f.Fields, 2)
	require.NotEmpty(t, w.send("cho", code, "outcome", "done", "reason", " ").form().Fields[1].Error)
	require.NotEmpty(t, w.send("cho", code, "outcome", "perhaps", "reason", "x").count())
	require.Contains(t, words(w.send("ben", code, "outcome", "done", "reason", "x").card()), "Not allowed")
	require.Equal(t, bot.Unknown, w.state(id))
	for range 2 {
		require.NotZero(t, w.sendKey("same", "cho", code, "outcome", "done", "reason", "looked").count())
	}
	require.Equal(t, bot.ResolvedDone, w.state(id))
	require.Contains(t, w.op(id).Outcome, "looked")
}

func TestAReasonToResolveIsCleaned(t *testing.T) {
	w := newWorld(t)
	id := w.unknown()
	w.jump(time.Hour)
	w.send("cho", w.code(id, "resolve"), "outcome", "done", "reason", "a\x01b`c\n\u202ed")
	require.Equal(t, bot.ResolvedDone, w.state(id))
	require.NotContains(t, w.op(id).Outcome, "\x01b")
	require.NotContains(t, w.op(id).Outcome, "\u202e")
}

func TestTheOperationOfAJobIsFound(t *testing.T) {
	w := newWorld(t)
	id, _ := w.begin(time.Hour, 0)
	op, err := w.bot.OperationOfJob(w.ctx, 15)
	require.NoError(t, err)
	require.Equal(t, id, op.ID)
	_, err = w.bot.OperationOfJob(w.ctx, 16)
	require.ErrorIs(t, err, bot.ErrNotFound)
	_, err = w.bot.Operation(w.ctx, 99)
	require.True(t, bot.IsKind(err, bot.Missing))
}

func TestTheWholeStoryOfAnOperation(t *testing.T) {
	w := newWorld(t)
	id := w.unknown()
	op := w.op(id)
	card := w.bot.OperationCard(&bot.Call{}, &op)
	text := words(card)
	for _, want := range []string{"unknown", "cho approved", "no answer", "time out", "loss", "INC-42", "State running"} {
		require.Contains(t, text, want)
	}
}

func TestALostResolutionIsNotReportedAsDone(t *testing.T) {
	w := newWorld(t)
	w.row("vm start").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.NoAnswer} }
	w.say("ana", "vm start 4009")
	w.due()
	w.jump(time.Hour)
	raced := false
	w.store.before = func(method string) error {
		if op, err := w.peek(1); method == "Advance" && !raced && w.row("op resolve").ran() == 1 && err == nil && op.State == bot.Unknown {
			raced = true
			op.State, op.NextAt = bot.ResolvedDone, time.Time{}
			_, err := w.store.advance(w.clock.Now(), "", op, bot.Written{})
			return err
		}
		return nil
	}
	a := w.say("cho", "op resolve 1 not-done --reason looked")
	require.True(t, raced)
	require.Equal(t, bot.ResolvedDone, w.state(1))
	require.NotContains(t, words(a.card()), "is resolved as not-done")
}
