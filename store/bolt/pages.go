package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt's file format, as internal/common of v1.5.0 has it. A file is pages:
// two metas, of which the valid one with the higher transaction counts, and a
// tree of branch and leaf pages for every bucket.
const (
	metaMagic    = 0xED0CDAED
	pageHeader   = 16 // id 8, flags 2, count 2, overflow 4
	element      = 16 // of both kinds of page
	inBucket     = 16 // root 8, sequence 8
	branchPage   = 1
	leafPage     = 2
	freelistPage = 16
	bucketEntry  = 1
	noFreelist   = 1<<64 - 1

	maxDepth = 64 // of trees in trees; ours have at most a dozen levels
)

// fileMeta is what is needed of a meta page.
type fileMeta struct {
	pageSize                   uint32
	root, freelist, high, txid uint64
}

// checkPages walks all pages that belong to something and returns the first
// that is not as bbolt expects it. It exists because bbolt ends the process
// over such a page, and because a file that was cut short has to be seen before
// it is mapped whole.
func checkPages(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := readMeta(f)
	if err != nil {
		return err
	}
	size := int64(m.high) * int64(m.pageSize)
	if size > info.Size() {
		return fmt.Errorf("cut short: has %d bytes of %d", info.Size(), size)
	}
	// Mapped, because a system call for each page would take longer than all
	// else at start.
	file, unmap, err := mapFile(f, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmap()) }()
	w := &walker{file: file, meta: m, seen: make([]bool, m.high)}
	if err := w.page(m.root, 0, nil); err != nil {
		return err
	}
	return w.free()
}

// readMeta finds the meta page that counts.
func readMeta(f io.ReaderAt) (fileMeta, error) {
	le := binary.NativeEndian
	var best fileMeta
	at := func(off int64) bool {
		var b [80]byte
		if _, err := f.ReadAt(b[:], off); err != nil {
			return false
		}
		p := b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(p[:56])
		if le.Uint32(p) != metaMagic || le.Uint64(p[56:]) != sum.Sum64() {
			return false
		}
		m := fileMeta{le.Uint32(p[8:]), le.Uint64(p[16:]), le.Uint64(p[32:]), le.Uint64(p[40:]), le.Uint64(p[48:])}
		if best.pageSize == 0 || m.txid > best.txid {
			best = m
		}
		return true
	}
	at(0)
	if best.pageSize != 0 {
		at(int64(best.pageSize))
	} else {
		for off := int64(1024); off <= 16<<20 && !at(off); off *= 2 {
		}
	}
	if best.pageSize < 1024 || best.pageSize > 16<<20 || best.high < 2 || best.high > 1<<36 {
		return fileMeta{}, errors.New("no valid meta page")
	}
	return best, nil
}

// walker looks at pages.
type walker struct {
	file []byte
	meta fileMeta
	seen []bool
}

// take returns the content of a page, with what it overflows into, if it is
// where it belongs and nobody else's.
func (w *walker) take(id uint64) ([]byte, error) {
	le := binary.NativeEndian
	if id < 2 || id >= w.meta.high {
		return nil, fmt.Errorf("page %d: out of range", id)
	}
	buf := w.file[id*uint64(w.meta.pageSize):]
	if le.Uint64(buf) != id {
		return nil, fmt.Errorf("page %d: says that it is page %d", id, le.Uint64(buf))
	}
	over := uint64(le.Uint32(buf[12:]))
	if id+over >= w.meta.high {
		return nil, fmt.Errorf("page %d: reaches past the end", id)
	}
	for i := id; i <= id+over; i++ {
		if w.seen[i] {
			return nil, fmt.Errorf("page %d: in two places", i)
		}
		w.seen[i] = true
	}
	return buf[:(over+1)*uint64(w.meta.pageSize)], nil
}

// free checks the list of free pages, if there is one: Close leaves it.
func (w *walker) free() error {
	if w.meta.freelist == noFreelist {
		return nil
	}
	le := binary.NativeEndian
	buf, err := w.take(w.meta.freelist)
	if err != nil {
		return err
	}
	n, ids := uint64(le.Uint16(buf[10:])), buf[pageHeader:]
	if n == 0xFFFF { // then the count is the first of them
		n, ids = le.Uint64(ids), ids[8:]
	}
	if le.Uint16(buf[8:]) != freelistPage || n > uint64(len(ids)/8) {
		return fmt.Errorf("page %d: no list of free pages", w.meta.freelist)
	}
	for i := range n {
		id := le.Uint64(ids[8*i:])
		if id < 2 || id >= w.meta.high || w.seen[id] {
			return fmt.Errorf("page %d: free, and out of range or in use", id)
		}
		w.seen[id] = true
	}
	return nil
}

// page checks a page and all below it. first is what a branch says that the
// first key on it is.
func (w *walker) page(id uint64, depth int, first []byte) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d: nested too deep", id)
	}
	buf, err := w.take(id)
	if err != nil {
		return err
	}
	if err := w.elements(buf, depth, first); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// elements checks what is on a page, or on the page inside a small bucket's
// value.
func (w *walker) elements(buf []byte, depth int, first []byte) error {
	le := binary.NativeEndian
	flags, count := le.Uint16(buf[8:]), int(le.Uint16(buf[10:]))
	if flags != branchPage && flags != leafPage {
		return fmt.Errorf("unknown kind %#x", flags)
	}
	if flags == branchPage && count == 0 {
		return errors.New("branch without leaves")
	}
	if pageHeader+count*element > len(buf) {
		return errors.New("more elements than fit")
	}
	last := first
	for i := range count {
		at := pageHeader + i*element
		e := buf[at : at+element]
		pos, ksize, vsize := le.Uint32(e), le.Uint32(e[4:]), uint32(0)
		if flags == leafPage {
			pos, ksize, vsize = le.Uint32(e[4:]), le.Uint32(e[8:]), le.Uint32(e[12:])
		}
		begin := uint64(at) + uint64(pos)
		if begin+uint64(ksize)+uint64(vsize) > uint64(len(buf)) {
			return fmt.Errorf("element %d reaches past the page", i)
		}
		key := buf[begin : begin+uint64(ksize)]
		if c := bytes.Compare(last, key); c > 0 || c == 0 && i > 0 {
			return fmt.Errorf("element %d is out of order", i)
		}
		last = key
		var err error
		switch {
		case flags == branchPage:
			err = w.page(le.Uint64(e[8:]), depth+1, key)
		case le.Uint32(e)&bucketEntry != 0:
			err = w.bucket(buf[begin+uint64(ksize):begin+uint64(ksize)+uint64(vsize)], depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket's value: where its tree is, or the page in it.
func (w *walker) bucket(v []byte, depth int) error {
	if len(v) < inBucket {
		return errors.New("bucket without a head")
	}
	if root := binary.NativeEndian.Uint64(v); root != 0 {
		return w.page(root, depth+1, nil)
	}
	if v = v[inBucket:]; len(v) < pageHeader || binary.NativeEndian.Uint16(v[8:]) != leafPage {
		return errors.New("small bucket without a page")
	}
	return w.elements(v, depth+1, nil)
}
