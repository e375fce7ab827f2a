package bot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// tableOf makes a table of so many rows.
func tableOf(n int) *bot.Table {
	t := &bot.Table{Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}}}
	for i := range n {
		t.Rows = append(t.Rows, []string{bot.Code(fmt.Sprint(4001 + i)), fmt.Sprint("vm-", i)})
	}
	return t
}

func TestAReadAnswersPrivatelyAfterItsAcknowledgement(t *testing.T) {
	w := newWorld(t)
	a := w.say("ben", "vm show 4001")
	require.Equal(t, []string{"ack", "card"}, a.events)
	require.Empty(t, w.slack.log)
	records := w.records()
	require.Len(t, records, 1)
	require.Equal(t, []string{"read", "allow", "ben", "vm/4001"}, []string{records[0].Kind, records[0].Decision, records[0].Person, records[0].Target})
}

func TestASlowReadShowsThatItIsAtWork(t *testing.T) {
	w := newWorld(t)
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) {
		w.clock.move(1500 * time.Millisecond)
		return bot.Card{Title: "The VM"}, nil
	}
	a := w.say("ana", "vm show 4001")
	require.Equal(t, []string{"ack", "card", "card"}, a.events)
	require.Equal(t, bot.Busy, a.cards[0].Tone)
	require.Equal(t, "The VM", a.card().Title)
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { return bot.Card{Title: "The VM"}, nil }
	require.Equal(t, []string{"ack", "card"}, w.say("ana", "vm show 4001").events)
}

// TestASlowPressShowsThatItIsAtWork: a button that reads from the provider is
// as slow as a command that does.
func TestASlowPressShowsThatItIsAtWork(t *testing.T) {
	for label, words := range map[string]string{"Share": "vm list", "As a file": "vm list", "Open console": "vm console 4009"} {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			slow := time.Duration(0)
			w.row("vm list").read = func(*bot.Call) (bot.Card, error) {
				w.clock.move(slow)
				return bot.Card{Title: "VMs", Table: tableOf(2)}, nil
			}
			w.row("vm console").reveal = func(*bot.Call) (bot.Card, error) {
				w.clock.move(slow)
				return bot.Card{Title: "Here"}, nil
			}
			code := button(w.say("ana", words).card(), label)
			quick := w.press("ana", code)
			slow = 1500 * time.Millisecond
			a := w.press("ana", code)
			require.Greater(t, len(a.events), len(quick.events))
			require.Equal(t, bot.Busy, a.cards[0].Tone)
			require.Contains(t, a.cards[0].Title, "Working on")
			require.NotEqual(t, bot.Busy, a.card().Tone, "it does not stand there for good")
		})
	}
}

func TestShareDecidesAgainInTheChannelsPlace(t *testing.T) {
	w := newWorld(t)
	w.policy("operator: {include: [viewer], allow", "operator: {allow", "owner: {include: [operator], allow", "owner: {include: [operator, viewer], allow",
		"everyone-reads, to: [ops], role: viewer}", "everyone-reads, to: [ops], role: viewer, in: [direct, slack:T01TEAM/C0OPS]}", "leads-own, to: [leads], role: owner}", "leads-own, to: [leads], role: owner, in: [slack:T01TEAM/C0OPS]}")
	a := w.sayIn(direct, "ben", "vm show 4001")
	code := button(a.card(), "Share")
	require.NotEmpty(t, code)
	press := func(p bot.Place) *answer {
		a := &answer{}
		w.bot.Press(w.ctx, bot.Press{Key: w.key(), Account: accounts["ben"], Place: p, Code: code, Answer: a})
		w.due()
		return a
	}
	require.Contains(t, words(press(other).card()), "Not allowed")
	require.Empty(t, w.slack.roots(other))
	require.Contains(t, words(press(ops).card()), "Shared in the channel.")
	require.Len(t, w.slack.roots(ops), 1)
	require.Contains(t, words(w.slack.roots(ops)[0].card), "Shared by ben")
	require.Contains(t, words(press(ops).card()), "Shared in the channel.")
	require.Len(t, w.slack.roots(ops), 1, "pressed twice, it stands once")
	require.Equal(t, ops, w.row("vm show").lastPlace)
	shared := ops
	shared.Channel, shared.Shared = "C0OUTSIDE", true
	require.Contains(t, words(press(shared).card()), "Not allowed")
	w.policy("operator: {include: [viewer], allow", "operator: {allow", "everyone-reads, to: [ops]", "everyone-reads, to: [cho]")
	require.Contains(t, words(press(ops).card()), "Not allowed", "and of the right that he has now")
	require.Len(t, w.slack.roots(ops), 1)
}

