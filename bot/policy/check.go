package policy

import (
	"fmt"
	"strings"
)

// check reports rules that are well written and cannot work, and warns of what
// nothing uses. Rules with errors of their own are left out.
func (l *loader) check() {
	if len(l.snap.cells) == 0 && len(l.snap.commands) > 0 {
		return // not compiled: too large
	}
	for _, g := range l.snap.grants {
		l.checkGrant(g)
	}
	for _, d := range l.denies {
		l.checkParty(&d.rule, d.who, "who")
		l.checkTargets(&d.rule, "command that it names")
	}
	for _, lim := range l.limits {
		l.checkCaps(&lim.rule, &lim.caps, lim.at)
	}
	for _, g := range l.guards {
		l.checkGuard(g)
	}
	for _, f := range l.freezes {
		l.checkTargets(&f.rule, "command that it names")
	}
	for _, g := range l.glasses {
		l.checkParty(&g.rule, g.who, "who")
		l.checkTargets(&g.rule, "command that it names")
	}
	l.checkAsk()
	l.checkApprovers()
	l.checkUse()
}

// never reports a rule that can never match.
func (l *loader) never(r *rule, at pos, format string, args ...any) {
	l.errorf(at, "the %s `%s` can never match: %s", strings.ReplaceAll(r.Kind, "_", "-"), r.ID, fmt.Sprintf(format, args...))
}

// checkParty reports a list of people and groups in which nobody can be.
func (l *loader) checkParty(r *rule, p *party, key string) {
	if p == nil || r.ID == "" || l.snap.possible(p).len() > 0 {
		return
	}
	for _, name := range p.names {
		i, ok := l.snap.groupAt[name]
		if !ok {
			return
		}
		if g := &l.snap.groups[i]; g.broken && !g.empty {
			return
		}
	}
	if len(p.names) == 0 {
		return
	}
	if len(p.looked) > 0 {
		l.never(r, p.at, "nobody in `people` has an account on %s, where %s is looked up", l.snap.groups[p.looked[0]].platform, enumerate(quoted(p.names), "or"))
		return
	}
	l.never(r, p.at, "nobody is in `%s`: %s", key, enumerate(quoted(p.names), "and"))
}

// checkTargets reports targets that no command of the rule can have.
func (l *loader) checkTargets(r *rule, whose string) {
	if r.broken || r.targets == nil {
		return
	}
	kinds := make(map[string]bool)
	for _, s := range r.targets.allSpans(l.snap.labels) {
		kinds[s.kind] = true
	}
	meets := false
	r.commands.each(func(i int) {
		c := &l.snap.commands[i]
		if r.Kind == kindGrant && c.Whole {
			return
		}
		// A list shows targets, though it is not given one; guards and freezes
		// know nothing of rows.
		if c.List && len(c.Targets) == 0 {
			meets = meets || r.Kind == kindGrant || r.Kind == kindDeny
		}
		for kind := range kinds {
			meets = meets || c.takes(kind)
		}
	})
	if meets {
		return
	}
	var names []string
	for _, kind := range targetKinds {
		if kinds[kind] {
			names = append(names, kind)
		}
	}
	l.never(r, r.at, "its targets are of the kind %s, and no %s takes one of these", enumerate(names, "and"), whose)
}

func (l *loader) checkGrant(g *grant) {
	l.checkParty(&g.rule, g.to, "to")
	if g.broken {
		return
	}
	if g.commands.len() == 0 {
		l.never(&g.rule, g.at, "its role allows nothing")
		return
	}
	l.checkTargets(&g.rule, "command of its role")
	if g.limit != nil {
		l.checkCaps(&g.rule, g.limit, g.limitAt)
	}
	if len(g.in) == 0 {
		return
	}
	met := false
	l.snap.possible(g.to).each(func(i int) {
		for _, p := range g.in {
			met = met || p.Direct || l.snap.people[i].on(p.Platform)
		}
	})
	if !met {
		l.never(&g.rule, g.at, "nobody in `to` has an account on %s, the platform of `in`", g.in[0].Platform)
	}
}

