package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

// watching is the base with an incident watch.
func watching(t *testing.T, block string) *policy.Snapshot {
	t.Helper()
	return mustParse(t, edit(t, "tests:\n", "incidents: "+block+"\ntests:\n"))
}

var opsChannel = policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0OPS"}

func TestIncidents(t *testing.T) {
	vm := func(id int64) policy.Target { return policy.Target{Kind: "vm", ID: id} }
	require.Nil(t, mustParse(t, base).Incidents(), "nothing is watched unless the file says so")
	tests := []struct {
		name, block string
		want        policy.Incidents
	}{
		{"of a label the VMs are watched, every 5 minutes", "{watch: [prod], in: slack:T01TEAM/C0OPS}",
			policy.Incidents{Targets: []policy.Target{vm(4001), vm(4002)}, In: opsChannel, Every: 5 * time.Minute}},
		{"a VM of two labels is watched once", "{watch: [web-1, prod], in: slack:T01TEAM/C0OPS, every: 1m}",
			policy.Incidents{Targets: []policy.Target{vm(4001), vm(4002)}, In: opsChannel, Every: time.Minute}},
		{"once a day is the rarest", "{watch: [web-1], in: slack:T01TEAM/C0OPS, every: 1d}",
			policy.Incidents{Targets: []policy.Target{vm(4001)}, In: opsChannel, Every: 24 * time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, &tt.want, watching(t, tt.block).Incidents()) })
	}
}

// TestIncidentsAreUse: a label that only `incidents` names is used, and the bot
// has to be able to post in the channel.
func TestIncidentsAreUse(t *testing.T) {
	text := strings.NewReplacer("labels:\n", "labels:\n  edge: {vm: [1, 2]}\n", "tests:\n", "incidents: {watch: [edge], in: slack:T01TEAM/C0ALARM}\ntests:\n").Replace(base)
	s := mustParse(t, text)
	require.Empty(t, s.Warnings())
	require.Contains(t, s.Channels(), policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0ALARM"})
}

func TestIncidentsInADiff(t *testing.T) {
	none, usual := mustParse(t, base), watching(t, "{watch: [web-1], in: slack:T01TEAM/C0OPS}")
	require.NotEqual(t, none.Hash(), usual.Hash())
	tests := []struct {
		name     string
		was, is  *policy.Snapshot
		expected []string
	}{
		{"the same", usual, usual, nil},
		{"a watch that begins grants a look", none, usual, []string{"granted incidents: nothing is watched -> vm/4001 in slack:T01TEAM/C0OPS every 5m"}},
		{"a watch that ends", usual, none, []string{"changed incidents: vm/4001 in slack:T01TEAM/C0OPS every 5m -> nothing is watched"}},
		{"another pace", usual, watching(t, "{watch: [web-1], in: slack:T01TEAM/C0OPS, every: 1h}"),
			[]string{"changed incidents: vm/4001 in slack:T01TEAM/C0OPS every 5m -> vm/4001 in slack:T01TEAM/C0OPS every 1h"}},
		{"another VM grants a look", usual, watching(t, "{watch: [prod], in: slack:T01TEAM/C0OPS}"),
			[]string{"granted incidents: vm/4001 in slack:T01TEAM/C0OPS every 5m -> vm/4001, vm/4002 in slack:T01TEAM/C0OPS every 5m"}},
		{"another channel grants a look", usual, watching(t, "{watch: [web-1], in: slack:T01TEAM/C0ALL}"),
			[]string{"granted incidents: vm/4001 in slack:T01TEAM/C0OPS every 5m -> vm/4001 in slack:T01TEAM/C0ALL every 5m"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			for _, c := range policy.Diff(tt.was, tt.is) {
				lines = append(lines, c.String())
			}
			require.Equal(t, tt.expected, lines)
		})
	}
}
