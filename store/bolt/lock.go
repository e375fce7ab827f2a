package bolt

import (
	"context"
	"fmt"
	"time"

	"hosterbot/bot"
)

// SetLock implements bot.Store. A lock without an Until lasts until it is
// cleared.
func (s *Store) SetLock(ctx context.Context, now time.Time, key string, l bot.Lock, with bot.Written) error {
	if err := s.lock(ctx, now, key, l.Target, packLock.pack(timed(l.Until, nil), &l), with); err != nil {
		return fmt.Errorf("lock %s: %w", l.Target, err)
	}
	return nil
}

// ClearLock implements bot.Store.
func (s *Store) ClearLock(ctx context.Context, now time.Time, key string, target string, with bot.Written) error {
	if err := s.lock(ctx, now, key, target, nil, with); err != nil {
		return fmt.Errorf("unlock %s: %w", target, err)
	}
	return nil
}

// lock stores a value for target; nil takes it away.
func (s *Store) lock(ctx context.Context, now time.Time, key, target string, value []byte, with bot.Written) error {
	if target == "" || len(target) > maxKey {
		return fmt.Errorf("%w: target of %d bytes", errInvalid, len(target))
	}
	if err := validKey(key); err != nil {
		return err
	}
	ready, err := s.prepare(now, with, nil, 0, false)
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		if _, ok := t.knows(now, key); ok {
			return nil
		}
		if value == nil {
			if v := t.get(locks, []byte(target)); v == nil || over(v, now) {
				return bot.ErrNotFound
			}
			t.delete(locks, []byte(target))
		} else {
			t.put(locks, []byte(target), value)
		}
		t.relock = true
		t.learn(now, key, 0)
		ready.put(t, 0)
		return nil
	})
}

// Locks implements bot.Store. A lock is over when its moment has come. Every
// decision asks for them, so they are kept in memory.
func (s *Store) Locks(ctx context.Context, now time.Time) ([]bot.Lock, error) {
	if err := s.usable(ctx); err != nil {
		return nil, fmt.Errorf("locks: %w", err)
	}
	return s.open.locked(now), nil
}

// readLocks are the locks of a file, in the order of their targets.
func readLocks(t *tx) (all []bot.Lock, err error) {
	t.scan(locks, nil, func(k, v []byte) bool {
		var l bot.Lock
		if err = unpackTimed(packLock, v, &l); err != nil {
			err = fmt.Errorf("%w: lock of %q: %w", ErrDamaged, k, err)
		}
		all = append(all, l)
		return err == nil
	})
	return all, err
}
