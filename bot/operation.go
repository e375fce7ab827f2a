package bot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"hosterbot/bot/policy"
)

// State is where an operation stands in its life. Transitions holds the arrows.
type State string

// The states of an operation.
const (
	Confirming     State = "confirming"  // waits for its requester to confirm
	Pending        State = "pending"     // collects votes
	Ready          State = "ready"       // all votes are in: waits for delay, backup, lane, target, secret
	Checking       State = "checking"    // is being read again, right before the call
	Intent         State = "intent"      // the call may have left
	InProgress     State = "accepted"    // the provider said yes
	Following      State = "following"   // its job, backup or order is followed
	Succeeded      State = "succeeded"   //
	Failed         State = "failed"      //
	LostTrack      State = "lost-track"  // accepted, and nothing tells how it ended
	Denied         State = "denied"      // an approver, or the policy, said no
	Cancelled      State = "cancelled"   // its requester took it back, or nothing was sent
	Expired        State = "expired"     //
	Invalidated    State = "invalidated" // what was approved is no longer what is there
	Unknown        State = "unknown"     // the call may have left, and no answer came
	SettledDone    State = "settled-done"
	SettledNotDone State = "settled-not-done"
	NeedsHuman     State = "needs-human" // no read tells: a person has to
	ResolvedDone   State = "resolved-done"
	ResolvedUndone State = "resolved-not-done"
	ResolvedUnsure State = "resolved-unsure"
)

// transitions says which states may follow which. A state that leads nowhere
// is final. To Unknown from what was accepted leads only a rollback of the
// store. From Ready to Intent an operation passes Checking within one
// transaction; Checking is stored by itself where an attempt is made anew.
var transitions = map[State][]State{
	Confirming:     {Pending, Ready, Denied, Cancelled, Expired, Invalidated},
	Pending:        {Ready, Denied, Cancelled, Expired, Invalidated},
	Ready:          {Checking, Intent, Pending, Denied, Cancelled, Expired, Invalidated},
	Checking:       {Ready, Pending, Intent, Denied, Cancelled, Expired, Invalidated},
	Intent:         {InProgress, Following, Succeeded, Failed, Checking, Cancelled, Unknown},
	InProgress:     {Following, Succeeded, Failed, LostTrack, Unknown},
	Following:      {Succeeded, Failed, LostTrack, Unknown},
	LostTrack:      {Succeeded, Failed, ResolvedDone, ResolvedUndone, ResolvedUnsure},
	Unknown:        {SettledDone, SettledNotDone, NeedsHuman, Failed, ResolvedDone, ResolvedUndone, ResolvedUnsure},
	NeedsHuman:     {ResolvedDone, ResolvedUndone, ResolvedUnsure},
	Succeeded:      nil,
	Failed:         nil,
	Denied:         nil,
	Cancelled:      nil,
	Expired:        nil,
	Invalidated:    nil,
	SettledDone:    nil,
	SettledNotDone: nil,
	ResolvedDone:   nil,
	ResolvedUndone: nil,
	ResolvedUnsure: nil,
}

// states are all states, in the order of an operation's life.
var states = []State{
	Confirming, Pending, Ready, Checking, Intent, InProgress, Following, Unknown, NeedsHuman, LostTrack,
	Succeeded, Failed, SettledDone, SettledNotDone, ResolvedDone, ResolvedUndone, ResolvedUnsure,
	Denied, Cancelled, Expired, Invalidated,
}

// States returns all states, in the order of an operation's life.
func States() []State { return slices.Clone(states) }

// CanBecome tells whether an operation may go from s to next. Staying is
// always allowed, but for final states.
func (s State) CanBecome(next State) bool {
	if s == next {
		return !s.Final()
	}
	return slices.Contains(transitions[s], next)
}

// Next returns the states that may follow s.
func (s State) Next() []State { return slices.Clone(transitions[s]) }

// Final tells whether the operation has ended for good.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// HoldsLane tells whether the operation keeps all others off its lane.
func (s State) HoldsLane() bool {
	switch s {
	case Intent, InProgress, Following, Unknown, NeedsHuman, LostTrack:
		return true
	}
	return false
}

// Waiting tells whether Deny and Cancel still work.
func (s State) Waiting() bool {
	switch s {
	case Confirming, Pending, Ready, Checking:
		return true
	}
	return false
}

