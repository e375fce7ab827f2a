package policy

import (
	"strings"
	"time"
)

// The kinds of rule, as Rule.Kind says them.
const (
	kindGrant      = "grant"
	kindDeny       = "deny"
	kindGuard      = "guard"
	kindFreeze     = "freeze"
	kindLimit      = "limit"
	kindLock       = "lock"
	kindBreakGlass = "break_glass"
	kindDefault    = "default"
)

// rule is what rules of all kinds have.
type rule struct {
	Rule
	at       pos
	commands set
	targets  *targets // nil: all
	broken   bool     // has an error of its own, or names something that has: not compiled
}

// grant gives a role to people.
type grant struct {
	rule
	to       *party
	in       []Place // empty: everywhere but channels with outsiders
	limit    *caps
	limitAt  pos
	classes  set    // classes of target that it covers
	decides  []Rule // itself alone
	confirms []Rule // itself, and the confirmation that an effect always needs
}

// deny refuses, whatever is granted.
type deny struct {
	rule
	who *party
}

// limit is a ceiling for everybody.
type limit struct {
	rule
	caps caps
}

// guard is what must happen before a command runs.
type guard struct {
	rule
	asks    Requirement
	by      *party
	countAt pos
	askAt   pos
}

// freeze refuses from a moment to another.
type freeze struct {
	rule
	from, to time.Time
}

// glass gives a right in an emergency.
type glass struct {
	rule
	who     *party
	tell    Place
	classes set
	decides []Rule
}

// caps are ceilings on facts; only those in set are.
type caps struct {
	set   FactSet
	facts Facts
}

// rule reads the keys that all kinds share: id, commands, targets, because.
func (l *loader) rule(n node, kind, what string, keys ...string) (rule, mapping, bool) {
	m, ok := l.mapping(n, what, append([]string{"id"}, keys...)...)
	r := rule{Rule: Rule{Kind: kind}}
	if !ok {
		return r, m, false
	}
	r.at, r.Line = m.at, m.at.line
	l.need(m, what, "id")
	if id, ok := l.name(m.value("id"), "a rule"); ok {
		r.ID = id
		if reserved(id) {
			l.errorf(m.value("id").pos(), "the id `%s` is taken by the default", id)
		}
		if first, ok := l.ids[id]; ok {
			l.errorf(m.value("id").pos(), "the id `%s` is taken by a %s on line %d", id, strings.ReplaceAll(first.Kind, "_", "-"), first.Line)
		} else {
			l.ids[id] = r.Rule
		}
	}
	if contains(keys, "commands") {
		l.need(m, what, "commands")
		r.commands = l.commandsOf(m.value("commands"), "`commands`")
	}
	r.targets = l.targetsOf(m.value("targets"))
	r.Because = l.prose(m.value("because"), "`because`")
	return r, m, true
}

// each calls read for every rule of a section, and marks a rule as broken that
// has problems.
func (l *loader) each(n node, what string, read func(node) *rule) {
	for _, item := range l.section(n, what) {
		before := len(l.problems)
		if r := read(item); r != nil {
			r.broken = r.broken || len(l.problems) > before || r.targets != nil && r.targets.shaky
		}
	}
}

// grantSection reads `grants`.
func (l *loader) grantSection(n node) {
	l.each(n, "`grants`", func(n node) *rule {
		r, m, ok := l.rule(n, kindGrant, "a grant", "to", "role", "in", "targets", "limit", "because")
		if !ok {
			return nil
		}
		g := &grant{rule: r}
		l.need(m, "a grant", "to", "role")
		g.to = l.party(m.value("to"), "`to`")
		if name, ok := l.text(m.value("role"), "`role`"); ok {
			if i, ok := l.roleAt[name]; ok {
				l.roles[i].used = true
				g.commands = l.roles[i].commands
				g.broken = l.roles[i].broken
			} else {
				l.errorf(m.value("role").pos(), "unknown role `%s`%s", clip(name), didYouMean(name, l.roleNames()))
			}
		}
		g.in = l.placesOf(m.value("in"), "`in`", "")
		l.want(g.in...)
		for _, p := range g.in {
			l.snap.named[p] = true
			if l.snap.home == (Place{}) && !p.Direct {
				l.snap.home = p
			}
		}
		if f := m.value("limit"); !f.absent() {
			c, _ := l.mapping(f, "a limit of a grant", factNames[:]...)
			g.limitAt = m.keyPos("limit")
			g.limit = l.caps(c)
			if len(f.y.Content) == 0 {
				l.errorf(g.limitAt, "`limit` limits nothing: give it %s", enumerate(factNames[:], "or"))
			}
		}
		g.broken = g.broken || g.to != nil && g.to.shaky
		l.snap.grants = append(l.snap.grants, g)
		return &g.rule
	})
}

// caps reads ceilings.
func (l *loader) caps(m mapping) *caps {
	c := &caps{}
	count := func(key string, least int64, fact FactSet) int {
		v, ok := l.number(m.value(key), "`"+key+"`", least)
		if ok && v > 1<<20 {
			l.errorf(m.value(key).pos(), "`%s` is no ceiling: %d is more than anything has", key, v)
			return 0
		}
		if ok {
			c.set |= fact
		}
		return int(v)
	}
	c.facts.Cores = count("cores", 1, FactCores)
	c.facts.IPs = count("ips", 0, FactIPs)
	var ok bool
	if c.facts.Mem, ok = l.size(m.value("mem"), "`mem`", "MGT", true); ok {
		c.set |= FactMem
	}
	if c.facts.Disk, ok = l.size(m.value("disk"), "`disk`", "GT", false); ok {
		c.set |= FactDisk
	}
	if c.facts.Price, ok = l.price(m.value("price"), "`price`"); ok {
		c.set |= FactPrice
	}
	return c
}

