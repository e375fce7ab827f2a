package bot_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"hosterbot/bot"
	"hosterbot/store/storetest"
)

// memory is a bot.Store in memory that keeps the contract of store.go to the
// letter. What it holds is JSON, so that nothing is shared with a caller, and
// so that a secret can be hunted in it.
type memory struct {
	// before is called with the method's name before it does anything: its
	// error is returned instead. after is called when a write is done: its
	// error is returned although the write stands.
	before, after func(method string) error

	mu      sync.Mutex
	closed  bool
	ops     map[int64][]byte
	next    map[int64]time.Time // NextAt of those that have one
	lastOp  int64
	keys    map[string]memoryKey
	lanes   map[string]int64
	took    map[string][]time.Duration
	reads   map[int64]bot.Read
	lastRd  int64
	owed    []bot.Owed
	lastSeq uint64
	threads map[int64][]bot.Thread
	locks   map[string]bot.Lock
	audit   []sealed
	told    map[string]bot.Told // by VM and ID
	rolled  string              // what Rollback says
}

type memoryKey struct {
	at time.Time
	op int64 // 0: no operation's
}

type sealed struct {
	body []byte
	mac  string
}

var _ bot.Store = (*memory)(nil)

func newMemory() *memory {
	return &memory{
		ops: map[int64][]byte{}, next: map[int64]time.Time{}, keys: map[string]memoryKey{}, lanes: map[string]int64{}, took: map[string][]time.Duration{},
		reads: map[int64]bot.Read{}, threads: map[int64][]bot.Thread{}, locks: map[string]bot.Lock{}, told: map[string]bot.Told{},
	}
}

// TestMemoryStore holds the fake to the contract that every store passes.
func TestMemoryStore(t *testing.T) {
	open := func(testing.TB) bot.Store { return newMemory() }
	storetest.Run(t, open)
	storetest.RunConcurrent(t, open)
}

func (m *memory) begin(ctx context.Context, method string) error {
	if m.before != nil {
		if err := m.before(method); err != nil {
			return err
		}
	}
	m.mu.Lock()
	if err := ctx.Err(); err != nil {
		m.mu.Unlock()
		return err
	}
	if m.closed {
		m.mu.Unlock()
		return bot.ErrUnavailable
	}
	return nil
}

func (m *memory) done(method string) error {
	if m.after != nil {
		return m.after(method)
	}
	return nil
}

