package commands

import (
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// consoleCard offers a console. The button is the bot's: the link is fetched
// only when it is pressed.
func consoleCard(what, state string, runs bool) bot.Card {
	card := bot.Card{
		Title:  "Console of " + what,
		Lines:  []string{"The link lives 10 s. Press Open console when you are ready."},
		Fields: []bot.Field{{Label: "State", Value: state}},
		Notes:  []string{"It is fetched for you alone. Do not pass it on: it holds a password."},
	}
	if !runs {
		card.Tone = bot.Warn
		card.Lines = append(card.Lines, "It does not run, so there may be nothing to see.")
	}
	return card
}

func linkCard(what string, link secret.Secret) bot.Card {
	return bot.Card{
		Title:   "Console of " + what,
		Lines:   []string{"Open it now: the link lives 10 s."},
		Secrets: []bot.Shown{{Label: "Console", Value: link, Link: true}},
	}
}

// passwordCard shows a user's password to one person.
func passwordCard(title, user string, password secret.Secret) bot.Card {
	if user == "" {
		user = "root"
	}
	return bot.Card{
		Title:   title,
		Lines:   []string{"Only you see this. Keep it where secrets belong, and change it after the first login."},
		Secrets: []bot.Shown{{Label: "Password of " + bot.Clean(user), Value: password}},
	}
}
