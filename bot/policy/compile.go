package policy

import "sort"

// classIndex finds the class of a target. A class is all targets of one kind
// that no rule and no label tells apart.
type classIndex struct {
	all       []class
	vm        axis
	dedicated axis
	ips       map[string]int
	otherIP   int
}

type class struct {
	kind   string // "" for the first two
	in     set    // targets and labels that contain it
	sample span   // some of its targets; from 0: every ID that no rule names
}

const (
	// classNone is the class of a command that has no target.
	classNone = 0
	// classAny is the class of a command that has one which is not known, so
	// that everything with targets may be meant.
	classAny = 1
)

// axis maps IDs to classes: those from starts[i] on are in classes[i].
type axis struct {
	starts  []int64
	classes []int
}

func (a *axis) of(id int64) int {
	low, high := 0, len(a.starts)
	for low+1 < high {
		if middle := (low + high) / 2; a.starts[middle] <= id {
			low = middle
		} else {
			high = middle
		}
	}
	return a.classes[low]
}

// of returns the class of a target, false for what is none.
func (x *classIndex) of(t Target) (int, bool) {
	switch {
	case t.Kind == kindVM && t.ID > 0 && t.Addr == "":
		return x.vm.of(t.ID), true
	case t.Kind == kindDedicated && t.ID > 0 && t.Addr == "":
		return x.dedicated.of(t.ID), true
	case t.Kind == kindIP && t.ID == 0 && t.Addr != "":
		if c, ok := x.ips[t.Addr]; ok {
			return c, true
		}
		return x.otherIP, true
	}
	return 0, false
}

// hits tells whether a rule with these targets concerns the class; where the
// target is not known, it does.
func (x *classIndex) hits(t *targets, class int) bool {
	return t == nil || class == classAny || x.all[class].in.has(t.set)
}

// covers tells whether a grant with these targets reaches the class; where the
// target is not known, only one without targets does. An address of no server
// is only reached by name.
func (x *classIndex) covers(t *targets, class int) bool {
	switch {
	case class == classNone:
		return true
	case t == nil:
		return x.all[class].kind != kindIP
	}
	return class != classAny && x.all[class].in.has(t.set)
}

// area is something that contains targets: a label, or the targets of a rule.
type area struct {
	set   int
	spans []span
}

// index sorts all targets into classes.
func (l *loader) index() {
	var areas []area
	next := func() int { l.allocated++; return l.allocated - 1 }
	for i := range l.snap.labels {
		l.snap.labels[i].set = next()
		areas = append(areas, area{l.snap.labels[i].set, l.snap.labels[i].spans()})
	}
	for _, r := range l.rules() {
		if r.targets != nil && !r.broken {
			r.targets.set = next()
			areas = append(areas, area{r.targets.set, r.targets.allSpans(l.snap.labels)})
		}
	}
	x := &l.snap.classes
	x.all = make([]class, 2)
	known := make(map[string]int)
	x.vm = x.sweep(kindVM, areas, known)
	x.dedicated = x.sweep(kindDedicated, areas, known)
	x.ips = make(map[string]int)
	in := make(map[string]set)
	for _, a := range areas {
		for _, s := range a.spans {
			if s.kind == kindIP {
				sets := in[s.addr]
				sets.add(a.set)
				in[s.addr] = sets
			}
		}
	}
	for addr, sets := range in {
		x.ips[addr] = x.intern(known, class{kindIP, sets, span{kind: kindIP, addr: addr}})
	}
	x.otherIP = x.intern(known, class{kindIP, nil, span{kind: kindIP}})
}

// intern returns the number of a class, the same for the same kind and sets.
func (x *classIndex) intern(known map[string]int, c class) int {
	key := c.kind + " " + c.in.key()
	if i, ok := known[key]; ok {
		return i
	}
	known[key] = len(x.all)
	x.all = append(x.all, c)
	return known[key]
}

// sweep goes over the IDs of a kind in order and notes wherever an area begins
// or ends.
func (x *classIndex) sweep(kind string, areas []area, known map[string]int) axis {
	type edge struct {
		at    int64
		set   int
		delta int
	}
	var edges []edge
	for _, a := range areas {
		for _, s := range a.spans {
			if s.kind == kind {
				edges = append(edges, edge{s.from, a.set, 1})
				if s.to+1 > 0 { // else it reaches the last ID there is
					edges = append(edges, edge{s.to + 1, a.set, -1})
				}
			}
		}
	}
	sort.Slice(edges, func(i, j int) bool { return edges[i].at < edges[j].at })
	a := axis{starts: []int64{0}, classes: []int{x.intern(known, class{kind, nil, span{kind: kind}})}}
	inside := make(map[int]int)
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && edges[i].at == at; i++ {
			if inside[edges[i].set] += edges[i].delta; inside[edges[i].set] == 0 {
				delete(inside, edges[i].set)
			}
		}
		var in set
		for s := range inside {
			in.add(s)
		}
		sample := span{kind: kind}
		if in.len() > 0 {
			sample.from, sample.to = at, at
		}
		a.starts = append(a.starts, at)
		a.classes = append(a.classes, x.intern(known, class{kind, in, sample}))
	}
	return a
}