func TestShareSaysWhereItMayNotPost(t *testing.T) {
	w := newWorld(t)
	code := button(w.say("ana", "vm show 4001").card(), "Share")
	w.slack.canPost = func(bot.Place) error { return bot.Errorf(bot.Forbidden, "Write /invite @hosterbot first.") }
	require.Contains(t, w.press("ana", code).card().Title, "/invite")
}

func TestNextTurnsThePages(t *testing.T) {
	w := newWorld(t) // three rows a message
	w.row("vm list").read = func(*bot.Call) (bot.Card, error) { return bot.Card{Title: "VMs", Table: tableOf(7)}, nil }
	a := w.say("ana", "vm list")
	for page, want := range []string{"Rows 1 to 3 of 7.", "Rows 4 to 6 of 7.", "Rows 7 to 7 of 7."} {
		card := a.card()
		require.Equal(t, []string{want}, card.Notes)
		require.Equal(t, bot.Code(fmt.Sprint(4001+3*page)), card.Table.Rows[0][0])
		code := button(card, "Next")
		if page == 2 {
			require.Empty(t, code)
			break
		}
		a = w.press("ana", code)
	}
	first := button(w.say("ana", "vm list").card(), "Next")
	w.row("vm list").read = func(*bot.Call) (bot.Card, error) { return bot.Card{Title: "VMs", Table: tableOf(2)}, nil }
	require.NotEmpty(t, w.press("ana", first).card().Title, "a page that is no more is answered")
}

func TestAuditTurnsItsPagesAndIsNotPassedOn(t *testing.T) {
	w := newWorld(t)
	w.row("audit").read = func(*bot.Call) (bot.Card, error) { return bot.Card{Title: "Audit log", Table: tableOf(7)}, nil }
	card := w.say("ana", "audit").card()
	require.Len(t, card.Buttons, 1, "no Share, and no file that stays")
	require.Equal(t, []string{"Rows 4 to 6 of 7."}, w.press("ana", button(card, "Next")).card().Notes)
	require.Contains(t, w.press("ben", button(card, "Next")).card().Title, "not yours")
}

func TestAsAFileSendsAllRowsAndNoFormula(t *testing.T) {
	w := newWorld(t)
	table := tableOf(7)
	table.Rows[0][1], table.Rows[1][1], table.Rows[2][1], table.Rows[3][1] = "=HYPERLINK(1)", "+1", "-1", "@SUM(1)"
	table.Rows[4][1], table.Rows[5][1], table.Rows[6][1] = bot.Code("=1+1"), `say "hi", ok`, "plain-1"
	w.row("vm list").read = func(*bot.Call) (bot.Card, error) { return bot.Card{Title: "VMs", Table: table}, nil }
	a := w.press("ana", button(w.say("ana", "vm list").card(), "As a file"))
	require.Equal(t, []string{"ack", "file"}, a.events)
	require.Equal(t, "vm-list.csv", a.files[0].Name)
	require.Equal(t, "ID,Name\n4001,'=HYPERLINK(1)\n4002,'+1\n4003,'-1\n4004,'@SUM(1)\n4005,'=1+1\n4006,\"say \"\"hi\"\", ok\"\n4007,plain-1\n", string(a.files[0].Data))
}

func TestCSVQuotesEveryStartThatASpreadsheetRuns(t *testing.T) {
	for _, cell := range []string{"=1", "+1", "-1", "@1"} {
		data := string(bot.TableCSV(&bot.Table{Columns: []bot.Column{{Name: "A"}}, Rows: [][]string{{cell}}}, noon))
		require.True(t, strings.HasPrefix(data, "A\n'") || strings.HasPrefix(data, "A\n\"'"), "%q gives %q", cell, data)
	}
}

func TestButtonsOfOthersAndOldOnesAreAnswered(t *testing.T) {
	w := newWorld(t)
	w.row("vm list").read = func(*bot.Call) (bot.Card, error) { return bot.Card{Title: "VMs", Table: tableOf(7)}, nil }
	card := w.say("ana", "vm list").card()
	require.Len(t, card.Buttons, 3)
	for _, b := range card.Buttons {
		for _, who := range []string{"cho", "eve", "stranger"} {
			require.Contains(t, w.press(who, b.Code).card().Title, "not yours")
		}
		require.Contains(t, w.press("ana", b.Code+"0").card().Title, "older than")
	}
	require.NotZero(t, w.press("ana@discord", card.Buttons[0].Code).count(), "the same person elsewhere")
	w.jump(15 * time.Minute)
	for _, b := range card.Buttons {
		require.Contains(t, w.press("ana", b.Code).card().Title, "older than 15 min")
	}
}

