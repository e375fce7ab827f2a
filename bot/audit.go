package bot

import "time"

// Record is one line of the audit log: a decision, a change of state, a look
// at a secret. The store seals it: it gives the sequence number and the chain.
type Record struct {
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`         // "command", "denied", "confirmed", "vote", "intent", "outcome", "state", "read", "secret", "policy", "flood", "lock", "resolve"
	Op         int64     `json:"op,omitempty"` //
	State      State     `json:"state,omitempty"`
	Person     string    `json:"person,omitempty"` // name in the policy; empty for the bot itself and for strangers
	Account    string    `json:"account,omitempty"`
	Place      string    `json:"place,omitempty"`
	Command    string    `json:"command,omitempty"`
	Target     string    `json:"target,omitempty"`
	Args       Args      `json:"args,omitempty"` // without secrets and without free text
	Digest     string    `json:"digest,omitempty"`
	Decision   string    `json:"decision,omitempty"` // "allow", "deny", "approve", ...
	Rule       string    `json:"rule,omitempty"`     // id of the rule that decided
	Line       int       `json:"line,omitempty"`     // its line in the policy file
	Policy     string    `json:"policy,omitempty"`   // hash of the policy
	Attempt    int       `json:"attempt,omitempty"`
	Status     int       `json:"status,omitempty"` // HTTP status
	Code       string    `json:"code,omitempty"`
	Text       string    `json:"text,omitempty"`
	BreakGlass bool      `json:"breakGlass,omitempty"`
	Count      int       `json:"count,omitempty"` // how many a counted record stands for
	Prev       string    `json:"prev"`            // MAC of the record before; the first has ""
	MAC        string    `json:"-"`
}

// AuditFilter picks records, newest first. Zero fields pick all.
type AuditFilter struct {
	Person string
	Target string
	Op     int64
	Since  time.Time
	Before uint64 // only records with a smaller sequence number: the next page
	Limit  int    // 0: 100
}