// limitSection reads `limits`.
func (l *loader) limitSection(n node) {
	l.each(n, "`limits`", func(n node) *rule {
		r, m, ok := l.rule(n, kindLimit, "a limit", append([]string{"commands", "because"}, factNames[:]...)...)
		if !ok {
			return nil
		}
		lim := &limit{rule: r, caps: *l.caps(m)}
		capped := false
		for _, name := range factNames {
			capped = capped || m.has(name)
		}
		if !capped {
			l.errorf(m.at, "a limit limits nothing: give it %s", enumerate(factNames[:], "or"))
		}
		l.limits = append(l.limits, lim)
		return &lim.rule
	})
}

// denySection reads `denies`.
func (l *loader) denySection(n node) {
	l.each(n, "`denies`", func(n node) *rule {
		r, m, ok := l.rule(n, kindDeny, "a deny", "who", "commands", "targets", "because")
		if !ok {
			return nil
		}
		l.need(m, "a deny", "who")
		d := &deny{rule: r, who: l.party(m.value("who"), "`who`")}
		if d.who != nil {
			for _, i := range d.who.looked {
				l.errorf(d.who.at, "`%s` is looked up on %s, and a deny cannot use it: whoever left the group would escape", l.snap.groups[i].name, l.snap.groups[i].platform)
			}
			d.broken = d.who.shaky
		}
		l.denies = append(l.denies, d)
		return &d.rule
	})
}

// guardSection reads `guards`.
func (l *loader) guardSection(n node) {
	l.each(n, "`guards`", func(n node) *rule {
		r, m, ok := l.rule(n, kindGuard, "a guard", "commands", "targets", "confirm", "reason", "approve", "delay", "backup", "ask", "because")
		if !ok {
			return nil
		}
		g := &guard{rule: r, askAt: m.keyPos("ask")}
		confirm, _ := l.choice(m.value("confirm"), "`confirm`", confirmWords[:]...)
		g.asks.Confirm = confirmOf(confirm)
		_, g.asks.Reason = l.choice(m.value("reason"), "`reason`", "required")
		g.asks.Delay = l.duration(m.value("delay"), "`delay`")
		g.asks.Backup = l.duration(m.value("backup"), "`backup`")
		g.asks.Ask = l.placesOf(m.value("ask"), "`ask`", "`ask` needs a channel: the card cannot be posted to everybody's private conversation")
		l.want(g.asks.Ask...)
		if a, ok := l.mapping(m.value("approve"), "`approve`", "by", "count", "within"); ok {
			l.approve(g, a)
		}
		asks := m.has("confirm") && confirm != confirmWords[ConfirmNone]
		for _, key := range []string{"reason", "approve", "delay", "backup", "ask"} {
			asks = asks || m.has(key)
		}
		if !asks {
			l.errorf(m.at, "a guard asks for nothing: give it confirm, reason, approve, delay or backup")
		}
		g.broken = g.by != nil && g.by.shaky
		l.guards = append(l.guards, g)
		return &g.rule
	})
}

// maxCount bounds the work of assigning approvers, far above any real need.
const maxCount = 100

func (l *loader) approve(g *guard, m mapping) {
	l.need(m, "`approve`", "by", "count")
	g.by = l.party(m.value("by"), "`by`")
	g.asks.Within = l.duration(m.value("within"), "`within`")
	count, ok := l.number(m.value("count"), "`count`", 1)
	if ok && count > maxCount {
		l.errorf(m.value("count").pos(), "`count` is more than %d", maxCount)
		ok = false
	}
	if !ok || g.by == nil {
		return
	}
	g.countAt = m.value("count").pos()
	g.asks.Approve = []Approval{{By: g.by.names, Count: int(count)}}
	for _, i := range g.by.looked {
		group := l.snap.groups[i]
		l.warnf(g.by.at, "`%s` is looked up on %s: whoever can change it there decides who approves", group.name, group.platform)
	}
}

// freezeSection reads `freezes`.
func (l *loader) freezeSection(n node) {
	l.each(n, "`freezes`", func(n node) *rule {
		r, m, ok := l.rule(n, kindFreeze, "a freeze", "from", "to", "commands", "targets", "because")
		if !ok {
			return nil
		}
		l.need(m, "a freeze", "from", "to")
		f := &freeze{rule: r, from: l.moment(m.value("from"), "`from`"), to: l.moment(m.value("to"), "`to`")}
		if !f.from.IsZero() && !f.to.IsZero() && !f.from.Before(f.to) {
			l.errorf(m.value("to").pos(), "the freeze ends before it begins: `to` must be later than `from`")
		}
		l.freezes = append(l.freezes, f)
		return &f.rule
	})
}

// glassSection reads `break_glass`.
func (l *loader) glassSection(n node) {
	l.each(n, "`break_glass`", func(n node) *rule {
		const what = "a break-glass rule"
		r, m, ok := l.rule(n, kindBreakGlass, what, "who", "commands", "targets", "tell")
		if !ok {
			return nil
		}
		l.need(m, what, "who", "tell")
		g := &glass{rule: r, who: l.party(m.value("who"), "`who`")}
		if tell, ok := l.text(m.value("tell"), "`tell`"); ok {
			g.tell, _ = l.place(textItem{tell, m.value("tell").pos()}, "`tell` needs a channel: somebody has to see it")
			l.want(g.tell)
		}
		g.broken = g.who != nil && g.who.shaky
		l.glasses = append(l.glasses, g)
		return &g.rule
	})
}
