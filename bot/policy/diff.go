package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Change is a decision that two files do not share: of one person about one
// command on the targets of one label, in some circumstances.
type Change struct {
	Person  string
	Command string // "" for what is no command: an account, a group, incidents
	Label   string // or what the targets are where no label has them; "" for a command without
	Was, Is string // the decisions: "deny", "approve: 1 approval of leads within 30m"
	When    string // in which places, under which memberships, times and facts; "" for all
	// Grants tells that the new file gives something that the old one did not:
	// what it denied, or the same for less.
	Grants bool
}

// String returns the change in one line.
func (c Change) String() string {
	word, text := "changed", c.Person
	if c.Grants {
		word = "granted"
	}
	if c.Command != "" {
		text += ": " + c.Command
	}
	if c.Label != "" {
		text += " on " + c.Label
	}
	text += ": " + c.Was + " -> " + c.Is
	if c.When != "" {
		text += " (" + c.When + ")"
	}
	return word + " " + text
}

// Diff returns every decision that changes from one snapshot to another, for
// every person, command and label of either. Both have to be of one vocabulary.
//
// It asks Decide in all circumstances that a rule of either file tells apart:
// each place that is named, one that is not, and a private conversation; each
// looked-up group by itself, none and all; without a freeze and in each; with
// facts that are not known, and around each limit; and with break-glass. Who
// may approve, who owns an account, which group of a platform is meant, and
// whose incidents are watched are compared as well.
func Diff(before, after *Snapshot) []Change {
	d := &differ{was: before, is: after, places: places(before, after), members: memberships(before, after)}
	d.owners()
	d.groups()
	d.incidents()
	for _, person := range union(before.People(), after.People()) {
		for i := range after.commands {
			if c := &after.commands[i]; c.Effect != Open {
				d.command(person, c)
			}
		}
	}
	return d.changes
}

type differ struct {
	was, is *Snapshot
	places  []circumstance
	members []circumstance
	changes []Change
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, name := range b {
		if !contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// owners compares whose the accounts are, of people whom both files know: who
// is new shows by what he may do.
func (d *differ) owners() {
	accounts := make(map[Account]bool)
	for _, s := range []*Snapshot{d.was, d.is} {
		for a := range s.accountAt {
			accounts[a] = true
		}
	}
	sorted := slices.SortedFunc(maps.Keys(accounts), func(a, b Account) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.ID, b.ID))
	})
	for _, a := range sorted {
		was, _ := d.was.Person(a.Platform, a.ID)
		is, _ := d.is.Person(a.Platform, a.ID)
		_, known := d.was.personAt[is]
		_, left := d.is.personAt[was]
		if was == is || is != "" && was == "" && !known || is == "" && !left {
			continue
		}
		d.changes = append(d.changes, Change{Person: "account " + a.Platform + ":" + a.ID, Was: cmp.Or(was, "nobody"), Is: cmp.Or(is, "nobody"), Grants: is != ""})
	}
}

// groups compares which group of a platform a name means. Who is in it nobody
// knows here, so it may grant.
func (d *differ) groups() {
	is := make(map[string]Group)
	for _, g := range d.is.LookedUp() {
		is[g.Name] = g
	}
	for _, was := range d.was.LookedUp() {
		if g, ok := is[was.Name]; ok && g != was {
			d.changes = append(d.changes, Change{Person: "group " + g.Name, Was: was.Platform + ":" + was.ID, Is: g.Platform + ":" + g.ID, Grants: true})
		}
	}
}

// sample is a target that stands for all that are like it, and what it is called.
type sample struct {
	target Target
	names  []string // labels, or what it is
}

