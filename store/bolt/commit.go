package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"hosterbot/bot"
)

// maxBatch bounds how many writes share a commit, and so how long the first of
// them waits for the last to be put.
const maxBatch = 256

// maxGap is how long the committer waits for one more write to share a commit:
// little against the fsyncs that it spares.
const maxGap = 50 * time.Microsecond

// unmapEvery is after how many commits the pages of the file that were read are
// unmapped: bbolt maps the whole file, and would in time hold all of it in
// memory.
const unmapEvery = 32

// write is one method's change, on its way through the committer.
type write struct {
	// do checks first and puts then; see the rule in the package comment. It
	// may run more than once, and only what the last run left counts.
	do    func(*tx) error
	state atomic.Int32
	err   error
	done  chan struct{}
}

// The states of a write.
const (
	isWaiting int32 = iota
	isTaken
	isWithdrawn
)

// errClosed is the cause of every error after Close.
var errClosed = errors.New("closed")

// errReading is the cause of every error of a write with Options.Reading.
var errReading = errors.New("opened for reading")

// write hands do to the committer and waits until it is on disk.
//
// If ctx ends before the committer took it, nothing is written and ctx's error
// is returned. After that ctx no longer counts: a write that may be on disk is
// never reported as one that is not, so the caller waits for the result.
func (s *Store) write(ctx context.Context, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.reading {
		return unavailable(errReading)
	}
	w := &write{do: do, done: make(chan struct{})}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return unavailable(errClosed)
	}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	s.knock()
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
	}
	if w.state.CompareAndSwap(isWaiting, isWithdrawn) {
		return ctx.Err()
	}
	<-w.done
	return w.err
}

// knock tells the committer that there is something to do.
func (s *Store) knock() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been told
	}
}

// view runs f in a transaction that sees everything written before. bbolt
// panics over a damaged page; one that is met after Open is an ErrDamaged.
func (s *Store) view(ctx context.Context, f func(*tx) error) (err error) {
	if err := s.usable(ctx); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return unavailable(s.db.View(func(b *bbolt.Tx) error { return f(&tx{bolt: b}) }))
}

// usable tells whether a read may begin.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unavailable(errClosed)
	}
	return nil
}

// unavailable makes ErrUnavailable of every error that is none of the store's
// own and not the caller's.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		bot.ErrConflict, bot.ErrBusy, bot.ErrNotFound, bot.ErrUnavailable,
		ErrDamaged, errInvalid, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", bot.ErrUnavailable, err)
}

// committer is what the committer's goroutine knows.
type committer struct {
	chain chain // the last audit record on disk
	seal  *sealer
	// roots finds the root message that is owed to an operation in a place. It
	// is made anew from the file, and spares two puts and a look a message.
	roots map[rootKey]owedRoot
	// doubt is the failure of the last commit, until the file is known to be
	// sound again.
	doubt error
	// dead is what bbolt panicked with outside of any write. It may have kept
	// its locks, so nothing is asked of it any more.
	dead    error
	paved   paving
	commits int
}

// run is the committer: it commits what waits, as soon as the commit before
// it is done, until the store is closed and nothing waits.
func (s *Store) run() {
	defer close(s.done)
	var batch []*write
	answered := 0 // writes of the last commit
	for range s.wake {
		for {
			s.gather(answered)
			s.mu.Lock()
			closed := s.closed
			n := min(len(s.waiting), maxBatch)
			batch = batch[:0]
			for _, w := range s.waiting[:n] {
				if w.state.CompareAndSwap(isWaiting, isTaken) {
					batch = append(batch, w)
				}
			}
			rest := copy(s.waiting, s.waiting[n:])
			clear(s.waiting[rest:])
			s.waiting = s.waiting[:rest]
			s.mu.Unlock()
			if n == 0 {
				if closed {
					return
				}
				break
			}
			if answered = len(batch); answered > 0 {
				s.commit(batch)
			}
			clear(batch)
		}
	}
}

// gather lets callers whose writes were just answered come back with their
// next, so that they share a commit with those that came meanwhile. It gives
// way as long as they keep coming, until all are there, or so many that a commit
// of them keeps the disk busy: the others make their next ready meanwhile. It
// does not wait for the first.
func (s *Store) gather(answered int) {
	s.mu.Lock()
	enough := min(len(s.waiting)+answered, maxBatch/2)
	s.mu.Unlock()
	since, seen := time.Now(), 0
	for {
		runtime.Gosched()
		s.mu.Lock()
		n := len(s.waiting)
		s.mu.Unlock()
		if n == 0 || n >= enough {
			return
		}
		if n > seen {
			since, seen = time.Now(), n
		} else if time.Since(since) > maxGap {
			return
		}
	}
}

