package discord_test

import (
	"context"
	"fmt"
	"strings"

	"hosterbot/bot"
)

// rowsOf are commands that do nothing, one for each way in which an option can
// be typed.
func rowsOf() []bot.Command {
	text := func(s string) (string, error) { return s, nil }
	vms := &bot.Kind{Name: "VM", Expects: "a VM's number such as 4001", Parse: text, Complete: func(context.Context, *bot.Call, string) ([]bot.Choice, error) { return nil, nil }}
	cores := &bot.Kind{Name: "CORES", Expects: "a number of cores such as 2", Type: bot.Integer, Min: 1, Max: 32, Parse: text}
	state := &bot.Kind{Name: "STATE", Expects: "a state such as running", MaxLen: 20, Choices: []bot.Choice{{Value: "running", Label: "running"}, {Value: "halted", Label: "not running"}}, Parse: text}
	price := &bot.Kind{Name: "PRICE", Expects: "a price such as 39.90", Type: bot.Number, Parse: text}
	flag := &bot.Kind{Name: "FLAG", Expects: "no value", Type: bot.Flag, Parse: text}
	words := &bot.Kind{Name: "TEXT", Expects: "some words", MaxLen: 9000, Parse: text}
	list := row("vm list")
	list.Params = []bot.Param{{Name: "state", Kind: state, Summary: "Only those in this state"}}
	remove := row("vm delete")
	remove.Params = []bot.Param{
		{Name: "force", Kind: flag, Summary: "Also where it runs"},
		{Name: "vm", Kind: vms, Summary: "VM to delete", Required: true, Positional: true},
		{Name: "password", Summary: "Password", Secret: true},
	}
	resize := row("vm resize")
	resize.Params = []bot.Param{
		{Name: "vm", Kind: vms, Summary: "VM to resize", Required: true, Positional: true},
		{Name: "cores", Kind: cores, Summary: "Cores it gets"}, {Name: "price", Kind: price, Summary: "Price it may have"},
	}
	say := row("can")
	say.Params = []bot.Param{{Name: "command", Kind: words, Summary: "Command to explain", Required: true, Positional: true, Rest: true}}
	return []bot.Command{row("status"), say, list, remove, resize, row("vm show"), row("vm console"), row("job list")}
}

func row(words string) bot.Command {
	return bot.Command{Words: words, Summary: "Do " + words, Effect: bot.EffectReads, Read: func(context.Context, *bot.Call) (bot.Card, error) { return bot.Card{}, nil }}
}

func numbered(n int, words func(int) string) []bot.Command {
	out := make([]bot.Command, n)
	for i := range out {
		out[i] = row(words(i))
	}
	return out
}

// wordy are n commands with summaries as long as they can be.
func wordy(n int) []bot.Command {
	out := numbered(n, func(i int) string { return fmt.Sprintf("n%d c%d", i/20, i%20) })
	for i := range out {
		out[i].Summary = strings.Repeat("a", 100)
	}
	return out
}