// checkCaps reports ceilings on what no command of the rule has.
func (l *loader) checkCaps(r *rule, c *caps, at pos) {
	if r.broken {
		return
	}
	var facts FactSet
	r.commands.each(func(i int) { facts |= l.snap.commands[i].facts })
	if idle := c.set &^ facts; idle != 0 {
		l.never(r, at, "none of its commands has %s", enumerate(quoted(idle.Names()), "or"))
	}
}

func (l *loader) checkGuard(g *guard) {
	l.checkParty(&g.rule, g.by, "by")
	l.checkTargets(&g.rule, "command that it names")
	if g.broken || g.asks.Backup == 0 {
		return
	}
	wipes := false
	g.commands.each(func(i int) {
		c := &l.snap.commands[i]
		wipes = wipes || c.Effect == Destroys && c.takes(kindVM)
	})
	if !wipes {
		l.never(&g.rule, g.at, "its backup is asked for before a VM loses data, and none of its commands destroys any of a VM")
	}
}

// checkAsk reports people who may approve and can see the card nowhere. It
// looks at guards as they come together: a list of one may be asked where
// another says.
func (l *loader) checkAsk() {
	reported := make(map[string]bool)
	seen := make(map[*combo]bool)
	for i := range l.snap.cells {
		c := l.snap.cells[i].combo
		if seen[c] || len(c.needs.Ask) == 0 {
			continue
		}
		seen[c] = true
		for _, g := range c.guards {
			if g.by == nil {
				continue
			}
			g.by.people.each(func(p int) {
				key := g.ID + " " + l.snap.people[p].name
				if reported[key] || l.snap.reachable(p, c.needs.Ask) {
					return
				}
				reported[key] = true
				at := g.askAt
				if len(g.asks.Ask) == 0 {
					at = g.by.at
				}
				l.errorf(at, "`%s` may approve by `%s` and has no account on any place of `ask` (%s), so the card could not be seen", l.snap.people[p].name, g.ID, enumerate(placeNames(c.needs.Ask), "or"))
			})
		}
	}
}

func (s *Snapshot) reachable(person int, places []Place) bool {
	for _, p := range places {
		for _, a := range s.people[person].accounts {
			if p.reachable(a) {
				return true
			}
		}
	}
	return len(s.people[person].accounts) == 0 // reported as such already
}

// shortage is everything that one person could not get approved for the same
// reason.
type shortage struct {
	at               pos
	person, why      string
	commands, labels []string
}

// maxLists bounds the work of checkApprovers, far above any real need.
const maxLists = 20

// checkApprovers reports whoever could be given a command that not enough
// others could approve.
func (l *loader) checkApprovers() {
	s := l.snap
	var all []*shortage
	known := make(map[string]*shortage)
	for command := range s.commands {
		for class := range s.classes.all {
			c := s.cell(command, class)
			need := c.combo.needs.Approve
			if class == classAny || len(need) == 0 {
				continue
			}
			if len(need) > maxLists {
				l.errorf(asking(c.combo.guards, need[maxLists]).at, "`%s` would take votes of more than %d different lists", s.commands[command].Name, maxLists)
				continue
			}
			may := s.approvers(c)
			left, filled := assign(need, may)
			met := total(left) == 0
			for person := range s.people {
				// Who fills no slot is not missed when he is the requester.
				if _, votes := filled[person]; met && !votes || !s.requests(person, command, class) {
					continue
				}
				others := without(may, person)
				left, _ := assign(need, others)
				for i := range left {
					if left[i] == 0 {
						continue
					}
					g := asking(c.combo.guards, need[i])
					why := fmt.Sprintf("the guard `%s` asks for %s, and %s", g.ID, need[i], s.only(others[i], need[i].Count))
					key := s.people[person].name + " " + why
					if known[key] == nil {
						known[key] = &shortage{at: g.countAt, person: s.people[person].name, why: why}
						all = append(all, known[key])
					}
					known[key].add(s.commands[command].Name, l.label(g, class))
				}
			}
		}
	}
	for _, x := range all {
		l.errorf(x.at, "`%s` could never get %s%s approved: %s", x.person, enumerate(quoted(x.commands), "or"), x.on(), x.why)
	}
}