// Operation is one use of a command that changes something, from the moment it
// was typed to its end.
type Operation struct {
	ID      int64  `json:"id"`
	Version int64  `json:"version"` // counts its changes: what Advance compares
	Key     string `json:"key"`     // the delivery that made it
	State   State  `json:"state"`

	Command string   `json:"command"`
	Args    Args     `json:"args,omitempty"`
	Targets []Target `json:"targets,omitempty"`
	Lane    string   `json:"lane,omitempty"`
	// LaneFreed says that the lane is no longer held although the state would.
	LaneFreed bool `json:"laneFreed,omitempty"`

	Person  string  `json:"person"`
	Account Account `json:"account"`
	Place   Place   `json:"place"`            // where it was typed
	Places  []Place `json:"places"`           // where its root message stands or will stand
	Silent  bool    `json:"silent,omitempty"` // has no root message (yet)

	Title       string    `json:"title,omitempty"`
	Fields      []Field   `json:"fields,omitempty"`
	Loses       string    `json:"loses,omitempty"`
	Notes       []string  `json:"notes,omitempty"`
	Fingerprint []Field   `json:"fingerprint,omitempty"`
	Baseline    []byte    `json:"baseline,omitempty"`
	Backed      bool      `json:"backed,omitempty"` // can have backups, and the youngest is
	LastBackup  time.Time `json:"lastBackup,omitzero"`
	NeedsBackup bool      `json:"needsBackup,omitempty"` // waits for a backup that the policy wants
	Reason      string    `json:"reason,omitempty"`
	BreakGlass  string    `json:"breakGlass,omitempty"` // id of the rule it was granted by

	Requirement policy.Requirement `json:"requirement"`
	Rules       []policy.Rule      `json:"rules,omitempty"` // that decided when it was asked
	Policy      string             `json:"policy"`          // hash of the policy that decided
	Digest      string             `json:"digest,omitempty"`
	Nonce       string             `json:"nonce"` // of its buttons
	Votes       []Vote             `json:"votes,omitempty"`

	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"`   // of the state it is in; zero: it does not
	NotBefore time.Time `json:"notBefore,omitzero"` // end of the delay
	Waits     string    `json:"waits,omitempty"`    // what a ready operation waits for
	Unblocks  string    `json:"unblocks,omitempty"` // code of the button that resolves the operation it waits for
	NextAt    time.Time `json:"nextAt,omitzero"`    // when the bot has to look at it again
	Ended     time.Time `json:"ended,omitzero"`
	EndedBy   string    `json:"endedBy,omitempty"` // person who denied, cancelled or resolved it

	Attempts []Attempt     `json:"attempts,omitempty"`
	Looks    int           `json:"looks,omitempty"`  // reads of the effect since it was accepted
	Unseen   bool          `json:"unseen,omitempty"` // it was accepted, and no read has seen its effect
	Told     bool          `json:"told,omitempty"`   // the break-glass notice is out
	Job      *Job          `json:"job,omitempty"`
	Expected time.Duration `json:"expected,omitempty"`
	Outcome  string        `json:"outcome,omitempty"`  // how it ended, in a sentence
	Hint     string        `json:"hint,omitempty"`     // what to do next
	Code     string        `json:"code,omitempty"`     // the provider's code
	Probably int64         `json:"probably,omitempty"` // VM that a lost create probably made
	Made     []Target      `json:"made,omitempty"`     // what came of it: the new VM
	Result   []Field       `json:"result,omitempty"`
	Secret   bool          `json:"secret,omitempty"` // Reveal shows something
	Again    int64         `json:"again,omitempty"`  // operation that this one repeats
	For      int64         `json:"for,omitempty"`    // operation that waits for this one: its backup
}

// Attempt is one mutating request.
type Attempt struct {
	At     time.Time `json:"at"` // the intent
	SendBy time.Time `json:"sendBy"`
	Ended  time.Time `json:"ended,omitzero"`
	Class  Class     `json:"class,omitempty"` // empty: no outcome was recorded
	Status int       `json:"status,omitempty"`
	Code   string    `json:"code,omitempty"`
	Text   string    `json:"text,omitempty"`
}

// Vote is one person's word on an operation.
type Vote struct {
	Person  string    `json:"person"`
	Account string    `json:"account"`
	Approve bool      `json:"approve"`
	Digest  string    `json:"digest"` // what was seen: only votes for the current one count
	At      time.Time `json:"at"`
	Policy  string    `json:"policy"`
}

// Target is its first target, the zero Target if it has none.
func (o *Operation) Target() Target {
	if len(o.Targets) == 0 {
		return Target{}
	}
	return o.Targets[0]
}

// Voters are the people whose approvals count: for the current digest.
func (o *Operation) Voters() []string {
	var out []string
	for _, v := range o.Votes {
		if v.Approve && v.Digest == o.Digest {
			out = append(out, v.Person)
		}
	}
	return out
}

// HoldsLane tells whether it keeps others off its lane.
func (o *Operation) HoldsLane() bool {
	return o.Lane != "" && !o.LaneFreed && o.State.HoldsLane()
}

// Sum is the operation's digest: SHA-256 over the canonical JSON of what
// people vote on. Rule names, the policy's hash and expiry are not in it.
func (o *Operation) Sum() string {
	req := o.Requirement
	req.Ask, req.Within = nil, 0
	body, err := json.Marshal(struct {
		Command     string
		Targets     []Target
		Args        Args
		Fingerprint []Field
		Person      string
		Requirement policy.Requirement
	}{o.Command, o.Targets, o.Args, o.Fingerprint, o.Person, req})
	if err != nil { // every field is a plain value
		panic(err)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
