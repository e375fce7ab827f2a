package console_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/console"
	"hosterbot/bot"
)

const conversation = `
# A deletion that somebody else approves
ana: vm list
eve: vm list
ana: vm delete 4009
ana: press Confirm
ana: fill reason="INC-42" target=4001
ana: fill target="4009"
ana: press Approve
:skip 1m
cho: press Approve
wait 1

# What is left of it
:restart
ben: press Deny 1
ana: vm password 4001
`

func TestConversationLooksRight(t *testing.T) {
	play := func() string {
		var out bytes.Buffer
		o := options(&out)
		o.People = append(o.People, "eve")
		m, ctl := &team{}, &control{}
		o.Control = ctl
		c := console.New(o)
		m.c, ctl.idle = c, m.Idle
		stop := run(t, c, m)
		ctl.restart = func() { stop(); run(t, c, m) }
		require.NoError(t, c.Script(t.Context(), "deletion.txt", strings.NewReader(conversation)))
		require.Equal(t, []string{"skip 1m0s", "wait 1", "restart"}, ctl.did)
		return out.String()
	}
	first := play()
	require.Equal(t, first, play(), "the same bytes each time")
	golden(t, "conversation", first)
}

func TestScriptErrorsSayWhichLine(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"unknown button":       {"# x\n\nben: press Approve", `t:3: ben: press Approve: ben sees no button "Approve"`},
		"of an operation":      {"ben: press Approve 17", `t:1: ben: press Approve 17: ben sees no button "Approve" of operation 17`},
		"unknown number":       {"ben: press 9", "t:1: ben: press 9: ben sees no button 9"},
		"somebody else's":      {"ana: x\nben: press Confirm", `t:2: ben: press Confirm: ben sees no button "Confirm"`},
		"no open form":         {"ana: fill a=b", "t:1: ana: fill a=b: ana has no form open"},
		"unknown person":       {"zoe: vm list", `t:1: zoe: vm list: there is no "zoe" here: ana, ben, cho, dia`},
		"unknown joiner":       {":member zoe oncall", `t:1: :member zoe oncall: there is no "zoe" here: ana, ben, cho, dia`},
		"no person":            {"vm list", "t:1: vm list: write PERSON: COMMAND, wait N, watch N, :WORD or # comment"},
		"nothing said":         {"ana:", "t:1: ana:: ana says nothing"},
		"unknown direction":    {":reboot", `t:1: :reboot: there is no ":reboot": :fault, :member, :policy, :restart, :skip, wait, watch`},
		"words missing":        {":fault delete", "t:1: :fault delete: write :fault KIND FAULT"},
		"words too many":       {":restart now", "t:1: :restart now: write :restart"},
		"no number":            {"wait all", `t:1: wait all: "all" is no operation's number`},
		"no length of time":    {":skip soon", `t:1: :skip soon: "soon" is no length of time such as 90s, 10m, 2h`},
		"backwards":            {":skip -5m", `t:1: :skip -5m: "-5m" is no length of time such as 90s, 10m, 2h`},
		"what control refuses": {":restart", "t:1: :restart: refused"},
		"control characters":   {"\x1b[2Jx", "t:1: [2Jx: write PERSON: COMMAND, wait N, watch N, :WORD or # comment"},
		"unknown field":        {"ana: form\nana: fill b=1", `t:2: ana: fill b=1: the form has no field "b": it asks for a, c, p`},
		"missing field":        {"ana: form\nana: fill c=x", "t:2: ana: fill c=x: the form needs a"},
		"no choice":            {"ana: form\nana: fill c=y", `t:2: ana: fill c=y: "c" is one of x (An X)`},
		"too long":             {"ana: form\nana: fill a=123456", `t:2: ana: fill a=123456: "a" has at most 5 characters`},
		"open quote":           {"ana: form\nana: fill a=\"1", `t:2: ana: fill a="1: the quote after a= has no end`},
		"no value":             {"ana: form\nana: fill a", `t:2: ana: fill a: write name=value, not "a"`},
		"twice":                {"ana: form\nana: fill a=1 a=2", `t:2: ana: fill a=1 a=2: "a" stands twice`},
		"too long a line":      {"# x\nana: " + strings.Repeat("x", 2<<20), "t:2: …: the line is longer than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(&bytes.Buffer{})
			o.Control = &control{err: errRefused}
			con := console.New(o)
			run(t, con, &fakeBot{handle: func(ctx context.Context, r bot.Request) {
				if r.Line != "form" {
					require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "x", Buttons: []bot.Button{{Label: "Confirm", Code: "v1:1:confirm:n"}}}))
					return
				}
				require.NoError(t, r.Answer.Form(ctx, bot.Form{Code: "c", Fields: []bot.FormField{
					{Name: "a", Required: true, MaxLen: 5}, {Name: "c", Choices: []bot.Choice{{Value: "x", Label: "An X"}}}, {Name: "p", Secret: true}}}))
			}})
			err := con.Script(t.Context(), "t", strings.NewReader(c.script))
			var script *console.ScriptError
			require.ErrorAs(t, err, &script)
			require.Equal(t, c.want, err.Error())
		})
	}
}

