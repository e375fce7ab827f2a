package policy

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// The four verdicts that a test of the file can expect.
const (
	verdictDeny    = "deny"
	verdictAllow   = "allow"
	verdictConfirm = "confirm"
	verdictApprove = "approve"
)

var verdicts = []string{verdictDeny, verdictAllow, verdictConfirm, verdictApprove}

// Verdict returns the answer in one word: "deny", "approve" if it takes votes,
// "confirm" if the requester has to do something first, else "allow".
func (a Answer) Verdict() string {
	r := a.Requirement
	switch {
	case !a.Allowed:
		return verdictDeny
	case len(r.Approve) > 0:
		return verdictApprove
	case r.Confirm != ConfirmNone || r.Reason || r.Delay > 0 || r.Backup > 0:
		return verdictConfirm
	}
	return verdictAllow
}

// Explain tells the decision for people who write the policy: the verdict,
// what would be asked first, and each rule that decided with its line.
func (s *Snapshot) Explain(q Question) []string {
	a, granted := s.decide(&q)
	lines := []string{a.Verdict() + ": " + s.summary(&q, &a)}
	for _, need := range a.Requirement.lines() {
		lines = append(lines, "needs "+need)
	}
	if len(a.Depends) > 0 {
		lines = append(lines, "depends on "+enumerate(a.Depends, "and"))
	}
	for _, r := range a.Rules {
		lines = append(lines, "because of "+s.cite(r))
	}
	if granted != nil && a.Allowed && (len(a.Rules) == 0 || a.Rules[0].Kind != kindGrant) {
		lines = append(lines, "because of "+s.cite(granted.Rule))
	}
	if len(a.Ask) > 0 {
		lines = append(lines, "could be granted by being in "+enumerate(a.Ask, "or"))
	}
	if a.BreakGlass != nil {
		lines = append(lines, "break glass is possible, by "+s.cite(*a.BreakGlass)+", and tells "+a.Tell.String())
	}
	return lines
}

func (s *Snapshot) summary(q *Question, a *Answer) string {
	if !a.Allowed {
		return a.Why
	}
	text := q.Person + " may run " + what(q)
	if q.BreakGlass {
		text += " by breaking the glass"
	}
	switch a.Verdict() {
	case verdictApprove:
		return text + ", after confirmation and approval"
	case verdictConfirm:
		return text + ", after confirmation"
	}
	return text
}

// cite names a rule and where it stands.
func (s *Snapshot) cite(r Rule) string {
	text := r.Kind + " " + r.ID
	if r.Kind == kindDefault {
		text = r.ID
	}
	if r.Line > 0 {
		text += " (" + filepath.Base(s.file) + ":" + strconv.Itoa(r.Line) + ")"
	}
	if r.Because != "" {
		text += ": " + r.Because
	}
	return text
}

// lines tells each thing that is required, in the order in which it happens.
func (r Requirement) lines() (lines []string) {
	switch r.Confirm {
	case ConfirmButton:
		lines = append(lines, "a press of the confirm button")
	case ConfirmTypeTarget:
		lines = append(lines, "the target typed to confirm")
	}
	if r.Reason {
		lines = append(lines, "a reason")
	}
	for _, a := range r.Approve {
		lines = append(lines, a.String()+" within "+formatDuration(r.Within))
	}
	if r.Backup > 0 {
		lines = append(lines, "a backup younger than "+formatDuration(r.Backup)+", of a VM that is deleted or reinstalled")
	}
	if r.Delay > 0 {
		lines = append(lines, "a wait of "+formatDuration(r.Delay)+" after that")
	}
	if len(r.Ask) > 0 {
		lines = append(lines, "the card posted in "+enumerate(placeNames(r.Ask), "and"))
	}
	return lines
}

// String returns "2 approvals of leads".
func (a Approval) String() string {
	if a.Count == 1 {
		return "1 approval of " + enumerate(a.By, "or")
	}
	return fmt.Sprintf("%d approvals of %s", a.Count, enumerate(a.By, "or"))
}
