package slack_test

import "time"

// bill ends the process and returns what it took, but for its memory.
func (w *world) bill() (cpu time.Duration, rss int64) {
	w.Stop()
	state := w.Process().ProcessState
	return state.UserTime() + state.SystemTime(), 0
}