func TestScriptShowsWhyAPolicyIsRefused(t *testing.T) {
	var out bytes.Buffer
	o := options(&out)
	o.Control = &control{err: errRefused}
	require.NoError(t, console.New(o).Script(t.Context(), "t", strings.NewReader(":policy none.yaml")))
	require.Contains(t, out.String(), "(it is refused, and the policy before it stays:)\n(refused)\n")
	o.Control = &control{err: errors.New("policies.yaml:1:1: " + strings.Repeat("x", 600) + " the end")}
	require.NoError(t, console.New(o).Script(t.Context(), "t", strings.NewReader(":policy none.yaml")))
	require.Contains(t, out.String(), " the end)\n", "the end of it says what to mend")
	require.ErrorContains(t, console.New(o).Stage(t.Context(), ":policy none.yaml"), "the policy before it stays: policies.yaml:1:1: x", "whoever asked for it elsewhere is told")
}

func TestScriptSaysWithoutControl(t *testing.T) {
	c := console.New(options(&bytes.Buffer{}))
	require.ErrorContains(t, c.Script(t.Context(), "t", strings.NewReader(":restart")), "nothing here can do that")
}

func TestFillReadsQuotes(t *testing.T) {
	for line, want := range map[string]string{
		`a=b`:                 "a=b c= p=",
		`a="x y"  c='q "r"'`:  `a=x y c=q "r" p=`,
		`a="say \"hi\" \\ x"`: `a=say "hi" \ x c= p=`,
		`a=x"y z"w`:           "a=xy zw c= p=",
		`a= c=1`:              "a= c=1 p=",
		`a=x=y`:               "a=x=y c= p=",
		`p="my secret"`:       "a= c= p=my secret",
	} {
		t.Run(line, func(t *testing.T) {
			var out bytes.Buffer
			c := console.New(options(&out))
			var got string
			run(t, c, &fakeBot{
				handle: func(ctx context.Context, r bot.Request) {
					require.NoError(t, r.Answer.Form(ctx, bot.Form{Code: "c", Fields: []bot.FormField{{Name: "a"}, {Name: "c"}, {Name: "p", Secret: true}}}))
				},
				submit: func(_ context.Context, s bot.Submission) {
					got = "a=" + s.Values["a"] + " c=" + s.Values["c"] + " p=" + s.Secrets["p"].Reveal()
					require.NotContains(t, s.Values, "p")
				},
			})
			require.NoError(t, c.Script(t.Context(), "t", strings.NewReader("ana: form\nana: fill "+line)))
			require.Equal(t, want, got)
			require.NotContains(t, out.String(), "my secret")
		})
	}
}

