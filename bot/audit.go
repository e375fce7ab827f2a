package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"
)

// Record is one line of the audit log: a decision, a change of state, a look
// at a secret. The store seals it: it gives the sequence number and the chain.
type Record struct {
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`         // "command", "denied", "preview", "confirmed", "vote", "cancelled", "intent", "outcome", "state", "settled", "resolve", "read", "secret", "policy", "flood", "lock", "rollback"
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

// Sealed is a record as it is stored. Body is its JSON as encoding/json wrote
// it; MAC is HMAC-SHA256 with the audit key over the MAC of the record before,
// as bytes (none before the first), and the body. Of a damaged record MAC may
// be "", and Body anything.
type Sealed struct {
	Seq  uint64 `json:"seq"` // where it stands
	MAC  string `json:"mac"`
	Body []byte `json:"body"`
}

// Record reads the body.
func (s *Sealed) Record() (Record, error) {
	var r Record
	if err := json.Unmarshal(s.Body, &r); err != nil {
		return Record{}, fmt.Errorf("audit record %d: %w", s.Seq, err)
	}
	r.MAC = s.MAC
	return r, nil
}

// Chain verifies an audit log. It is given every record in order, and then
// asked for the End.
type Chain struct {
	mac     hash.Hash
	anchors map[uint64][]Anchor
	top     Anchor // the anchor of the newest record
	end     Anchor // of the last record that was right
	at      time.Time
	read    bool   // there is a record
	any     bool   // there is one that this key has sealed, wherever it stands
	rolled  uint64 // the last record that says that a rollback was accepted
	found   error  // the first that is wrong
}

// NewChain begins to verify a log that was sealed with key and of which these
// anchors were kept elsewhere.
func NewChain(key []byte, anchors []Anchor) *Chain {
	c := &Chain{mac: hmac.New(sha256.New, key), anchors: make(map[uint64][]Anchor)}
	for _, a := range anchors {
		c.anchors[a.Seq] = append(c.anchors[a.Seq], a)
		if a.Seq > c.top.Seq {
			c.top = a
		}
	}
	return c
}

// Add takes the next record, and tells whether more of them could change what
// End says.
func (c *Chain) Add(s Sealed) bool {
	r, err := s.Record()
	genuine := err == nil && c.seals(r.Prev, &s)
	c.read, c.any = true, c.any || genuine
	if c.found == nil {
		if c.found = c.judge(&s, &r, err, genuine); c.found == nil {
			c.end, c.at = Anchor{s.Seq, s.MAC, c.end.Count + 1}, r.Time
			if r.Kind == "rollback" {
				c.rolled = r.Seq
			}
			c.found = c.anchored()
		}
	}
	return c.found == nil || !c.any
}

// seals tells whether the key makes this MAC after that one.
func (c *Chain) seals(prev string, s *Sealed) bool {
	before, err := hex.DecodeString(prev)
	is, e := hex.DecodeString(s.MAC)
	c.mac.Reset()
	c.mac.Write(before)
	c.mac.Write(s.Body)
	return err == nil && e == nil && hmac.Equal(is, c.mac.Sum(nil))
}

// judge says what is wrong with a record after those that were right. genuine
// is one that the key has sealed, though perhaps for another place.
func (c *Chain) judge(s *Sealed, r *Record, err error, genuine bool) error {
	next := c.end.Seq + 1
	switch {
	case s.Seq > next:
		return fmt.Errorf("record %d is missing: %s is followed by record %d%s", next, c.last(), s.Seq, when(r.Time))
	case s.Seq < next:
		return fmt.Errorf("record %d%s is out of order: it stands after %s", s.Seq, when(r.Time), c.last())
	case err != nil:
		return fmt.Errorf("record %d was changed: it is no longer readable, and follows %s", s.Seq, c.last())
	case !genuine:
		return fmt.Errorf("record %d%s was changed, or sealed with another key", s.Seq, when(r.Time))
	case r.Seq != s.Seq:
		return fmt.Errorf("record %d is missing or out of order: in its place stands record %d%s", s.Seq, r.Seq, when(r.Time))
	case r.Prev != c.end.MAC:
		return fmt.Errorf("record %d%s does not continue %s: a part of the log was exchanged for one of another time", s.Seq, when(r.Time), c.last())
	}
	return nil
}

// anchored compares the last record with the anchors of it.
func (c *Chain) anchored() error {
	for _, a := range c.anchors[c.end.Seq] {
		switch {
		case a.MAC != c.end.MAC:
			return fmt.Errorf("record %d%s is not the one that was anchored: the log was written anew from there or from before%s", a.Seq, when(c.at), c.rollback())
		case a.Count != c.end.Count:
			return fmt.Errorf("an anchor counts %d records up to record %d, and there are %d", a.Count, a.Seq, c.end.Count)
		}
	}
	return nil
}

// ErrWrongKey: not one record was sealed with the key.
var ErrWrongKey = errors.New("no record verifies: is HOSTERBOT_AUDIT_KEY the right one?")

// End returns the last record and how many there are, or in a sentence the
// first that is wrong; ErrWrongKey, where the key did not seal any.
func (c *Chain) End() (Anchor, error) {
	switch {
	case c.read && !c.any:
		return Anchor{}, ErrWrongKey
	case c.found != nil:
		return Anchor{}, c.found
	case c.top.Seq > c.end.Seq:
		return Anchor{}, fmt.Errorf("the tail is cut: the log ends with %s, and an anchor names record %d%s", c.last(), c.top.Seq, c.rollback())
	}
	return c.end, nil
}

// last names the last record that was right.
func (c *Chain) last() string {
	if c.end.Seq == 0 {
		return "the beginning"
	}
	return fmt.Sprintf("record %d%s", c.end.Seq, when(c.at))
}

// rollback tells what could explain that anchors and log differ.
func (c *Chain) rollback() string {
	if c.rolled == 0 {
		return ""
	}
	return fmt.Sprintf(" (record %d says that an older copy was accepted)", c.rolled)
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " (" + t.UTC().Format("2006-01-02 15:04:05 UTC") + ")"
}
