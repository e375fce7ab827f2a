package bot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestADenialIsRecordedAndCallsNothing(t *testing.T) {
	for _, tc := range []struct{ rule, who, line, why, by string }{
		{"no grant", "ben", "vm delete 4009", "No grant covers", "default-deny"},
		{"no grant at all", "eve", "vm show 4001", "No grant covers", "default-deny"},
		{"an explicit deny", "ben", "vm stop 4001", "Production. Ask a lead.", "keep-ben"},
		{"a limit", "ana", "vm create --cores 9", "ends at 8 cores", "ceiling"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			a := w.say(tc.who, tc.line)
			require.Contains(t, words(a.card()), "Not allowed")
			require.Contains(t, words(a.card()), tc.why)
			records := w.records()
			require.Len(t, records, 1)
			r := records[0]
			require.Equal(t, []string{"denied", "deny", tc.who, tc.by}, []string{r.Kind, r.Decision, r.Person, r.Rule})
			require.Equal(t, accounts[tc.who].String(), r.Account)
			require.NotEmpty(t, r.Policy)
			for _, row := range w.rows {
				require.Zero(t, row.runs+row.previews+row.reads)
			}
			require.Zero(t, w.store.lastOp)
			require.True(t, w.due().IsZero())
			require.Empty(t, w.slack.log)
		})
	}
}

func TestADenialNamesTheGroupsToAskAndNobodyElsesRights(t *testing.T) {
	w := newWorld(t)
	text := words(w.say("ben", "vm delete 4009").card())
	require.Contains(t, text, "leads")
	for _, name := range []string{"ana", "cho", "dia"} {
		require.NotContains(t, text, name)
	}
}

func TestAStrangerIsToldWhoHeIs(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"vm show 4001", "vm start 4001", "vm delete"} {
		a := w.say("stranger", line)
		require.Contains(t, words(a.card()), "slack:T01TEAM/U99WHO", line)
		require.Empty(t, a.forms)
	}
	require.Len(t, w.records(), 3)
	require.Equal(t, "unknown account", w.records()[0].Text)
	require.Contains(t, words(w.say("stranger", "help").card()), "Read help", "what is open to all is")
}

func TestAGuestIsNotThePersonWhoseNumberHeHas(t *testing.T) {
	w := newWorld(t) // the guest is U07ANA of another workspace
	a := w.say("guest", "vm start 4001")
	require.NotZero(t, a.count())
	require.Zero(t, w.row("vm start").ran())
	require.Zero(t, w.store.lastOp)
}

func TestOneAccountOnTwoPlatformsIsOnePerson(t *testing.T) {
	w := newWorld(t)
	w.say("ana@discord", "vm start 4009")
	w.due()
	require.Equal(t, "ana", w.op(1).Person)
	require.Len(t, w.discord.roots(discord), 1)
	require.Empty(t, w.slack.log)
}

func TestMoreThanTwentyCommandsAMinuteAreRefusedOnce(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		require.Equal(t, "Read help", w.say("ana", "help").card().Title)
	}
	first := w.say("ana", "help")
	require.Contains(t, first.card().Title, "more than 20 commands in a minute: nothing was done.")
	require.Contains(t, first.card().Title, "gets no answer", "or the silence after it is a riddle")
	for range 10 {
		a := w.say("ana", "help")
		require.Equal(t, []string{"ack"}, a.events, "a flood is not answered by a flood")
	}
	require.Equal(t, "Read help", w.say("cho", "help").card().Title, "another person is served")
	floods := 0
	for _, r := range w.records() {
		if r.Kind == "flood" {
			floods++
			require.Equal(t, "ana", r.Person)
		}
	}
	require.Equal(t, 1, floods)
	w.jump(time.Minute)
	require.Equal(t, "Read help", w.say("ana", "help").card().Title)
}

func TestStrangersShareOneGate(t *testing.T) {
	w := newWorld(t)
	said := 0
	for i := range 100 {
		a := &answer{}
		account := accounts["stranger"]
		account.User = fmt.Sprintf("U%d", i)
		w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: account, Place: ops, Line: "vm show 4001", Answer: a})
		require.NotZero(t, a.count())
		said += len(a.cards)
	}
	require.Equal(t, 61, said, "60, and one word that it is too much")
	require.Len(t, w.records(), 61)
}

func TestAStrangersClicksTakeTheSameGate(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	before := len(w.records())
	for range 100 {
		require.NotZero(t, w.press("stranger", w.code(id, "approve")).count())
	}
	require.LessOrEqual(t, len(w.records())-before, 61)
	require.Equal(t, bot.Pending, w.state(id))
}

