package policy

import "time"

// defaultDeny decides where no rule allows.
var defaultDeny = Rule{Kind: kindDefault, ID: "default-deny"}

// alwaysConfirmed decides that an effect is confirmed where no guard asks.
var alwaysConfirmed = Rule{Kind: kindDefault, ID: "default-confirm", Because: "Interruptions, costs and losses are always confirmed."}

// openToAll decides for commands that need no grant.
var openToAll = []Rule{{Kind: kindDefault, ID: "default-open"}}

// reserved tells whether an ID belongs to one of the defaults.
func reserved(id string) bool {
	return id == defaultDeny.ID || id == alwaysConfirmed.ID || id == openToAll[0].ID
}

// Decide answers a question. It depends on nothing but the snapshot and the
// question, and whatever is in doubt denies. It is safe for concurrent use and
// does not allocate where it allows a command on one target.
//
// The order: an explicit deny, then a missing grant, a limit exceeded, a
// freeze, a lock; otherwise it is allowed, with everything that matching
// guards ask.
func (s *Snapshot) Decide(q Question) Answer {
	a, _ := s.decide(&q)
	return a
}

// finding is what speaks against a question, and which grant speaks for it.
type finding struct {
	deny    *deny
	gap     gap    // why no grant covers it
	grant   *grant // for the first target
	glass   *glass // under break-glass
	limit   *limit
	over    FactSet // what exceeds limit
	lacking FactSet // what limit needs and nobody knows
	freeze  *freeze
	lock    *Lock
	depends FactSet
}

func (f *finding) refuses() bool {
	return f.deny != nil || f.gap.open || f.limit != nil || f.freeze != nil || f.lock != nil
}

// gap tells why no grant covers a target. More than one reason may be set.
type gap struct {
	open    bool
	target  int    // which of the targets
	unsure  string // a looked-up group that could change it
	grant   *grant // would cover it, but for over or lacking
	over    FactSet
	lacking FactSet
	away    *grant // would cover it elsewhere
}

// decide is Decide, and tells which grant was used.
func (s *Snapshot) decide(q *Question) (Answer, *grant) {
	command, ok := s.commandAt[q.Command]
	if !ok {
		return refuseUnknown(q), nil
	}
	c := &s.commands[command]
	if c.Effect == Open {
		if q.Place.Shared && !s.named[q.Place.key()] {
			return refuseOutsiders(q), nil
		}
		return Answer{Allowed: true, Rules: openToAll}, nil
	}
	person, ok := s.personAt[q.Person]
	if !ok {
		return refuseStranger(q), nil
	}
	var room [4]int
	where, ok := s.locate(room[:0], command, q.Targets)
	if !ok {
		return refuseTarget(q), nil
	}

	var f finding
	s.find(&f, q, person, command, where)
	var breakGlass *glass
	var unsure string
	if !q.BreakGlass && f.deny == nil && f.limit == nil {
		breakGlass, unsure = s.glassOf(q, person, command, where)
	}
	var a Answer
	if f.refuses() {
		a = s.refuse(q, &f, person, command, where)
	} else {
		a = s.allow(q, &f, command, where)
	}
	a.Unsure = unsure
	if breakGlass != nil {
		a.BreakGlass, a.Tell = &breakGlass.decides[0], breakGlass.tell
	}
	return a, f.grant
}

// locate appends the class of each target. A command without a target is in
// one class of its own, and in another if it ought to have one. It returns
// false for something that is no target.
func (s *Snapshot) locate(where []int, command int, targets []Target) ([]int, bool) {
	if len(targets) == 0 {
		c := &s.commands[command]
		if c.List || len(c.Targets) == 0 {
			return append(where, classNone), true
		}
		return append(where, classAny), true
	}
	for i := range targets {
		class, ok := s.classes.of(targets[i])
		if !ok {
			return nil, false
		}
		where = append(where, class)
	}
	return where, true
}

// denied returns the first deny that stops a person.
func (s *Snapshot) denied(person, command int, where []int) *deny {
	for _, class := range where {
		for _, d := range s.cell(command, class).denies {
			if d.who.people.has(person) {
				return d
			}
		}
	}
	return nil
}

// find looks everything up.
func (s *Snapshot) find(f *finding, q *Question, person, command int, where []int) {
	f.deny = s.denied(person, command, where)
	if q.BreakGlass {
		var unsure string
		f.glass, unsure = s.glassOf(q, person, command, where)
		f.gap = gap{open: f.glass == nil, unsure: unsure}
	} else {
		s.findGrants(f, q, person, command, where)
	}
	s.findLimit(f, q, command, where)
	if q.BreakGlass {
		return
	}
	if !q.timeless {
		f.freeze = s.frozen(q, command, where)
	}
	if s.commands[command].Effect.lockable() {
		f.lock = s.locked(q, where)
	}
}

// frozen returns the first freeze that holds.
func (s *Snapshot) frozen(q *Question, command int, where []int) *freeze {
	for _, class := range where {
		for _, fr := range s.cell(command, class).freezes {
			if q.Time.IsZero() || fr.holds(q.Time) {
				return fr
			}
		}
	}
	return nil
}

func (f *freeze) holds(t time.Time) bool { return !t.Before(f.from) && t.Before(f.to) }

// findGrants looks for a grant for each target.
func (s *Snapshot) findGrants(f *finding, q *Question, person, command int, where []int) {
	for i, class := range where {
		var g gap
		granted, depends := s.grantFor(&g, q, person, command, class)
		if granted == nil {
			g.open, g.target = true, i
			f.gap = g
			return
		}
		if f.grant == nil {
			f.grant = granted
		}
		f.depends |= depends
	}
}

