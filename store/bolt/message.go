package bolt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hosterbot/bot"
)

// Threads implements bot.Store.
func (s *Store) Threads(ctx context.Context, id int64) ([]bot.Thread, error) {
	var out []bot.Thread
	err := s.view(ctx, func(t *tx) error {
		var err error
		t.scan(threads, be(uint64(id)), func(_, v []byte) bool {
			var th bot.Thread
			err = packThread.unpack(v, &th)
			out = append(out, th)
			return err == nil
		})
		if err != nil || len(out) < 2 {
			return err
		}
		op, err := t.operation(uint64(id))
		if err != nil {
			return err
		}
		rank := func(th bot.Thread) int { // places that it no longer names come last
			if i := slices.Index(op.Places, th.Place); i >= 0 {
				return i
			}
			return len(op.Places)
		}
		slices.SortStableFunc(out, func(a, b bot.Thread) int { return rank(a) - rank(b) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("threads of operation %d: %w", id, err)
	}
	return out, nil
}

// Owed implements bot.Store. There is one owner.
func (s *Store) Owed(ctx context.Context, now time.Time, _ string, limit int) ([]bot.Owed, time.Time, error) {
	var out []bot.Owed
	var next int64
	err := s.view(ctx, func(t *tx) error {
		var err error
		t.scan(owed, nil, func(k, v []byte) bool {
			var h owedHead
			if h, _, err = splitOwed(v); err != nil {
				return false
			}
			ripe := !moment(h.notBefore).After(now)
			if ripe && len(out) < limit {
				var o bot.Owed
				o, err = decodeOwed(number(k), v)
				out = append(out, o)
				return err == nil
			}
			at := h.notBefore
			if at == 0 {
				at = h.at
			}
			if next == 0 || at < next {
				next = at
			}
			return !ripe // more than limit may be sent now: sooner than that is nothing
		})
		return err
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("messages owed: %w", err)
	}
	return out, moment(next), nil
}

// Deliver implements bot.Store. It may be called again.
func (s *Store) Deliver(ctx context.Context, _ time.Time, o bot.Owed, th bot.Thread) error {
	var thread, body []byte
	if th.Op != 0 {
		var err error
		if thread, err = s.threadKey(th.Op, th.Place); err != nil {
			return fmt.Errorf("deliver %d: %w", o.Seq, err)
		}
		body = packThread.pack(nil, &th)
	}
	err := s.write(ctx, func(t *tx) error {
		seq := be(o.Seq)
		if v := t.get(owed, seq); v != nil {
			h, rest, err := splitOwed(v)
			if err != nil {
				return err
			}
			switch {
			case h.root && (h.version != o.Version || h.at != nanos(o.At)): // owed anew
				h.tries = 0
				t.putRoot(rootKey{h.op, string(rest)}, owedRoot{o.Seq, h}, rest)
			case h.root:
				t.delete(owed, seq)
				t.moved[rootKey{h.op, string(rest)}] = owedRoot{}
			default:
				t.delete(owed, seq)
			}
		}
		if thread != nil {
			t.put(threads, thread, body)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("deliver %d: %w", o.Seq, err)
	}
	return nil
}

// Postpone implements bot.Store. It returns ErrNotFound if o is no longer
// owed.
func (s *Store) Postpone(ctx context.Context, _ time.Time, o bot.Owed, until time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		seq := be(o.Seq)
		v := t.get(owed, seq)
		if v == nil {
			return bot.ErrNotFound
		}
		h, body, err := splitOwed(v)
		if err != nil {
			return err
		}
		h.tries++
		h.notBefore = nanos(until)
		if h.root {
			t.putRoot(rootKey{h.op, string(body)}, owedRoot{o.Seq, h}, body)
		} else {
			t.put(owed, seq, h.value(body))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("postpone %d: %w", o.Seq, err)
	}
	return nil
}