func TestASecretIsShownToWhoPressedAndWrittenDownNowhere(t *testing.T) {
	w := newWorld(t)
	a := w.say("ana", "vm console 4009")
	require.Empty(t, a.card().Secrets)
	require.Zero(t, w.row("vm console").reveals, "the link is fetched only when it is pressed")
	code := button(a.card(), "Open console")
	require.Contains(t, w.press("cho", code).card().Title, "not yours")
	a = w.press("ana", code)
	require.Equal(t, canary, a.card().Secrets[0].Value.Reveal())
	texts := []string{}
	for _, r := range w.records() {
		if r.Kind == "secret" {
			texts = append(texts, r.Text)
		}
	}
	require.Equal(t, []string{"asked", "shown to ana"}, texts)
	require.NotContains(t, string(w.store.dump()), canary)
	w.jump(9 * time.Second)
	require.NotEmpty(t, a.card().Secrets)
	w.jump(2 * time.Second)
	require.Empty(t, a.card().Secrets)
	again := button(a.card(), "Open console")
	require.NotEmpty(t, again)
	w.policy("all secrets, op resolve", "op resolve")
	require.Contains(t, words(w.press("ana", again).card()), "Not allowed", "it is decided again")
}

func TestNoAuditNoSecret(t *testing.T) {
	for n := range 3 {
		w := newWorld(t)
		code := button(w.say("ana", "vm console 4009").card(), "Open console")
		calls := 0
		w.store.before = func(method string) error {
			if method == "Append" || method == "SaveRead" {
				if calls++; calls > n {
					return bot.ErrUnavailable
				}
			}
			return nil
		}
		a := w.press("ana", code)
		if n < 2 {
			require.Empty(t, a.card().Secrets)
			require.Contains(t, a.card().Title, "no secret is shown")
		} else {
			require.NotEmpty(t, a.card().Secrets)
		}
	}
	w := newWorld(t)
	w.store.before = func(method string) error {
		if method == "SaveRead" {
			return bot.ErrUnavailable
		}
		return nil
	}
	require.Contains(t, w.say("ana", "vm console 4009").card().Title, "no secret is shown")
	require.Contains(t, words(w.say("ana", "vm show 4009").card()), "Read vm show", "a read is answered without its buttons")
}

// created brings a vm create with a password to its end.
func (w *world) created() int64 {
	id, _ := w.begin(time.Second, 0)
	w.row("vm create").follow = func(*bot.Call) (bot.Progress, error) {
		return bot.Progress{Phase: bot.Finished, Text: "VM `4010` is ready.", Secret: true, Targets: []bot.Target{{Kind: "vm", ID: 4010}}}, nil
	}
	w.skip(time.Minute)
	return id
}

func TestRevealIsForTheRequesterAndWhoIsGranted(t *testing.T) {
	w := newWorld(t)
	w.policy("leads-own, to: [leads], role: owner}", "leads-own, to: [ana, dia], role: owner}", "leads: [ana, cho, dia]", "leads: [ana, cho, dia]")
	id := w.created()
	for who, sees := range map[string]bool{"ana": true, "ana@discord": true, "dia": true, "cho": false, "ben": false, "eve": false, "stranger": false} {
		a := w.press(who, w.code(id, "reveal"))
		require.Equal(t, sees, len(a.card().Secrets) == 1, who)
		require.NotEmpty(t, a.card().Title)
	}
	require.NotContains(t, string(w.store.dump()), canary)
	for _, m := range append(w.slack.messages, w.discord.messages...) {
		require.NotContains(t, words(m.card), canary)
	}
}

