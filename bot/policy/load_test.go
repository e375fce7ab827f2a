package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

// base is a small policy without problems or warnings, which the cases break
// in one place each.
const base = `version: 1
people:
  ana: {slack: T01TEAM/U07ANA, discord: "118200000000000077"}
  ben: {slack: T01TEAM/U09BEN}
  cho: {discord: "991100000000000003"}
  dia: {slack: T01TEAM/U11DIA, discord: "991100000000000004"}
groups:
  ops: [ana, ben, cho, dia]
  leads: [ana, cho, dia]
  oncall: {slack_usergroup: T01TEAM/S0ONCALL}
labels:
  web-1: {vm: [4001]}
  prod: {vm: [4001, 4002], dedicated: [7]}
roles:
  viewer: {allow: [all reads]}
  owner: {include: [viewer], allow: [all costs, all destroys, audit]}
grants:
  - {id: read, to: [ops], role: viewer, in: [slack:T01TEAM/C0OPS, direct]}
  - {id: own, to: [leads], role: owner}
limits:
  - {id: ceiling, commands: [vm create, vm resize], cores: 8, mem: 16G, disk: 200G, ips: 4}
denies:
  - {id: hands-off, who: [ben], commands: [vm reboot], targets: [prod], because: "Ask a lead."}
guards:
  - {id: loss, commands: [all destroys], approve: {by: [leads], count: 1, within: 30m}, ask: [slack:T01TEAM/C0OPS, discord:300000000000000001/400000000000000001]}
freezes:
  - {id: year-end, from: 2026-12-24T00:00:00+01:00, to: 2027-01-02T00:00:00+01:00, commands: [all costs]}
break_glass:
  - {id: night, who: [oncall], commands: [vm reset], tell: slack:T01TEAM/C0OPS}
tests:
  - {as: ana, run: "vm delete 4009", expect: approve, count: 1, by: [leads], rule: loss}
`

// edit replaces the one place in base where old stands.
func edit(tb testing.TB, old, new string) string {
	tb.Helper()
	require.Equal(tb, 1, strings.Count(base, old), "%q must be once in base", old)
	return strings.Replace(base, old, new, 1)
}

func mustParse(tb testing.TB, text string) *policy.Snapshot {
	tb.Helper()
	s, err := policy.Parse("policies.yaml", []byte(text), vocabulary{})
	require.NoError(tb, err)
	return s
}

func TestParseAccepts(t *testing.T) {
	tests := []struct{ name, text string }{
		{"the base of the other tests", base},
		{"people alone: everything is denied", "version: 1\npeople: {ana: {slack: T1/U1}}\n"},
		{"a byte order mark", "\ufeff" + base},
		{"CRLF", strings.ReplaceAll(base, "\n", "\r\n")},
		{"a document start and end", "---\n" + base + "...\n"},
		{"a YAML directive", "%YAML 1.1\n---\n" + base},
		{"sections without entries", edit(t, "freezes:\n  - {id: year-end, from: 2026-12-24T00:00:00+01:00, to: 2027-01-02T00:00:00+01:00, commands: [all costs]}", "freezes: []")},
		{"a because over several lines", edit(t, `because: "Ask a lead."}`, "because: \"Ask\n    a lead.\"}")},
		{"every unit of size", edit(t, "mem: 16G, disk: 200G", "mem: 16384, disk: 1T")},
		{"every unit of time", edit(t, "within: 30m", "within: 1d2h3m4s")},
		{"a label as a name in a test", edit(t, "vm delete 4009", "vm delete web-1")},
		{"a price with cents", strings.Replace(base, "limits:\n", "limits:\n  - {id: purse, commands: [dedicated order], price: 99.50}\n", 1)},
		{"a range, an address and a label as targets", edit(t, "role: owner}", "role: owner, targets: [vm/4000-4999, ip/203.0.113.5, ip/2001:db8::1, prod]}")},
		{"a Discord role without quotes", edit(t, "{slack_usergroup: T01TEAM/S0ONCALL}", "{discord_role: 300000000000000001/500000000000000001}")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustParse(t, tt.text)
			require.Empty(t, s.Warnings())
			require.Len(t, s.Hash(), 64)
		})
	}
}

// TestParseRejects plays every way a file can be wrong; testdata/errors.golden
// holds what is said.
func TestParseRejects(t *testing.T) {
	var out strings.Builder
	for _, tt := range wrong(t) {
		s, err := policy.Parse("policies.yaml", []byte(tt.text), vocabulary{})
		var problems policy.Problems
		require.ErrorAs(t, err, &problems, tt.name)
		require.Nil(t, s, tt.name)
		require.NotEmpty(t, problems, tt.name)
		lines := strings.Count(tt.text, "\n") + 1
		for _, p := range problems {
			require.Equal(t, "policies.yaml", p.File, tt.name)
			require.True(t, 1 <= p.Line && p.Line <= lines && p.Col >= 1, "%s: %s", tt.name, p)
		}
		out.WriteString("# " + tt.name + "\n" + problems.Error() + "\n\n")
	}
	golden(t, "errors", out.String())
}

