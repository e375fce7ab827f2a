package bot_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// completing makes VMs 4001 to 4040 known to completions.
func completing(t *testing.T) *world {
	w := newWorld(t)
	t.Cleanup(func() { vmKind.Complete = nil })
	vmKind.Complete = func(_ context.Context, _ *bot.Call, prefix string) ([]bot.Choice, error) {
		var out []bot.Choice
		for i := range 40 {
			if v := "40" + string(rune('0'+i/10)) + string(rune('0'+i%10)); strings.HasPrefix(v, prefix) {
				out = append(out, bot.Choice{Value: v, Label: v})
			}
		}
		return out, nil
	}
	return w
}

func (w *world) complete(who, line string) []string {
	out := []string{}
	for _, c := range w.bot.Complete(w.ctx, bot.Completion{Account: accounts[who], Place: where(who), Line: line}) {
		out = append(out, c.Value)
	}
	return out
}

func TestCompletionOffersOnlyWhatOneMayRun(t *testing.T) {
	w := completing(t)
	require.Equal(t, []string{"help"}, w.complete("stranger", ""))
	require.Equal(t, []string{"help"}, w.complete("eve", ""))
	require.Equal(t, []string{"help", "vm", "backup", "software", "server"}, w.complete("ben", ""))
	require.Equal(t, []string{"list", "show", "start", "stop"}, w.complete("ben", "vm "))
	require.Equal(t, []string{"start", "stop"}, w.complete("ben", "vm st"))
	require.Contains(t, w.complete("ana", "vm "), "delete")
	require.Empty(t, w.complete("eve", "vm show "))
	require.Empty(t, w.complete("stranger", "vm show "))
	require.Empty(t, w.complete("ana", "vm xyzzy "))
}

func TestCompletionOffersOnlyWhatOneMayTouch(t *testing.T) {
	w := completing(t)
	require.Len(t, w.complete("ana", "vm delete "), 25, "at most what a chat can show")
	w.policy("operator: {include: [viewer], allow", "operator: {allow", "everyone-reads, to: [ops], role: viewer}", "everyone-reads, to: [ops], role: viewer, targets: [vm/4001-4003]}")
	require.Equal(t, []string{"4001", "4002", "4003"}, w.complete("ben", "vm show "))
	require.Equal(t, []string{"4001", "4002", "4003"}, w.complete("ben", "vm show 400"))
	require.NotContains(t, w.complete("ben", "vm stop 4001"), "4001", "what is denied is not offered")
}

func TestCompletionOfFlagsAndValues(t *testing.T) {
	w := completing(t)
	require.Equal(t, []string{"--vm", "--force", "--note", "--template"}, w.complete("ana", "vm delete 4001 --"))
	require.Equal(t, []string{"--force"}, w.complete("ana", "vm delete 4001 --f"))
	require.NotContains(t, w.complete("ana", "vm delete --force --"), "--force")
	require.NotContains(t, w.complete("ana", "software install --"), "--password", "a secret is never typed")
	require.Equal(t, []string{"4001"}, w.complete("ana", "vm delete --vm 4001"))
	require.Equal(t, []string{"done"}, w.complete("ana", "op resolve 17 d"))
	require.Empty(t, w.complete("ana", `op note --text "open`))
	for _, line := range []string{"--", "-", "=", "vm delete --vm", "vm delete --nope x ", "help vm ", strings.Repeat("x", 5000), "\x00", "vm delete 4001 4002 "} {
		w.complete("ana", line)
	}
}

func TestCompletionOfOneParameter(t *testing.T) {
	w := completing(t)
	ask := func(who, words, param string) int {
		return len(w.bot.Complete(w.ctx, bot.Completion{Account: accounts[who], Place: ops, Words: words, Param: param, Prefix: "4001"}))
	}
	require.Equal(t, 1, ask("ana", "vm delete", "vm"))
	require.Zero(t, ask("ben", "vm delete", "vm"))
	require.Zero(t, ask("ana", "vm delete", "nope"))
	require.Zero(t, ask("ana", "vm fly", "vm"))
	vmKind.Complete = func(context.Context, *bot.Call, string) ([]bot.Choice, error) { return nil, errors.New("down") }
	require.Zero(t, ask("ana", "vm delete", "vm"))
	vmKind.Complete = func(context.Context, *bot.Call, string) ([]bot.Choice, error) { panic("oops") }
	require.Zero(t, ask("ana", "vm delete", "vm"))
}

func TestCompletionInAFormIsForWhoHasIt(t *testing.T) {
	w := completing(t)
	code := w.say("ana", "vm delete").form().Code
	ask := func(who string) int {
		return len(w.bot.Complete(w.ctx, bot.Completion{Account: accounts[who], Place: ops, Code: code, Param: "vm", Prefix: "4001"}))
	}
	require.Equal(t, 1, ask("ana"))
}

// TestAFormListsAllChoices: those beyond what is offered while somebody types
// can be chosen too, and where there are more than any list holds, or what is
// not listed may be right, it says so.
func TestAFormListsAllChoices(t *testing.T) {
	w := completing(t)
	field := func() bot.FormField { return w.say("ana", "vm delete").form().Fields[0] }
	f := field()
	require.Equal(t, "vm", f.Name)
	require.Len(t, f.Choices, 40)
	require.True(t, f.Lookup)
	require.False(t, f.More)
	vmKind.Complete = func(context.Context, *bot.Call, string) ([]bot.Choice, error) {
		return slices.Repeat([]bot.Choice{{Value: "4001"}}, 150), nil
	}
	require.Len(t, field().Choices, bot.MaxListed)
	code := w.say("ana", "vm delete").form().Code
	require.Len(t, w.bot.Complete(w.ctx, bot.Completion{Account: accounts["ana"], Place: ops, Code: code, Param: "vm"}), bot.MaxListed)
	t.Cleanup(func() { vmKind.Any = false })
	vmKind.Any = true
	require.True(t, field().More)
}

func TestAFlagInAFormIsYesOrNo(t *testing.T) {
	w := newWorld(t)
	for _, f := range w.say("ana", "vm delete").form().Fields {
		if f.Name == "force" {
			require.Equal(t, []bot.Choice{{Value: "false", Label: "no"}, {Value: "true", Label: "yes"}}, f.Choices)
			require.Empty(t, f.Hint, "what it expects in a command is not said here")
			return
		}
	}
	t.Fatal("no such field")
}

func TestAFormOfAnotherIsNotCompleted(t *testing.T) {
	w := newWorld(t)
	code := w.say("ana", "vm delete").form().Code
	for _, who := range []string{"cho", "stranger"} {
		require.Empty(t, w.bot.Complete(w.ctx, bot.Completion{Account: accounts[who], Place: ops, Code: code, Param: "vm"}), who)
	}
}
