package commands_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
)

// Discord's limits on application commands.
// https://discord.com/developers/docs/interactions/application-commands
const (
	discordCharacters  = 8000 // of all names, descriptions and values of one command
	discordOptions     = 25   // at each level, choices too
	discordDescription = 100
	discordChoice      = 100
)

var discordName = regexp.MustCompile(`^[-_a-z0-9]{1,32}$`)

// TestTheWholeCatalogueFitsIntoOneDiscordCommand: /hoster, with the nouns as
// groups, the verbs as subcommands, and typed options.
func TestTheWholeCatalogueFitsIntoOneDiscordCommand(t *testing.T) {
	catalogue, err := commands.Catalogue(nil, nil)
	require.NoError(t, err)
	total := count(t, "hoster", "Run your servers")
	groups, top := map[string]int{}, 0
	for _, cmd := range catalogue.All() {
		noun, verb, two := strings.Cut(cmd.Words, " ")
		switch {
		case !two:
			top++
			verb = noun
		case groups[noun] == 0:
			top++
			total += count(t, noun, "Commands about "+noun)
			groups[noun] = 1
		default:
			groups[noun]++
		}
		total += count(t, verb, cmd.Summary)
		options := 0
		for i := range cmd.Params {
			p := &cmd.Params[i]
			if p.Secret {
				continue // asked for in a form
			}
			options++
			total += count(t, p.Name, p.Summary) + choices(t, p)
		}
		require.LessOrEqual(t, options, discordOptions, cmd.Words)
	}
	for noun, verbs := range groups {
		require.LessOrEqual(t, verbs, discordOptions, noun)
	}
	require.LessOrEqual(t, top, discordOptions)
	require.LessOrEqual(t, total, discordCharacters)
}

func choices(t *testing.T, p *bot.Param) (total int) {
	t.Helper()
	require.LessOrEqual(t, len(p.Kind.Choices), discordOptions, p.Name)
	for _, c := range p.Kind.Choices {
		require.LessOrEqual(t, utf8.RuneCountInString(c.Label), discordChoice)
		require.LessOrEqual(t, utf8.RuneCountInString(c.Value), discordChoice)
		total += utf8.RuneCountInString(c.Label) + utf8.RuneCountInString(c.Value)
	}
	return total
}

func count(t *testing.T, name, description string) int {
	t.Helper()
	require.Regexp(t, discordName, name)
	n := utf8.RuneCountInString(description)
	require.Positive(t, n, name)
	require.LessOrEqual(t, n, discordDescription, name)
	return len(name) + n
}
