package discord_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bwmarrin/discordgo"
	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

// table is a catalogue of those.
func table(t testing.TB) *bot.Catalogue {
	t.Helper()
	c, err := bot.NewCatalogue(rowsOf())
	require.NoError(t, err)
	return c
}

func TestTheCommandHasTypedOptions(t *testing.T) {
	cmd, err := discord.Command(table(t))
	require.NoError(t, err)
	require.Equal(t, "hoster", cmd.Name)
	require.Equal(t, discordgo.ChatApplicationCommand, cmd.Type)
	var b strings.Builder
	var draw func(string, []*discordgo.ApplicationCommandOption)
	draw = func(indent string, options []*discordgo.ApplicationCommandOption) {
		for _, o := range options {
			fmt.Fprintf(&b, "%s%s %s", indent, o.Type, o.Name)
			if o.Required {
				b.WriteString(" required")
			}
			if o.MinValue != nil {
				fmt.Fprintf(&b, " %v to %v", *o.MinValue, o.MaxValue)
			}
			if o.MaxLength > 0 {
				fmt.Fprintf(&b, " at most %d", o.MaxLength)
			}
			if o.Autocomplete {
				b.WriteString(" autocomplete")
			}
			for _, c := range o.Choices {
				fmt.Fprintf(&b, " %v=%q", c.Value, c.Name)
			}
			fmt.Fprintf(&b, ": %s\n", o.Description)
			draw(indent+"  ", o.Options)
		}
	}
	draw("", cmd.Options)
	adaptertest.Golden(t, "command", b.String())
}

func TestNoSecretIsAnOption(t *testing.T) {
	cmd, err := discord.Command(table(t))
	require.NoError(t, err)
	var names []string
	for _, top := range cmd.Options {
		for _, o := range slices.Concat(top.Options, []*discordgo.ApplicationCommandOption{top}) {
			for _, o := range o.Options {
				names = append(names, o.Name)
			}
		}
	}
	require.Contains(t, names, "vm")
	require.NotContains(t, names, "password")
}

func TestATableThatDoesNotFitIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		rows []bot.Command
		says string
	}{
		"25 commands at the top":   {numbered(26, func(i int) string { return fmt.Sprint("c", i) }), "26 options, of 25"},
		"25 commands of a noun":    {numbered(26, func(i int) string { return fmt.Sprint("vm c", i) }), "26 options, of 25"},
		"8,000 characters in all":  {wordy(100), "characters in all, of 8000"},
		"a noun that is a command": {[]bot.Command{row("vm"), row("vm list")}, "stands twice"},
		"a name with a dot":        {[]bot.Command{row("vm.x")}, "no name for Discord"},
	} {
		catalogue, err := bot.NewCatalogue(c.rows)
		require.NoError(t, err, name)
		_, err = discord.Command(catalogue)
		require.ErrorContains(t, err, c.says, name)
	}
}

func TestExactlyTheLimitsFit(t *testing.T) {
	catalogue, err := bot.NewCatalogue(numbered(25, func(i int) string { return fmt.Sprint("c", i) }))
	require.NoError(t, err)
	_, err = discord.Command(catalogue)
	require.NoError(t, err)
}

func TestCharactersCountsWhatDiscordCounts(t *testing.T) {
	cmd := &discordgo.ApplicationCommand{Name: "ab", Description: "abc", Options: []*discordgo.ApplicationCommandOption{{
		Name: "a", Description: "bc", Choices: []*discordgo.ApplicationCommandOptionChoice{{Name: "abcd", Value: "abcde"}, {Name: "a", Value: 12}},
		Options: []*discordgo.ApplicationCommandOption{{Name: "a", Description: "😀"}},
	}}}
	require.Equal(t, 2+3+1+2+4+5+1+2+1+2, discord.Characters(cmd))
}

func TestTheInviteNamesScopesAndPermissions(t *testing.T) {
	require.Equal(t, "https://discord.com/oauth2/authorize?client_id=118200000000000001&permissions=309237763072&scope=bot+applications.commands",
		discord.InviteURL("118200000000000001"))
}
