package policy

import "fmt"

// Vote is one person's approval.
type Vote struct{ Person string }

// MayApprove tells whether a person may approve the operation that q asked
// for, under the list by. member holds the person's looked-up groups. If not,
// the string is a whole sentence to that person. An approver needs no grant;
// place, limits and freezes do not count.
func (s *Snapshot) MayApprove(person string, member map[string]Membership, by []string, q Question) (bool, string) {
	p, ok := s.personAt[person]
	if !ok {
		return false, "You are not in the policy, so you cannot approve."
	}
	if person == q.Person {
		return false, "You asked for this, so somebody else has to approve it."
	}
	command, ok := s.commandAt[q.Command]
	if !ok {
		return false, fmt.Sprintf("`%s` is no command, so nobody can approve it.", clip(q.Command))
	}
	where, ok := s.locate(nil, command, q.Targets)
	if !ok {
		return false, "The target is not one that the policy knows, so nobody can approve this."
	}
	if d := s.denied(p, command, where); d != nil {
		return false, fmt.Sprintf("The rule %s denies %s to you, so you cannot approve it.", d.ID, what(&q))
	}
	in, unknown := s.in(p, by, func(group string) Membership { return member[group] })
	switch {
	case in == Yes:
		return true, ""
	case in == Unknown:
		return false, fmt.Sprintf("It is not known whether you are in %s, because the look-up failed; try again.", unknown)
	}
	return false, fmt.Sprintf("Only %s may approve this.", enumerate(by, "or"))
}

// Eligible returns everybody who may approve the operation that q asked for,
// in the order of the file. member is asked about looked-up groups.
func (s *Snapshot) Eligible(by []string, q Question, member func(person, group string) Membership) []string {
	command, ok := s.commandAt[q.Command]
	if !ok {
		return nil
	}
	where, ok := s.locate(nil, command, q.Targets)
	if !ok {
		return nil
	}
	var names []string
	for i := range s.people {
		name := s.people[i].name
		if name == q.Person || s.denied(i, command, where) != nil {
			continue
		}
		if in, _ := s.in(i, by, func(group string) Membership { return member(name, group) }); in == Yes {
			names = append(names, name)
		}
	}
	return names
}

// in tells whether a person is named by a list of people and groups. The
// string is the group whose look-up is missing, for Unknown.
func (s *Snapshot) in(person int, by []string, member func(group string) Membership) (Membership, string) {
	unknown := ""
	for _, name := range by {
		if name == s.people[person].name {
			return Yes, ""
		}
		i, ok := s.groupAt[name]
		if !ok || !s.groups[i].people.has(person) {
			continue
		}
		if !s.groups[i].lookedUp() {
			return Yes, ""
		}
		switch member(name) {
		case Yes:
			return Yes, ""
		case No:
		default:
			unknown = name
		}
	}
	if unknown != "" {
		return Unknown, unknown
	}
	return No, ""
}

// Met tells whether the voters can be assigned to all slots of all approvals,
// each to one, and if not, what is still missing. Who votes twice counts once;
// whether a voter is eligible was asked before. in is asked about looked-up
// groups.
func (s *Snapshot) Met(need []Approval, voters []string, in func(person, group string) Membership) (bool, []Approval) {
	var people []int
	var distinct set
	for _, v := range voters {
		if p, ok := s.personAt[v]; ok && !distinct.has(p) {
			distinct.add(p)
			people = append(people, p)
		}
	}
	may := make([]set, len(need))
	for i, a := range need {
		for _, p := range people {
			member := func(group string) Membership { return in(s.people[p].name, group) }
			if m, _ := s.in(p, a.By, member); m == Yes {
				may[i].add(p)
			}
		}
	}
	var missing []Approval
	empty, _ := assign(need, may)
	for i, left := range empty {
		if left > 0 {
			missing = append(missing, Approval{By: need[i].By, Count: left})
		}
	}
	return len(missing) == 0, missing
}

// assign gives each slot of each approval a person of its own out of those who
// may fill it, as many as can be. It returns how many slots of each approval
// stay empty, and who fills the slots of which. It is Kuhn's algorithm for
// bipartite matching.
func assign(need []Approval, may []set) (left []int, filled map[int]int) {
	left = make([]int, len(need))
	filled = make(map[int]int)
	var place func(approval int, tried *set) bool
	place = func(approval int, tried *set) bool {
		found := false
		may[approval].each(func(p int) {
			if found || tried.has(p) {
				return
			}
			tried.add(p)
			if holds, ok := filled[p]; !ok || place(holds, tried) {
				filled[p] = approval
				found = true
			}
		})
		return found
	}
	for i, a := range need {
		for slot := range a.Count {
			if !place(i, &set{}) {
				left[i] = a.Count - slot
				break
			}
		}
	}
	return left, filled
}
