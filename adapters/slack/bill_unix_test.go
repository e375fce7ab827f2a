//go:build unix

package slack_test

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// bill ends the process and returns what it took.
func (w *world) bill() (cpu time.Duration, rss int64) {
	// Where there is a /proc: what wait4 tells begins with the memory of the
	// process that started this one.
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Process().Process.Pid))
	found := highWater.FindSubmatch(status)
	w.Stop()
	state := w.Process().ProcessState
	use, ok := state.SysUsage().(*syscall.Rusage)
	switch {
	case err == nil && found != nil:
		rss = number(string(found[1])) << 10
	case ok && runtime.GOOS == "darwin":
		rss = use.Maxrss
	case ok:
		rss = use.Maxrss << 10
	}
	return state.UserTime() + state.SystemTime(), rss
}
