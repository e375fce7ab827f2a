package bot

import (
	"context"
	"slices"
	"strings"
	"time"

	"hosterbot/bot/policy"
)

// maxChoices is how many choices a chat can offer while somebody types:
// Discord's limit.
const maxChoices = 25

// MaxListed is how many choices a form is given, at most: one more than the
// longest list of a chat holds, which is Slack's, so that a chat sees that
// those are not all.
const MaxListed = 101

// completeFor bounds a completion: Discord waits 3 s, and people less.
const completeFor = time.Second

// Complete implements Handler: what could be typed next, only what this
// person may run and touch.
func (b *Bot) Complete(ctx context.Context, c Completion) (out []Choice) {
	defer func() {
		if v := recover(); v != nil {
			b.log.Error("panic in a completion", "command", c.Words)
			b.metrics.Panic()
			out = nil
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, completeFor)
	defer cancel()
	who := b.asker(ctx, new(course), c.Account, c.Place)
	most := maxChoices
	defer func() { out = out[:min(len(out), most)] }()
	if c.Code != "" {
		most = MaxListed
		if c.Words = b.formCommand(ctx, who, c.Code); c.Words == "" {
			return nil // somebody else's form
		}
	}
	if c.Words != "" {
		cmd, ok := b.catalogue.Find(c.Words)
		if !ok {
			return nil
		}
		p, ok := cmd.Param(c.Param)
		if !ok {
			return nil
		}
		return b.completeValue(ctx, who, cmd, p, c.Args, c.Prefix)
	}
	return b.completeLine(ctx, who, c.Line)
}

// formCommand is the command whose arguments a form asks this person for.
func (b *Bot) formCommand(ctx context.Context, who *asker, text string) string {
	c, err := parseCode(text)
	if err != nil || !c.read {
		return ""
	}
	r, err := b.store.Read(ctx, b.clock.Now(), c.id)
	if err != nil || !same(r.Nonce, c.nonce) || r.Person != who.person {
		return ""
	}
	return r.Command
}

// completeLine completes the last word of a line.
func (b *Bot) completeLine(ctx context.Context, who *asker, line string) []Choice {
	words, err := split(line)
	if err != nil {
		return nil
	}
	last := ""
	if !strings.HasSuffix(line, " ") && len(words) > 0 {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	cmd, rest, err := b.catalogue.find(words)
	if err != nil || len(words) == 0 {
		return b.completeWords(ctx, who, words, last)
	}
	if strings.HasPrefix(last, "--") {
		var out []Choice
		for i := range cmd.Params {
			p := &cmd.Params[i]
			if !p.Secret && strings.HasPrefix("--"+p.Name, last) && !slices.Contains(rest, "--"+p.Name) {
				out = append(out, Choice{"--" + p.Name, p.Summary})
			}
		}
		return out
	}
	if n := len(rest); n > 0 {
		if name, ok := strings.CutPrefix(rest[n-1], "--"); ok {
			if p, ok := cmd.Param(name); ok && p.Kind.Type != Flag {
				return b.completeValue(ctx, who, cmd, p, typedSoFar(cmd, rest[:n-1], who), last)
			}
		}
	}
	given, err := assign(cmd, rest)
	if err != nil {
		return nil
	}
	for i := range cmd.Params {
		if p := &cmd.Params[i]; p.Positional && (given[i] == "" || p.Rest) {
			return b.completeValue(ctx, who, cmd, p, typedSoFar(cmd, rest, who), last)
		}
	}
	return nil
}

// typedSoFar are the arguments that stand in a line already, as far as they
// are right.
func typedSoFar(cmd *Command, words []string, who *asker) Args {
	given, err := assign(cmd, words)
	if err != nil {
		return nil
	}
	var args Args
	for i := range cmd.Params {
		p := &cmd.Params[i]
		if given[i] == "" || p.Kind == nil {
			continue
		}
		if value, err := p.value(given[i], who.snap.Label); err == nil {
			args = append(args, Arg{p.Name, value})
		}
	}
	return args
}

// completeWords completes the words of a command.
func (b *Bot) completeWords(ctx context.Context, who *asker, typed []string, last string) []Choice {
	before := strings.ToLower(strings.Join(typed, " "))
	var out []Choice
	for _, cmd := range b.catalogue.All() {
		rest, ok := strings.CutPrefix(cmd.Words, before)
		if !ok || !b.mayRun(ctx, who, cmd) {
			continue
		}
		word, more, _ := strings.Cut(strings.TrimPrefix(rest, " "), " ")
		if word == "" || !strings.HasPrefix(word, strings.ToLower(last)) {
			continue
		}
		label := cmd.Summary
		if more != "" {
			label = ""
		}
		if !slices.ContainsFunc(out, func(c Choice) bool { return c.Value == word }) {
			out = append(out, Choice{word, label})
		}
	}
	return out
}

// completeValue completes one parameter, with what this person may touch.
func (b *Bot) completeValue(ctx context.Context, who *asker, cmd *Command, p *Param, typed Args, prefix string) []Choice {
	if p.Kind == nil || !b.mayRun(ctx, who, cmd) {
		return nil
	}
	var out []Choice
	if p.Kind.Complete != nil {
		all, err := p.Kind.Complete(ctx, b.call(ctx, who, cmd, typed, nil), prefix)
		if err != nil {
			return nil
		}
		for _, c := range all {
			if p.Kind.Target != nil && !p.Kind.Listed {
				t, err := p.Kind.Target(c.Value)
				if err != nil || !b.call(ctx, who, cmd, nil, nil).Allows(t) {
					continue
				}
				if name := who.snap.NameOf(t); name != "" && !strings.Contains(c.Label, name) {
					c.Label = CleanMax(c.Label+" · "+name, 75)
				}
			}
			out = append(out, c)
		}
	} else {
		for _, c := range p.Kind.Choices {
			if strings.HasPrefix(c.Value, prefix) {
				out = append(out, c)
			}
		}
	}
	return out[:min(len(out), MaxListed)]
}

// mayRun tells whether a person may run a command on anything at all, here.
func (b *Bot) mayRun(ctx context.Context, who *asker, cmd *Command) bool {
	if cmd.Effect == EffectOpen {
		return true
	}
	if who.person == "" {
		return false
	}
	return who.snap.MayRun(policy.Question{Person: who.person, Member: who.member, Place: who.place.Place, Command: cmd.Words, Time: b.clock.Now()})
}