// commit brings a batch to disk and answers every write of it.
func (s *Store) commit(batch []*write) {
	defer func() {
		for _, w := range batch {
			w.err = unavailable(w.err)
			close(w.done)
		}
	}()
	rest := slices.Clone(batch)
	for len(rest) > 0 {
		spoiler, err := s.attempt(rest)
		if spoiler >= 0 { // it has its error; the others have another try
			rest = slices.Delete(rest, spoiler, spoiler+1)
			continue
		}
		if err != nil {
			for _, w := range rest {
				w.err = err
			}
		}
		return
	}
}

// attempt runs a batch in one transaction. Each write then has its own error,
// and those without one are on disk. A spoiler is the index of a write that
// failed after it had put something, and has its error: nothing was written.
// An error is everybody's: nothing was written, as far as is known.
func (s *Store) attempt(batch []*write) (spoiler int, err error) {
	c := &s.c
	if c.dead != nil {
		return -1, c.dead
	}
	if c.doubt != nil {
		if err := s.mend(); err != nil {
			return -1, fmt.Errorf("%w (after: %w)", err, c.doubt)
		}
		c.doubt = nil
	}
	defer func() {
		if r := recover(); r != nil {
			c.dead = fmt.Errorf("bbolt: %v", r)
			spoiler, err = -1, c.dead
		}
	}()
	b, err := s.db.Begin(true)
	if err != nil {
		return -1, err
	}
	size := b.Size() // is mapped
	c.paved.pave(s.file, size)
	t := &tx{bolt: b, chain: c.chain, seal: c.seal, roots: c.roots, moved: make(map[rootKey]owedRoot, len(batch)), open: s.open}
	written := false
	for i, w := range batch {
		w.err = guarded(w, t)
		if t.broken != nil {
			w.err = t.broken
			return i, b.Rollback()
		}
		written = written || w.err == nil
	}
	if !written {
		return -1, b.Rollback()
	}
	if t.relock {
		if t.locks, err = readLocks(t); err != nil {
			return -1, errors.Join(err, b.Rollback())
		}
	}
	if err := b.Commit(); err != nil {
		c.doubt = err
		return -1, err
	}
	c.chain = t.chain
	s.side.note(c.chain)
	s.open.apply(t)
	// The mapping moves only within a transaction that writes, and only the
	// committer has those.
	if c.commits++; c.commits%unmapEvery == 0 {
		unmapPages(s.db.Info().Data, size)
	}
	for k, r := range t.moved {
		if r.seq == 0 {
			delete(c.roots, k)
		} else {
			c.roots[k] = r
		}
	}
	return -1, nil
}

// guarded runs a write; a panic is its error, and breaks the transaction.
func guarded(w *write, t *tx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			t.broken = fmt.Errorf("write panicked: %v", r)
		}
	}()
	return w.do(t)
}

// mend makes the file sound after a commit that failed.
//
// If it was the sync of the new meta page that failed, the page is in the
// kernel's cache, marked clean, and perhaps not on disk: a later commit could
// overwrite pages that the older meta page, the one on disk, still points to,
// and a power cut then leaves neither whole (the kernel reports a failed sync
// once and forgets it). So both meta pages are written again as they are seen
// and synced, before anything else is written. Data pages need no such care:
// no meta page that was written points to one whose sync had failed.
func (s *Store) mend() error {
	pages := make([]byte, 2*s.pageSize)
	if _, err := s.file.ReadAt(pages, 0); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(pages, 0); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	// The commit may have come through after all.
	err := s.c.recall(s)
	if err == nil {
		s.side.note(s.c.chain)
	}
	return err
}

// recall reads from the file what the committer keeps in memory.
func (c *committer) recall(s *Store) error {
	c.seal, c.roots = newSealer(s.key), map[rootKey]owedRoot{}
	return s.db.View(func(b *bbolt.Tx) error {
		t := &tx{bolt: b}
		var err error
		if c.chain, err = lastOfChain(t); err != nil {
			return err
		}
		open, err := readIndex(t)
		if err != nil {
			return err
		}
		s.open.become(open)
		t.scan(owed, nil, func(k, v []byte) bool {
			var h owedHead
			var body []byte
			if h, body, err = splitOwed(v); err == nil && h.root {
				c.roots[rootKey{h.op, string(body)}] = owedRoot{number(k), h}
			}
			return err == nil
		})
		return err
	})
}

// enoughDisk tells whether there is room to begin something new.
func (s *Store) enoughDisk() error {
	if s.minFree < 0 {
		return nil
	}
	free, ok := freeDisk(s.file)
	if ok && free < s.minFree {
		return fmt.Errorf("%w: only %d MB of disk are free, %d are needed", bot.ErrUnavailable, free>>20, s.minFree>>20)
	}
	return nil
}