func clone[T any](v T) T {
	var out T
	body, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

func (m *memory) operation(id int64) (bot.Operation, error) {
	body, ok := m.ops[id]
	if !ok {
		return bot.Operation{}, bot.ErrNotFound
	}
	var op bot.Operation
	if err := json.Unmarshal(body, &op); err != nil {
		panic(err)
	}
	return op, nil
}

func (m *memory) putOp(op bot.Operation) {
	body, err := json.Marshal(op)
	if err != nil {
		panic(err)
	}
	m.ops[op.ID] = body
	delete(m.next, op.ID)
	if !op.NextAt.IsZero() {
		m.next[op.ID] = op.NextAt
	}
}

// known tells whether a key was used in the last 24 hours, and by whom.
func (m *memory) known(now time.Time, key string) (memoryKey, bool) {
	if key == "" {
		return memoryKey{}, false
	}
	k, ok := m.keys[key]
	return k, ok && now.Sub(k.at) <= 24*time.Hour
}

func (m *memory) remember(now time.Time, key string, op int64) {
	if key != "" {
		m.keys[key] = memoryKey{now, op}
	}
}

func (m *memory) repeated(k memoryKey) bot.Stored {
	if k.op == 0 {
		return bot.Stored{Operation: &bot.Operation{}, Repeated: true}
	}
	op, _ := m.operation(k.op)
	return bot.Stored{Operation: &op, Repeated: true}
}

func (m *memory) Create(ctx context.Context, now time.Time, key string, given *bot.Operation, with bot.Written) (bot.Stored, error) {
	op := *given
	if err := m.begin(ctx, "Create"); err != nil {
		return bot.Stored{}, err
	}
	if len(key) > longestKey {
		m.mu.Unlock()
		return bot.Stored{}, errors.New("key too long")
	}
	if k, ok := m.known(now, key); ok {
		defer m.mu.Unlock()
		return m.repeated(k), nil
	}
	m.lastOp++
	op.ID, op.Version = m.lastOp, 1
	if op.HoldsLane() {
		if holder, ok := m.lanes[op.Lane]; ok {
			m.lastOp--
			m.mu.Unlock()
			return bot.Stored{}, &bot.BusyError{Lane: op.Lane, Holder: holder}
		}
		m.lanes[op.Lane] = op.ID
	}
	m.putOp(op)
	m.remember(now, key, op.ID)
	m.write(now, with, &op, true)
	out, _ := m.operation(op.ID)
	m.mu.Unlock()
	return bot.Stored{Operation: &out}, m.done("Create")
}

func (m *memory) Advance(ctx context.Context, now time.Time, key string, op *bot.Operation, with bot.Written) (bot.Stored, error) {
	if err := m.begin(ctx, "Advance"); err != nil {
		return bot.Stored{}, err
	}
	out, err := m.advance(now, key, *op, with)
	m.mu.Unlock()
	if err != nil {
		return out, err
	}
	return out, m.done("Advance")
}

func (m *memory) advance(now time.Time, key string, op bot.Operation, with bot.Written) (bot.Stored, error) {
	if len(key) > longestKey {
		return bot.Stored{}, errors.New("key too long")
	}
	if k, ok := m.known(now, key); ok {
		return m.repeated(k), nil
	}
	old, err := m.operation(op.ID)
	if err != nil {
		return bot.Stored{}, err
	}
	if old.Version != op.Version || !old.State.CanBecome(op.State) {
		return bot.Stored{}, bot.ErrConflict
	}
	if op.HoldsLane() {
		if holder, ok := m.lanes[op.Lane]; ok && holder != op.ID {
			return bot.Stored{}, &bot.BusyError{Lane: op.Lane, Holder: holder}
		}
	}
	for lane, holder := range m.lanes {
		if holder == op.ID {
			delete(m.lanes, lane)
		}
	}
	if op.HoldsLane() {
		m.lanes[op.Lane] = op.ID
	}
	op.Version++
	m.putOp(op)
	m.remember(now, key, op.ID)
	m.write(now, with, &op, false)
	out, _ := m.operation(op.ID)
	return bot.Stored{Operation: &out}, nil
}

// write stores what belongs to a change.
func (m *memory) write(now time.Time, with bot.Written, op *bot.Operation, create bool) {
	for _, r := range with.Audit {
		if create && r.Op == 0 {
			r.Op = op.ID
		}
		m.seal(now, r)
	}
	for _, o := range with.Owed {
		if create && o.Op == 0 {
			o.Op = op.ID
		}
		if o.Kind == bot.OwedRoot && op != nil && o.Op == op.ID {
			o.Version = op.Version
		}
		if o.At.IsZero() {
			o.At = now
		}
		m.owe(clone(o))
	}
	if with.Took > 0 && op != nil {
		all := append(m.took[op.Command], with.Took)
		m.took[op.Command] = all[max(0, len(all)-20):]
	}
}

func (m *memory) seal(now time.Time, r bot.Record) {
	prev := ""
	if n := len(m.audit); n > 0 {
		prev = m.audit[n-1].mac
	}
	r.Seq, r.Prev, r.MAC = uint64(len(m.audit)+1), prev, ""
	if r.Time.IsZero() {
		r.Time = now
	}
	body, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(append([]byte(prev), body...))
	m.audit = append(m.audit, sealed{body, hex.EncodeToString(sum[:])})
}

func (m *memory) owe(o bot.Owed) {
	if o.Kind == bot.OwedRoot {
		for i := range m.owed {
			old := &m.owed[i]
			if old.Kind != bot.OwedRoot || old.Op != o.Op || old.Place != o.Place {
				continue
			}
			o.Seq = old.Seq
			if old.Tries > 0 {
				o.Tries = old.Tries
				if old.NotBefore.After(o.NotBefore) {
					o.NotBefore = old.NotBefore
				}
			} else if old.NotBefore.Before(o.NotBefore) {
				o.NotBefore = old.NotBefore
			}
			o.Version = max(o.Version, old.Version)
			*old = o
			return
		}
	}
	m.lastSeq++
	o.Seq = m.lastSeq
	m.owed = append(m.owed, o)
}

func (m *memory) Operation(ctx context.Context, id int64) (bot.Operation, error) {
	if err := m.begin(ctx, "Operation"); err != nil {
		return bot.Operation{}, err
	}
	defer m.mu.Unlock()
	return m.operation(id)
}

// all reads every operation, oldest first.
func (m *memory) all() []bot.Operation {
	var out []bot.Operation
	for id := range m.lastOp {
		if op, err := m.operation(id + 1); err == nil {
			out = append(out, op)
		}
	}
	return out
}

func (m *memory) Operations(ctx context.Context, f bot.OperationFilter) ([]bot.Operation, error) {
	if err := m.begin(ctx, "Operations"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	limit := f.Limit
	if limit == 0 {
		limit = 100
	}
	var out []bot.Operation
	for _, op := range slices.Backward(m.all()) {
		hit := f.Target == "" || slices.ContainsFunc(op.Targets, func(t bot.Target) bool { return t.String() == f.Target })
		if len(out) == limit || f.Before != 0 && op.ID >= f.Before || f.Person != "" && op.Person != f.Person ||
			f.Command != "" && op.Command != f.Command || !hit || f.Open && op.State.Final() || f.Jobs && op.Job == nil ||
			op.Created.Before(f.Since) {
			continue
		}
		out = append(out, op)
	}
	return out, nil
}

func (m *memory) Holder(ctx context.Context, lane string) (int64, error) {
	if err := m.begin(ctx, "Holder"); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	id, ok := m.lanes[lane]
	if !ok {
		return 0, bot.ErrNotFound
	}
	return id, nil
}

func (m *memory) Due(ctx context.Context, now time.Time, _ string, limit int) ([]int64, time.Time, error) {
	if err := m.begin(ctx, "Due"); err != nil {
		return nil, time.Time{}, err
	}
	defer m.mu.Unlock()
	due := slices.Sorted(maps.Keys(m.next))
	slices.SortStableFunc(due, func(a, b int64) int { return m.next[a].Compare(m.next[b]) })
	for i, id := range due {
		if m.next[id].After(now) || i == limit {
			return due[:i], m.next[id], nil
		}
	}
	return due, time.Time{}, nil
}

func (m *memory) Open(ctx context.Context) ([]int64, error) {
	if err := m.begin(ctx, "Open"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []int64
	for _, op := range m.all() {
		if !op.State.Final() {
			out = append(out, op.ID)
		}
	}
	return out, nil
}

func (m *memory) Took(ctx context.Context, command string) ([]time.Duration, error) {
	if err := m.begin(ctx, "Took"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return slices.Clone(m.took[command]), nil
}