// rules returns all rules.
func (l *loader) rules() (all []*rule) {
	for _, g := range l.snap.grants {
		all = append(all, &g.rule)
	}
	for _, d := range l.denies {
		all = append(all, &d.rule)
	}
	for _, g := range l.guards {
		all = append(all, &g.rule)
	}
	for _, f := range l.freezes {
		all = append(all, &f.rule)
	}
	for _, g := range l.glasses {
		all = append(all, &g.rule)
	}
	for _, lim := range l.limits {
		all = append(all, &lim.rule)
	}
	return all
}

// cell is all that concerns one command on one class of targets, whoever
// asks.
type cell struct {
	denies  []*deny
	freezes []*freeze
	limits  []*limit
	combo   *combo
}

// combo is a combination of guards, added up.
type combo struct {
	guards []*guard
	needs  Requirement
	broken Requirement // under break-glass
	rules  []Rule
}

// access is all that one person was given for one command.
type access struct {
	grants  []*grant
	glasses []*glass
}

func (s *Snapshot) cell(command, class int) *cell {
	return &s.cells[command*len(s.classes.all)+class]
}

func (s *Snapshot) accessOf(person, command int) *access {
	return &s.access[person*len(s.commands)+command]
}

// compile builds the tables that a decision looks things up in. Rules with
// errors are left out; the file is rejected anyway.
func (l *loader) compile() {
	s := l.snap
	if len(s.people) > maxPeople || len(l.ids) > maxRules {
		return
	}
	l.index()
	s.cells = make([]cell, len(s.commands)*len(s.classes.all))
	combos := make(map[string]*combo)
	for class := range s.classes.all {
		for command := range s.commands {
			l.compileCell(command, class, combos)
		}
	}
	s.access = make([]access, len(s.people)*len(s.commands))
	for _, g := range s.grants {
		if g.broken {
			continue
		}
		g.decides = []Rule{g.Rule}
		g.confirms = []Rule{g.Rule, alwaysConfirmed}
		for class := range s.classes.all {
			if s.classes.covers(g.targets, class) {
				g.classes.add(class)
			}
		}
		s.possible(g.to).each(func(person int) {
			g.commands.each(func(command int) {
				if g.targets == nil || !s.commands[command].Whole {
					a := s.accessOf(person, command)
					a.grants = append(a.grants, g)
				}
			})
		})
	}
	for _, g := range l.glasses {
		if g.broken {
			continue
		}
		g.decides = []Rule{g.Rule}
		for class := range s.classes.all {
			if s.classes.covers(g.targets, class) {
				g.classes.add(class)
			}
		}
		s.possible(g.who).each(func(person int) {
			g.commands.each(func(command int) {
				if g.targets == nil || !s.commands[command].Whole {
					a := s.accessOf(person, command)
					a.glasses = append(a.glasses, g)
				}
			})
		})
	}
}

func (l *loader) compileCell(command, class int, combos map[string]*combo) {
	x := &l.snap.classes
	c := l.snap.cell(command, class)
	concerns := func(r *rule) bool {
		return !r.broken && r.commands.has(command) && x.hits(r.targets, class)
	}
	for _, d := range l.denies {
		if concerns(&d.rule) {
			c.denies = append(c.denies, d)
		}
	}
	for _, f := range l.freezes {
		if concerns(&f.rule) {
			c.freezes = append(c.freezes, f)
		}
	}
	for _, lim := range l.limits {
		if concerns(&lim.rule) {
			c.limits = append(c.limits, lim)
		}
	}
	var matched set
	var guards []*guard
	for i, g := range l.guards {
		if concerns(&g.rule) {
			matched.add(i)
			guards = append(guards, g)
		}
	}
	confirmed := l.snap.commands[command].Effect.confirmed()
	key := matched.key()
	if confirmed {
		key += "+"
	}
	if combos[key] == nil {
		combos[key] = combine(guards, confirmed)
	}
	c.combo = combos[key]
}
