package bot

import (
	"context"
	"errors"
	"io"
	"time"
)

// The errors of a Store, to be asked for with errors.Is.
var (
	// ErrConflict: the stored version is not the one that was read, or the
	// state does not allow the change. Read again and decide again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrBusy: another operation holds the lane. A *BusyError says which.
	ErrBusy = errors.New("lane is held")
	// ErrNotFound: there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: the store cannot take the write or the read now: full,
	// read-only, closed.
	ErrUnavailable = errors.New("store unavailable")
)

// BusyError is an ErrBusy that names who holds the lane.
type BusyError struct {
	Lane   string
	Holder int64
}

func (e *BusyError) Error() string { return "lane " + e.Lane + " is held" }

// Is makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// Store keeps what survives a restart. Every method is one transaction: what
// it writes is written whole, durably, or not at all. Every method may be
// called by many goroutines at once.
//
// Writing methods take the caller's now, which is what is stored, and a key
// that names the wish: the same key again changes nothing and returns what is
// stored now, with Repeated set. Keys are kept for 24 hours. An empty key is
// never a repetition. The store seals audit records (Seq, Prev, MAC) in the
// transaction that they belong to.
type Store interface {
	// Create stores op under the next number, with Version 1. Its ID and
	// Version are ignored. Neither it nor Advance changes op or keeps it.
	Create(ctx context.Context, now time.Time, key string, op *Operation, with Written) (Stored, error)
	// Advance replaces the operation, if the stored Version is op.Version and
	// State.CanBecome allows it (else ErrConflict), and counts Version up. The
	// operation takes its lane if it did not hold it and Operation.HoldsLane
	// says so now (ErrBusy if another holds it), and frees it when it no
	// longer does.
	Advance(ctx context.Context, now time.Time, key string, op *Operation, with Written) (Stored, error)
	// Operation reads one; ErrNotFound.
	Operation(ctx context.Context, id int64) (Operation, error)
	// Operations lists operations, newest first.
	Operations(ctx context.Context, f OperationFilter) ([]Operation, error)
	// Holder is the operation that holds the lane; ErrNotFound if it is free.
	Holder(ctx context.Context, lane string) (int64, error)
	// Due lists the numbers of operations whose NextAt is not after now, the
	// longest due first, at most limit; and when the next one after them is
	// due (zero: none). Owner and epoch claim work where several processes
	// share a store; a store of one process ignores them.
	Due(ctx context.Context, now time.Time, owner string, limit int) ([]int64, time.Time, error)
	// Open lists the numbers of operations that have not ended, oldest first.
	Open(ctx context.Context) ([]int64, error)
	// Took are the lengths of the last 20 jobs of a command that succeeded,
	// oldest first.
	Took(ctx context.Context, command string) ([]time.Duration, error)

	// SaveRead stores a reading command that was answered, so that its
	// buttons work, under a new number.
	SaveRead(ctx context.Context, now time.Time, r Read, with Written) (Read, error)
	// Read returns one that has not expired; ErrNotFound.
	Read(ctx context.Context, now time.Time, id int64) (Read, error)

	// Threads are the root messages of an operation, in the order of its
	// places.
	Threads(ctx context.Context, op int64) ([]Thread, error)
	// Owed lists messages that are owed and whose NotBefore is not after now,
	// in the order in which they were owed, at most limit; and when the next
	// one after them may be sent (zero: none).
	Owed(ctx context.Context, now time.Time, owner string, limit int) ([]Owed, time.Time, error)
	// Deliver records that o was sent, or given up, and t as the thread's
	// state (a zero t.Op: nothing to record). An owed Root that was owed anew
	// since o was read stays owed.
	Deliver(ctx context.Context, now time.Time, o Owed, t Thread) error
	// Postpone puts o off until a later moment and counts the try.
	Postpone(ctx context.Context, now time.Time, o Owed, until time.Time) error

	// SetLock stores a lock; one on the same target is replaced.
	SetLock(ctx context.Context, now time.Time, key string, l Lock, with Written) error
	// ClearLock removes the lock of a target; ErrNotFound if there is none.
	ClearLock(ctx context.Context, now time.Time, key string, target string, with Written) error
	// Locks are the locks in force at now, in the order of their targets.
	Locks(ctx context.Context, now time.Time) ([]Lock, error)

	// Incidents are those that are told and not yet over, in the order of
	// their VMs, and then of their IDs.
	Incidents(ctx context.Context) ([]Told, error)
	// SaveIncident stores one; it replaces that of the same VM and ID. To store
	// the same again changes nothing.
	SaveIncident(ctx context.Context, now time.Time, t Told) error
	// DropIncident removes one that has ended, or is no longer watched. One
	// that is not there is no error.
	DropIncident(ctx context.Context, now time.Time, vm int64, id string) error

	// Append writes what belongs to no change of state: records of reads and
	// refusals, messages to nobody's thread.
	Append(ctx context.Context, now time.Time, key string, with Written) error
	// Audit lists records, newest first.
	Audit(ctx context.Context, f AuditFilter) ([]Record, error)
	// Sealed calls f for every audit record whose number is greater than
	// after, oldest first, as it is stored: also for one that is damaged. It
	// returns f's first error as it is. What is appended meanwhile may be among
	// them.
	Sealed(ctx context.Context, after uint64, f func(Sealed) error) error

	// Rollback says why this store is not the newest state of itself (it is a
	// restored backup, say), if it was opened although it is not; "" otherwise.
	Rollback() string
	// EndRollback writes what ends a rollback, and takes the store as it stands
	// then for the newest. Until it was called, every opening finds the
	// rollback again.
	EndRollback(ctx context.Context, now time.Time, with Written) error

	// Prune forgets keys older than 24 hours, reads and locks that are over,
	// and at most a bounded number of each a call.
	Prune(ctx context.Context, now time.Time) error
	// Ping proves that the store takes writes.
	Ping(ctx context.Context, now time.Time) error
	// Backup writes a consistent copy while the store is in use.
	Backup(ctx context.Context, w io.Writer) error
	// Check reads everything and returns every damage that it finds, joined.
	Check(ctx context.Context) error
	// Close waits for writes under way, and lets go of the store.
	Close() error
}

