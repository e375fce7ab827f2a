//go:build linux || darwin

package bolt

import (
	"os"
	"syscall"
)

// freeDisk is how many bytes are free where f stands; false if it is not told.
func freeDisk(f *os.File) (int64, bool) {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &fs); err != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true
}
