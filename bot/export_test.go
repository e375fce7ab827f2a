package bot

import (
	"fmt"
	"time"
)

// Wait is Job.wait: how long until the job is looked at again.
func (j *Job) Wait(now time.Time, usual time.Duration, scale float64) time.Duration {
	return j.wait(now, usual, scale)
}

// ParseCode takes a button's code apart.
func ParseCode(text string) (id int64, read bool, action, nonce string, err error) {
	c, err := parseCode(text)
	return c.id, c.read, c.action, c.nonce, err
}

// OpCode is what a button of an operation carries.
func OpCode(o *Operation, action string) string { return opCode(o, action) }

// TableCSV writes a table as CSV.
func TableCSV(t *Table, now time.Time) []byte { return tableCSV(t, now) }

// Actions are all words that a button's code may carry.
func Actions() []string {
	return []string{
		actConfirm, actCancel, actApprove, actDeny, actReveal, actHave, actShow, actAgain, actBreakGlass, actResolve,
		actBackup, actSecret, actShare, actNext, actFile, actArgs,
	}
}

// Differences names what differs between two fingerprints.
func Differences(was, is []Field) []string { return differences(was, is) }

// RetryTable is the table of doc.go, made from the constants that decide.
func RetryTable() string {
	return fmt.Sprintf(`%-10s → %s
%-10s → tried again, at most %d times in %s
%-10s → tried again when the provider says, at most %d times in %s
%-10s → failed, with the provider's code and text
%-10s → %s, and settled by reading: never sent again
`, Accepted, "accepted; followed if there is something to follow",
		NotSent, retrySends, Duration(retryWithin), Throttled, throttleSends, Duration(throttleWithin), Refused, NoAnswer, Unknown)
}

// Kept is how many secrets the bot holds in memory.
func (b *Bot) Kept() int {
	n := 0
	for _, v := range []*vault{&b.held, &b.given} {
		v.mu.Lock()
		n += len(v.items)
		v.mu.Unlock()
	}
	return n
}