// Stored is an operation as it stands after a write.
type Stored struct {
	*Operation // not nil; the zero one where a repeated key made none

	Repeated bool // the key was known: nothing was written now
}

// Written is what is stored in the same transaction as a change.
type Written struct {
	Audit []Record
	Owed  []Owed
	Took  time.Duration // length of the job that ended well; 0: none
}

// OperationFilter picks operations. Zero fields pick all.
type OperationFilter struct {
	Person  string
	Command string
	Target  string    // "vm/4001"
	Open    bool      // not ended
	Jobs    bool      // with something that is or was followed
	Before  int64     // only smaller numbers: the next page
	Since   time.Time // created at or after
	Limit   int       // 0: 100
}

// OwedKind is the sort of message that is owed.
type OwedKind string

// The kinds of message owed.
const (
	OwedRoot OwedKind = "root" // the root message is to look as the operation does: only the newest counts
	OwedLine OwedKind = "line" // one message in the thread
	OwedEnd  OwedKind = "end"  // the one message in the thread that ends it
)

// Owed is a message that the bot has to put into a chat.
type Owed struct {
	Seq       uint64    `json:"seq"`
	Op        int64     `json:"op,omitempty"` // 0: to the place itself, not to a thread
	Place     Place     `json:"place"`
	Kind      OwedKind  `json:"kind"`
	Card      Card      `json:"card,omitzero"`     // of a line or an end; a root is drawn when it is sent
	Version   int64     `json:"version,omitempty"` // of the operation, for a root
	At        time.Time `json:"at"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	Tries     int       `json:"tries,omitempty"`
}

// Thread is the root message of an operation in one place.
type Thread struct {
	Op      int64     `json:"op"`
	Place   Place     `json:"place"`
	Root    Ref       `json:"root"`
	Shown   int64     `json:"shown"` // version of the operation that it shows
	State   State     `json:"state"` // and the state it was in
	ShownAt time.Time `json:"shownAt"`
	Posted  int       `json:"posted"` // how often a root was posted: one that was deleted is posted anew
}

// Read is a reading command that was answered. It lives 15 minutes.
type Read struct {
	ID      int64     `json:"id"`
	Person  string    `json:"person"`
	Account Account   `json:"account"`
	Place   Place     `json:"place"`
	Command string    `json:"command"`
	Args    Args      `json:"args,omitempty"`
	Targets []Target  `json:"targets,omitempty"`
	Page    int       `json:"page,omitempty"`
	Nonce   string    `json:"nonce"`
	Expires time.Time `json:"expires"`
}

// Lock keeps everybody off a target.
type Lock struct {
	Target  string    `json:"target"` // "vm/4001", "dedicated/7", a label, "all"
	By      string    `json:"by"`
	Account string    `json:"account"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
}