// samples are targets of a kind, one of each class that either file makes.
func (d *differ) samples(kind string) []sample {
	var all []sample
	add := func(t Target, otherwise string) {
		names := union(d.was.LabelsOf(t), d.is.LabelsOf(t))
		if len(names) == 0 {
			names = []string{otherwise}
		}
		all = append(all, sample{t, names})
	}
	if kind == kindIP {
		ips := make(map[string]bool)
		for _, s := range []*Snapshot{d.was, d.is} {
			for addr := range s.classes.ips {
				ips[addr] = true
			}
		}
		for _, addr := range slices.Sorted(maps.Keys(ips)) {
			add(Target{Kind: kind, Addr: addr}, kind+"/"+addr)
		}
		// An address that nobody can have: 0.0.0.0 is no host's (RFC 1122).
		if !ips["0.0.0.0"] {
			add(Target{Kind: kind, Addr: "0.0.0.0"}, "any other address")
		}
		return all
	}
	var starts []int64
	named := make(map[int64]bool) // a rule or a label begins here
	for _, s := range []*Snapshot{d.was, d.is} {
		axis := s.classes.vm
		if kind == kindDedicated {
			axis = s.classes.dedicated
		}
		for i, start := range axis.starts {
			start = max(start, 1)
			starts = append(starts, start)
			named[start] = named[start] || s.classes.all[axis.classes[i]].in.len() > 0
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	for i, from := range starts {
		if !named[from] && i > 0 && d.same(Target{Kind: kind, ID: from}, Target{Kind: kind, ID: 1}) {
			continue // it is like the first
		}
		name := "any other " + kind
		if named[from] || i > 0 {
			name = fmt.Sprintf("%s/%d", kind, from)
			if i+1 == len(starts) {
				name += " and above"
			} else if to := starts[i+1] - 1; to != from {
				name += fmt.Sprintf("-%d", to)
			}
		}
		add(Target{Kind: kind, ID: from}, name)
	}
	return all
}

// same tells whether two targets are of one class in both files.
func (d *differ) same(a, b Target) bool {
	for _, s := range []*Snapshot{d.was, d.is} {
		x, _ := s.classes.of(a)
		y, _ := s.classes.of(b)
		if x != y {
			return false
		}
	}
	return true
}

// command compares what one person may do by one command, and whose of it he
// may approve.
func (d *differ) command(person string, c *command) {
	all := []sample{{names: []string{""}}}
	if len(c.Targets) > 0 && !c.List {
		all = nil
		for _, kind := range c.Targets {
			all = append(all, d.samples(kind)...)
		}
	}
	found := make(map[Change][]string) // a change without its place → the places
	var order []Change
	for _, s := range all {
		q := Question{Person: person, Command: c.Name}
		if s.target != (Target{}) {
			q.Targets = []Target{s.target}
		}
		d.ask(q, func(where string, change Change) {
			change.Person, change.Command = person, c.Name
			for _, change.Label = range s.names {
				if found[change] == nil {
					order = append(order, change)
				}
				if !contains(found[change], where) {
					found[change] = append(found[change], where)
				}
			}
		})
	}
	slices.SortStableFunc(order, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(len(conditions(a.When)), len(conditions(b.When))))
	})
	for i, change := range order {
		where := found[change]
		told := func(other Change) bool { // the same, under fewer conditions
			there, less := found[other], conditions(other.When)
			other.When = change.When
			return other == change && subset(less, conditions(change.When)) && subset(where, there)
		}
		if slices.ContainsFunc(order[:i], told) {
			continue
		}
		if len(where) < len(d.places) && where[0] != "" {
			change.When = strings.Join(append(slices.Clone(where), conditions(change.When)...), ", ")
		}
		d.changes = append(d.changes, change)
	}
}

// conditions are the parts of a When.
func conditions(when string) []string {
	if when == "" {
		return nil
	}
	return strings.Split(when, ", ")
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(x string) bool { return !contains(b, x) })
}

// ask asks both files in all circumstances, and tells tell of each difference.
func (d *differ) ask(q Question, tell func(where string, c Change)) {
	command := d.is.commandAt[q.Command]
	times, facts := d.times(q, command), d.facts(q, command)
	for _, place := range d.places {
		place.apply(&q)
		for _, member := range d.members {
			member.apply(&q)
			for _, glass := range []string{"", "by breaking the glass"} {
				q.BreakGlass = glass != ""
				for _, moment := range times {
					moment.apply(&q)
					for _, fact := range facts {
						fact.apply(&q)
						was, is := d.was.Decide(q), d.is.Decide(q)
						if c, ok := compare(was, is); ok {
							c.When = circumstances(member, circumstance{text: glass}, moment, fact)
							tell(place.text, c)
						}
					}
				}
			}
		}
	}
	for _, member := range d.members {
		member.apply(&q)
		was, asked := d.was.approves(q)
		is, asks := d.is.approves(q)
		if asked && asks && was != is {
			c := Change{Was: "may not approve it", Is: "may approve it", When: member.text, Grants: is}
			if was {
				c.Was, c.Is = c.Is, c.Was
			}
			tell("", c)
		}
	}
}

// compare tells whether two answers differ in what may be done, or in what has
// to happen first. What both ask for is left out.
func compare(was, is Answer) (Change, bool) {
	before, after := was.Requirement.lines(), is.Requirement.lines()
	c := Change{Was: digest(was, slices.Clone(before), after), Is: digest(is, slices.Clone(after), before)}
	if was.Allowed && is.Allowed && !slices.Equal(was.Depends, is.Depends) {
		c.Was, c.Is = c.Was+depending(was), c.Is+depending(is)
	}
	c.Grants = is.Allowed && (!was.Allowed || was.Requirement.StricterThan(is.Requirement) || len(was.Depends) > len(is.Depends))
	return c, c.Was != c.Is
}

// digest is a decision in one line: the verdict, and what it needs that the
// other does not.
func digest(a Answer, needs, others []string) string {
	text := a.Verdict()
	if needs = slices.DeleteFunc(needs, func(n string) bool { return contains(others, n) }); len(needs) > 0 {
		text += " after " + enumerate(needs, "and")
	}
	return text
}

func depending(a Answer) string {
	if len(a.Depends) == 0 {
		return ", whatever the facts"
	}
	return ", depending on " + enumerate(a.Depends, "and")
}

// approves tells whether a person may approve what q is about when somebody
// else asks for it, and whether it takes any approval.
func (s *Snapshot) approves(q Question) (may, asked bool) {
	command, ok := s.commandAt[q.Command]
	where, known := s.locate(nil, command, q.Targets)
	if !ok || !known {
		return false, false
	}
	person, ok := s.personAt[q.Person]
	for _, class := range where {
		combo := s.cell(command, class).combo
		if combo == nil {
			continue
		}
		for _, a := range combo.needs.Approve {
			asked = true
			if !ok || s.denied(person, command, where) != nil {
				continue
			}
			in, _ := s.in(person, a.By, func(group string) Membership { return q.Member[group] })
			may = may || in == Yes
		}
	}
	return may, asked
}
