// Package bolt is the store of one process in one file, on bbolt.
//
// It knows bot's types and bbolt, and nothing of chats or of the provider.
//
// # Group commit
//
// A commit costs two fsyncs, whoever pays for them. So one goroutine, the
// committer, takes all writes that wait and puts them into one transaction;
// while it is on the disk the next ones gather. See commit.go.
//
// # The rule for writes
//
// bbolt has no savepoints, and one refused write must not undo its neighbours.
// So a write checks everything first and only then puts: once it has put
// anything it cannot fail. A write that breaks the rule, or panics, costs its
// batch one more try without it, and fails alone.
//
// # What is stored
//
//	meta        "schema", "created", "ping"
//	operations  number → head (version, next look, state, lane) + the rest, packed
//	open        number, of operations that have not ended or have to be looked at
//	keys        which eight hours since 1970 + key → time + number
//	reads       number → expiry + packed
//	threads     number + place → packed
//	owed        sequence → head (what a retry or a coalesced root changes) + packed,
//	            of a root its place alone
//	locks       target → expiry + packed
//	took        command → the last 20 lengths
//	audit       sequence → MAC + JSON
//	incidents   VM + the incident's ID → packed
//
// Who holds which lane and when which operation is due is kept in memory, made
// of the open operations: see index.go.
//
// Beside the file stand PATH.holder, for the operator who finds it locked, and
// PATH.gen, how far the audit log had come: see sidecar.go.
//
// Numbers are 8 bytes, big endian, and come from the bucket's own sequence, so
// that none is given twice. Heads spare the committer all decoding; it does no
// encoding but for splicing a sequence number into an audit record: that is
// done by the callers, in parallel. What packed is stands in pack.go; records
// are JSON, so that anybody can compute their MACs.
//
// To add a bucket: a constant and a name in bucket.go, a line above, a part of
// check.go, and the step of migrate.go that makes it.
package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"hosterbot/bot"
)

// The errors of Open and Restore, to be asked for with errors.Is.
var (
	// ErrInUse: another process holds the store.
	ErrInUse = errors.New("locked")
	// ErrNewer: a newer hosterbot made the store.
	ErrNewer = errors.New("made by a newer hosterbot")
	// ErrOlder: an older hosterbot made the store, and it was to be read only.
	ErrOlder = errors.New("made by an older hosterbot")
	// ErrDamaged: the file is no store, or not a whole one.
	ErrDamaged = errors.New("damaged")
)

const (
	schema      = 1           // the first; what raised it since is in plan
	lockTimeout = time.Second // how long Open waits for another process

	// The map is larger than most stores will ever be, because bbolt can
	// enlarge it only when nobody reads, and a backup to a slow taker reads for
	// long. It is address space, not memory.
	initialMmap = 256 << 20
	// Growing the file costs an fsync of its own: rarely, then.
	allocSize = 4 << 20

	defaultMinFree = 100 << 20 // bytes of free disk below which nothing new is begun
)

// Options are what Open needs besides the path.
type Options struct {
	AuditKey []byte           // seals the audit log; empty: nothing that is audited can be written
	Now      func() time.Time // nil: time.Now
	// MinFree is how many bytes of disk have to be free for Create and Ping.
	// 0: 100 MB; below 0: any.
	MinFree int64
	// AcceptRollback opens a store that is older than it was: see
	// bot.Store.Rollback.
	AcceptRollback bool
	// Reading is for who only looks at a store that there is: every write is
	// refused, a rollback is no error, and the sidecar is not touched.
	Reading bool

	other *plan // of a test; nil: the one of this program
}

// Store is an open store.
type Store struct {
	db      *bbolt.DB
	file    *os.File // bbolt's own, to be synced after a commit that did not end well
	path    string
	key     []byte
	minFree int64
	// pageSize is kept because bbolt cannot tell it when its map is gone.
	pageSize int
	reading  bool
	side     *sidecar // nil where the store is only read
	looked   string   // why that is an older copy, where it is

	mu      sync.Mutex // guards waiting and closed
	waiting []*write
	closed  bool
	wake    chan struct{} // holds one token: something waits
	done    chan struct{} // closed when the committer has ended

	c    committer // of the committer's goroutine alone
	open *index

	places  sync.Map // bot.Place → []byte
	placesN atomic.Int64

	closing  sync.Once
	closeErr error
}

var _ bot.Store = (*Store)(nil)

