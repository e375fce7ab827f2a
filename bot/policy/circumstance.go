package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// circumstance is a value of one thing that a decision depends on.
type circumstance struct {
	text  string // "" for the ordinary
	apply func(*Question)
}

// places are the places that a rule of either file tells apart.
func places(snaps ...*Snapshot) []circumstance {
	all := []circumstance{
		{"in a channel that no rule names", func(q *Question) { q.Place = nowhere }},
		{"in direct", func(q *Question) { q.Place = Place{Direct: true} }},
	}
	seen := map[Place]bool{{Direct: true}: true}
	for _, s := range snaps {
		for _, p := range slices.SortedFunc(maps.Keys(s.named), func(a, b Place) int { return cmp.Compare(a.String(), b.String()) }) {
			if !seen[p] {
				seen[p] = true
				all = append(all, circumstance{"in " + p.String(), func(q *Question) { q.Place = p }})
			}
		}
	}
	return all
}

// memberships are in none of the looked-up groups, in each alone, and in all.
func memberships(snaps ...*Snapshot) []circumstance {
	var names []string
	for _, s := range snaps {
		for _, g := range s.LookedUp() {
			if !contains(names, g.Name) {
				names = append(names, g.Name)
			}
		}
	}
	in := func(text string, member func(string) bool) circumstance {
		m := make(map[string]Membership)
		for _, name := range names {
			m[name] = No
			if member(name) {
				m[name] = Yes
			}
		}
		return circumstance{text, func(q *Question) { q.Member = m }}
	}
	all := []circumstance{in("", func(string) bool { return false })}
	for _, name := range names {
		all = append(all, in("as a member of "+name, func(n string) bool { return n == name }))
	}
	if len(names) > 1 {
		all = append(all, in("as a member of all looked-up groups", func(string) bool { return true }))
	}
	return all
}

func circumstances(all ...circumstance) string {
	var texts []string
	for _, c := range all {
		if c.text != "" {
			texts = append(texts, c.text)
		}
	}
	return strings.Join(texts, ", ")
}

// cells are the cells of what q is about, in both files.
func (d *differ) cells(q Question, command int) (all []*cell) {
	for _, s := range []*Snapshot{d.was, d.is} {
		where, _ := s.locate(nil, command, q.Targets)
		for _, class := range where {
			all = append(all, s.cell(command, class))
		}
	}
	return all
}

// times are outside of all freezes, and at the beginning and right after the
// end of each.
func (d *differ) times(q Question, command int) []circumstance {
	all := []circumstance{{"", func(q *Question) { q.Time, q.timeless = time.Time{}, true }}}
	seen := make(map[time.Time]bool)
	for _, c := range d.cells(q, command) {
		for _, f := range c.freezes {
			for _, t := range []time.Time{f.from, f.to} {
				if t = t.UTC(); !seen[t] {
					seen[t] = true
					all = append(all, circumstance{"at " + t.Format(time.RFC3339), func(q *Question) { q.Time, q.timeless = t, false }})
				}
			}
		}
	}
	return all
}

// facts are none that is known, and those at each limit and above it.
func (d *differ) facts(q Question, command int) []circumstance {
	all := []circumstance{{"", func(q *Question) { q.Facts, q.Final = Facts{}, false }}}
	seen := make(map[Facts]bool)
	add := func(c *caps) {
		for bit, name := range factNames {
			one := FactSet(1) << bit
			if !c.set.Has(one) {
				continue
			}
			for _, over := range []bool{false, true} {
				f, value := c.facts.only(one, over)
				if !seen[f] {
					seen[f] = true
					all = append(all, circumstance{"with " + name + " " + value, func(q *Question) { q.Facts, q.Final = f, true }})
				}
			}
		}
	}
	for _, c := range d.cells(q, command) {
		for _, l := range c.limits {
			add(&l.caps)
		}
	}
	for _, s := range []*Snapshot{d.was, d.is} {
		if person, ok := s.personAt[q.Person]; ok {
			for _, g := range s.accessOf(person, command).grants {
				if g.limit != nil {
					add(g.limit)
				}
			}
		}
	}
	return all
}

// only are facts of which one is that of f, or one more, and all others
// nothing; and how that value is written.
func (f Facts) only(one FactSet, over bool) (Facts, string) {
	more := 0
	if over {
		more = 1
	}
	out := Facts{Known: 1<<len(factNames) - 1}
	switch one {
	case FactCores:
		out.Cores = f.Cores + more
		return out, fmt.Sprint(out.Cores)
	case FactMem:
		out.Mem = f.Mem + int64(more)
		return out, fmt.Sprintf("%dM", out.Mem)
	case FactDisk:
		out.Disk = f.Disk + int64(more)
		return out, fmt.Sprintf("%dG", out.Disk)
	case FactIPs:
		out.IPs = f.IPs + more
		return out, fmt.Sprint(out.IPs)
	}
	out.Price = f.Price + float64(more)/100
	return out, fmt.Sprint(out.Price)
}
