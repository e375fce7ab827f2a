package main

import (
	"hosterbot/adapters/slack"
	"hosterbot/commands"
)

type manifestCmd struct {
	Slack manifestSlackCmd `cmd:"" help:"Print the Slack app's manifest (YAML), made from the commands."`
}

type manifestSlackCmd struct {
	URL string `placeholder:"URL" help:"Where Slack reaches HOSTERBOT_CHAT_LISTEN, for the HTTP mode: https://bot.example.com. Without it the app is for Socket Mode."`
}

// Run prints the manifest.
func (c manifestSlackCmd) Run(p *program) error {
	catalogue, err := commands.Catalogue(nil, nil)
	if err != nil {
		return err
	}
	text, err := slack.Manifest(catalogue, c.URL)
	if err != nil {
		return err
	}
	_, err = p.out.Write(text)
	return err
}
