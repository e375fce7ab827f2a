//go:build failpoints

// Package fail names the points at which a test kills the process.
package fail

import (
	"os"
	"syscall"
)

var point = os.Getenv("HOSTERBOT_FAIL")

// Point kills the process at once if HOSTERBOT_FAIL names it.
func Point(name string) {
	if name == point {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
