package bolt

import "os"

const (
	// paveAhead is how far ahead of its use the file is filled with zeros.
	paveAhead = 1 << 20
	// paveAfter is how much a store has to grow in one life before that: a
	// small one does without.
	paveAfter = 128 << 10
)

// zeros are what the file is filled with. They are only read.
var zeros [paveAhead]byte

// paving is how far the file is filled ahead.
//
// To sync a page that never had a place on the disk, a file system has to write
// its own journal too; to sync one that had, only the page. So the end of the
// file is written before it is used, in large pieces that go to the disk with
// the commit that they are ahead of. It is for speed alone: what fails is let
// be, and the commit itself finds a full disk.
type paving struct{ first, done int64 }

// pave fills the file ahead of used bytes, up to its size. The bytes after used
// have to be unused: it is called in a write transaction, with its Size.
func (p *paving) pave(file *os.File, used int64) {
	if p.first == 0 {
		p.first = used
	}
	p.done = max(p.done, used)
	if used-p.first < paveAfter || p.done-used > paveAhead/2 {
		return
	}
	info, err := file.Stat()
	if err != nil {
		return
	}
	n := min(used+paveAhead, info.Size()) - p.done
	if n <= 0 {
		return
	}
	if _, err := file.WriteAt(zeros[:n], p.done); err == nil {
		p.done += n
	}
}
