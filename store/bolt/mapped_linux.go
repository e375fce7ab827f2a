package bolt

import "syscall"

// unmapPages lets go of the pages of a file that is mapped at an address, as far
// as bytes goes. The kernel keeps them in its cache, and maps them again where
// they are read; it does not count them as this process's memory meanwhile.
func unmapPages(address uintptr, bytes int64) {
	// It only advises: where it fails, the pages stay.
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, address, uintptr(bytes), syscall.MADV_DONTNEED)
}
