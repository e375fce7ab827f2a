package bot

import (
	"math"
	"slices"
	"time"
)

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

// median of some lengths, 0 for none.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// Bounds of the pause between two polls.
const (
	pollLeast    = time.Second
	pollSoon     = 2 * time.Second  // before the first move
	pollUnsure   = 15 * time.Second // while the end cannot be told
	pollMost     = time.Minute
	pollOfLeft   = 0.6  // of what is left, when the end can be told
	pollOfPassed = 0.05 // of what has passed, without progress
	pollOfWaited = 0.1  // of what has passed, before the first move
	pollAgree    = 0.25 // two estimates agree within this
)

// wait says how long until the job is looked at again, before scaling: from
// the last changes of progress, or from how long such jobs usually take.
func (j *Job) wait(now time.Time, usual time.Duration, scale float64) time.Duration {
	unscaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) / scale) }
	elapsed := unscaled(now.Sub(j.Since))
	end, agreed := j.estimate()
	if end.IsZero() && usual > 0 {
		end = j.Since.Add(usual)
	}
	switch {
	case end.IsZero() && j.Last.Fraction >= 0: // it will move
		return between(pollSoon, time.Duration(pollOfWaited*float64(elapsed)), pollUnsure)
	case end.IsZero():
		return between(pollLeast, time.Duration(pollOfPassed*float64(elapsed)), pollUnsure)
	}
	left := unscaled(end.Sub(now))
	switch {
	case left <= 0:
		return between(pollLeast, -left/2, pollUnsure)
	case agreed:
		return between(pollLeast, time.Duration(pollOfLeft*float64(left)), pollMost)
	}
	return between(pollLeast, time.Duration(pollOfLeft*float64(left)), pollUnsure)
}

// estimate tells when the job will end, from the last changes of progress and
// as long as they are few from its beginning, and whether it agrees with the
// estimate before the last change. Zero: it cannot be told.
func (j *Job) estimate() (end time.Time, agreed bool) {
	moves := j.Moves
	if len(moves) < maxMoves {
		moves = append([]Move{{At: j.Since}}, moves...)
	}
	n := len(moves)
	if n < 2 {
		return time.Time{}, false
	}
	first, last := moves[0], moves[n-1]
	end = last.At.Add(until(first, last))
	if n > 2 {
		before := moves[n-2].At.Add(until(first, moves[n-2]))
		agreed = math.Abs(float64(end.Sub(before))) <= pollAgree*float64(end.Sub(last.At))
	}
	return end, agreed
}

// until extends the line through two changes to its end.
func until(a, b Move) time.Duration {
	if b.Fraction <= a.Fraction {
		return 0
	}
	return time.Duration(float64(b.At.Sub(a.At)) / (b.Fraction - a.Fraction) * (1 - b.Fraction))
}

func between(least, d, most time.Duration) time.Duration { return max(least, min(d, most)) }
