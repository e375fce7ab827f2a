//go:build !linux

package bolt

// unmapPages does nothing here.
func unmapPages(uintptr, int64) {}