func (x *shortage) add(command, label string) {
	if !contains(x.commands, command) {
		x.commands = append(x.commands, command)
	}
	if label != "" && !contains(x.labels, label) {
		x.labels = append(x.labels, label)
	}
}

func (x *shortage) on() string {
	if len(x.labels) == 0 {
		return ""
	}
	return " on " + enumerate(x.labels, "or")
}

// approvers returns, for each approval of a cell, everybody who could vote.
func (s *Snapshot) approvers(c *cell) []set {
	may := make([]set, len(c.combo.needs.Approve))
	for i, need := range c.combo.needs.Approve {
		s.possible(asking(c.combo.guards, need).by).each(func(p int) {
			for _, d := range c.denies {
				if d.who.people.has(p) {
					return
				}
			}
			may[i].add(p)
		})
	}
	return may
}

func total(numbers []int) (sum int) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}

// asking returns the guard that asks for most of an approval.
func asking(guards []*guard, need Approval) (most *guard) {
	for _, g := range guards {
		for _, a := range g.asks.Approve {
			if a.sameBy(need) && (most == nil || a.Count > most.asks.Approve[0].Count) {
				most = g
			}
		}
	}
	return most
}

// requests tells whether a person could be granted a command on a class.
func (s *Snapshot) requests(person, command, class int) bool {
	c := &s.commands[command]
	if kind := s.classes.all[class].kind; kind != "" && !c.takes(kind) || kind == "" && len(c.Targets) > 0 {
		return false
	}
	for _, d := range s.cell(command, class).denies {
		if d.who.people.has(person) {
			return false
		}
	}
	for _, g := range s.accessOf(person, command).grants {
		if g.classes.has(class) {
			return true
		}
	}
	return false
}

func without(may []set, person int) []set {
	left := make([]set, len(may))
	for i, m := range may {
		m.each(func(p int) {
			if p != person {
				left[i].add(p)
			}
		})
	}
	return left
}

// label names a class: by a label, best one of the guard, or by a sample.
func (l *loader) label(g *guard, class int) string {
	c := &l.snap.classes.all[class]
	if g.targets != nil {
		for _, i := range g.targets.labels {
			if c.in.has(l.snap.labels[i].set) {
				return "`" + l.snap.labels[i].name + "`"
			}
		}
	}
	for _, lab := range l.snap.labels {
		if c.in.has(lab.set) {
			return "`" + lab.name + "`"
		}
	}
	switch {
	case c.kind == "":
		return ""
	case c.sample.from == 0 && c.sample.addr == "":
		return "a " + c.kind + " that no rule names"
	}
	return Target{c.kind, c.sample.from, c.sample.addr}.String()
}

// only tells who could approve, and why that is too few.
func (s *Snapshot) only(people set, count int) string {
	var names []string
	people.each(func(p int) { names = append(names, s.people[p].name) })
	switch {
	case len(names) == 0:
		return "nobody else is eligible"
	case len(names) >= count:
		return enumerate(names, "and") + " are needed for other approvals too"
	case len(names) == 1:
		return "only " + names[0] + " is eligible"
	}
	return "only " + enumerate(names, "and") + " are eligible"
}

// checkUse warns of groups, roles and labels that nothing uses. A label with
// one target is used as a name.
func (l *loader) checkUse() {
	for _, g := range l.snap.groups {
		if !g.used {
			l.warnf(g.at, "the group `%s` is never used", g.name)
		}
	}
	for _, r := range l.roles {
		if !r.used {
			l.warnf(r.at, "the role `%s` is never used", r.name)
		}
	}
	for _, lab := range l.snap.labels {
		if !lab.used && len(lab.targets) > 1 {
			l.warnf(lab.at, "the label `%s` is never used", lab.name)
		}
	}
}