func TestNewestButtonIsPressed(t *testing.T) {
	c := console.New(options(&bytes.Buffer{}))
	b := &fakeBot{}
	run(t, c, b)
	ctx := t.Context()
	approve := func(op string) bot.Card {
		return bot.Card{Title: "op " + op, Buttons: []bot.Button{{Label: "Approve", Code: "v1:" + op + ":approve:n"}, {Label: "Next 2", Code: "v1:r" + op + ":next:n"}}}
	}
	_, err := c.Post(ctx, home(), "1", approve("1"))
	require.NoError(t, err)
	second, err := c.Post(ctx, home(), "2", approve("2"))
	require.NoError(t, err)
	press := func(what string) string {
		require.NoError(t, c.Script(ctx, "t", strings.NewReader("ben: press "+what)))
		said := b.said()
		_, code, _ := strings.Cut(said[len(said)-1], "presses ")
		return code
	}
	require.Equal(t, "v1:2:approve:n", press("Approve"), "the newest")
	require.Equal(t, "v1:1:approve:n", press("approve 1"), "of an operation, in any case")
	require.Equal(t, "v1:r2:next:n", press("Next 2"), "a number may belong to the label")
	require.Equal(t, "v1:1:approve:n", press("1"), "by its number")

	require.NoError(t, c.Edit(ctx, second, bot.Card{Title: "op 2 is over"}))
	require.Equal(t, "v1:1:approve:n", press("Approve"), "one that can be pressed goes first")
	require.Equal(t, "v1:2:approve:n", press("Approve 2"), "an old card sends its old code")
	require.Equal(t, "v1:2:approve:n", press("3"))

	require.NoError(t, c.Edit(ctx, second, approve("2")))
	require.Len(t, c.Seen("ben")[1].Buttons, 2)
	require.Equal(t, 3, c.Seen("ben")[1].Buttons[0].Number, "a button that comes back keeps its number")
}

func TestMembersAreWhoWasPutThere(t *testing.T) {
	o := options(&bytes.Buffer{})
	o.Control = &control{}
	c := console.New(o)
	oncall := bot.Group{Name: "oncall", Platform: "slack", ID: "T01TEAM/S0ONCALL"}
	ben := []bot.PolicyAccount{{Platform: "slack", ID: "T01TEAM/U09BEN"}, {Platform: "demo", ID: "ben"}}
	is, err := c.Member(t.Context(), oncall, ben)
	require.NoError(t, err)
	require.Equal(t, bot.Membership(bot.MemberNo), is)
	require.NoError(t, c.Script(t.Context(), "t", strings.NewReader(":member ben oncall")))
	is, err = c.Member(t.Context(), oncall, ben)
	require.NoError(t, err)
	require.Equal(t, bot.Membership(bot.MemberYes), is)
}

func TestKeysOutliveARestart(t *testing.T) {
	o := options(&bytes.Buffer{})
	o.Session = "7f3a"
	c := console.New(o)
	b := &fakeBot{}
	stop := run(t, c, b)
	require.NoError(t, c.Script(t.Context(), "t", strings.NewReader("ana: a")))
	stop()
	require.False(t, c.Health().OK)
	run(t, c, b)
	require.NoError(t, c.Script(t.Context(), "t", strings.NewReader("ana: b")))
	require.Equal(t, []string{"demo/7f3a/1 ana: a", "demo/7f3a/2 ana: b"}, b.said())
}

func TestALongLineArrivesWholeAndIsEchoedShort(t *testing.T) {
	var out bytes.Buffer
	c := console.New(options(&out))
	var got string
	run(t, c, &fakeBot{handle: func(_ context.Context, r bot.Request) { got = r.Line }})
	line := "vm list \x1b[31m" + strings.Repeat("x", 10_000)
	require.NoError(t, c.Script(t.Context(), "t", strings.NewReader("ana: "+line)))
	require.Equal(t, line, got)
	require.NotContains(t, out.String(), "\x1b")
	require.Less(t, out.Len(), 300)
	require.Contains(t, out.String(), "… (cut)")
}

func TestScriptStopsWhenNothingCanBePrinted(t *testing.T) {
	broken := errors.New("broken pipe")
	c := console.New(options(failing{broken}))
	run(t, c, &fakeBot{})
	require.ErrorIs(t, c.Script(t.Context(), "t", strings.NewReader("ana: a\nana: b")), broken)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestScriptEndsWithItsContext(t *testing.T) {
	c := console.New(options(&bytes.Buffer{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Script(ctx, "t", strings.NewReader("ana: a")), context.Canceled, "no bot was ever attached")
}
