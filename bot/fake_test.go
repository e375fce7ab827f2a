package bot_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hosterbot/bot"
	"hosterbot/bot/policy"
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

const longestKey = 1 << 15

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

func (m *memory) SaveRead(ctx context.Context, now time.Time, r bot.Read, with bot.Written) (bot.Read, error) {
	if err := m.begin(ctx, "SaveRead"); err != nil {
		return bot.Read{}, err
	}
	m.lastRd++
	r.ID = m.lastRd
	if r.Expires.IsZero() {
		r.Expires = now.Add(15 * time.Minute)
	}
	m.reads[r.ID] = clone(r)
	m.write(now, with, nil, false)
	out := clone(m.reads[r.ID])
	m.mu.Unlock()
	return out, m.done("SaveRead")
}

func (m *memory) Read(ctx context.Context, now time.Time, id int64) (bot.Read, error) {
	if err := m.begin(ctx, "Read"); err != nil {
		return bot.Read{}, err
	}
	defer m.mu.Unlock()
	r, ok := m.reads[id]
	if !ok || !now.Before(r.Expires) {
		return bot.Read{}, bot.ErrNotFound
	}
	return clone(r), nil
}

func (m *memory) Threads(ctx context.Context, id int64) ([]bot.Thread, error) {
	if err := m.begin(ctx, "Threads"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	out := clone(m.threads[id])
	if op, err := m.operation(id); err == nil {
		rank := func(t bot.Thread) int {
			if i := slices.Index(op.Places, t.Place); i >= 0 {
				return i
			}
			return len(op.Places)
		}
		slices.SortStableFunc(out, func(a, b bot.Thread) int { return cmp.Compare(rank(a), rank(b)) })
	}
	return out, nil
}

func (m *memory) Owed(ctx context.Context, now time.Time, _ string, limit int) ([]bot.Owed, time.Time, error) {
	if err := m.begin(ctx, "Owed"); err != nil {
		return nil, time.Time{}, err
	}
	defer m.mu.Unlock()
	var out []bot.Owed
	var next time.Time
	for _, o := range m.owed {
		ripe := !o.NotBefore.After(now)
		if ripe && len(out) < limit {
			out = append(out, clone(o))
			continue
		}
		at := o.NotBefore
		if at.IsZero() {
			at = o.At
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return out, next, nil
}

func (m *memory) Deliver(ctx context.Context, _ time.Time, o bot.Owed, t bot.Thread) error {
	if err := m.begin(ctx, "Deliver"); err != nil {
		return err
	}
	if i := slices.IndexFunc(m.owed, func(x bot.Owed) bool { return x.Seq == o.Seq }); i >= 0 {
		if is := &m.owed[i]; is.Kind == bot.OwedRoot && (is.Version != o.Version || !is.At.Equal(o.At)) {
			is.Tries = 0
		} else {
			m.owed = slices.Delete(m.owed, i, i+1)
		}
	}
	if t.Op != 0 {
		all := m.threads[t.Op]
		if i := slices.IndexFunc(all, func(x bot.Thread) bool { return x.Place == t.Place }); i >= 0 {
			all[i] = clone(t)
		} else {
			m.threads[t.Op] = append(all, clone(t))
		}
	}
	m.mu.Unlock()
	return m.done("Deliver")
}

func (m *memory) Postpone(ctx context.Context, _ time.Time, o bot.Owed, until time.Time) error {
	if err := m.begin(ctx, "Postpone"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.owed, func(x bot.Owed) bool { return x.Seq == o.Seq })
	if i < 0 {
		return bot.ErrNotFound
	}
	m.owed[i].NotBefore = until
	m.owed[i].Tries++
	return nil
}

func (m *memory) SetLock(ctx context.Context, now time.Time, key string, l bot.Lock, with bot.Written) error {
	if err := m.begin(ctx, "SetLock"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if _, ok := m.known(now, key); ok {
		return nil
	}
	if l.Target == "" {
		return errors.New("a lock without a target")
	}
	m.remember(now, key, 0)
	m.locks[l.Target] = clone(l)
	m.write(now, with, nil, false)
	return nil
}

func inForce(l bot.Lock, now time.Time) bool { return l.Until.IsZero() || now.Before(l.Until) }

func (m *memory) ClearLock(ctx context.Context, now time.Time, key string, target string, with bot.Written) error {
	if err := m.begin(ctx, "ClearLock"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if _, ok := m.known(now, key); ok {
		return nil
	}
	l, ok := m.locks[target]
	if !ok || !inForce(l, now) {
		return bot.ErrNotFound
	}
	delete(m.locks, target)
	m.remember(now, key, 0)
	m.write(now, with, nil, false)
	return nil
}

func (m *memory) Locks(ctx context.Context, now time.Time) ([]bot.Lock, error) {
	if err := m.begin(ctx, "Locks"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []bot.Lock
	for _, l := range m.locks {
		if inForce(l, now) {
			out = append(out, clone(l))
		}
	}
	slices.SortFunc(out, func(a, b bot.Lock) int { return strings.Compare(a.Target, b.Target) })
	return out, nil
}

func (m *memory) Append(ctx context.Context, now time.Time, key string, with bot.Written) error {
	if err := m.begin(ctx, "Append"); err != nil {
		return err
	}
	if _, ok := m.known(now, key); !ok {
		m.remember(now, key, 0)
		m.write(now, with, nil, false)
	}
	m.mu.Unlock()
	return m.done("Append")
}

func (m *memory) Audit(ctx context.Context, f bot.AuditFilter) ([]bot.Record, error) {
	if err := m.begin(ctx, "Audit"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	limit := f.Limit
	if limit == 0 {
		limit = 100
	}
	var out []bot.Record
	for _, s := range slices.Backward(m.audit) {
		var r bot.Record
		if err := json.Unmarshal(s.body, &r); err != nil {
			return nil, err
		}
		r.MAC = s.mac
		if len(out) == limit || f.Before != 0 && r.Seq >= f.Before || f.Person != "" && r.Person != f.Person ||
			f.Target != "" && r.Target != f.Target || f.Op != 0 && r.Op != f.Op || r.Time.Before(f.Since) {
			continue
		}
		out = append(out, r)
	}
	return out, nil
}

func (m *memory) Sealed(ctx context.Context, after uint64, f func(bot.Sealed) error) error {
	if err := m.begin(ctx, "Sealed"); err != nil {
		return err
	}
	all := m.audit[min(after, uint64(len(m.audit))):]
	m.mu.Unlock()
	for i, s := range all {
		if err := f(bot.Sealed{Seq: after + uint64(i) + 1, MAC: s.mac, Body: s.body}); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Rollback() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rolled
}

func (m *memory) EndRollback(ctx context.Context, now time.Time, with bot.Written) error {
	if err := m.begin(ctx, "EndRollback"); err != nil {
		return err
	}
	m.write(now, with, nil, false)
	m.rolled = ""
	m.mu.Unlock()
	return m.done("EndRollback")
}

// pruneAtOnce is how much of each one call of Prune forgets.
const pruneAtOnce = 1000

func (m *memory) Prune(ctx context.Context, now time.Time) error {
	if err := m.begin(ctx, "Prune"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	n := 0
	for key, k := range m.keys {
		if now.Sub(k.at) > 24*time.Hour && n < pruneAtOnce {
			delete(m.keys, key)
			n++
		}
	}
	n = 0
	for id, r := range m.reads {
		if !now.Before(r.Expires) && n < pruneAtOnce {
			delete(m.reads, id)
			n++
		}
	}
	for target, l := range m.locks {
		if !inForce(l, now) {
			delete(m.locks, target)
		}
	}
	return nil
}

func (m *memory) Ping(ctx context.Context, _ time.Time) error {
	if err := m.begin(ctx, "Ping"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	return nil
}

func (m *memory) Backup(ctx context.Context, w io.Writer) error {
	if err := m.begin(ctx, "Backup"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	_, err := w.Write(m.dump())
	return err
}

func (m *memory) Check(ctx context.Context) error {
	if err := m.begin(ctx, "Check"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	var problems []error
	for lane, id := range m.lanes {
		if op, err := m.operation(id); err != nil || !op.HoldsLane() || op.Lane != lane {
			problems = append(problems, fmt.Errorf("lane %s is held by operation %d, which does not hold it", lane, id))
		}
	}
	return errors.Join(problems...)
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// dump is everything that is stored, as text.
func (m *memory) dump() []byte {
	var b bytes.Buffer
	for _, op := range m.ops {
		b.Write(op)
	}
	for _, s := range m.audit {
		b.Write(s.body)
	}
	rest, err := json.Marshal(struct {
		Owed    []bot.Owed
		Reads   map[int64]bot.Read
		Threads map[int64][]bot.Thread
		Locks   map[string]bot.Lock
		Told    map[string]bot.Told
	}{m.owed, m.reads, m.threads, m.locks, m.told})
	if err != nil {
		panic(err)
	}
	b.Write(rest)
	return b.Bytes()
}

// hand is a clock that stands still until a test moves it.
type hand struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
}

type handTimer struct {
	at time.Time
	f  func()
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// Sleep moves the clock: who waits for time in a test gets it.
func (h *hand) Sleep(ctx context.Context, d time.Duration) error {
	h.move(d)
	return ctx.Err()
}

func (h *hand) AfterFunc(d time.Duration, f func()) func() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := &handTimer{h.now.Add(d), f}
	h.timers = append(h.timers, t)
	return func() bool { return h.take(t) }
}

func (h *hand) take(t *handTimer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.timers, t)
	if i >= 0 {
		h.timers = slices.Delete(h.timers, i, i+1)
	}
	return i >= 0
}

// move sets the clock, also back, and runs what is due meanwhile.
func (h *hand) move(d time.Duration) {
	until := h.Now().Add(d)
	for {
		h.mu.Lock()
		var first *handTimer
		for _, t := range h.timers {
			if !t.at.After(until) && (first == nil || t.at.Before(first.at)) {
				first = t
			}
		}
		if first == nil {
			h.now = until
			h.mu.Unlock()
			return
		}
		if first.at.After(h.now) {
			h.now = first.at
		}
		h.mu.Unlock()
		if h.take(first) {
			first.f()
		}
	}
}

// message is what stands in a chat.
type message struct {
	place bot.Place
	key   string
	card  bot.Card
	edits int
	gone  bool

	byline string // the same in all its states
}

// chat is a fake Adapter: it keeps what was said, in order, and fails as a
// test says.
type chat struct {
	platforms []string
	rows      int
	onPost    func(p bot.Place, key string, c bot.Card) error
	onEdit    func(c bot.Card) error
	canPost   func(bot.Place) error
	member    func(g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error)

	mu       sync.Mutex
	messages []*message
	log      []string // "post PLACE TITLE", "edit PLACE TITLE"
	lost     []string // edits after which a chat would no longer find the message
}

var _ bot.Adapter = (*chat)(nil)

func (c *chat) Platforms() []string                          { return c.platforms }
func (c *chat) Run(ctx context.Context, _ bot.Handler) error { <-ctx.Done(); return nil }
func (c *chat) Limits() bot.Limits                           { return bot.Limits{Rows: c.rows} }
func (c *chat) Health() bot.Health                           { return bot.Health{Name: c.platforms[0], OK: true} }

func (c *chat) CanPost(_ context.Context, p bot.Place) error {
	if c.canPost != nil {
		return c.canPost(p)
	}
	return nil
}

func (c *chat) Member(_ context.Context, g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error) {
	if c.member != nil {
		return c.member(g, accounts)
	}
	return bot.MemberNo, nil
}

func (c *chat) Post(ctx context.Context, p bot.Place, key string, card bot.Card) (bot.Ref, error) {
	if err := ctx.Err(); err != nil {
		return bot.Ref{}, err
	}
	if c.onPost != nil {
		if err := c.onPost(p, key, card); err != nil {
			return bot.Ref{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, &message{place: p, key: key, card: clone(card), byline: card.Byline})
	c.log = append(c.log, "post "+p.String()+" "+card.Title)
	return bot.Ref{Place: p, ID: fmt.Sprint(len(c.messages))}, nil
}

func (c *chat) Edit(ctx context.Context, r bot.Ref, card bot.Card) error {
	if c.onEdit != nil {
		if err := c.onEdit(card); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var n int
	if _, err := fmt.Sscan(r.ID, &n); err != nil || n < 1 || n > len(c.messages) {
		return &bot.PostError{Gone: true, Err: errors.New("no such message")}
	}
	m := c.messages[n-1]
	if m.gone {
		return &bot.PostError{Gone: true, Err: errors.New("deleted")}
	}
	if card.Byline != m.byline || card.Byline == "" || !slices.Contains(card.Notes, card.Byline) {
		c.lost = append(c.lost, fmt.Sprintf("the root message %q is no longer found by %q: %q", card.Title, m.byline, card.Notes))
	}
	m.card, m.edits = clone(card), m.edits+1
	c.log = append(c.log, "edit "+m.place.String()+" "+card.Title)
	return nil
}

// roots are the messages in a place outside threads.
func (c *chat) roots(p bot.Place) []*message {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*message
	for _, m := range c.messages {
		if m.place == p {
			out = append(out, m)
		}
	}
	return out
}

// thread are the messages in threads of a place, in order.
func (c *chat) thread(p bot.Place) []bot.Card {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []bot.Card
	for _, m := range c.messages {
		if m.place.Thread != "" && m.place.Place == p.Place {
			out = append(out, m.card)
		}
	}
	return out
}

// answer is a fake Responder: it keeps the platform's rules about what may
// come after what.
type answer struct {
	mu     sync.Mutex
	events []string
	cards  []bot.Card
	forms  []bot.Form
	files  []bot.File
	noForm bool
	slow   func(bot.Card) // called before a card counts as shown
}

var _ bot.Responder = (*answer)(nil)

func (a *answer) add(event string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, event)
}

func (a *answer) Ack(context.Context) error { a.add("ack"); return nil }

func (a *answer) Form(_ context.Context, f bot.Form) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) > 0 || a.noForm {
		return errors.New("a form has to be the first answer")
	}
	a.events = append(a.events, "form")
	a.forms = append(a.forms, f)
	return nil
}

func (a *answer) Reply(ctx context.Context, c bot.Card) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.slow != nil {
		a.slow(c)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, "card")
	a.cards = append(a.cards, c)
	return nil
}

func (a *answer) File(_ context.Context, f bot.File) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, "file")
	a.files = append(a.files, f)
	return nil
}

// card is the last card, the zero Card if there is none.
func (a *answer) card() bot.Card {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cards) == 0 {
		return bot.Card{}
	}
	return a.cards[len(a.cards)-1]
}

func (a *answer) form() bot.Form {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.forms) == 0 {
		return bot.Form{}
	}
	return a.forms[len(a.forms)-1]
}

func (a *answer) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)
}

// words is all text of a card.
func words(c bot.Card) string {
	body, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// api is a fake Provider.
type api struct {
	mu      sync.Mutex
	paused  error
	tokens  int
	sendBys []time.Time
	attacks func(vm int64) ([]bot.Incident, error) // nil: there are none
	asked   []int64                                // whose incidents were read
}

func (p *api) Acquire(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		return p.paused
	}
	p.tokens++
	return nil
}

func (p *api) SendBy(ctx context.Context, t time.Time) context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sendBys = append(p.sendBys, t)
	return ctx
}

func (p *api) Incidents(_ context.Context, vm int64) ([]bot.Incident, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, vm)
	if p.attacks == nil {
		return nil, nil
	}
	return p.attacks(vm)
}

func (p *api) Health() bot.Health { return bot.Health{Name: "HosterAPI", OK: true} }

// rules is a fake PolicySource.
type rules struct {
	mu   sync.Mutex
	snap *policy.Snapshot
}

func (r *rules) Current() *policy.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap
}

func (r *rules) State() policy.State { return policy.State{Hash: r.Current().Hash()} }