func TestAMissingArgumentOpensAForm(t *testing.T) {
	w := newWorld(t)
	a := w.say("ana", "vm create --template Debian12.0")
	require.Equal(t, []string{"form"}, a.events)
	f := a.form()
	require.LessOrEqual(t, len(f.Title), 24)
	require.Len(t, f.Fields, 1)
	require.Equal(t, "cores", f.Fields[0].Name)
	again := w.send("ana", f.Code, "cores", "many")
	require.Equal(t, []string{"form"}, again.events, "what is wrong is said at its field")
	require.Equal(t, "many", again.form().Fields[0].Value, "and what was typed stays")
	require.NotEmpty(t, again.form().Fields[0].Error)
	for range 2 {
		w.sendKey("same", "ana", f.Code, "cores", "2")
	}
	require.EqualValues(t, 1, w.store.lastOp, "one form, one operation")
	require.Equal(t, bot.Args{{Name: "cores", Value: "2"}, {Name: "template", Value: "Debian12.0"}}, w.op(1).Args)
}

func TestAChatWithoutFormsIsToldWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	a := &answer{noForm: true}
	w.bot.Handle(w.ctx, bot.Request{Key: w.key(), Account: accounts["ana"], Place: ops, Line: "vm create", Answer: a})
	require.Contains(t, words(a.card()), "CORES")
	require.Contains(t, words(a.card()), "Usage")
}

func TestAFormOfAnotherPersonIsRefused(t *testing.T) {
	w := newWorld(t)
	code := w.say("ana", "vm create").form().Code
	a := w.send("cho", code, "cores", "2")
	require.Contains(t, a.card().Title, "not yours")
	require.Zero(t, w.store.lastOp)
}

func TestACommandDeliveredAgainHasOneEffectAndEveryAnswer(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		require.NotZero(t, w.sayKey("same", ops, "ana", "vm start 4009").count())
		w.due()
	}
	require.EqualValues(t, 1, w.store.lastOp)
	require.Equal(t, 1, w.row("vm start").ran())
	require.Len(t, w.slack.roots(ops), 1)
}

func TestADeliveryIsKnownFor24Hours(t *testing.T) {
	w := newWorld(t)
	w.sayKey("same", ops, "ana", "vm start 4009")
	w.skip(23 * time.Hour)
	w.sayKey("same", ops, "ana", "vm start 4009")
	require.EqualValues(t, 1, w.store.lastOp)
}

func TestAStoreThatTakesNothingMeansThatNothingIsDone(t *testing.T) {
	w := newWorld(t)
	w.store.before = func(method string) error {
		if method == "Create" {
			return bot.ErrUnavailable
		}
		return nil
	}
	a := w.say("ana", "vm start 4009")
	require.Contains(t, a.card().Title, "nothing was done")
	require.NotContains(t, a.events, "ack", "what is not recorded is not acknowledged")
	w.store.before = nil
	w.due()
	require.Zero(t, w.row("vm start").ran())
}

func TestLocksThatCannotBeReadDeny(t *testing.T) {
	w := newWorld(t)
	w.store.before = func(method string) error {
		if method == "Locks" {
			return bot.ErrUnavailable
		}
		return nil
	}
	require.Contains(t, w.say("ana", "vm start 4009").card().Title, "locks cannot be read")
	require.Zero(t, w.store.lastOp)
}

func TestABotThatShutsDownSaysSo(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.bot.Stop()
	require.Contains(t, w.say("ana", "vm start 4009").card().Title, "shutting down")
	require.Contains(t, w.press("cho", w.code(id, "approve")).card().Title, "shutting down")
	require.Contains(t, w.send("ana", w.code(id, "confirm")).card().Title, "shutting down")
	require.Equal(t, bot.Pending, w.state(id))
}

func TestAPanicIsAnsweredAndSurvived(t *testing.T) {
	w := newWorld(t)
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { panic(canary) }
	require.Contains(t, w.say("ana", "vm show 4001").card().Title, "Something went wrong")
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) { panic(canary) }
	a := w.say("ana", "vm delete 4009")
	require.Contains(t, a.card().Title, "Something went wrong")
	require.NotContains(t, words(a.card()), canary)
	require.Equal(t, "Read help", w.say("ana", "help").card().Title)
	w.skip(11 * time.Minute)
	require.Equal(t, bot.Expired, w.state(1))
}

func TestAnErrorThatIsNotForPeopleIsNotShown(t *testing.T) {
	w := newWorld(t)
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { return bot.Card{}, errors.New("dial tcp 10.0.0.1: " + canary) }
	a := w.say("ana", "vm show 4001")
	require.Contains(t, a.card().Title, "Something went wrong")
	require.NotContains(t, words(a.card()), canary)
	require.NotContains(t, string(w.store.dump()), canary)
}

func TestABotIsNotMadeWithoutItsParts(t *testing.T) {
	w := newWorld(t)
	for _, take := range []func(*bot.Config){
		func(c *bot.Config) { c.Catalogue = nil }, func(c *bot.Config) { c.Store = nil },
		func(c *bot.Config) { c.Policy = nil }, func(c *bot.Config) { c.Provider = nil },
		func(c *bot.Config) { c.Adapters = append(c.Adapters, &chat{platforms: []string{"slack"}}) },
	} {
		c := w.config
		take(&c)
		_, err := bot.New(c)
		require.Error(t, err)
	}
}

