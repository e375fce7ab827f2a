// Package policy decides who may do what, and what must happen first.
//
// It reads policies.yaml into a Snapshot that never changes; [Snapshot.Decide]
// answers a [Question] from nothing but the snapshot and the question. It
// knows no chat and no provider: what it needs to know of the commands it asks
// a [Vocabulary], and everything that needs a look-up (the groups of a
// platform, prices, sizes, locks) is part of the question. It is the only
// package that reads YAML.
//
// Default is deny, an explicit deny wins over every grant, and whatever is in
// doubt denies: an unknown person, command, target or membership, a fact that
// is missing at the end, a lock on something that the file no longer names.
//
// Rules are compiled at load. All targets that no rule tells apart form a
// class; for each command and class the denies, freezes and guards are known
// beforehand, and for each person and command the grants. A decision looks
// these up, it does not search, and it allocates only to refuse.
//
// To add a key to a rule: read it in the rule's function in rules.go, give it
// to compile.go or decide.go, say it in explain.go, and explain it in
// policies.yaml. To add a section: a function in rules.go, a row in the table
// in load.go, and its place in the order of decide.go.
package policy

import "time"

// Snapshot is one policy file, complete and checked. It never changes, so it
// may be read by many goroutines. Slices in what it returns are shared: read
// them, do not write to them.
type Snapshot struct {
	file     string
	hash     string
	warnings []Problem

	people    []person
	personAt  map[string]int
	accountAt map[Account]int
	groups    []group
	groupAt   map[string]int
	labels    []label
	labelAt   map[string]int
	nameOf    map[Target]string
	home      Place
	named     map[Place]bool // places that a grant's `in` names
	channels  []Place        // in which the bot has to post

	grants    []*grant
	tests     []selfTest
	incidents *Incidents

	commands  []command
	commandAt map[string]int
	classes   classIndex
	cells     []cell   // by command, then class
	access    []access // by person, then command
}

// Account is what a platform calls somebody: {"slack", "T01TEAM/U07ANA"} or
// {"discord", "118200000000000077"}.
type Account struct{ Platform, ID string }

// Group is a group whose membership a platform knows, not the file: a Slack
// user group ("T01TEAM/S0ONCALL") or a Discord role ("GUILD/ROLE").
type Group struct{ Name, Platform, ID string }

// Membership tells whether somebody is in a looked-up group. The zero value
// is Unknown, which denies wherever it could change the answer.
type Membership int8

const (
	Unknown Membership = iota // the look-up failed, or was not made
	No
	Yes
)

// Lock is a lock that somebody set in chat. It stops every command that
// changes, interrupts, costs or destroys, for everybody.
type Lock struct {
	Target string // "vm/4001", "dedicated/7", a label, or "all"
	By     string
	Reason string
	Until  time.Time // zero: until it is cleared
}

// Question is everything a decision depends on, besides the snapshot.
type Question struct {
	Person  string                // as in people
	Member  map[string]Membership // of Person in looked-up groups, by name
	Place   Place
	Command string
	Targets []Target
	Facts   Facts
	// Final is set after the preview's reads. A fact that is missing then
	// denies; before, it is named in Answer.Depends.
	Final bool
	// BreakGlass asks for the right that only break_glass gives.
	BreakGlass bool
	Locks      []Lock
	Time       time.Time // zero: every freeze of the command counts as active

	timeless bool // no freeze counts: a test of the file that says no time
}

// Rule is a rule as a person finds it in the file.
type Rule struct {
	Kind    string // grant, deny, guard, freeze, limit, lock, break_glass, default
	ID      string
	Line    int // 0 for a lock and a default, which have none
	Because string
}

// Answer is what Decide says.
type Answer struct {
	Allowed     bool
	Requirement Requirement // zero when denied
	Rules       []Rule      // those that decided, most important first
	Depends     []string    // facts that could change the answer and are missing; none when Final
	// Why is one whole sentence to the person who asked, for a denial. It
	// names the rule; its line and its because are in Rules[0]. It never tells
	// other people's rights.
	Why string
	// Ask names the groups that have the grant which is missing.
	Ask []string
	// BreakGlass is a break_glass rule that this person could use for this
	// command, nil if there is none or if it would not help.
	BreakGlass *Rule
	Tell       Place // the place that rule tells
	// Unsure is a group that could not be looked up, and in which this person
	// could break glass.
	Unsure string
}

// Hash returns the SHA-256 of the file, in hex.
func (s *Snapshot) Hash() string { return s.hash }

// File returns the name the file was loaded by.
func (s *Snapshot) File() string { return s.file }

// Warnings returns what is not wrong and probably not meant.
func (s *Snapshot) Warnings() []Problem { return s.warnings }

// Person returns whose account it is: Person("slack", "T01TEAM/U07ANA").
func (s *Snapshot) Person(platform, account string) (string, bool) {
	p, ok := s.accountAt[Account{platform, account}]
	if !ok {
		return "", false
	}
	return s.people[p].name, true
}

// Accounts returns the accounts of a person, none for an unknown one.
func (s *Snapshot) Accounts(person string) []Account {
	p, ok := s.personAt[person]
	if !ok {
		return nil
	}
	return s.people[p].accounts
}

// People returns everybody, in the order of the file.
func (s *Snapshot) People() []string {
	names := make([]string, len(s.people))
	for i, p := range s.people {
		names[i] = p.name
	}
	return names
}

// Label returns the targets of a label.
func (s *Snapshot) Label(name string) ([]Target, bool) {
	i, ok := s.labelAt[name]
	if !ok {
		return nil, false
	}
	return s.labels[i].targets, true
}

// LabelsOf returns the labels of a target, in the order of the file.
func (s *Snapshot) LabelsOf(t Target) []string {
	class, ok := s.classes.of(t)
	if !ok {
		return nil
	}
	var names []string
	for _, l := range s.labels {
		if s.classes.all[class].in.has(l.set) {
			names = append(names, l.name)
		}
	}
	return names
}

// Labels returns all labels, in the order of the file.
func (s *Snapshot) Labels() []string {
	names := make([]string, len(s.labels))
	for i, l := range s.labels {
		names[i] = l.name
	}
	return names
}

// NameOf returns the label whose one target t is, "" if there is none.
func (s *Snapshot) NameOf(t Target) string { return s.nameOf[t] }

// LookedUp returns the groups whose membership a platform knows.
func (s *Snapshot) LookedUp() []Group {
	var groups []Group
	for _, g := range s.groups {
		if g.lookedUp() {
			groups = append(groups, Group{g.name, g.platform, g.id})
		}
	}
	return groups
}

// GroupMembers returns the people of a group that the file lists, nil for a
// looked-up or unknown one.
func (s *Snapshot) GroupMembers(name string) []string {
	i, ok := s.groupAt[name]
	if !ok {
		return nil
	}
	return s.groups[i].members
}

// Home returns the first channel that a grant names, the zero Place if none
// does.
func (s *Snapshot) Home() Place { return s.home }

// Channels returns every channel that a grant, an `ask`, a `tell` or
// `incidents` names, in the order of the file: the bot has to be able to post
// there.
func (s *Snapshot) Channels() []Place { return s.channels }
