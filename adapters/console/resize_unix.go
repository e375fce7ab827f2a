//go:build !windows

package console

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResize sends something to c each time the terminal gets another size.
func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
