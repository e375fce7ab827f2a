package adapters

import (
	"slices"
	"strings"

	"hosterbot/bot"
)

// Demo is the platform of people who sit at this machine, before a chat that
// stands in for those of others.
const Demo = "demo"

// DemoName is what an account is called there by default: its ID, and of whom
// sits elsewhere also where.
func DemoName(a bot.Account) string {
	if a.Platform == Demo || a.Platform == "" {
		return a.User
	}
	return a.String()
}

// DemoPlace refuses a place in none of the platforms that such a chat stands in
// for. channel is what it calls the one in which people speak.
func DemoPlace(p bot.Place, channel string, platforms []string) error {
	if p.Direct {
		return bot.Errorf(bot.Forbidden, "The demo has no private conversation with the bot.").WithHint("Speak in %s.", channel)
	}
	if !slices.Contains(platforms, p.Platform) {
		return bot.Errorf(bot.Forbidden, "The bot is not in %s.", p.String()).WithHint("The demo stands in for %s.", strings.Join(platforms, ", "))
	}
	return nil
}
