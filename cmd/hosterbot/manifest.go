package main

import (
	"hosterbot/adapters/slack"
	"hosterbot/commands"
)

type manifestCmd struct {
	Slack manifestSlackCmd `cmd:"" help:"Print the Slack app's manifest (YAML), made from the commands."`
}

type manifestSlackCmd struct{}

// Run prints the manifest.
func (manifestSlackCmd) Run(p *program) error {
	catalogue, err := commands.Catalogue(nil, nil)
	if err != nil {
		return err
	}
	text, err := slack.Manifest(catalogue)
	if err != nil {
		return err
	}
	_, err = p.out.Write(text)
	return err
}
