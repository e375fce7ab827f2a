package discord_test

import (
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/bwmarrin/discordgo"
	"github.com/stretchr/testify/require"

	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

func TestChecksSayWhatToGrant(t *testing.T) {
	channel := func(id string) string { return "channel discord:" + guildID + "/" + id }
	needs := bot.Needs{
		Places: []bot.Place{place(homeID), place(closedID), place(hiddenID), place(threadless), {}},
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
			"Discord application":       "ok: nobody else can add it, and no intent is needed",
			"Discord server " + guildID: "ok: the bot is in it; hosterbot run registers /hoster",
			channel(homeID):             "ok: the bot may post there",
			channel(closedID):           "FAIL: The bot may not post in that channel: it lacks the permission Send Messages. Grant it",
			channel(hiddenID):           "FAIL: The bot does not see that channel, so it cannot post there. Add it",
			channel(threadless):         "FAIL: The bot may post there, and lacks the permission Create Public Threads. Grant it",
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
			"DISCORD_BOT_TOKEN":   "ok: ",
			"Discord application": "FAIL: the application has an Interactions Endpoint URL",
			channel(homeID):       "ok: the bot may post there",
		}},
		"no endpoint in http mode": {func(_ *fake, o *discord.Options) { o.PublicKey = key().Public().(ed25519.PublicKey) }, map[string]string{
			"DISCORD_BOT_TOKEN":   "ok: ",
			"Discord application": "FAIL: it has no Interactions Endpoint URL",
		}},
		"another application's key": {func(f *fake, o *discord.Options) {
			f.endpointURL, o.PublicKey = "https://bot.example/discord/interactions", make(ed25519.PublicKey, ed25519.PublicKeySize)
		}, map[string]string{
			"DISCORD_BOT_TOKEN":   "ok: ",
			"Discord application": "FAIL: DISCORD_PUBLIC_KEY is not its public key",
		}},
		"all is well in http mode": {func(f *fake, o *discord.Options) {
			f.endpointURL, o.PublicKey = "https://bot.example/discord/interactions", key().Public().(ed25519.PublicKey)
		}, map[string]string{"Discord application": "ok: nobody else can add it"}},
		"/hoster is there": {func(f *fake, o *discord.Options) { f.has(o, func(object) {}) }, map[string]string{
			"Discord server " + guildID: "ok: the bot is in it, and has /hoster",
		}},
		"/hoster of an older bot": {func(f *fake, o *discord.Options) { f.has(o, func(cmd object) { cmd["description"] = "of old" }) }, map[string]string{
			"Discord server " + guildID: "ok: the bot is in it; hosterbot run brings /hoster up to date",
		}},
		"the scope of commands is missing": {func(f *fake, _ *discord.Options) {
			f.next("GET /applications/{application_id}/guilds/{guild_id}/commands", refuse(http.StatusForbidden, 50001))
		}, map[string]string{
			"Discord server " + guildID: "FAIL: the bot is in it without the scope applications.commands, so it can have no /hoster: open https://discord.com/oauth2/authorize?client_id=" + appID,
			channel(homeID):             "ok: the bot may post there",
		}},
		"no history, and no files": {func(f *fake, _ *discord.Options) {
			f.denies(homeID, discordgo.PermissionReadMessageHistory|discordgo.PermissionAttachFiles)
		}, map[string]string{
			channel(homeID): "FAIL: The bot may post there, and lacks the permissions Attach Files and Read Message History. Grant it",
		}},
		"the bot was not added": {func(f *fake, _ *discord.Options) { f.guilds[guildID].absent = true }, map[string]string{
			"DISCORD_BOT_TOKEN":         "ok: ",
			"Discord server " + guildID: "FAIL: cannot be read (guild " + guildID + ": HTTP 404, code 10004: Unknown Guild): add the bot to it: https://discord.com/oauth2/authorize?client_id=" + appID,
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
				require.Len(t, said, 10, "places and groups of other platforms are not looked at: %v", said)
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

// has puts /hoster into the guild, as a bot with these options registers it,
// and then spoiled.
func (f *fake) has(o *discord.Options, spoil func(object)) {
	cmd, err := discord.Command(o.Catalogue)
	require.NoError(f.tb, err)
	var sent object
	require.NoError(f.tb, json.Unmarshal([]byte(encoded(cmd)), &sent))
	there := f.register(f.guilds[guildID], sent)
	spoil(there)
	f.guilds[guildID].commands = []object{there}
}