// grantFor returns the first grant that covers a target, and the facts that it
// depends on; one that depends on none comes first. Without a grant it says in
// g what came nearest.
func (s *Snapshot) grantFor(g *gap, q *Question, person, command, class int) (*grant, FactSet) {
	var later *grant
	var depends FactSet
	for _, candidate := range s.accessOf(person, command).grants {
		if !candidate.classes.has(class) {
			continue
		}
		in, unsure := s.membership(candidate.to, person, q.Member)
		switch {
		case in == No:
			continue
		case !candidate.serves(&q.Place):
			if in == Yes {
				g.away = candidate
			}
			continue
		case in == Unknown:
			g.unsure = unsure
			continue
		}
		if candidate.limit == nil {
			return candidate, 0
		}
		over, lacking := candidate.limit.check(&q.Facts, s.commands[command].facts)
		switch {
		case over != 0 || lacking != 0 && q.Final:
			g.grant, g.over, g.lacking = candidate, over, lacking
		case lacking == 0:
			return candidate, 0
		case later == nil:
			later, depends = candidate, lacking
		}
	}
	return later, depends
}

// serves tells whether a grant counts in a place.
func (g *grant) serves(p *Place) bool {
	if len(g.in) == 0 {
		return !p.Shared
	}
	for i := range g.in {
		if g.in[i].is(p) {
			return true
		}
	}
	return false
}

// glassOf returns a break-glass rule that a person may use, or else the
// looked-up group that could change that.
func (s *Snapshot) glassOf(q *Question, person, command int, where []int) (*glass, string) {
	unsure := ""
	if q.Place.Shared && !s.named[q.Place.key()] {
		return nil, ""
	}
candidates:
	for _, g := range s.accessOf(person, command).glasses {
		for _, class := range where {
			if !g.classes.has(class) {
				continue candidates
			}
		}
		switch in, group := s.membership(g.who, person, q.Member); in {
		case Yes:
			return g, ""
		case Unknown:
			unsure = group
		}
	}
	return nil, unsure
}

// findLimit looks for a limit that is exceeded, or at the end not known to be
// kept.
func (s *Snapshot) findLimit(f *finding, q *Question, command int, where []int) {
	for _, class := range where {
		for _, lim := range s.cell(command, class).limits {
			over, lacking := lim.caps.check(&q.Facts, s.commands[command].facts)
			switch {
			case over != 0 || lacking != 0 && q.Final:
				f.limit, f.over, f.lacking = lim, over, lacking
				return
			case lacking != 0:
				f.depends |= lacking
			}
		}
	}
}

// check compares facts with ceilings. A fact that is negative or not a number
// is over every ceiling.
func (c *caps) check(f *Facts, asked FactSet) (over, lacking FactSet) {
	counts := c.set & (asked | f.Known)
	lacking = counts &^ f.Known
	counts &= f.Known
	exceeds := func(fact FactSet, kept bool) {
		if counts.Has(fact) && !kept {
			over |= fact
		}
	}
	exceeds(FactCores, f.Cores >= 0 && f.Cores <= c.facts.Cores)
	exceeds(FactMem, f.Mem >= 0 && f.Mem <= c.facts.Mem)
	exceeds(FactDisk, f.Disk >= 0 && f.Disk <= c.facts.Disk)
	exceeds(FactIPs, f.IPs >= 0 && f.IPs <= c.facts.IPs)
	exceeds(FactPrice, f.Price >= 0 && f.Price <= c.facts.Price)
	return over, lacking
}

// locked returns the first lock that stops the question.
func (s *Snapshot) locked(q *Question, where []int) *Lock {
	for i := range q.Locks {
		lock := &q.Locks[i]
		if !lock.Until.IsZero() && !q.Time.Before(lock.Until) {
			continue
		}
		if s.lockHits(lock, q, where) {
			return lock
		}
	}
	return nil
}

// allow builds the answer for a question that nothing speaks against.
func (s *Snapshot) allow(q *Question, f *finding, command int, where []int) Answer {
	together := s.cell(command, where[0]).combo
	if len(where) > 1 {
		together = s.combineAll(command, where)
	}
	if q.BreakGlass {
		return Answer{Allowed: true, Requirement: together.broken, Rules: f.glass.decides, Depends: f.depends.Names(), Tell: f.glass.tell}
	}
	rules := together.rules
	if len(rules) == 0 {
		rules = f.grant.decides
		if together.needs.Confirm != ConfirmNone {
			rules = f.grant.confirms
		}
	}
	return Answer{Allowed: true, Requirement: together.needs, Rules: rules, Depends: f.depends.Names()}
}

// combineAll adds up the guards of several targets.
func (s *Snapshot) combineAll(command int, where []int) *combo {
	var guards []*guard
	seen := make(map[*guard]bool)
	for _, class := range where {
		for _, g := range s.cell(command, class).combo.guards {
			if !seen[g] {
				seen[g] = true
				guards = append(guards, g)
			}
		}
	}
	return combine(guards, s.commands[command].Effect.confirmed())
}

// Covers tells whether the person's grants for q.Command reach t in q.Place,
// so that a list may show it. A look-up that is missing counts as no.
func (s *Snapshot) Covers(q Question, t Target) bool {
	command, ok := s.commandAt[q.Command]
	if !ok {
		return false
	}
	person, ok := s.personAt[q.Person]
	if !ok {
		return false
	}
	class, ok := s.classes.of(t)
	if !ok {
		return false
	}
	if s.denied(person, command, []int{class}) != nil {
		return false
	}
	for _, g := range s.accessOf(person, command).grants {
		if !g.classes.has(class) || !g.serves(&q.Place) {
			continue
		}
		if in, _ := s.membership(g.to, person, q.Member); in == Yes {
			return true
		}
	}
	return false
}
