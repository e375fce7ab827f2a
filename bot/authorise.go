package bot

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"hosterbot/bot/policy"
)

// question puts what somebody wants into the policy's words. An error means
// that the locks could not be read, and denies.
func (b *Bot) question(ctx context.Context, who *asker, cmd *Command, targets []Target, facts Facts) (policy.Question, error) {
	now := b.clock.Now()
	q := policy.Question{
		Person: who.person, Member: who.member, Place: who.place.Place, Command: cmd.Words,
		Targets: targets, Facts: facts, Time: now,
	}
	locks, err := b.store.Locks(ctx, now)
	if err != nil {
		return q, Errorf(Unavailable, "The locks cannot be read, so nothing was done. Try again in a minute.").Because(err)
	}
	for _, l := range locks {
		q.Locks = append(q.Locks, policy.Lock{Target: l.Target, By: l.By, Reason: l.Reason, Until: l.Until})
	}
	return q, nil
}

// decide asks the policy whether somebody may.
func (b *Bot) decide(ctx context.Context, who *asker, cmd *Command, targets []Target, facts Facts, final, breakGlass bool) (policy.Answer, error) {
	q, err := b.question(ctx, who, cmd, targets, facts)
	if err != nil {
		return policy.Answer{}, err
	}
	q.Final, q.BreakGlass = final, breakGlass
	start := b.clock.Now()
	answer := who.snap.Decide(q)
	b.metrics.Decision(cmd.Words, answer.Allowed, b.clock.Now().Sub(start))
	if answer.Allowed && cmd.Confirmed() && answer.Requirement.Confirm == policy.ConfirmNone {
		answer.Requirement.Confirm = policy.ConfirmButton
	}
	return answer, nil
}

// decideOwn is decide for a command with its arguments: what is the caller's
// own needs no grant.
func (b *Bot) decideOwn(ctx context.Context, who *asker, cmd *Command, args Args, targets []Target, facts Facts, final, breakGlass bool) (policy.Answer, error) {
	a, err := b.decide(ctx, who, cmd, targets, facts, final, breakGlass)
	if err != nil || a.Allowed || cmd.Own == nil || who.person == "" || who.place.Shared || len(a.Rules) != 1 || a.Rules[0].Kind != "default" {
		return a, err
	}
	if !cmd.Own(ctx, b.call(ctx, who, cmd, args, targets)) {
		return a, nil
	}
	return policy.Answer{Allowed: true, Rules: []policy.Rule{{Kind: "default", ID: "own"}}}, nil
}

// denial is the card of a decision that says no: what was asked, by which rule
// and line, why, and whom to ask. It never tells other people's rights.
func denial(snap *policy.Snapshot, cmd *Command, a policy.Answer) Card {
	c := Card{Tone: Bad, Title: "Not allowed: " + Code(cmd.Words)}
	c.Lines = append(c.Lines, moments(Clean(a.Why)))
	if len(a.Rules) > 0 {
		r := a.Rules[0]
		if r.Because != "" && !strings.Contains(a.Why, r.Because) {
			c.Lines = append(c.Lines, "“"+Clean(r.Because)+"”")
		}
		if rule := ruleText(snap, r); rule != "" {
			c.Notes = append(c.Notes, "Decided by "+rule+". Nothing was done.")
		}
	}
	if len(c.Notes) == 0 {
		c.Notes = append(c.Notes, "Nothing was done.")
	}
	if len(a.Ask) > 0 {
		c.Lines = append(c.Lines, "Ask someone of "+list(a.Ask, "or")+".")
	}
	return c
}

// policyTime is a time as the policy writes it, which knows no chat.
var policyTime = regexp.MustCompile(`\b\d{4}-\d\d-\d\d \d\d:\d\d UTC\b`)

// moments makes the times in a text of the policy's such that everybody reads
// them in his own time zone, and how far away they are.
func moments(text string) string {
	return policyTime.ReplaceAllStringFunc(text, func(found string) string {
		t, err := time.Parse("2006-01-02 15:04 UTC", found)
		if err != nil {
			return found
		}
		return At(t)
	})
}

