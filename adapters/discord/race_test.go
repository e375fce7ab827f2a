//go:build race

package discord_test

import "runtime"

// Two timers of one synctest bubble that fire at once crash the race detector
// (https://go.dev/issue/78156). On one processor they cannot.
func init() { runtime.GOMAXPROCS(1) }
