package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

// large is a policy of 200 people and 50 rules.
func large() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version: 1\npeople:")
	for i := range 200 {
		line("  p%03d: {slack: T01TEAM/U%03d, discord: \"%d\"}", i, i, 1000+i)
	}
	line("groups:")
	for g := range 10 {
		var members []string
		for i := g; i < 200; i += 5 {
			members = append(members, fmt.Sprintf("p%03d", i))
		}
		line("  g%d: [%s]", g, strings.Join(members, ", "))
	}
	line("  oncall: {slack_usergroup: T01TEAM/S0ONCALL}\nlabels:")
	for i := range 10 {
		line("  l%d: {vm: [%d, %d], dedicated: [%d]}", i, 4000+i, 5000+i, i+1)
	}
	line("roles:\n  viewer: {allow: [all reads]}\n  owner: {include: [viewer], allow: [all changes, all interrupts, all costs, all destroys]}\ngrants:")
	for i := range 20 {
		in := ""
		if i%2 == 0 {
			in = fmt.Sprintf(", in: [slack:T01TEAM/C%03d, slack:T01TEAM/C0OPS]", i)
		}
		line("  - {id: grant-%d, to: [g%d], role: owner, targets: [vm/%d-%d, dedicated/1-9, l%d]%s}", i, i%10, 100*i+1, 100*i+4100, i%10, in)
	}
	line("  - {id: night, to: [oncall], role: owner}\nlimits:")
	for i := range 5 {
		line("  - {id: limit-%d, commands: [vm resize], cores: %d}", i, 16+i)
	}
	line("denies:")
	for i := range 10 {
		line("  - {id: deny-%d, who: [p%03d], commands: [all interrupts], targets: [l%d]}", i, 100+i, i)
	}
	line("guards:")
	for i := range 10 {
		line("  - {id: guard-%d, commands: [all destroys], targets: [l%d, vm/%d-%d], approve: {by: [g%d], count: 1}, ask: [slack:T01TEAM/C0OPS]}", i, i, 4000+i, 4050+i, i%3)
	}
	line("freezes:")
	for i := range 4 {
		line("  - {id: freeze-%d, commands: [all costs], from: 203%d-12-24T00:00:00Z, to: 203%d-12-27T00:00:00Z}", i, i, i)
	}
	return b.String()
}

func BenchmarkDecide(b *testing.B) {
	s := mustParse(b, large())
	locks := []policy.Lock{{Target: "vm/77", By: "p000"}, {Target: "l9", By: "p000"}}
	members := map[string]policy.Membership{"oncall": policy.No}
	questions := map[string]policy.Question{
		"read":    {Person: "p005", Member: members, Place: ops, Command: "vm show", Targets: vm(4005), Time: noon},
		"guarded": {Person: "p005", Member: members, Place: ops, Command: "vm delete", Targets: vm(4005), Time: noon, Locks: locks},
		"list":    {Person: "p005", Member: members, Place: ops, Command: "vm list", Time: noon},
		"facts":   {Person: "p005", Member: members, Place: ops, Command: "vm resize", Targets: vm(4005), Time: noon, Facts: policy.Facts{Cores: 2, Known: policy.FactCores}},
		"denied":  {Person: "p105", Member: members, Place: ops, Command: "vm stop", Targets: vm(4005), Time: noon},
	}
	for name, q := range questions {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(q)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(large())
	b.ReportAllocs()
	for b.Loop() {
		_, err := policy.Parse("policies.yaml", text, vocabulary{})
		require.NoError(b, err)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	s := mustParse(t, large())
	members := map[string]policy.Membership{"oncall": policy.No}
	locks := []policy.Lock{{Target: "vm/77", By: "p000"}, {Target: "l9", By: "p000"}}
	for _, q := range []policy.Question{
		{Person: "p005", Member: members, Place: ops, Command: "vm show", Targets: vm(4005), Time: noon},
		{Person: "p005", Member: members, Place: ops, Command: "vm stop", Targets: vm(4005), Time: noon, Locks: locks},
		{Person: "p005", Member: members, Place: ops, Command: "vm delete", Targets: vm(4005), Time: noon, Locks: locks},
		{Person: "p005", Member: members, Place: ops, Command: "vm resize", Targets: vm(4005), Time: noon},
		{Person: "p005", Member: members, Place: ops, Command: "vm list", Time: noon},
	} {
		require.True(t, s.Decide(q).Allowed, s.Decide(q).Why)
		require.Zero(t, testing.AllocsPerRun(100, func() { s.Decide(q) }), q.Command)
		require.Zero(t, testing.AllocsPerRun(100, func() { s.Covers(q, policy.Target{Kind: "vm", ID: 4005}) }), q.Command)
	}
}
