package bolt

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"hosterbot/bot"
)

// Create implements bot.Store. It is refused when the disk is nearly full, so
// that what is under way can still be recorded. Records and messages in with
// that have no Op get the new number.
func (s *Store) Create(ctx context.Context, now time.Time, key string, op *bot.Operation, with bot.Written) (bot.Stored, error) {
	out, err := s.create(ctx, now, key, op, with)
	if err != nil {
		return bot.Stored{}, fmt.Errorf("create operation: %w", err)
	}
	return out, nil
}

func (s *Store) create(ctx context.Context, now time.Time, key string, op *bot.Operation, with bot.Written) (bot.Stored, error) {
	if err := validKey(key); err != nil {
		return bot.Stored{}, err
	}
	if err := s.enoughDisk(); err != nil {
		return bot.Stored{}, err
	}
	made := new(*op)
	made.ID, made.Version = 0, 1
	value, head, err := encodeOp(made, made.Version)
	if err != nil {
		return bot.Stored{}, err
	}
	ready, err := s.prepare(now, with, made, made.Version, true)
	if err != nil {
		return bot.Stored{}, err
	}
	var id uint64
	var before *earlier
	err = s.write(ctx, func(t *tx) error {
		if before = t.earlier(now, key); before != nil {
			return nil
		}
		if err := t.free(0, head); err != nil {
			return err
		}
		id = t.next(operations)
		t.index(id, opHead{final: true}, head)
		t.put(operations, be(id), value)
		t.learn(now, key, id)
		ready.put(t, id)
		return nil
	})
	if err != nil || before != nil {
		return before.stored(err)
	}
	made.ID = int64(id)
	return bot.Stored{Operation: made}, nil
}

// Advance implements bot.Store.
func (s *Store) Advance(ctx context.Context, now time.Time, key string, op *bot.Operation, with bot.Written) (bot.Stored, error) {
	out, err := s.advance(ctx, now, key, op, with)
	if err != nil {
		return bot.Stored{}, fmt.Errorf("advance operation %d: %w", op.ID, err)
	}
	return out, nil
}

func (s *Store) advance(ctx context.Context, now time.Time, key string, op *bot.Operation, with bot.Written) (bot.Stored, error) {
	if err := validKey(key); err != nil {
		return bot.Stored{}, err
	}
	made := new(*op)
	made.Version++
	value, head, err := encodeOp(made, made.Version)
	if err != nil {
		return bot.Stored{}, err
	}
	ready, err := s.prepare(now, with, made, made.Version, false)
	if err != nil {
		return bot.Stored{}, err
	}
	id := uint64(op.ID)
	var before *earlier
	err = s.write(ctx, func(t *tx) error {
		if before = t.earlier(now, key); before != nil {
			return nil
		}
		v := t.get(operations, be(id))
		if v == nil {
			return bot.ErrNotFound
		}
		old, _, err := splitOp(v)
		if err != nil {
			return err
		}
		if old.version != op.Version {
			return fmt.Errorf("%w: version %d is stored, not %d", bot.ErrConflict, old.version, op.Version)
		}
		if !old.state.CanBecome(head.state) {
			return fmt.Errorf("%w: %s cannot become %s", bot.ErrConflict, old.state, head.state)
		}
		if err := t.free(id, head); err != nil {
			return err
		}
		t.index(id, old, head)
		t.put(operations, be(id), value)
		t.learn(now, key, id)
		ready.put(t, id)
		return nil
	})
	if err != nil || before != nil {
		return before.stored(err)
	}
	return bot.Stored{Operation: made}, nil
}

// earlier is what a known key finds.
type earlier struct {
	id    uint64 // 0: the key's write was about no operation
	value []byte
}

// earlier looks up the operation that a known key belongs to; nil if the key
// is not known.
func (t *tx) earlier(now time.Time, key string) *earlier {
	id, ok := t.knows(now, key)
	if !ok {
		return nil
	}
	if id == 0 {
		return &earlier{}
	}
	return &earlier{id, bytes.Clone(t.get(operations, be(id)))}
}

