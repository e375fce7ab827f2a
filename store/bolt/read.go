package bolt

import (
	"context"
	"fmt"
	"time"

	"hosterbot/bot"
)

// readLife is how long a Read lives that says nothing else.
const readLife = 15 * time.Minute

// SaveRead implements bot.Store. Numbers of reads are a sequence of their own.
func (s *Store) SaveRead(ctx context.Context, now time.Time, r bot.Read, with bot.Written) (bot.Read, error) {
	r.ID = 0
	if r.Expires.IsZero() {
		r.Expires = now.Add(readLife)
	}
	ready, err := s.prepare(now, with, nil, 0, false)
	if err != nil {
		return bot.Read{}, fmt.Errorf("save read: %w", err)
	}
	value := packRead.pack(timed(r.Expires, nil), &r)
	var id uint64
	err = s.write(ctx, func(t *tx) error {
		id = t.next(reads)
		t.put(reads, be(id), value)
		ready.put(t, 0)
		return nil
	})
	if err != nil {
		return bot.Read{}, fmt.Errorf("save read: %w", err)
	}
	r.ID = int64(id)
	return r, nil
}

// Read implements bot.Store. It is over when its moment has come.
func (s *Store) Read(ctx context.Context, now time.Time, id int64) (bot.Read, error) {
	var r bot.Read
	err := s.view(ctx, func(t *tx) error {
		v := t.get(reads, be(uint64(id)))
		if v == nil || over(v, now) {
			return bot.ErrNotFound
		}
		return unpackTimed(packRead, v, &r)
	})
	if err != nil {
		return bot.Read{}, fmt.Errorf("read %d: %w", id, err)
	}
	r.ID = id
	return r, nil
}

// unpackTimed reads what is packed in a timed value.
func unpackTimed[T any](p packer[T], v []byte, into *T) error {
	if len(v) < 8 {
		return errHead
	}
	return p.unpack(v[8:], into)
}
