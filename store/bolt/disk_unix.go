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

// mapFile shows the first size bytes of f as memory, until unmap.
func mapFile(f *os.File, size int64) (file []byte, unmap func() error, err error) {
	file, err = syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	return file, func() error { return syscall.Munmap(file) }, err
}

// unlock frees bbolt's lock on a file.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// ownAs gives a file the owner of the first of these that there is, where that
// is allowed: a store that root puts in place is read by the bot's user.
func ownAs(path string, like ...string) {
	for _, name := range like {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			_ = os.Chown(path, int(st.Uid), int(st.Gid)) // who may not has the right one, or nobody can help
		}
		return
	}
}