// stored is the answer to a repeated write, unless it failed.
func (e *earlier) stored(err error) (bot.Stored, error) {
	if err != nil {
		return bot.Stored{}, err
	}
	if e.id == 0 {
		return bot.Stored{Operation: &bot.Operation{}, Repeated: true}, nil
	}
	op, err := decodeOp(e.id, e.value)
	return bot.Stored{Operation: &op, Repeated: err == nil}, err
}

// Operation implements bot.Store.
func (s *Store) Operation(ctx context.Context, id int64) (bot.Operation, error) {
	var op bot.Operation
	err := s.view(ctx, func(t *tx) (err error) {
		op, err = t.operation(uint64(id))
		return err
	})
	if err != nil {
		return bot.Operation{}, fmt.Errorf("read operation %d: %w", id, err)
	}
	return op, nil
}

func (t *tx) operation(id uint64) (bot.Operation, error) {
	v := t.get(operations, be(id))
	if v == nil {
		return bot.Operation{}, bot.ErrNotFound
	}
	return decodeOp(id, v)
}

// Operations implements bot.Store.
func (s *Store) Operations(ctx context.Context, f bot.OperationFilter) ([]bot.Operation, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	// Most operations are ruled out by their bytes, which spares the decoder.
	var needles [][]byte
	if f.Person != "" {
		needles = append(needles, packed("person", f.Person))
	}
	if f.Command != "" {
		needles = append(needles, packed("command", f.Command))
	}
	if f.Jobs {
		needles = append(needles, appendTag(nil, tagOf("job", true)))
	}
	from := operations
	if f.Open {
		from = unended
	}
	var out []bot.Operation
	passed := 0
	err := s.view(ctx, func(t *tx) error {
		var err error
		t.descend(from, uint64(max(f.Before, 0)), func(k, v []byte) bool {
			if err = ctx.Err(); err != nil {
				return false
			}
			if f.Open {
				if v = t.get(operations, k); isFinal(v) {
					return true
				}
			}
			fits := containsAll(v, needles)
			if passed++; !fits && (f.Since.IsZero() || passed%glance != 0) {
				return true
			}
			var op bot.Operation
			if op, err = decodeOp(number(k), v); err != nil {
				return false
			}
			if !f.Since.IsZero() && op.Created.Before(f.Since) {
				return !op.Created.Before(f.Since.Add(-skew))
			}
			if fits && picks(f, &op) {
				out = append(out, op)
			}
			return len(out) < limit
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	return out, nil
}

// picks tells whether the filter's fields that bytes cannot decide hold.
func picks(f bot.OperationFilter, op *bot.Operation) bool {
	if f.Person != "" && op.Person != f.Person || f.Command != "" && op.Command != f.Command || f.Jobs && op.Job == nil {
		return false
	}
	if f.Target == "" {
		return true
	}
	for _, target := range op.Targets {
		if target.String() == f.Target {
			return true
		}
	}
	return false
}

// Holder implements bot.Store.
func (s *Store) Holder(ctx context.Context, lane string) (int64, error) {
	err := s.usable(ctx)
	if err == nil {
		if id := s.open.holder(lane); id != 0 {
			return int64(id), nil
		}
		err = bot.ErrNotFound
	}
	return 0, fmt.Errorf("holder of %s: %w", lane, err)
}

// Due implements bot.Store. There is one owner.
func (s *Store) Due(ctx context.Context, now time.Time, _ string, limit int) ([]int64, time.Time, error) {
	if err := s.usable(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("due operations: %w", err)
	}
	ids, next := s.open.until(now, limit)
	return ids, next, nil
}

// Open implements bot.Store.
func (s *Store) Open(ctx context.Context) ([]int64, error) {
	var out []int64
	err := s.view(ctx, func(t *tx) error {
		t.scan(unended, nil, func(k, _ []byte) bool {
			if !isFinal(t.get(operations, k)) {
				out = append(out, int64(number(k)))
			}
			return true
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open operations: %w", err)
	}
	return out, nil
}

// Took implements bot.Store.
func (s *Store) Took(ctx context.Context, command string) ([]time.Duration, error) {
	var out []time.Duration
	err := s.view(ctx, func(t *tx) error {
		for v := t.get(took, []byte(command)); len(v) >= 8; v = v[8:] {
			out = append(out, time.Duration(number(v)))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lengths of %s: %w", command, err)
	}
	return out, nil
}
