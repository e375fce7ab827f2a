package discord_test

import (
	"crypto/ed25519"
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

func TestChecksSayWhatToGrant(t *testing.T) {
	channel := func(id string) string { return "channel discord:" + guildID + "/" + id }
	needs := bot.Needs{
		Places: []bot.Place{place(homeID), place(closedID), place(hiddenID), {}},
		Groups: []bot.Group{
			{Name: "oncall", Platform: "discord", ID: guildID + "/" + oncallRole}, {Name: "gone", Platform: "discord", ID: guildID + "/600000000000000099"},
			{Name: "elsewhere", Platform: "discord", ID: otherGuild + "/" + oncallRole}, {Name: "slack's", Platform: "slack", ID: "T1/S1"},
		},
	}
	for name, c := range map[string]struct {
		spoil func(*fake, *discord.Options)
		want  map[string]string
	}{
		"all is well": {nil, map[string]string{
			"DISCORD_BOT_TOKEN":         "ok: is of hosterbot",
			"Discord application":       "ok: nobody else can add it",
			"Discord server " + guildID: "ok: the bot is in it",
			channel(homeID):             "ok: the bot may post there",
			channel(closedID):           "FAIL: The bot may not post in that channel: it lacks the permission Send Messages. Grant it",
			channel(hiddenID):           "FAIL: The bot does not see that channel, so it cannot post there. Add it",
			"group oncall":              "ok: its server has the role",
			"group gone":                "FAIL: server " + guildID + " has no role 600000000000000099: copy",
			"group elsewhere":           "FAIL: " + otherGuild + "/" + oncallRole + " is of no server in DISCORD_GUILD_ID",
		}},
		"a wrong token": {func(f *fake, _ *discord.Options) { f.next("GET /users/@me", status(http.StatusUnauthorized)) }, map[string]string{
			"DISCORD_BOT_TOKEN":         "FAIL: Discord refuses DISCORD_BOT_TOKEN",
			"Discord application":       "FAIL: not known while DISCORD_BOT_TOKEN does not work",
			"Discord server " + guildID: "FAIL: not known while",
			channel(homeID):             "FAIL: not known while",
			"group oncall":              "FAIL: not known while",
		}},
		"Discord is down": {func(f *fake, _ *discord.Options) { f.next("GET /users/@me", status(http.StatusBadGateway)) }, map[string]string{
			"DISCORD_BOT_TOKEN": "FAIL: no answer from Discord (",
		}},
		"anybody may add it": {func(f *fake, _ *discord.Options) { f.public = true }, map[string]string{
			"DISCORD_BOT_TOKEN":   "ok: ",
			"Discord application": "FAIL: anybody may add this bot to a server: switch Public Bot off",
		}},
		"an endpoint in gateway mode": {func(f *fake, _ *discord.Options) { f.endpointURL = "https://bot.example/discord/interactions" }, map[string]string{
			"DISCORD_BOT_TOKEN": "FAIL: the application has an Interactions Endpoint URL",
		}},
		"no endpoint in http mode": {func(_ *fake, o *discord.Options) { o.PublicKey = key().Public().(ed25519.PublicKey) }, map[string]string{
			"DISCORD_BOT_TOKEN":   "ok: ",
			"Discord application": "FAIL: it has no Interactions Endpoint URL",
		}},
		"the bot was not added": {func(f *fake, _ *discord.Options) { f.guilds[guildID].absent = true }, map[string]string{
			"DISCORD_BOT_TOKEN":         "ok: ",
			"Discord server " + guildID: "FAIL: cannot be read (",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, bubble{})
				o := f.options(testLog(t))
				if c.spoil != nil {
					c.spoil(f, &o)
				}
				said := make(map[string]string)
				for _, check := range f.adapter(o).Checks(needs) {
					text, err := check.Run(t.Context())
					if said[check.Name] = "ok: " + text; err != nil {
						said[check.Name] = "FAIL: " + err.Error()
					}
				}
				require.Len(t, said, 9, "places and groups of other platforms are not looked at: %v", said)
				for check, want := range c.want {
					require.Regexp(t, "^"+regexp.QuoteMeta(want), said[check], check)
				}
				for check, text := range said {
					require.NotContains(t, text, o.Token.Reveal(), check)
					require.NotContains(t, text, "\n", check)
				}
			})
		})
	}
}
