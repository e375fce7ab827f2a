package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

func TestExplain(t *testing.T) {
	s := design(t)
	none := map[string]policy.Membership{"oncall": policy.No}
	oncall := map[string]policy.Membership{"oncall": policy.Yes}
	tests := []struct {
		name string
		q    policy.Question
	}{
		{"a grant", policy.Question{Person: "ben", Command: "vm show", Targets: vm(4001)}},
		{"a confirmation", policy.Question{Person: "ben", Place: ops, Command: "vm reboot", Targets: vm(4009)}},
		{"votes", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4001)}},
		{"a missing price", policy.Question{Person: "ana", Command: "dedicated order"}},
		{"a missing grant", policy.Question{Person: "ben", Member: none, Command: "vm delete", Targets: vm(4009)}},
		{"a grant elsewhere", policy.Question{Person: "ben", Member: none, Place: random, Command: "vm start", Targets: vm(4009)}},
		{"a deny", policy.Question{Person: "ben", Place: ops, Command: "vm reboot", Targets: vm(4001)}},
		{"a freeze", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4009), Time: holidays}},
		{"break glass is possible", policy.Question{Person: "ben", Member: oncall, Place: random, Command: "vm start", Targets: vm(4009)}},
		{"break glass", policy.Question{Person: "ben", Member: oncall, Place: random, Command: "vm start", Targets: vm(4009), BreakGlass: true}},
		{"open", policy.Question{Person: "ben", Command: "help"}},
	}
	var out strings.Builder
	for _, tt := range tests {
		if tt.q.Time.IsZero() {
			tt.q.Time = noon
		}
		out.WriteString("# " + tt.name + "\n" + strings.Join(s.Explain(tt.q), "\n") + "\n\n")
	}
	golden(t, "explain", out.String())
}

func TestRunTests(t *testing.T) {
	text := base +
		"  - {as: cho, run: \"vm reset 4001\", expect: deny}\n" +
		"  - {as: ana, run: \"vm delete web-1\", expect: approve, count: 3}\n" +
		"  - {as: ana, run: \"vm create\", at: 2026-12-25T00:00:00Z, expect: deny, rule: year-end}\n" +
		"  - {as: ana, run: \"vm create\", expect: confirm}\n" +
		"  - {as: ben, run: \"vm list\", in: direct, expect: allow, rule: read}\n"
	_, err := policy.Parse("policies.yaml", []byte(text), vocabulary{})
	var problems policy.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 1)
	require.Equal(t, 33, problems[0].Line)
	require.Contains(t, problems[0].Message, "guard loss (line 25)")
}