// Open opens the store at path, and makes it if there is none. It waits a
// second for another process to let go of it. Errors are ErrInUse, ErrNewer,
// ErrDamaged, ErrRollback, or what the file system said.
func Open(path string, o Options) (*Store, error) {
	s, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

func open(path string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	made, err := prove(path, o.plan())
	if err != nil {
		return nil, err
	}
	if made && o.Reading {
		return nil, fs.ErrNotExist
	}
	s := &Store{
		path: path, key: o.AuditKey, minFree: o.MinFree, reading: o.Reading,
		wake: make(chan struct{}, 1), done: make(chan struct{}), open: &index{},
	}
	s.db, s.file, err = openFile(path)
	if err != nil {
		return nil, explain(path, err)
	}
	s.db.AllocSize = allocSize
	s.pageSize = s.db.Info().PageSize
	err = s.begin(made, o.plan(), o.Now().UTC())
	switch {
	case err != nil:
	case o.Reading:
		s.looked, _, _ = s.compared() // who only looks goes on without a mark
	default:
		err = s.openSidecar(o.AcceptRollback)
	}
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	hold(path, o.Now().UTC())
	go s.run()
	return s, nil
}

// openFile opens the file with bbolt, and gives bbolt's own handle of it too.
func openFile(path string) (db *bbolt.DB, file *os.File, err error) {
	defer func() {
		if r := recover(); r != nil { // a damage that prove did not see
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
		if err != nil && file != nil {
			// bbolt lets go of its lock where it fails, but not where it panics;
			// and while the file is mapped, to close it does not free the lock.
			unlock(file)
			_ = file.Close()
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         lockTimeout,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: initialMmap,
		NoStatistics:    true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	return db, file, err
}

// begin makes the file fit for use: permission, buckets, where numbers go on.
func (s *Store) begin(made bool, p plan, now time.Time) error {
	// A restore may have put another file at the path while this one waited
	// for the lock of the old one.
	mine, err := s.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(s.path)
	if err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("%w: the file was replaced meanwhile, try again", ErrInUse)
	}
	if mine.Mode().Perm() != 0o600 {
		if err := s.file.Chmod(0o600); err != nil {
			return err
		}
	}
	if made {
		if err := s.db.Update(func(tx *bbolt.Tx) error { return create(tx, p, now) }); err != nil {
			return err
		}
		if err := syncDir(s.path); err != nil {
			return err
		}
	}
	if err := s.evolve(p); err != nil {
		return err
	}
	return s.c.recall(s)
}

// prove tells whether there is no store at path yet, or makes sure that what
// is there is one that this program can use: bbolt itself would end the
// process over a damaged page.
func prove(path string, p plan) (made bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, unwrapPath(err)
	case !info.Mode().IsRegular():
		return false, errors.New("not a file")
	case info.Size() == 0:
		return true, nil
	}
	// Opened to be read, bbolt takes a shared lock, which keeps writers off,
	// and looks at the two meta pages only.
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if err != nil {
		return false, explain(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkPages(path); err != nil {
		return false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		made, err = known(tx, p)
		return err
	})
	return made, err
}

// create makes an empty store.
func create(tx *bbolt.Tx, p plan, now time.Time) error {
	for _, name := range bucketNames {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	for _, s := range p.steps { // a new store goes the way of an old one
		if err := s(tx); err != nil {
			return err
		}
	}
	b := tx.Bucket([]byte(bucketNames[meta]))
	return errors.Join(
		b.Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, p.schema())),
		b.Put([]byte("created"), []byte(now.Format(time.RFC3339))),
	)
}

// known tells whether the file is empty, or has all that its schema has, which
// may be one that is older and can be migrated.
func known(tx *bbolt.Tx, p plan) (empty bool, err error) {
	if k, _ := tx.Cursor().First(); k == nil { // killed before its first commit
		return true, nil
	}
	var stored []byte
	if b := tx.Bucket([]byte(bucketNames[meta])); b != nil {
		stored = b.Get([]byte("schema"))
	}
	if len(stored) != 8 {
		return false, fmt.Errorf("%w: no hosterbot store (made by another program?)", ErrDamaged)
	}
	switch n := binary.BigEndian.Uint64(stored); {
	case n > p.schema():
		return false, fmt.Errorf("%w (schema %d, this one knows %d)", ErrNewer, n, p.schema())
	case n == 0:
		return false, fmt.Errorf("%w: schema %d was never made", ErrDamaged, n)
	}
	for b, name := range bucketNames {
		if binary.BigEndian.Uint64(stored) >= since[b] && tx.Bucket([]byte(name)) == nil {
			return false, fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name)
		}
	}
	return false, nil
}

// explain says what an error of bbolt's Open means to an operator.
func explain(path string, err error) error {
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w (%s)", ErrInUse, holder(path))
	case errors.As(err, &system):
		return unwrapPath(err)
	}
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w (not a hosterbot store, or overwritten)", ErrDamaged, err)
}

// unwrapPath takes the path out of an error that will get it again.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Close waits for writes under way, and lets go of the store. Every method
// returns ErrUnavailable from then on. It may be called again.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.knock()
		<-s.done
		s.side.close()
		release(s.path)
		if s.c.dead != nil { // bbolt may hold its own locks for good
			s.closeErr = fmt.Errorf("close %s: %w", s.path, s.c.dead)
			return
		}
		// With the list of free pages in the file the next start need not look
		// for them. If it cannot be written, that start takes longer.
		s.db.NoFreelistSync = false
		_ = s.db.Update(func(*bbolt.Tx) error { return nil })
		if err := s.db.Close(); err != nil {
			s.closeErr = fmt.Errorf("close %s: %w", s.path, err)
		}
	})
	return s.closeErr
}

// syncDir makes a new name in the directory of path survive a power cut.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
