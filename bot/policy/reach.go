package policy

import "strings"

// MayRun tells whether a person has a grant of a command in a place, whatever
// the target: what help and completion show. Denies, limits, freezes and locks
// do not count, and neither does break-glass.
func (s *Snapshot) MayRun(q Question) bool {
	command, ok := s.commandAt[q.Command]
	if !ok {
		return false
	}
	if s.commands[command].Effect == Open {
		return !q.Place.Shared || s.named[q.Place.key()]
	}
	person, ok := s.personAt[q.Person]
	if !ok {
		return false
	}
	for _, g := range s.accessOf(person, command).grants {
		if in, _ := s.membership(g.to, person, q.Member); in == Yes && g.serves(&q.Place) {
			return true
		}
	}
	return false
}

// Groups returns the groups that a person is in, in the order of the file.
func (s *Snapshot) Groups(person string, member map[string]Membership) []string {
	p, ok := s.personAt[person]
	if !ok {
		return nil
	}
	var names []string
	for _, g := range s.groups {
		if !g.lookedUp() && g.people.has(p) || g.lookedUp() && member[g.name] == Yes {
			names = append(names, g.name)
		}
	}
	return names
}

// ParseLine reads a command line, in which a label with one target is a name.
func (s *Snapshot) ParseLine(v Vocabulary, line string) (Parsed, error) {
	parsed, err := v.Parse(line)
	if err == nil {
		return parsed, nil
	}
	words := strings.Fields(line)
	for i, word := range words {
		if n, ok := s.labelAt[word]; ok && len(s.labels[n].targets) == 1 {
			words[i] = s.labels[n].targets[0].String()
		}
	}
	if named, errNamed := v.Parse(strings.Join(words, " ")); errNamed == nil {
		return named, nil
	}
	return parsed, err
}