func TestAPasswordThatExistsOnlyInItsAnswer(t *testing.T) {
	w := newWorld(t)
	w.row("vm reset-password").run = func(*bot.Call) bot.Outcome {
		return bot.Outcome{Class: bot.Accepted, Done: "Reset.", Secret: secret.New(canary)}
	}
	reset := func() int64 {
		id := w.confirmed("ana", "vm reset-password 4009", "reason", "x", "target", "4009")
		w.press("cho", w.code(id, "approve"))
		w.due()
		return id
	}
	id := reset()
	require.Contains(t, words(w.slack.thread(ops)[1]), "take it before")
	a := w.press("ana", w.code(id, "reveal"))
	require.Equal(t, canary, a.card().Secrets[0].Value.Reveal())
	require.NotEmpty(t, button(a.card(), "I have it"))
	require.NotEmpty(t, w.press("ana", w.code(id, "reveal")).card().Secrets, "until he has it")
	require.Empty(t, w.press("ben", w.code(id, "reveal")).card().Secrets)
	other := w.press("dia", w.code(id, "reveal")).card()
	require.Empty(t, other.Secrets, "whoever has the grant can ask for a new one")
	require.Contains(t, other.Title, "Only ana can see this password.")
	require.Contains(t, w.press("cho", w.code(id, "have")).card().Title, "Only ana")
	require.Contains(t, w.press("ana", w.code(id, "have")).card().Title, "Forgotten")
	require.Contains(t, w.press("ana", w.code(id, "reveal")).card().Title, "no longer here")

	id = reset()
	w.jump(61 * time.Minute)
	require.Contains(t, w.press("ana", w.code(id, "reveal")).card().Title, "no longer here", "an hour at most")

	id = reset()
	w.restart()
	require.Contains(t, w.press("ana", w.code(id, "reveal")).card().Title, "no longer here", "and no restart")
	require.NotContains(t, string(w.store.dump()), canary)
}

func TestARevealThatFailsIsSaid(t *testing.T) {
	w := newWorld(t)
	id := w.created()
	w.row("vm create").reveal = func(*bot.Call) (bot.Card, error) { return bot.Card{}, errors.New(canary) }
	a := w.press("ana", w.code(id, "reveal"))
	require.NotEmpty(t, a.card().Title)
	require.NotContains(t, words(a.card()), canary)
}

func TestAShareDeliveredTwicePostsOnce(t *testing.T) {
	w := newWorld(t)
	code := button(w.say("ana", "vm show 4001").card(), "Share")
	for range 3 {
		require.NotZero(t, w.pressKey("same", "ana", code).count())
	}
	w.due()
	require.Len(t, w.slack.roots(ops), 1)
}

func TestAConsoleLinkIsTakenAwayAlsoWhenItsRequestIsOver(t *testing.T) {
	w := newWorld(t)
	code := button(w.say("ana", "vm console 4009").card(), "Open console")
	require.NotEmpty(t, code)
	ctx, cancel := context.WithCancel(w.ctx)
	a := &answer{}
	w.bot.Press(ctx, bot.Press{Key: w.key(), Account: accounts["ana"], Place: ops, Code: code, Answer: a})
	cancel()
	require.NotEmpty(t, a.card().Secrets)
	w.jump(11 * time.Second)
	require.Empty(t, a.card().Secrets)
}

func TestTheAnswerIsWhatStandsInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock = nil })
		w.row("vm show").read = func(*bot.Call) (bot.Card, error) {
			<-time.After(1200 * time.Millisecond)
			return bot.Card{Title: "The VM"}, nil
		}
		a := &answer{slow: func(c bot.Card) {
			if c.Tone == bot.Busy {
				<-time.After(500 * time.Millisecond) // a slow chat
			}
		}}
		w.bot.Handle(w.ctx, bot.Request{Key: "k", Account: accounts["ana"], Place: ops, Line: "vm show 4001", Answer: a})
		<-time.After(5 * time.Second)
		synctest.Wait()
		require.Equal(t, "The VM", a.card().Title)
	})
}

func TestCSVQuotesAFormulaBehindATab(t *testing.T) {
	for _, cell := range []string{"\t=1", "\r=1"} {
		data := string(bot.TableCSV(&bot.Table{Columns: []bot.Column{{Name: "A"}}, Rows: [][]string{{cell}}}, noon))
		require.True(t, strings.HasPrefix(data, "A\n'") || strings.HasPrefix(data, "A\n\"'"), "%q gives %q", cell, data)
	}
}

// What nobody looks for is forgotten all the same when its time is over.
func TestASecretThatNobodyLooksForIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		w.row("vm reset-password").run = func(*bot.Call) bot.Outcome {
			return bot.Outcome{Class: bot.Accepted, Done: "Reset.", Secret: secret.New(canary)}
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		id := w.confirmed("ana", "vm reset-password 4009", "reason", "x", "target", "4009")
		w.press("cho", w.code(id, "approve"))
		<-time.After(59 * time.Minute)
		require.Equal(t, 1, w.bot.Kept())
		<-time.After(3 * time.Minute)
		require.Zero(t, w.bot.Kept())
		stop()
		require.NoError(t, <-done)
	})
}
