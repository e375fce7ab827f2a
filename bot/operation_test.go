package bot_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/policy"
)

// run is a Run for rows that are only looked at.
func (w *world) run(context.Context, *bot.Call) bot.Outcome { return bot.Outcome{} }

// The arrows of safety.md. From ready, checking is passed within the
// transaction of the intent; back to pending goes what lost a vote. What was
// accepted is unknown after an older copy of the store was restored.
var arrows = map[bot.State][]bot.State{
	bot.Confirming: {bot.Pending, bot.Ready, bot.Denied, bot.Cancelled, bot.Expired, bot.Invalidated},
	bot.Pending:    {bot.Ready, bot.Denied, bot.Cancelled, bot.Expired, bot.Invalidated},
	bot.Ready:      {bot.Checking, bot.Intent, bot.Pending, bot.Denied, bot.Cancelled, bot.Expired, bot.Invalidated},
	bot.Checking:   {bot.Ready, bot.Pending, bot.Intent, bot.Denied, bot.Cancelled, bot.Expired, bot.Invalidated},
	bot.Intent:     {bot.InProgress, bot.Following, bot.Succeeded, bot.Failed, bot.Checking, bot.Cancelled, bot.Unknown},
	bot.InProgress: {bot.Following, bot.Succeeded, bot.Failed, bot.LostTrack, bot.Unknown},
	bot.Following:  {bot.Succeeded, bot.Failed, bot.LostTrack, bot.Unknown},
	bot.LostTrack:  {bot.Succeeded, bot.Failed, bot.ResolvedDone, bot.ResolvedUndone, bot.ResolvedUnsure},
	bot.Unknown:    {bot.SettledDone, bot.SettledNotDone, bot.NeedsHuman, bot.Failed, bot.ResolvedDone, bot.ResolvedUndone, bot.ResolvedUnsure},
	bot.NeedsHuman: {bot.ResolvedDone, bot.ResolvedUndone, bot.ResolvedUnsure},
}

func TestStatesFollowEachOtherAsSafetySays(t *testing.T) {
	all := bot.States()
	require.Len(t, all, 21)
	for _, from := range all {
		for _, to := range all {
			want := slices.Contains(arrows[from], to) || from == to && arrows[from] != nil
			require.Equal(t, want, from.CanBecome(to), "%s to %s", from, to)
		}
		require.Equal(t, arrows[from] == nil, from.Final(), from)
		require.ElementsMatch(t, arrows[from], from.Next())
	}
	require.False(t, bot.State("nonsense").CanBecome(bot.Succeeded))
	require.False(t, bot.Succeeded.CanBecome(bot.Succeeded), "final states never change")
}

func TestNothingSentBecomesUnknownAndNothingUnknownIsSentAgain(t *testing.T) {
	for _, s := range bot.States() {
		reaches := map[bot.State]bool{}
		var walk func(bot.State)
		walk = func(s bot.State) {
			for _, n := range s.Next() {
				if !reaches[n] {
					reaches[n] = true
					walk(n)
				}
			}
		}
		walk(s)
		switch s {
		case bot.Unknown, bot.NeedsHuman, bot.LostTrack, bot.InProgress, bot.Following:
			require.False(t, reaches[bot.Intent], "%s leads to another call", s)
		}
		if !s.Final() {
			require.True(t, slices.ContainsFunc(bot.States(), func(f bot.State) bool { return f.Final() && reaches[f] }), "%s never ends", s)
		}
	}
}

func TestTheLaneIsHeldFromIntentToEnd(t *testing.T) {
	held := []bot.State{bot.Intent, bot.InProgress, bot.Following, bot.Unknown, bot.NeedsHuman, bot.LostTrack}
	waiting := []bot.State{bot.Confirming, bot.Pending, bot.Ready, bot.Checking}
	for _, s := range bot.States() {
		op := bot.Operation{State: s, Lane: "vm/1"}
		require.Equal(t, slices.Contains(held, s), op.HoldsLane(), s)
		require.Equal(t, slices.Contains(waiting, s), s.Waiting(), s)
		op.LaneFreed = true
		require.False(t, op.HoldsLane(), s)
		op.LaneFreed, op.Lane = false, ""
		require.False(t, op.HoldsLane(), s)
	}
}

