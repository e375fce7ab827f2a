package bot

import "time"

// Job is a provider's job that the bot follows for an operation.
type Job struct {
	ID        int64     `json:"id,omitempty"` // the provider's number; 0 for a backup or an order, which have none
	Since     time.Time `json:"since"`        // when the provider accepted it
	Next      time.Time `json:"next"`         // when it is looked at next
	Polls     int       `json:"polls,omitempty"`
	Last      Progress  `json:"last"`
	MovedAt   time.Time `json:"movedAt"`            // when progress last changed
	LostSince time.Time `json:"lostSince,omitzero"` // since when the provider does not know it
	Lost      int       `json:"lost,omitempty"`     // times in a row that it did not
	Moves     []Move    `json:"moves,omitempty"`    // the last changes of progress, oldest first, at most four
	Shown     float64   `json:"shown,omitempty"`    // the fraction that was last worth a message
	Stalled   bool      `json:"stalled,omitempty"`  // said to be stalled
}

// Move is a change of progress that was seen.
type Move struct {
	At       time.Time `json:"at"`
	Fraction float64   `json:"fraction"`
}

// Phase is where a followed thing stands.
type Phase string

// The phases of what is followed.
const (
	Running  Phase = "running"
	Finished Phase = "finished"
	Broken   Phase = "broken" // ended, and failed
	Lost     Phase = "lost"   // the provider does not know it
)

// Progress is one look at a job, a backup or an order.
type Progress struct {
	Phase    Phase    `json:"phase"`
	Word     string   `json:"word,omitempty"`     // the provider's own word: "executing"
	Fraction float64  `json:"fraction,omitempty"` // 0 to 1; -1 if the provider gives none
	Text     string   `json:"text,omitempty"`     // a sentence: what was seen, or how it ended
	Code     string   `json:"code,omitempty"`     // of a Broken one
	Result   []Field  `json:"result,omitempty"`   // figures at the end: VM, IPs
	Targets  []Target `json:"targets,omitempty"`  // what came of it: the new VM
	Secret   bool     `json:"secret,omitempty"`   // Reveal shows a password
}

// Order is a dedicated server that was ordered, and how it was last seen. The
// provider gives an order no number, so it is the server that is looked for.
type Order struct {
	Operation int64
	Server    int64
	Since     time.Time
	LastSeen  time.Time // zero: never among the servers owned
	Complete  bool
	State     State
}
