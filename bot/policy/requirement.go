package policy

import (
	"slices"
	"time"
)

// Confirm is how the requester confirms.
type Confirm int

const (
	ConfirmNone       Confirm = iota
	ConfirmButton             // press a button
	ConfirmTypeTarget         // type the name of the target
)

// confirmWords are how the file writes them.
var confirmWords = [...]string{"none", "button", "type-target"}

// String returns the word of the file: "none", "button", "type-target".
func (c Confirm) String() string {
	if c < 0 || int(c) >= len(confirmWords) {
		return "unknown"
	}
	return confirmWords[c]
}

func confirmOf(word string) Confirm { return Confirm(max(0, slices.Index(confirmWords[:], word))) }

// DefaultWithin is how long votes are collected where no guard says it.
const DefaultWithin = 30 * time.Minute

// Approval asks for votes of Count people of By, which lists people and
// groups.
type Approval struct {
	By    []string
	Count int
}

// sameBy tells whether both lists name the same, in whatever order.
func (a Approval) sameBy(o Approval) bool {
	for _, name := range a.By {
		if !contains(o.By, name) {
			return false
		}
	}
	for _, name := range o.By {
		if !contains(a.By, name) {
			return false
		}
	}
	return true
}

// Requirement is what must happen before a command runs.
type Requirement struct {
	Confirm Confirm
	Reason  bool
	Approve []Approval    // all of them, by distinct people
	Within  time.Duration // for the votes; set exactly when Approve is
	Delay   time.Duration // after the last vote
	// Backup is how old the youngest backup may be, where the command is a
	// delete or reinstall of a VM; 0 asks for none.
	Backup time.Duration
	Ask    []Place // where the card is posted, besides where it was typed
}

// StricterThan tells whether r asks anything that o did not ask. Ask does not
// count.
func (r Requirement) StricterThan(o Requirement) bool {
	for _, a := range r.Approve {
		met := func(b Approval) bool { return a.sameBy(b) && b.Count >= a.Count }
		if !slices.ContainsFunc(o.Approve, met) {
			return true
		}
	}
	return r.Confirm > o.Confirm || r.Reason && !o.Reason || r.Delay > o.Delay ||
		shorter(r.Within, o.Within) || shorter(r.Backup, o.Backup)
}

// shorter tells whether a is the stricter limit of two of which 0 is none.
func shorter(a, b time.Duration) bool { return a != 0 && (b == 0 || a < b) }

// add adds what another guard asks: of everything the strictest.
func (r *Requirement) add(o Requirement) {
	r.Confirm = max(r.Confirm, o.Confirm)
	r.Reason = r.Reason || o.Reason
	r.Delay = max(r.Delay, o.Delay)
	if shorter(o.Within, r.Within) {
		r.Within = o.Within
	}
	if shorter(o.Backup, r.Backup) {
		r.Backup = o.Backup
	}
	for _, a := range o.Approve {
		if i := slices.IndexFunc(r.Approve, a.sameBy); i >= 0 {
			r.Approve[i].Count = max(r.Approve[i].Count, a.Count)
		} else {
			r.Approve = append(r.Approve, a)
		}
	}
	for _, p := range o.Ask {
		if !slices.Contains(r.Ask, p) {
			r.Ask = append(r.Ask, p)
		}
	}
}

// combine adds guards up.
func combine(guards []*guard, confirmed bool) *combo {
	c := &combo{guards: guards}
	if confirmed {
		c.needs.Confirm = ConfirmButton
	}
	for _, g := range guards {
		c.needs.add(g.asks)
		c.rules = append(c.rules, g.Rule)
	}
	// Votes make a guard the more important one, then what it asks besides.
	slices.SortStableFunc(c.rules, func(a, b Rule) int { return weight(guards, b) - weight(guards, a) })
	if len(c.needs.Approve) == 0 {
		c.needs.Within = 0
	} else if c.needs.Within == 0 {
		c.needs.Within = DefaultWithin
	}
	// Break-glass skips approvals, delay and backup. The form takes a reason.
	c.broken = Requirement{Confirm: c.needs.Confirm, Reason: true}
	return c
}

// weight is how many votes the guard of this ID asks for.
func weight(guards []*guard, r Rule) (votes int) {
	for _, g := range guards {
		if g.ID == r.ID {
			for _, a := range g.asks.Approve {
				votes += a.Count
			}
		}
	}
	return votes
}
