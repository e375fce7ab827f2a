package slack_test

import (
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// examined runs every check, and returns what each says: "ok: ..." or "FAIL:
// ...", by its name.
func examined(t *testing.T, h *harness) map[string]string {
	t.Helper()
	elsewhere := place(homeID)
	elsewhere.Team = "T0OTHER"
	needs := bot.Needs{
		Places: []bot.Place{place(homeID), place("C1CLOSED"), place("C2OLD"), place("C9NONE"), elsewhere, {}},
		Groups: []bot.Group{{Name: "oncall", Platform: "slack", ID: team + "/S0ONCALL"}, {Name: "gone", Platform: "slack", ID: team + "/S0GONE"}, {Name: "role", Platform: "discord", ID: "1/2"}},
	}
	said := make(map[string]string)
	for _, c := range h.a.Checks(needs) {
		text, err := c.Run(t.Context())
		if err != nil {
			said[c.Name] = "FAIL: " + err.Error()
			continue
		}
		said[c.Name] = "ok: " + text
	}
	for name, text := range said {
		require.NotContains(t, text, "canary", name)
		require.NotContains(t, text, "\n", name)
	}
	return said
}

func TestChecksSayWhatToGrant(t *testing.T) {
	channel := func(id string) string { return "channel slack:" + team + "/" + id }
	for name, c := range map[string]struct {
		spoil func(*fake)
		want  map[string]string
	}{
		"all is well": {func(*fake) {}, map[string]string{
			"SLACK_BOT_TOKEN":                 "ok: is of hosterbot in the workspace Team",
			"Slack scopes":                    "ok: all that are needed; channels:history",
			"SLACK_APP_TOKEN":                 "ok: Slack takes it",
			channel(homeID):                   "ok: the bot may post there",
			channel("C1CLOSED"):               "FAIL: The bot is not in that channel, so it cannot post there. Type /invite @hosterbot in it",
			channel("C2OLD"):                  "FAIL: That channel is archived",
			channel("C9NONE"):                 "FAIL: The bot is not in that channel",
			"channel slack:T0OTHER/" + homeID: "FAIL: The bot is not in the Slack workspace of slack:T0OTHER/" + homeID + ". It is in " + team + ": name that one in the policy",
			"group oncall":                    "ok: its members can be read",
			"group gone":                      "FAIL: the members of " + team + "/S0GONE cannot be read",
		}},
		"a scope is missing": {func(f *fake) { f.scopes = f.scopes[1:] }, map[string]string{
			"SLACK_BOT_TOKEN": "ok: ",
			"Slack scopes":    "FAIL: SLACK_BOT_TOKEN lacks the scopes commands: add them under OAuth & Permissions",
			channel(homeID):   "ok: ",
		}},
		"a history scope": {func(f *fake) { f.scopes = append(f.scopes, "channels:history") }, map[string]string{"Slack scopes": "ok: all that are needed"}},
		"a wrong token": {func(f *fake) { f.next("auth.test", refuse("invalid_auth")) }, map[string]string{
			"SLACK_BOT_TOKEN": "FAIL: Slack refuses SLACK_BOT_TOKEN: it is wrong, or of another workspace (see OAuth & Permissions)",
			"Slack scopes":    "FAIL: not known while SLACK_BOT_TOKEN does not work",
			"SLACK_APP_TOKEN": "ok: ",
			channel(homeID):   "FAIL: not known while",
			"group oncall":    "FAIL: not known while",
		}},
		"an app token without its scope": {func(f *fake) { f.next("apps.connections.open", refuse("missing_scope")) }, map[string]string{
			"SLACK_APP_TOKEN": "FAIL: Slack refuses SLACK_APP_TOKEN: it lacks a scope (see Basic Information, App-Level Tokens)",
		}},
		"Slack is down": {func(f *fake) { f.next("auth.test", status(http.StatusBadGateway)) }, map[string]string{
			"SLACK_BOT_TOKEN": "FAIL: Slack cannot be asked (",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, bot.SystemClock{})
				c.spoil(h.fake)
				said := examined(t, h)
				require.Len(t, said, 10, "places and groups of other platforms are not looked at: %v", said)
				for check, want := range c.want {
					require.Regexp(t, "^"+regexp.QuoteMeta(want), said[check], check)
				}
			})
		})
	}
}

func TestReconnectsAreCounted(t *testing.T) {
	play(t, replies(bot.Card{Title: "Here"}), func(t *testing.T, h *harness) {
		synctest.Wait()
		require.Zero(t, h.a.Reconnects(), "the first connections are none")
		_ = h.newest(0).ws.Close()
		<-time.After(time.Minute)
		require.EqualValues(t, 1, h.a.Reconnects())
	})
}
