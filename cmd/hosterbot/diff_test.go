package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

// edited is the example policy without its tests, with texts replaced.
func edited(t *testing.T, replace ...string) string {
	t.Helper()
	text, _, ok := strings.Cut(string(examplePolicy), "\ntests:")
	require.True(t, ok)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, text, replace[i])
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	file := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	return file
}

// edits are changes of the example policy, what Diff says of them (each a whole
// beginning of a line), and whether they grant.
var edits = map[string]struct {
	replace []string
	grants  bool
	lines   []string
	never   []string
}{
	"nothing": {nil, false, []string{"No decision changes."}, []string{"\nchanged", "\ngranted"}},
	"fewer approvals": {[]string{"approve: {by: [leads], count: 2}", "approve: {by: [leads], count: 1}"}, true, []string{
		"granted ana: vm delete on prod: approve after 2 approvals of leads within 30m -> approve after 1 approval of leads within 30m",
		"granted ana: dedicated terminate on prod: ",
	}, []string{"any other", " ben: ", "vm list"}},
	"more approvals": {[]string{"approve: {by: [leads], count: 1, within: 30m}", "approve: {by: [leads], count: 2, within: 30m}"}, false, []string{
		"changed ana: vm create: approve after 1 approval of leads within 30m -> approve after 2 approvals of leads within 30m",
	}, []string{"\ngranted"}},
	"a deny that ends": {[]string{"commands: [vm shutdown, vm reboot, vm stop, vm reset], targets: [prod]", "commands: [vm shutdown], targets: [prod]"}, true, []string{
		"granted ben: vm reboot on prod: deny -> confirm after a press of the confirm button (in discord:300000000000000001/400000000000000001, in slack:T01TEAM/C0OPS)",
		"granted ben: vm stop on prod: deny -> confirm after a press of the confirm button and a reason (as a member of oncall, by breaking the glass)",
	}, []string{"vm shutdown", "any other", "ana"}},
	"a higher price": {[]string{"price: 150", "price: 500"}, true, []string{
		"granted ana: dedicated order on any other dedicated: deny -> approve after a press of the confirm button, 1 approval of leads within 30m and the card posted in slack:T01TEAM/C0OPS and discord:300000000000000001/400000000000000001 (with price 150.01)",
	}, []string{"vm ", "ben"}},
	"a lower price":  {[]string{"price: 150", "price: 100"}, false, []string{"changed ana: dedicated order on "}, []string{"\ngranted"}},
	"a new lead":     {[]string{"leads: [ana, cho, dia]", "leads: [ana, ben, cho, dia]"}, true, []string{"granted ben: vm create: deny -> approve after ", "granted ben: vm delete on prod: may not approve it -> may approve it"}, []string{" ana: ", "ben: vm list"}},
	"a lead less":    {[]string{"leads: [ana, cho, dia]", "leads: [ana, cho]", "count: 2}", "count: 1}"}, true, []string{"changed dia: vm create: approve after ", "changed dia: vm delete on prod: may approve it -> may not approve it"}, nil},
	"an account":     {[]string{"U09BEN", "U09BAN"}, true, []string{"granted account slack:T01TEAM/U09BAN: nobody -> ben", "changed account slack:T01TEAM/U09BEN: ben -> nobody"}, nil},
	"another group":  {[]string{"slack_usergroup: T01TEAM/S0ONCALL", "slack_usergroup: T01TEAM/S0OTHER"}, true, []string{"granted group oncall: slack:T01TEAM/S0ONCALL -> slack:T01TEAM/S0OTHER"}, nil},
	"a short freeze": {[]string{"to: 2027-01-02T", "to: 2027-01-01T"}, true, []string{"granted ana: vm create: deny -> approve after "}, []string{"vm list"}},
	"a long freeze":  {[]string{"to: 2027-01-02T", "to: 2027-01-03T"}, false, []string{"changed ana: vm create: approve after "}, []string{"\ngranted"}},
	"a label":        {[]string{"prod: {vm: [4001, 4002]", "prod: {vm: [4001]"}, true, []string{"granted ben: vm reboot on prod: deny -> confirm after a press"}, []string{"web-1"}},
	"a channel":      {[]string{"in: [slack:T01TEAM/C0OPS, ", "in: ["}, false, []string{"changed ben: vm start on prod: allow -> deny (in slack:T01TEAM/C0OPS)"}, []string{"\ngranted", " ana: vm start"}},
}

