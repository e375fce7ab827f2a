package slack

import (
	"fmt"
	"net/url"
	"strings"

	"hosterbot/bot"
)

// Scopes are what the bot's token needs, and all that it uses.
//
//   - commands: the slash command
//   - chat:write: cards, edits, private answers
//   - im:write, files:write: files and late answers as direct messages
//   - users:read: guests and bots are refused
//   - usergroups:read: groups of the policy
//   - channels:read, groups:read: whether the bot may post, and who else reads
//
// A history scope (channels:history, groups:history) is optional: with it the
// bot finds a message whose post was never answered, instead of posting again.
var Scopes = []string{"commands", "chat:write", "im:write", "files:write", "users:read", "usergroups:read", "channels:read", "groups:read"}

// maxHint is the length of a hint that Slack shows whole beside the command.
const maxHint = 60

// Manifest is the app as Slack's "Create from a manifest" takes it: YAML, made
// of the command table. address is where Slack reaches HOSTERBOT_CHAT_LISTEN,
// for the HTTP mode; empty is Socket Mode.
// Source: https://docs.slack.dev/reference/app-manifest
func Manifest(catalogue *bot.Catalogue, address string) ([]byte, error) {
	address = strings.TrimSuffix(address, "/")
	if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(address, "?#\"\\ ")) {
		return nil, fmt.Errorf("%q: expected an address that Slack can reach, such as https://bot.example.com", bot.CleanMax(address, 100))
	}
	var b strings.Builder
	b.WriteString(`# Slack app of hosterbot. Paste it at https://api.slack.com/apps, Create New App, From a manifest.
display_information:
  name: hosterbot
  description: Runs servers at the provider, with approvals, from chat
  background_color: "#1d3557"
features:
  app_home:
    home_tab_enabled: false
    messages_tab_enabled: true
    messages_tab_read_only_enabled: false
  bot_user:
    display_name: hosterbot
    always_online: true
  slash_commands:
    - command: /hoster
      description: Look at servers and change them
      usage_hint: ` + quoted(usageHint(catalogue)) + `
      should_escape: false
`)
	if address != "" {
		b.WriteString("      url: " + address + "/slack/commands\n")
	}
	b.WriteString(`oauth_config:
  scopes:
    bot:
`)
	for _, s := range Scopes {
		fmt.Fprintf(&b, "      - %s\n", s)
	}
	b.WriteString(`settings:
  interactivity:
    is_enabled: true
`)
	if address != "" {
		b.WriteString("    request_url: " + address + "/slack/interactions\n    message_menu_options_url: " + address + "/slack/interactions\n")
	}
	fmt.Fprintf(&b, `  org_deploy_enabled: false
  socket_mode_enabled: %t
  token_rotation_enabled: false
`, address == "")
	return []byte(b.String()), nil
}

// usageHint shows what can be typed: a few commands, and where to find all.
func usageHint(catalogue *bot.Catalogue) string {
	hint := "help"
	nouns := make(map[string]bool)
	for _, c := range catalogue.All() {
		example := c.Example
		if example == "" {
			example = c.Words
		}
		if c.Words == "help" || nouns[c.Noun()] {
			continue
		}
		if longer := hint + " · " + example; size(longer) <= maxHint {
			hint = longer
			nouns[c.Noun()] = true
		}
	}
	return hint
}

// quoted is a YAML string in double quotes, which escape as JSON's do.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(text) + `"`
}