func TestParseCollectsAll(t *testing.T) {
	text := strings.NewReplacer(
		"version: 1", "version: 2",
		"U09BEN}", "U07ANA}",
		"leads: [ana, cho, dia]", "leads: [ana, cho, dai]",
		"role: viewer,", "role: veiwer,",
		"all costs, all destroys, audit", "all costs, vm delte, audit",
		"tell: slack:T01TEAM/C0OPS", "tell: direct",
	).Replace(base)
	_, err := policy.Parse("policies.yaml", []byte(text), vocabulary{})
	var problems policy.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 6, "one mistake, one problem:\n%v", err)
	for i := 1; i < len(problems); i++ {
		require.LessOrEqual(t, problems[i-1].Line, problems[i].Line, "in the order of the file")
	}
}

func TestWarnings(t *testing.T) {
	text := edit(t, "groups:\n", "groups:\n  idle: [ana]\n")
	text = strings.Replace(text, "labels:\n", "labels:\n  spare: {vm: [1, 2]}\n", 1)
	text = strings.Replace(text, "roles:\n", "roles:\n  nobody: {allow: [vm show]}\n", 1)
	text = strings.Replace(text, "approve: {by: [leads]", "approve: {by: [leads, oncall]", 1)
	text = strings.Replace(text, "by: [leads], rule: loss", "by: [oncall, leads], rule: loss", 1)
	var out strings.Builder
	for _, w := range mustParse(t, text).Warnings() {
		out.WriteString(w.String() + "\n")
	}
	golden(t, "warnings", out.String())
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	t.Run("a missing file is told as one", func(t *testing.T) {
		s, err := policy.Load(filepath.Join(dir, "none.yaml"), vocabulary{})
		require.ErrorIs(t, err, os.ErrNotExist)
		require.Nil(t, s)
	})
	t.Run("a folder is no policy", func(t *testing.T) {
		_, err := policy.Load(dir, vocabulary{})
		require.Error(t, err)
	})
	t.Run("a file of 1 MiB is read", func(t *testing.T) {
		file := write("full.yaml", base+"#"+strings.Repeat("x", 1<<20-len(base)-1))
		_, err := policy.Load(file, vocabulary{})
		require.NoError(t, err)
	})
	t.Run("a larger one is not", func(t *testing.T) {
		file := write("large.yaml", base+"#"+strings.Repeat("x", 1<<20-len(base)))
		_, err := policy.Load(file, vocabulary{})
		require.ErrorContains(t, err, "1 MiB")
	})
	t.Run("a failing test rejects the file", func(t *testing.T) {
		file := write("failing.yaml", edit(t, "expect: approve, count: 1", "expect: approve, count: 2"))
		_, err := policy.Load(file, vocabulary{})
		var problems policy.Problems
		require.True(t, errors.As(err, &problems))
		require.Len(t, problems, 1)

		s, err := policy.LoadUntested(file, vocabulary{})
		require.NoError(t, err, "its verdicts can be shown all the same")
		results := s.RunTests()
		require.Len(t, results, 1)
		require.False(t, results[0].OK)
		require.Equal(t, "loss", results[0].Rules[0].ID)
	})
}

// TestDesign loads the example of the design as it is printed there.
func TestDesign(t *testing.T) {
	s, err := policy.Load("testdata/design.yaml", vocabulary{})
	require.NoError(t, err)
	require.Empty(t, s.Warnings())
	require.Len(t, s.RunTests(), 6)
}

// TestExample loads the example policy of the repository.
func TestExample(t *testing.T) {
	s, err := policy.Load("../../policies.yaml", vocabulary{})
	require.NoError(t, err)
	require.Empty(t, s.Warnings())
	require.Equal(t, []string{"ana", "ben", "cho", "dia"}, s.People())
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(""))
	for _, tt := range wrong(f) {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := policy.Parse("policies.yaml", data, vocabulary{})
		if err != nil {
			var problems policy.Problems
			require.ErrorAs(t, err, &problems)
			require.NotEmpty(t, problems)
			require.Nil(t, s)
			return
		}
		for _, r := range s.RunTests() {
			require.True(t, r.OK)
		}
		// Nobody outside the file is ever allowed anything but what is open.
		a := s.Decide(policy.Question{Person: "stranger", Command: "vm delete", Targets: []policy.Target{{Kind: "vm", ID: 1}}})
		require.False(t, a.Allowed)
		for _, person := range s.People() {
			a := s.Decide(policy.Question{Person: person, Command: "vm delete", Targets: []policy.Target{{Kind: "vm", ID: 4001}}})
			require.Equal(t, a.Allowed, a.Why == "")
			require.NotEmpty(t, a.Rules)
		}
	})
}
