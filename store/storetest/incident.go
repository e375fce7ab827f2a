package storetest

import (
	"strings"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// attack is an incident that a channel was told of.
func attack(vm int64, id string) bot.Told {
	return bot.Told{
		VM: vm, Place: channel("C0OPS"), Seen: noon, Root: bot.Ref{Place: channel("C0OPS"), ID: "1.2"}, Posted: 1,
		Incident: bot.Incident{
			ID: id, Start: "2026-11-25 11:50:33", Host: "203.0.113.6", Types: []string{"NTP Amplification", "DNS Amplification"},
			Impact: 90_107_632, Direction: 1, Ongoing: true,
		},
	}
}

func (c *caller) told() []bot.Told {
	c.Helper()
	out, err := c.Incidents(c.ctx)
	require.NoError(c, err)
	return out
}

var incidentTests = []test{
	{"incidents are listed in the order of VMs and IDs, and come back whole", func(c *caller) {
		require.Empty(c, c.told())
		over := attack(10_001, "3")
		over.Ended, over.Gone, over.Incident.Stop = at(7), true, "2026-11-25 12:06:00"
		want := []bot.Told{attack(999, "9"), attack(4001, "10"), attack(4001, "9"), over}
		for _, i := range []int{2, 0, 3, 1} {
			require.NoError(c, c.SaveIncident(c.ctx, noon, want[i]))
		}
		require.Equal(c, want, c.told())
	}},
	{"SaveIncident replaces that of the same VM and ID, and again changes nothing", func(c *caller) {
		first := attack(4001, "1")
		first.Root, first.Posted = bot.Ref{}, 0
		require.NoError(c, c.SaveIncident(c.ctx, noon, first))
		require.NoError(c, c.SaveIncident(c.ctx, noon, attack(4002, "1")))
		next := attack(4001, "1")
		for range 2 {
			require.NoError(c, c.SaveIncident(c.ctx, at(1), next))
			require.Equal(c, []bot.Told{next, attack(4002, "1")}, c.told())
		}
	}},
	{"DropIncident removes one, and again is no error", func(c *caller) {
		for _, id := range []string{"1", "11"} {
			require.NoError(c, c.SaveIncident(c.ctx, noon, attack(4001, id)))
		}
		for range 2 {
			require.NoError(c, c.DropIncident(c.ctx, noon, 4001, "1"))
			require.Equal(c, []bot.Told{attack(4001, "11")}, c.told())
		}
	}},
	{"Prune forgets no incident", func(c *caller) {
		require.NoError(c, c.SaveIncident(c.ctx, noon, attack(4001, "1")))
		require.NoError(c, c.Prune(c.ctx, noon.AddDate(9, 0, 0)))
		require.Len(c, c.told(), 1)
	}},
	{"an incident without VM or ID, or with an ID without end, is refused", func(c *caller) {
		for _, wrong := range []bot.Told{attack(0, "1"), attack(4001, ""), attack(4001, strings.Repeat("1", 2000))} {
			require.Error(c, c.SaveIncident(c.ctx, noon, wrong))
		}
		require.Empty(c, c.told())
	}},
	{"nothing is written when ctx has ended", func(c *caller) {
		ctx, cancel := contextEnded(c)
		defer cancel()
		require.ErrorIs(c, c.SaveIncident(ctx, noon, attack(4001, "1")), ctx.Err())
		require.Empty(c, c.told())
	}},
}
