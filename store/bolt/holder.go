package bolt

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// held says who holds a store. It stands in PATH.holder for the operator who
// finds the store locked; the lock itself is bbolt's.
type held struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// hold writes who holds the store. It is called with the lock taken. If it
// cannot, only a hint is lost.
func hold(path string, now time.Time) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if body, err := json.Marshal(held{os.Getpid(), host, now}); err == nil {
		_ = os.WriteFile(path+".holder", body, 0o600)
	}
}

// release removes what hold wrote. What a killed process left behind is
// overwritten by the next holder.
func release(path string) { _ = os.Remove(path + ".holder") }

// holder is what to tell about who holds the store.
func holder(path string) string {
	const guess = "is another hosterbot running?"
	body, err := os.ReadFile(path + ".holder")
	if err != nil {
		return guess
	}
	var h held
	if json.Unmarshal(body, &h) != nil || h.PID == 0 {
		return guess
	}
	return fmt.Sprintf("%s pid %d, host %s, since %s", guess, h.PID, h.Host, h.Since.UTC().Format("2006-01-02 15:04 UTC"))
}