func TestEveryRefusalOfAFloodIsCounted(t *testing.T) {
	w := newWorld(t)
	for range 50 {
		w.say("ana", "help")
	}
	w.skip(5 * time.Minute)
	w.say("ana", "help")
	w.due()
	count := 0
	for _, r := range w.records() {
		if r.Kind == "flood" {
			count += r.Count
		}
	}
	require.Equal(t, 30, count)
}

func TestADeniedCommandDeliveredTwiceHasOneRecord(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.sayKey("same", ops, "ben", "vm delete 4009")
	}
	require.Len(t, w.records(), 1)
}

func TestACommandIsCountedOnce(t *testing.T) {
	m := &counts{}
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Metrics = m })
	w.say("ben", "vm delete 4009")
	require.Equal(t, []string{"vm delete denied"}, m.commands)
}

// TestAFaultIsNoHandledCommand: who counts or reads the log sees that a command
// came to nothing, whether the provider or the store was at fault.
func TestAFaultIsNoHandledCommand(t *testing.T) {
	m := &counts{}
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Metrics = m })
	down := bot.Errorf(bot.Unavailable, "The provider does not answer.")
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) { return bot.Card{}, down }
	require.Contains(t, words(w.say("ana", "vm show 4001").card()), "does not answer")
	w.row("vm show").read = func(*bot.Call) (bot.Card, error) {
		return bot.Card{}, bot.Errorf(bot.Missing, "There is no VM 4001.")
	}
	w.say("ana", "vm show 4001")
	before := w.store.before
	w.store.before = func(method string) error {
		if method == "Create" {
			return bot.ErrUnavailable
		}
		return before(method)
	}
	require.Contains(t, words(w.say("ana", "vm start 4009").card()), "could not be recorded")
	w.store.before = before
	require.Equal(t, []string{"vm show failed", "vm show handled", "vm start failed"}, m.commands)
}

type counts struct {
	commands []string
	panics   int
}

func (m *counts) Command(words, outcome string, _ time.Duration) {
	m.commands = append(m.commands, words+" "+outcome)
}

func (m *counts) Decision(string, bool, time.Duration) {}

func (m *counts) State(bot.State) {}

func (m *counts) Message(bot.OwedKind, bool) {}

func (m *counts) Panic() { m.panics++ }

func TestASlowLookUpDoesNotDelayTheAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock = nil })
		w.slack.member = func(bot.Group, []bot.PolicyAccount) (bot.Membership, error) {
			<-time.After(10 * time.Second)
			return bot.MemberUnknown, errors.New("time out")
		}
		a := &answer{}
		go w.bot.Handle(w.ctx, bot.Request{Key: "k", Account: accounts["ana"], Place: ops, Line: "vm show 4001", Answer: a})
		<-time.After(1500 * time.Millisecond)
		synctest.Wait()
		acked := a.count()
		<-time.After(time.Minute)
		require.NotZero(t, acked, "no answer for 1.5 s")
	})
}

func TestAFormOffersOnlyWhatAPersonMayTouch(t *testing.T) {
	w := newWorld(t)
	old := vmKind.Complete
	t.Cleanup(func() { vmKind.Complete = old })
	vmKind.Complete = func(context.Context, *bot.Call, string) ([]bot.Choice, error) {
		return []bot.Choice{{Value: "4001", Label: "4001"}}, nil
	}
	a := w.say("eve", "vm delete")
	for _, f := range a.form().Fields {
		require.Empty(t, f.Choices, "eve has no grant at all")
	}
}

func TestOwnIsNotServedAmongOutsiders(t *testing.T) {
	w := newWorld(t)
	cmd, _ := w.cat.Find("op note")
	cmd.Own = func(context.Context, *bot.Call) bool { return true }
	shared := other
	shared.Shared = true
	w.sayIn(shared, "eve", "op note --text hi")
	require.Zero(t, w.row("op note").ran())
}

func TestButtonsThatRunCommandsAreBoundedToo(t *testing.T) {
	w := newWorld(t)
	w.row("vm list").read = func(*bot.Call) (bot.Card, error) { return bot.Card{Table: tableOf(7)}, nil }
	code := button(w.say("ana", "vm list").card(), "Next")
	for i := range 200 {
		require.NotZero(t, w.press("ana", code).count(), fmt.Sprint(i))
	}
	require.Less(t, w.row("vm list").reads, 100)
}

func TestTwentyCommandsAMinuteAreTwenty(t *testing.T) {
	w := newWorld(t)
	for range 59 {
		w.say("ana", "help")
		w.jump(time.Second)
	}
	require.LessOrEqual(t, w.row("help").reads, 20)
}
