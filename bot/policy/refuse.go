package policy

import (
	"fmt"
	"strconv"
)

// refuse builds the answer for a question that something speaks against: all
// of it in Rules, the most important in Why.
func (s *Snapshot) refuse(q *Question, f *finding, person, command int, where []int) Answer {
	var a Answer
	say := func(r Rule, why string) {
		if a.Rules = append(a.Rules, r); a.Why == "" {
			a.Why = why
		}
	}
	if d := f.deny; d != nil {
		say(d.Rule, fmt.Sprintf("The rule %s denies %s to you.", d.ID, what(q)))
	}
	if f.gap.open {
		rule := defaultDeny
		if f.gap.grant != nil {
			rule = f.gap.grant.Rule
		}
		say(rule, s.gapWhy(q, &f.gap))
		if !q.BreakGlass {
			a.Ask = s.ask(person, command, where)
		}
	}
	if l := f.limit; l != nil {
		say(l.Rule, capsWhy("The limit "+l.ID, &l.caps, &q.Facts, f.over, f.lacking))
	}
	if fr := f.freeze; fr != nil {
		say(fr.Rule, fmt.Sprintf("%s is frozen by %s until %s.", what(q), fr.ID, formatTime(fr.to)))
	}
	if l := f.lock; l != nil {
		until := ""
		if !l.Until.IsZero() {
			until = " until " + formatTime(l.Until)
		}
		held := l.Target
		if held == "all" {
			held = "Everything"
		}
		say(Rule{Kind: kindLock, ID: l.Target, Because: l.Reason}, fmt.Sprintf("%s is locked by %s%s.", held, l.By, until))
	}
	return a
}

// gapWhy tells why no grant covers a question, as far as it is about the
// person's own rights.
func (s *Snapshot) gapWhy(q *Question, g *gap) string {
	one := *q
	if g.target < len(q.Targets) {
		one.Targets = q.Targets[g.target : g.target+1]
	}
	asked := what(&one)
	switch {
	case g.unsure != "":
		return fmt.Sprintf("It is not known whether you are in %s, because the look-up failed, so %s is denied; try again.", g.unsure, asked)
	case q.BreakGlass:
		return fmt.Sprintf("No break-glass rule gives you %s here.", asked)
	case g.grant != nil:
		return capsWhy("Your grant "+g.grant.ID, g.grant.limit, &q.Facts, g.over, g.lacking)
	case g.away != nil && len(g.away.in) > 0:
		return fmt.Sprintf("Your grant for %s does not count here, but in %s.", asked, enumerate(placeNames(g.away.in), "or"))
	case g.away != nil:
		return fmt.Sprintf("Your grant for %s does not count in a channel that is shared with outsiders, or that the bot cannot see. If it is a private one of yours, invite the bot.", asked)
	}
	return fmt.Sprintf("No grant covers %s for you here.", asked)
}

// capsWhy tells what exceeds a ceiling, or what would have to be known.
func capsWhy(rule string, c *caps, f *Facts, over, lacking FactSet) string {
	if over == 0 {
		verb := "is"
		if len(lacking.Names()) > 1 {
			verb = "are"
		}
		return fmt.Sprintf("%s asks for %s, which %s not known, so it is denied.", rule, lacking, verb)
	}
	name := over.Names()[0]
	return fmt.Sprintf("%s ends at %s, and this would be %s.", rule, c.facts.print(name), f.print(name))
}

// print prints one fact with its unit.
func (f *Facts) print(name string) string {
	switch name {
	case "cores":
		return strconv.Itoa(f.Cores) + " cores"
	case "mem":
		if f.Mem > 0 && f.Mem%1024 == 0 {
			return strconv.FormatInt(f.Mem/1024, 10) + "G of memory"
		}
		return strconv.FormatInt(f.Mem, 10) + "M of memory"
	case "disk":
		return strconv.FormatInt(f.Disk, 10) + "G of disk"
	case "ips":
		return strconv.Itoa(f.IPs) + " IPs"
	}
	return "a price of " + strconv.FormatFloat(f.Price, 'f', -1, 64)
}

// ask returns the groups that have the missing grant, but for those the person
// is in; single people are never named.
func (s *Snapshot) ask(person, command int, where []int) (groups []string) {
	for _, g := range s.grants {
		if !g.commands.has(command) || g.targets != nil && s.commands[command].Whole {
			continue
		}
		covers := true
		for _, class := range where {
			covers = covers && g.classes.has(class)
		}
		if !covers {
			continue
		}
		for _, name := range g.to.names {
			i, ok := s.groupAt[name]
			if !ok || contains(groups, name) || !s.groups[i].lookedUp() && s.groups[i].people.has(person) {
				continue
			}
			groups = append(groups, name)
		}
	}
	return groups
}

func refuseUnknown(q *Question) Answer {
	return refusal(fmt.Sprintf("`%s` is no command.", clip(q.Command)))
}

func refuseStranger(q *Question) Answer {
	return refusal("Your account is not in the policy, so " + what(q) + " is denied.")
}

func refuseTarget(q *Question) Answer {
	return refusal(what(q) + " is denied, because the target is not one that the policy knows.")
}

func refuseOutsiders(q *Question) Answer {
	return refusal("This channel is shared with outsiders, or the bot cannot see it, and no grant names it, so " + what(q) + " is denied here.")
}

func refusal(why string) Answer {
	return Answer{Rules: []Rule{defaultDeny}, Why: why}
}

// what names what is asked: "`vm delete` on vm/4001".
func what(q *Question) string {
	s := "`" + clip(q.Command) + "`"
	if len(q.Targets) == 0 {
		return s
	}
	names := make([]string, len(q.Targets))
	for i, t := range q.Targets {
		names[i] = t.String()
	}
	return s + " on " + enumerate(names, "and")
}

func placeNames(places []Place) []string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.String()
	}
	return names
}
