package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hosterbot/bot"
)

// aboutWords are words of a command, taken as they are.
var aboutWords = &bot.Kind{Name: "COMMAND", Expects: "a command such as vm delete", MaxLen: 500, Hidden: true, Parse: func(text string) (string, error) {
	return bot.CleanMax(text, 500), nil
}}

var personKind = &bot.Kind{Name: "PERSON", Expects: "a name of the policy such as ana", MaxLen: 64, Hidden: true, Parse: func(text string) (string, error) {
	return bot.CleanMax(text, 64), nil
}}

// wordKind is a word that is looked for.
var wordKind = &bot.Kind{Name: "TARGET", Expects: "a target such as vm/4001", MaxLen: 64, Hidden: true, Parse: func(text string) (string, error) {
	return bot.CleanMax(text, 64), nil
}}

func aboutRows() []bot.Command {
	return []bot.Command{
		{
			Words: "help", Summary: "Show what you may run, or explain one command", Effect: bot.EffectOpen, Local: true,
			Params:  []bot.Param{{Name: "command", Kind: aboutWords, Summary: "Command to explain", Positional: true, Rest: true}},
			Example: "help vm delete",
			Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
				return c.Bot.Help(ctx, c, c.Args.Text("command"))
			},
		},
		{
			Words: "whoami", Summary: "Show who you are here, and what to paste into the policy", Effect: bot.EffectOpen, Local: true, Example: "whoami",
			Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) { return c.Bot.WhoAmI(ctx, c) },
		},
		{
			Words: "can", Summary: "Show whether you may run a command, and what would be asked", Effect: bot.EffectOpen, Local: true,
			Params:  []bot.Param{{Name: "command", Kind: aboutWords, Summary: "Command to ask about, with its arguments", Required: true, Positional: true, Rest: true}},
			Example: "can vm delete 4001",
			Details: "It runs nothing. `--price N` says a price that the policy's limits ask for.",
			Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
				return c.Bot.Can(ctx, c, c.Args.Text("command"))
			},
		},
		{
			Words: "status", Summary: "Show how every part of the bot and the API are doing", Effect: bot.EffectReads, Local: true, List: true, Example: "status",
			Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) { return c.Bot.HealthCard(ctx), nil },
		},
		{
			Words: "policy", Summary: "Show the policy in force and what was wrong with the last reload", Effect: bot.EffectReads, Local: true, List: true, Example: "policy",
			Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) { return c.Bot.PolicyCard(ctx), nil },
		},
		{
			Words: "audit", Summary: "Show the audit log, the newest first", Effect: bot.EffectControls, Local: true, List: true,
			Params: []bot.Param{
				{Name: "by", Kind: personKind, Summary: "Only what this person did"},
				{Name: "target", Kind: wordKind, Summary: "Only what was about this target, such as vm/4001"},
				{Name: "since", Kind: durationKind, Summary: "Only the last such time, such as 24h"},
				{Name: "limit", Kind: countKind, Summary: "How many at most; 50 if it is not said"},
			},
			Example: "audit --by ana --since 24h",
			Read:    showAudit,
		},
	}
}

func showAudit(ctx context.Context, c *bot.Call) (bot.Card, error) {
	f := bot.AuditFilter{Person: c.Args.Text("by"), Target: c.Args.Text("target"), Limit: int(c.Args.Int("limit"))}
	if f.Limit == 0 {
		f.Limit = 50
	}
	if since, err := time.ParseDuration(c.Args.Text("since")); err == nil {
		f.Since = c.Now.Add(-since)
	}
	empty := "No record is like that."
	if f.Person != "" && len(c.Policy.Accounts(f.Person)) == 0 {
		empty += " The policy knows no " + bot.Code(f.Person) + "."
	}
	records, err := c.Bot.AuditLog(ctx, f)
	if err != nil {
		return bot.Card{}, err
	}
	card := bot.Card{Title: "Audit log", Table: &bot.Table{
		Columns: []bot.Column{{Name: "No.", Right: true}, {Name: "When"}, {Name: "Who"}, {Name: "Op", Right: true}, {Name: "What"}},
		Empty:   empty,
	}}
	for i := range records {
		r := &records[i]
		who, op := r.Person, ""
		if who == "" {
			who = r.Account
		}
		if who == "" {
			who = "bot"
		}
		if r.Op != 0 {
			op = fmt.Sprint(r.Op)
		}
		card.Table.Rows = append(card.Table.Rows, []string{fmt.Sprint(r.Seq), bot.At(r.Time), bot.Clean(who), op, describeRecord(r)})
	}
	return card, nil
}

// describeRecord is what an audit record says, in a few words.
func describeRecord(r *bot.Record) string {
	words := []string{r.Kind}
	for _, w := range []string{r.Command, r.Target, r.Decision, string(r.State), r.Code, r.Text} {
		if w != "" {
			words = append(words, bot.Clean(w))
		}
	}
	if r.Count > 1 {
		words = append(words, fmt.Sprintf("× %d", r.Count))
	}
	return strings.Join(words, " · ")
}
