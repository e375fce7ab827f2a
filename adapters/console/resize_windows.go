package console

import "os"

// notifyResize does nothing: Windows sends no signal. The size is asked at the
// start there.
func notifyResize(chan<- os.Signal) {}
