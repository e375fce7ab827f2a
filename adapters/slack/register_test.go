package slack_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/slack"
	"hosterbot/bot"
)

func catalogue(t *testing.T) *bot.Catalogue {
	t.Helper()
	read := func(context.Context, *bot.Call) (bot.Card, error) { return bot.Card{}, nil }
	c, err := bot.NewCatalogue([]bot.Command{
		{Words: "help", Summary: "Show what you may do", Effect: bot.EffectOpen, Read: read},
		{Words: "vm list", Summary: "List the VMs", Effect: bot.EffectReads, Read: read},
		{Words: "vm show", Summary: "Show a VM", Effect: bot.EffectReads, Read: read, Example: "vm show 4001"},
		{Words: "job show", Summary: "Show a job", Effect: bot.EffectReads, Read: read, Example: `job show "12"`},
		{Words: "order list", Summary: "List the orders", Effect: bot.EffectReads, Read: read, Example: "order list with a very long example that does not fit"},
	})
	require.NoError(t, err)
	return c
}

func TestManifest(t *testing.T) {
	text, err := slack.Manifest(catalogue(t), "")
	require.NoError(t, err)
	adaptertest.Golden(t, "manifest", string(text))
	require.Contains(t, string(text), `usage_hint: "help · vm list · job show \"12\""`)
	_, after, _ := strings.Cut(string(text), "    bot:\n")
	list, _, _ := strings.Cut(after, "settings:")
	require.Equal(t, "      - "+strings.Join(slack.Scopes, "\n      - ")+"\n", list, "all that is used, and nothing else")
	require.NotContains(t, string(text), "event_subscriptions", "no event is used")
}

// Slack takes an app that it is to call only with all its addresses.
func TestManifestOfTheHTTPMode(t *testing.T) {
	text, err := slack.Manifest(catalogue(t), "https://bot.example.com/")
	require.NoError(t, err)
	adaptertest.Golden(t, "manifest_http", string(text))
	for _, wrong := range []string{"http://bot.example.com", "bot.example.com", "https://", "https://bot.example.com/?a=b", "https://bot.example.com/\"\nx: y"} {
		_, err := slack.Manifest(catalogue(t), wrong)
		require.ErrorContains(t, err, "https://bot.example.com", wrong)
	}
}
