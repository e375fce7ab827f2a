package slack_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

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
	text, err := slack.Manifest(catalogue(t))
	require.NoError(t, err)
	golden(t, "manifest", string(text))
	var m struct {
		Features struct {
			SlashCommands []struct {
				Command   string `yaml:"command"`
				UsageHint string `yaml:"usage_hint"`
			} `yaml:"slash_commands"`
		} `yaml:"features"`
		OAuth struct {
			Scopes struct {
				Bot []string `yaml:"bot"`
			} `yaml:"scopes"`
		} `yaml:"oauth_config"`
		Settings map[string]any `yaml:"settings"`
	}
	require.NoError(t, yaml.Unmarshal(text, &m))
	require.Equal(t, "/hoster", m.Features.SlashCommands[0].Command)
	require.Equal(t, `help · vm list · job show "12"`, m.Features.SlashCommands[0].UsageHint)
	require.Equal(t, slack.Scopes, m.OAuth.Scopes.Bot)
	require.Equal(t, true, m.Settings["socket_mode_enabled"])
	require.NotContains(t, m.Settings, "event_subscriptions", "no event is used")
}
