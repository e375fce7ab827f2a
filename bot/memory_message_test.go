package bot_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hosterbot/bot"
)

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