func TestTheDigestDependsOnWhatIsVotedOnAndOnNothingElse(t *testing.T) {
	make := func() bot.Operation {
		return bot.Operation{
			Command: "vm delete", Targets: []bot.Target{{Kind: "vm", ID: 4001}}, Args: bot.Args{{Name: "vm", Value: "4001"}}, Person: "ana",
			Fingerprint: []bot.Field{{Label: "IPs", Value: "203.0.113.5"}},
			Requirement: policy.Requirement{Confirm: policy.ConfirmButton, Approve: []policy.Approval{{By: []string{"leads"}, Count: 1}}, Within: time.Hour},
		}
	}
	base := make()
	for rule, change := range map[string]func(*bot.Operation){
		"command":              func(o *bot.Operation) { o.Command = "vm reinstall" },
		"target":               func(o *bot.Operation) { o.Targets[0].ID = 4002 },
		"kind of target":       func(o *bot.Operation) { o.Targets[0].Kind = "dedicated" },
		"one target more":      func(o *bot.Operation) { o.Targets = append(o.Targets, bot.Target{Kind: "ip", Addr: "203.0.113.5"}) },
		"value of an argument": func(o *bot.Operation) { o.Args[0].Value = "4002" },
		"one argument more":    func(o *bot.Operation) { o.Args = append(o.Args, bot.Arg{Name: "force", Value: "true"}) },
		"fingerprint":          func(o *bot.Operation) { o.Fingerprint[0].Value = "203.0.113.6" },
		"requester":            func(o *bot.Operation) { o.Person = "ben" },
		"number of votes":      func(o *bot.Operation) { o.Requirement.Approve[0].Count = 2 },
		"who votes":            func(o *bot.Operation) { o.Requirement.Approve[0].By = []string{"ops"} },
		"confirmation":         func(o *bot.Operation) { o.Requirement.Confirm = policy.ConfirmTypeTarget },
		"delay":                func(o *bot.Operation) { o.Requirement.Delay = time.Minute },
		"backup":               func(o *bot.Operation) { o.Requirement.Backup = time.Hour },
	} {
		op := make()
		change(&op)
		require.NotEqual(t, base.Sum(), op.Sum(), rule)
	}
	op := make()
	op.ID, op.Version, op.Key, op.State, op.Title, op.Reason = 7, 8, "k", bot.Ready, "Title", "because"
	op.Rules, op.Policy, op.Digest, op.Nonce = []policy.Rule{{ID: "loss"}}, "hash", "d", "n"
	op.Votes, op.Created, op.Expires, op.NotBefore = []bot.Vote{{Person: "cho"}}, noon, noon, noon
	op.Requirement.Ask, op.Requirement.Within = []policy.Place{ops.Place}, time.Minute
	op.Account, op.Place, op.Places = accounts["ana"], ops, []bot.Place{ops}
	op.Fields, op.Notes, op.Baseline, op.LastBackup = []bot.Field{{Label: "State", Value: "x"}}, []string{"n"}, []byte("b"), noon
	require.Equal(t, base.Sum(), op.Sum())
	require.Len(t, base.Sum(), 64)
}

func TestOnlyVotesForTheCurrentDigestCount(t *testing.T) {
	op := bot.Operation{Digest: "new", Votes: []bot.Vote{
		{Person: "cho", Approve: true, Digest: "old"}, {Person: "dia", Approve: true, Digest: "new"}, {Person: "ben", Digest: "new"},
	}}
	require.Equal(t, []string{"dia"}, op.Voters())
}

func TestButtonCodes(t *testing.T) {
	op := bot.Operation{ID: 1<<62 + 1, Nonce: "0123456789abcdef"}
	for _, action := range bot.Actions() {
		code := bot.OpCode(&op, action)
		require.LessOrEqual(t, len(code), 100)
		id, read, got, nonce, err := bot.ParseCode(code)
		require.NoError(t, err)
		require.Equal(t, op.ID, id)
		require.False(t, read)
		require.Equal(t, action, got)
		require.Equal(t, op.Nonce, nonce)
	}
	for _, bad := range []string{"", "v1", "v1:1:confirm", "v2:1:confirm:n", "v1::confirm:n", "v1:0:confirm:n", "v1:-1:confirm:n", "v1:1::n", "v1:1:confirm:",
		"v1:1:confirm:n:x", "v1:r:confirm:n", "v1:rr1:confirm:n", "v1:01:confirm:n", "v1:99999999999999999999:confirm:n", "v1:+1:confirm:n", "v1:1x:confirm:n"} {
		_, _, _, _, err := bot.ParseCode(bad)
		require.True(t, bot.IsKind(err, bot.Invalid), bad)
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add("v1:17:approve:0123456789abcdef")
	f.Add("v1:r3:share:n")
	f.Fuzz(func(t *testing.T, text string) {
		id, _, action, nonce, err := bot.ParseCode(text)
		if err == nil {
			require.Positive(t, id)
			require.NotEmpty(t, action)
			require.NotEmpty(t, nonce)
			require.LessOrEqual(t, len(text), 100)
		}
	})
}
