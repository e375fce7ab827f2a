//go:build !linux && !darwin

package bolt

import (
	"io"
	"os"
)

// freeDisk is how many bytes are free where f stands; false if it is not told.
func freeDisk(*os.File) (int64, bool) { return 0, false }

// mapFile reads the first size bytes of f.
func mapFile(f *os.File, size int64) (file []byte, unmap func() error, err error) {
	file, err = io.ReadAll(io.NewSectionReader(f, 0, size))
	return file, func() error { return nil }, err
}

// unlock frees bbolt's lock on a file: closing it does.
func unlock(*os.File) {}

// ownAs gives a file the owner of another: a folder sees to that.
func ownAs(string, ...string) {}
