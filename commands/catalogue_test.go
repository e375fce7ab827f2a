package commands_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
	"hosterbot/commands/hoster/hostersim"
)

func TestRowsKeepTheRules(t *testing.T) {
	cat, err := commands.Catalogue(nil, bot.SystemClock{})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, row := range cat.All() {
		t.Run(row.Words, func(t *testing.T) {
			require.False(t, seen[row.Words], "words stand twice")
			seen[row.Words] = true
			require.LessOrEqual(t, len(row.Summary), 100)
			require.NotEmpty(t, row.Summary)
			require.False(t, strings.HasSuffix(row.Summary, "."), "a summary has no full stop")
			first, _, _ := strings.Cut(row.Summary, " ")
			require.Equal(t, strings.ToUpper(first[:1])+strings.ToLower(first[1:]), first, "a summary begins with a verb")
			require.False(t, strings.HasSuffix(first, "s"), "the verb is the user's: show, not shows")

			require.NotEmpty(t, row.Example)
			p, err := cat.Parse(row.Example, nil)
			require.NoError(t, err)
			require.Same(t, row, p.Command)
			for i := range row.Params {
				if k := row.Params[i].Kind; k != nil {
					require.NotEmpty(t, k.Expects, row.Params[i].Name)
					require.NotContains(t, k.Expects, "`")
				}
			}
			again, err := cat.ParseTyped(row.Words, p.Args, nil)
			require.NoError(t, err, "canonical values parse again")
			require.Equal(t, p.Args, again.Args, "and give themselves")
		})
	}
}

func TestRowsOfTheProvider(t *testing.T) {
	cat, err := commands.Catalogue(nil, bot.SystemClock{})
	require.NoError(t, err)
	for _, tt := range []struct {
		words  string
		effect bot.Effect
		reads  bool // has Read, not Run
		settle bool
		follow bool
		reveal bool
	}{
		{"vm list", bot.EffectReads, true, false, false, false},
		{"vm show", bot.EffectReads, true, false, false, false},
		{"vm incidents", bot.EffectReads, true, false, false, false},
		{"vm templates", bot.EffectReads, true, false, false, false},
		{"vm console", bot.EffectSecrets, true, false, false, true},
		{"vm create", bot.EffectCosts, false, true, true, true},
		{"vm resize", bot.EffectCosts, false, true, true, false},
		{"vm start", bot.EffectChanges, false, true, false, false},
		{"vm shutdown", bot.EffectInterrupts, false, true, false, false},
		{"vm reboot", bot.EffectInterrupts, false, true, false, false},
		{"vm stop", bot.EffectInterrupts, false, true, false, false},
		{"vm reset", bot.EffectInterrupts, false, true, false, false},
		{"vm reinstall", bot.EffectDestroys, false, true, true, true},
		{"vm reset-password", bot.EffectDestroys, false, false, false, false},
		{"vm set-rdns", bot.EffectChanges, false, false, false, false},
		{"vm delete", bot.EffectDestroys, false, true, false, false},
		{"backup list", bot.EffectReads, true, false, false, false},
		{"backup status", bot.EffectReads, true, false, false, false},
		{"backup create", bot.EffectChanges, false, true, true, false},
		{"backup restore", bot.EffectDestroys, false, false, true, false},
		{"dedicated market", bot.EffectReads, true, false, false, false},
		{"dedicated templates", bot.EffectReads, true, false, false, false},
		{"dedicated list", bot.EffectReads, true, false, false, false},
		{"dedicated order", bot.EffectCosts, false, true, true, false},
		{"dedicated show", bot.EffectReads, true, false, false, false},
		{"dedicated start", bot.EffectChanges, false, true, false, false},
		{"dedicated shutdown", bot.EffectInterrupts, false, true, false, false},
		{"dedicated reboot", bot.EffectInterrupts, false, false, false, false},
		{"dedicated reinstall", bot.EffectDestroys, false, true, true, false},
		{"dedicated console", bot.EffectSecrets, true, false, false, true},
		{"dedicated passwords", bot.EffectSecrets, true, false, false, true},
		{"dedicated terminate", bot.EffectDestroys, false, true, false, false},
		{"software list", bot.EffectReads, true, false, false, false},
		{"software install", bot.EffectChanges, false, false, true, false},
		{"software uninstall", bot.EffectDestroys, false, false, true, false},
		{"job list", bot.EffectReads, true, false, false, false},
		{"job show", bot.EffectReads, true, false, false, false},
		{"job reveal", bot.EffectSecrets, true, false, false, true},
		{"order list", bot.EffectReads, true, false, false, false},
	} {
		t.Run(tt.words, func(t *testing.T) {
			row, ok := cat.Find(tt.words)
			require.True(t, ok)
			require.Equal(t, tt.effect, row.Effect)
			require.Equal(t, tt.reads, row.Read != nil, "read")
			require.Equal(t, !tt.reads, row.Run != nil, "run")
			require.Equal(t, !tt.reads, row.Preview != nil, "preview")
			require.Equal(t, tt.settle, row.Settle != nil, "settle")
			require.Equal(t, tt.follow, row.Follow != nil, "follow")
			require.Equal(t, tt.reveal, row.Reveal != nil, "reveal")
		})
	}
}

// Each line is typed in a world where it makes sense.
func TestEveryEndpointIsReached(t *testing.T) {
	w := start(t)
	for _, line := range []string{
		"vm list", "vm show 4001", "vm incidents 4002 --ongoing", "vm templates", "vm console 4001",
		"backup list 4001", "backup status 4001",
		"dedicated market", "dedicated templates", "dedicated list", "dedicated show 7", "dedicated console 7", "dedicated passwords 7",
		"software list",
	} {
		c, err := w.call(line)
		require.NoError(t, err, line)
		_, err = c.Command.Read(t.Context(), c)
		require.NoError(t, err, line)
		if c.Command.Reveal != nil {
			_, err = c.Command.Reveal(t.Context(), c)
			require.NoError(t, err, line)
		}
	}
	create, _ := w.accepted("vm create --template Debian12 --cores 1 --mem 1G --disk 10G --ips 1")
	require.Equal(t, bot.Finished, w.end(create).Phase)
	for _, line := range []string{
		"vm resize 4001 --cores 4",
		"vm reboot 4001", "vm reset 4001", "vm stop 4001", "vm start 4001", "vm reset-password 4001",
		"vm set-rdns 4001 203.0.113.5 mail.example.com",
		"vm shutdown 4003", "vm reinstall 4007", "vm delete 4009",
		"backup create 4002", "backup restore 4001 2026-11-24",
		"dedicated order 9 --template \"Debian Buster\"",
		"dedicated reboot 7", "dedicated shutdown 7", "dedicated start 7",
		"software install vm/4001 ts3", "software uninstall 203.0.113.5 ts3",
		"dedicated reinstall 7 --template \"Debian Stretch\"", "dedicated terminate 7",
	} {
		w.accepted(line)
		w.clock.skip(time10)
	}
	reached := w.kindsSince(0)
	for _, kind := range hostersim.Kinds() {
		if kind != "any" && kind != "any-write" {
			require.Contains(t, reached, kind, "no row makes this call")
		}
	}
	require.NotContains(t, reached, "", "a call that the provider does not have")
}
