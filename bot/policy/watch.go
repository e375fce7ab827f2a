package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"hosterbot/bot/fail"
)

// settle is how long a file must stay the same before it counts: who writes it
// in place may be half-way, and half a policy can be a valid one without its
// denies.
const (
	settle      = 100 * time.Millisecond
	settleTries = 20
)

// Watcher keeps the last good snapshot of a file.
type Watcher struct {
	Now func() time.Time // the clock; set it before the first Check

	file    string
	vocab   Vocabulary
	current atomic.Pointer[Snapshot]
	state   atomic.Pointer[State]

	turn chan struct{} // holds one item while somebody looks; what follows is theirs
	seen look          // what was last judged
}

// State is how the last loads went.
type State struct {
	Hash      string    // of the snapshot in use
	LoadedAt  time.Time // when it was
	LastErr   error     // of the last load, nil if it was good
	LastErrAt time.Time
}

// look is what a file was when it was looked at. The identity follows
// symlinks, so that a swapped link counts.
type look struct {
	info os.FileInfo // nil: it could not be read
	data []byte
	err  error
}

// same tells whether nothing changed between two looks.
func (l *look) same(o *look) bool {
	if l.info == nil || o.info == nil {
		return l.info == o.info && errText(l.err) == errText(o.err)
	}
	return os.SameFile(l.info, o.info) && l.info.Size() == o.info.Size() &&
		l.info.ModTime().Equal(o.info.ModTime()) && bytes.Equal(l.data, o.data)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// NewWatcher watches a file of which first was loaded. It starts nothing: the
// caller calls Check, every five seconds or so.
func NewWatcher(file string, v Vocabulary, first *Snapshot) *Watcher {
	w := &Watcher{Now: time.Now, file: file, vocab: v, turn: make(chan struct{}, 1)}
	w.current.Store(first)
	w.state.Store(&State{Hash: first.Hash(), LoadedAt: w.Now()})
	// Content that differs from first by now is a change that the first Check
	// will see.
	if l := lookAt(file); l.info != nil && hash(l.data) == first.Hash() {
		w.seen = l
	}
	return w
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Current returns the last good snapshot. It is safe to call at any time.
func (w *Watcher) Current() *Snapshot { return w.current.Load() }

// State returns how the last loads went.
func (w *Watcher) State() State { return *w.state.Load() }

// Check looks at the file once, and loads it if its identity, size, time or
// content changed. changed tells that a new snapshot is in use. On an error
// the last good one stays; each failure is returned once, then it is in State
// until a load is good.
func (w *Watcher) Check(ctx context.Context) (changed bool, err error) {
	if err := w.take(ctx); err != nil {
		return false, err
	}
	defer w.leave()
	l := lookAt(w.file)
	if l.same(&w.seen) {
		return false, nil
	}
	return w.load(ctx, l)
}

// Reload is Check for a file that is loaded whether it changed or not, and
// that says its error each time.
func (w *Watcher) Reload(ctx context.Context) (changed bool, err error) {
	if err := w.take(ctx); err != nil {
		return false, err
	}
	defer w.leave()
	return w.load(ctx, lookAt(w.file))
}

// take waits until nobody else looks.
func (w *Watcher) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *Watcher) leave() { <-w.turn }

// load waits until the file stays the same, and puts it in use if it is good.
func (w *Watcher) load(ctx context.Context, l look) (bool, error) {
	for range settleTries {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(settle):
		}
		next := lookAt(w.file)
		if next.same(&l) {
			return w.judge(l)
		}
		l = next
	}
	w.seen = look{}
	return w.fail(fmt.Errorf("read policy: %s keeps changing", w.file))
}

func (w *Watcher) judge(l look) (bool, error) {
	w.seen = l
	if l.err != nil {
		return w.fail(l.err)
	}
	s, err := Parse(w.file, l.data, w.vocab)
	if err != nil {
		return w.fail(err)
	}
	fail.Point("in_policy_swap")
	w.current.Store(s)
	state := w.State()
	state.Hash, state.LoadedAt, state.LastErr = s.Hash(), w.Now(), nil
	w.state.Store(&state)
	return true, nil
}

func (w *Watcher) fail(err error) (bool, error) {
	state := w.State()
	state.LastErr, state.LastErrAt = err, w.Now()
	w.state.Store(&state)
	return false, err
}

// lookAt reads a file with what identifies it.
func lookAt(file string) look {
	info, err := os.Stat(file)
	if err != nil {
		return look{err: fmt.Errorf("read policy: %w", err)}
	}
	if !info.Mode().IsRegular() {
		return look{err: fmt.Errorf("read policy: %w", &os.PathError{Op: "open", Path: file, Err: errNotRegular})}
	}
	data, err := readFile(file)
	if err != nil {
		return look{err: err}
	}
	return look{info: info, data: data}
}

var errNotRegular = errors.New("not a regular file")