// ruleText names a rule and its line: "deny prod-stays (policies.yaml:41)".
func ruleText(snap *policy.Snapshot, r policy.Rule) string {
	if r.Line == 0 {
		return ""
	}
	text := r.Kind
	if r.ID != "" {
		text += " " + Code(r.ID)
	}
	return fmt.Sprintf("%s (%s:%d)", text, Clean(baseName(snap.File())), r.Line)
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// list joins words for a sentence: "a, b and c".
func list(words []string, last string) string {
	switch len(words) {
	case 0:
		return "nobody"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// ruleID is the first of the rules that decided, and its line, for records.
func ruleID(rules []policy.Rule) (string, int) {
	if len(rules) == 0 {
		return "", 0
	}
	return rules[0].ID, rules[0].Line
}

// commandRecord is the audit record of a command and its decision.
func commandRecord(kind string, who *asker, cmd *Command, args Args, targets []Target, a policy.Answer) Record {
	r := Record{
		Kind: kind, Person: who.person, Account: who.account.String(), Place: who.place.String(), Command: cmd.Words,
		Args: cmd.recorded(args), Target: targetText(targets), Decision: "deny", Policy: who.snap.Hash(), Text: a.Why,
	}
	if a.Allowed {
		r.Decision = "allow"
	}
	r.Rule, r.Line = ruleID(a.Rules)
	return r
}

// recorded are the arguments that may stand in records: no free text.
func (c *Command) recorded(args Args) Args {
	return slices.DeleteFunc(slices.Clone(args), func(a Arg) bool {
		p, ok := c.Param(a.Name)
		return !ok || p.Kind == nil || p.Kind.Hidden
	})
}

func targetText(targets []Target) string {
	words := make([]string, len(targets))
	for i, t := range targets {
		words[i] = t.String()
	}
	return strings.Join(words, " ")
}

// deny records a refusal and answers with it. Where a break-glass rule would
// help, its button stands below.
func (b *Bot) deny(ctx context.Context, key string, answer Responder, who *asker, p Parsed, a policy.Answer) {
	c := denial(who.snap, p.Command, a)
	now := b.clock.Now()
	who.outcome = "denied"
	if err := b.store.Append(ctx, now, key, Written{Audit: []Record{commandRecord("denied", who, p.Command, p.Args, p.Targets, a)}}); err != nil {
		b.log.Error("audit record not written", "err", err)
	}
	if a.Unsure != "" && p.Command.Mutates() {
		c.Notes = append(c.Notes, unsureGlass(a.Unsure))
	}
	if a.BreakGlass == nil || !p.Command.Mutates() {
		b.say(ctx, answer, c)
		return
	}
	saved, err := b.store.SaveRead(ctx, now, b.newRead(who, p, 0), Written{})
	if err != nil {
		b.log.Error("refusal not stored", "err", err)
	} else {
		c.Buttons = append(c.Buttons, Button{Label: "Break glass", Style: Danger, Code: readCode(saved, actBreakGlass)})
		c.Notes = append(c.Notes, "Break glass runs it without approvals, and tells everybody (rule "+Code(a.BreakGlass.ID)+").")
	}
	b.say(ctx, answer, c)
}

// unsureGlass stands where Break glass would, had its group been looked up.
func unsureGlass(group string) string {
	return "Whether you may break glass is not known, because the look-up of " + Code(group) + " failed. Try again in a minute."
}

// refuseStranger answers an account that the policy does not know.
func (b *Bot) refuseStranger(ctx context.Context, answer Responder, who *asker, cmd *Command) {
	b.record(ctx, Record{Kind: "denied", Account: who.account.String(), Place: who.place.String(), Command: cmd.Words,
		Decision: "deny", Policy: who.snap.Hash(), Text: "unknown account"})
	who.outcome = "stranger"
	b.say(ctx, answer, Card{Tone: Bad, Title: "Not allowed: " + Code(cmd.Words), Lines: []string{
		"The policy does not know your account " + Code(who.account.String()) + ".",
		"Ask whoever keeps the policy file to add you under " + Code("people") + ". " + Code("whoami") + " shows what to paste.",
	}})
}