func TestPolicyDiff(t *testing.T) {
	old := edited(t)
	for name, c := range edits {
		t.Run(name, func(t *testing.T) {
			out, code := command(t, nil, "policy", "diff", old, edited(t, c.replace...))
			want := exitFine
			if c.grants {
				want = exitFailed
			}
			require.Equal(t, want, code, out)
			for _, line := range c.lines {
				require.Contains(t, "\n"+out, "\n"+line)
			}
			for _, word := range c.never {
				require.NotContains(t, "\n"+out, word)
			}
		})
	}
}

func TestPolicyDiffOfABrokenFile(t *testing.T) {
	for _, args := range [][]string{{"testdata/chats/broken.yaml", "../../policies.yaml"}, {"../../policies.yaml", "testdata/chats/broken.yaml"}, {"none.yaml", "../../policies.yaml"}} {
		out, code := command(t, nil, append([]string{"policy", "diff"}, args...)...)
		require.Equal(t, exitFailed, code, out)
		require.Contains(t, out, "yaml")
	}
}

// TestPolicyDiffMissesNothing asks both files thousands of questions: wherever
// the answers differ in what is allowed, Diff names person and command.
func TestPolicyDiffMissesNothing(t *testing.T) {
	v, err := vocabulary()
	require.NoError(t, err)
	load := func(file string) *policy.Snapshot {
		s, err := policy.Load(file, v)
		require.NoError(t, err)
		return s
	}
	old := load(edited(t))
	places := append(old.Channels(), policy.Place{Direct: true}, policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0ELSE"})
	random := rand.New(rand.NewPCG(1, 2))
	for name, c := range edits {
		t.Run(name, func(t *testing.T) {
			after := load(edited(t, c.replace...))
			named := make(map[string]bool)
			for _, change := range policy.Diff(old, after) {
				named[change.Person+" "+change.Command] = true
			}
			asked := 0
			for range 20_000 {
				cmd := v.Commands()[random.IntN(len(v.Commands()))]
				q := policy.Question{
					Person: old.People()[random.IntN(4)], Command: cmd.Name, Place: places[random.IntN(len(places))], BreakGlass: random.IntN(4) == 0, Final: true,
					Member: map[string]policy.Membership{"oncall": policy.Membership(1 + random.IntN(2))},
					Time:   time.Date(2026, 12, 20+random.IntN(20), random.IntN(24), 0, 0, 0, time.UTC),
					Facts: policy.Facts{Cores: random.IntN(12), IPs: random.IntN(6), Mem: int64(random.IntN(20_000)), Disk: int64(random.IntN(300)), Price: float64(random.IntN(600)),
						Known: policy.FactCores | policy.FactIPs | policy.FactMem | policy.FactDisk | policy.FactPrice},
				}
				if len(cmd.Targets) > 0 && !cmd.List {
					q.Targets = []policy.Target{{Kind: cmd.Targets[0], ID: []int64{1, 7, 4001, 4002, 4009, 1 << 40}[random.IntN(6)]}}
					if cmd.Targets[0] == "ip" {
						q.Targets = []policy.Target{{Kind: "ip", Addr: "203.0.113.5"}}
					}
				}
				if old.Decide(q).Verdict() != after.Decide(q).Verdict() {
					asked++
					require.True(t, named[q.Person+" "+q.Command], "%+v: %s -> %s", q, old.Decide(q).Verdict(), after.Decide(q).Verdict())
				}
			}
			if name == "nothing" {
				require.Zero(t, asked)
			}
		})
	}
}
