package bolt

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"hosterbot/bot"
)

// ErrRollback: the store is older than it was, or nothing says how old it was.
// Options.AcceptRollback opens it all the same.
var ErrRollback = errors.New("rolled back")

// keepEvery is how often the sidecar is written, at most.
const keepEvery = time.Second

// mark is how far a store's audit log had come. It stands in PATH.gen.
type mark struct {
	Seq uint64 `json:"seq"`           // of the last record
	MAC string `json:"mac,omitempty"` // and its MAC
	// Restored says that Restore has put a copy in the store's place since.
	Restored bool `json:"restored,omitempty"`
}

// sidecar keeps the mark of an open store. It may lag behind the store, by a
// second and by what a kill cut off, and is never ahead of what is on disk: so
// a store that is behind its mark is an older copy.
type sidecar struct {
	path string

	mu   sync.Mutex
	last mark // of the newest commit
	disk mark // as it was written
	// rolled is why this store is an older copy: then nothing is written until
	// that was dealt with, so that a kill meanwhile changes nothing.
	rolled string

	writing sync.Mutex // held while the file is written

	wake chan struct{} // holds one token: last is newer than disk
	stop chan struct{}
	done chan struct{}
}

func markOf(c chain) mark {
	if c.seq == 0 {
		return mark{}
	}
	return mark{Seq: c.seq, MAC: hex.EncodeToString(c.mac[:])}
}

// openSidecar compares a store with its mark. A new store gets its mark at
// once. It returns ErrRollback where there is reason to, unless that is
// accepted.
func (s *Store) openSidecar(accept bool) error {
	c := &sidecar{path: s.path + ".gen", last: markOf(s.c.chain), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	switch c.rolled, c.disk, err = s.compared(); {
	case errors.Is(err, fs.ErrNotExist):
		if err := c.flush(true); err != nil {
			return fmt.Errorf("write %s: %w", c.path, err)
		}
		if err := syncDir(c.path); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	if c.rolled != "" && !accept {
		return fmt.Errorf("%w: %s. To go on with it as it is: hosterbot run --accept-rollback, which invalidates open approvals and makes open operations unknown", ErrRollback, c.rolled)
	}
	s.side = c
	go c.run()
	c.note(s.c.chain)
	return nil
}

// compared reads the mark, and says why the store is an older copy; "" if it is
// none. It returns fs.ErrNotExist where there is no mark, and no record yet.
func (s *Store) compared() (why string, m mark, err error) {
	path, last := s.path+".gen", s.c.chain.seq
	m, err = readMark(path)
	switch {
	case err == nil:
		why, err = s.behind(m)
		return why, m, err
	case errors.Is(err, fs.ErrNotExist) && last == 0:
		return "", mark{}, fs.ErrNotExist
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrDamaged):
		return fmt.Sprintf("%s is missing or damaged: it says how far the audit log had come, and the log holds %d records", path, last), mark{}, nil
	}
	return "", mark{}, fmt.Errorf("read %s: %w", path, err)
}

// behind says why the store is not the one that the mark was written for, or a
// later state of it; "" if it is.
func (s *Store) behind(m mark) (why string, err error) {
	last := s.c.chain.seq
	switch {
	case m.Restored && m.Seq > last:
		return fmt.Sprintf("a backup was restored that ends with audit record %d, and the store before it had come to record %d", last, m.Seq), nil
	case m.Restored:
		return fmt.Sprintf("a backup was restored that ends with audit record %d", last), nil
	case m.Seq > last:
		return fmt.Sprintf("an older copy is in its place: it ends with audit record %d, and had come to record %d", last, m.Seq), nil
	case m.Seq == 0:
		return "", nil
	}
	err = s.view(context.Background(), func(t *tx) error {
		switch v := t.get(audit, be(m.Seq)); {
		case len(v) < macLen:
			why = fmt.Sprintf("audit record %d is missing", m.Seq)
		case hex.EncodeToString(v[:macLen]) != m.MAC:
			why = fmt.Sprintf("another copy is in its place: its audit record %d is not the one that was written", m.Seq)
		}
		return nil
	})
	return why, err
}

// readMark reads PATH.gen. What is no mark is an ErrDamaged.
func readMark(path string) (mark, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return mark{}, unwrapPath(err)
	}
	var m mark
	err = decode(body, &m)
	if raw, e := hex.DecodeString(m.MAC); err == nil && (e != nil || m.Seq > 0 && len(raw) != macLen) {
		err = fmt.Errorf("%w: no MAC", ErrDamaged)
	}
	return m, err
}

// writeMark writes PATH.gen in one step: whoever reads it finds the mark before
// or this one, also after a power cut.
func writeMark(path string, m mark) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	part := path + ".new"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return unwrapPath(err)
	}
	_, err = f.Write(append(body, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return err
}

// markRestored notes in a sidecar that a copy is put in its store's place. undo
// takes it back.
func markRestored(path string) (undo func() error, err error) {
	was, err := readMark(path)
	undo = func() error { return writeMark(path, was) }
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrDamaged):
		was = mark{}
		undo = func() error { return os.Remove(path) }
	case err != nil:
		return nil, err
	}
	return undo, writeMark(path, mark{Seq: was.Seq, MAC: was.MAC, Restored: true})
}

// note takes the end of the audit log on disk.
func (c *sidecar) note(end chain) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.last = markOf(end)
	changed := c.last != c.disk
	c.mu.Unlock()
	if changed {
		select {
		case c.wake <- struct{}{}:
		default: // it has been told
		}
	}
}

// run writes what was noted, at most once in keepEvery, and at the end. A mark
// that cannot be written lags until one can.
func (c *sidecar) run() {
	defer close(c.done)
	for {
		select {
		case <-c.wake:
			_ = c.flush(false)
		case <-c.stop:
			_ = c.flush(false)
			return
		}
		pause := time.NewTimer(keepEvery)
		select {
		case <-pause.C:
		case <-c.stop:
			pause.Stop()
		}
	}
}

// flush writes the newest mark, where it is not the one that is written (or
// always, if it has to), unless a rollback has to be dealt with first.
func (c *sidecar) flush(always bool) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	m := c.last
	skip := c.rolled != "" || m == c.disk && !always
	c.mu.Unlock()
	if skip {
		return nil
	}
	err := writeMark(c.path, m)
	if err == nil {
		c.mu.Lock()
		c.disk = m
		c.mu.Unlock()
	}
	return err
}

// close writes the last mark. The store is still locked.
func (c *sidecar) close() {
	if c == nil {
		return
	}
	close(c.stop)
	<-c.done
}

// Rollback implements bot.Store.
func (s *Store) Rollback() string {
	if s.side == nil {
		return s.looked
	}
	s.side.mu.Lock()
	defer s.side.mu.Unlock()
	return s.side.rolled
}

// EndRollback implements bot.Store.
func (s *Store) EndRollback(ctx context.Context, now time.Time, with bot.Written) error {
	err := s.Append(ctx, now, "", with)
	if err == nil && s.side != nil {
		err = unavailable(s.side.end())
	}
	if err != nil {
		return fmt.Errorf("end rollback: %w", err)
	}
	return nil
}

// end takes the store as it is for the newest.
func (c *sidecar) end() error {
	c.mu.Lock()
	why := c.rolled
	c.rolled = ""
	c.mu.Unlock()
	err := c.flush(true)
	if err == nil {
		err = syncDir(c.path)
	}
	if err != nil {
		c.mu.Lock()
		c.rolled = why
		c.mu.Unlock()
	}
	return err
}
