package bolt

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"hosterbot/bot"
)

// maxDamage is how many damages Check lists.
const maxDamage = 100

// Check implements bot.Store. It reads what was there when it began, while
// writes go on; only bbolt's look at its own pages holds them up.
//
// Every error is an ErrDamaged. Without an audit key, the chain is followed but
// the MACs are not computed.
func (s *Store) Check(ctx context.Context) error {
	c := &checker{s: s, ctx: ctx, seal: newSealer(s.key), keyed: len(s.key) > 0, held: map[string]uint64{}}
	err := s.view(ctx, func(t *tx) error {
		c.t = t
		for _, part := range []func(){c.operations, c.unended, c.owed, c.values, c.keys, c.audit} {
			part()
		}
		return ctx.Err()
	})
	if err == nil {
		err = c.pages(s)
	}
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return errors.Join(c.damage...)
}

// checker collects what is wrong.
type checker struct {
	ctx    context.Context
	s      *Store
	t      *tx
	seal   *sealer
	keyed  bool
	damage []error
	open   int               // operations that the index has to have
	held   map[string]uint64 // lanes, to their holders
}

func (c *checker) found(format string, args ...any) {
	switch {
	case len(c.damage) < maxDamage:
		c.damage = append(c.damage, fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...)))
	case len(c.damage) == maxDamage:
		c.damage = append(c.damage, fmt.Errorf("%w: and more", ErrDamaged))
	}
}

// pages: bbolt's own look. It wants a transaction that nothing was put into
// and that keeps others from writing.
func (c *checker) pages(s *Store) error {
	b, err := s.db.Begin(true)
	if err != nil {
		return unavailable(err)
	}
	for err := range b.Check() {
		c.found("%w", err)
	}
	return b.Rollback()
}

// each calls f for all of a bucket.
func (c *checker) each(b bucket, f func(k, v []byte)) {
	c.t.scan(b, nil, func(k, v []byte) bool {
		f(k, v)
		return c.ctx.Err() == nil
	})
}

// operations: the value decodes, its head says the same as the rest, and the
// indexes have it.
func (c *checker) operations() {
	c.each(operations, func(k, v []byte) {
		id := number(k)
		op, err := decodeOp(id, v)
		if err != nil {
			c.found("%w", err)
			return
		}
		h, _, err := splitOp(v)
		if err != nil || h != headOf(&op, op.Version) || op.Version < 1 {
			c.found("operation %d: head and content differ", id)
			return
		}
		if !slices.Contains(bot.States(), op.State) {
			c.found("operation %d: state %q", id, op.State)
		}
		if h.open() {
			c.open++
			if c.t.get(unended, be(id)) == nil {
				c.found("operation %d: missing in index %s", id, bucketNames[unended])
			}
		}
		if h.holds {
			if holder := c.held[h.lane]; holder != 0 {
				c.found("operation %d: holds lane %s, as operation %d does", id, h.lane, holder)
			}
			c.held[h.lane] = id
		}
	})
	if seq := c.t.bucket(operations).Sequence(); seq < number(last(c.t, operations)) {
		c.found("operations: the next number was given before")
	}
}

func last(t *tx, b bucket) []byte {
	k, _ := t.bucket(b).Cursor().Last()
	return k
}

// unended: the index holds nothing else, all of it was counted.
func (c *checker) unended() {
	n := 0
	c.each(unended, func(_, _ []byte) { n++ })
	if n != c.open {
		c.found("index %s has %d entries, operations make %d", bucketNames[unended], n, c.open)
	}
}

// owed: it decodes, and no root is owed twice.
func (c *checker) owed() {
	roots := map[rootKey]uint64{}
	c.each(owed, func(k, v []byte) {
		o, err := decodeOwed(number(k), v)
		if err != nil {
			c.found("%w", err)
			return
		}
		h, body, _ := splitOwed(v)
		if h.root != (o.Kind == bot.OwedRoot) {
			c.found("message owed %d: head and content differ", o.Seq)
		}
		if !h.root {
			return
		}
		key := rootKey{h.op, string(body)}
		if other := roots[key]; other != 0 {
			c.found("message owed %d: is the root that message %d is", o.Seq, other)
		}
		roots[key] = o.Seq
	})
	if seq := c.t.bucket(owed).Sequence(); seq < number(last(c.t, owed)) {
		c.found("owed: the next number was given before")
	}
}

// values: what stands alone decodes.
func (c *checker) values() {
	c.each(reads, func(k, v []byte) {
		if err := unpackTimed(packRead, v, &bot.Read{}); err != nil {
			c.found("read %d: %w", number(k), err)
		}
	})
	c.each(locks, func(k, v []byte) {
		var l bot.Lock
		if err := unpackTimed(packLock, v, &l); err != nil {
			c.found("lock %s: %w", k, err)
		} else if l.Target != string(k) || !bytes.Equal(v[:8], timed(l.Until, nil)) {
			c.found("lock %s: content differs", k)
		}
	})
	c.each(threads, func(k, v []byte) {
		var th bot.Thread
		err := packThread.unpack(v, &th)
		key, kerr := c.s.threadKey(th.Op, th.Place)
		if err = errors.Join(err, kerr); err != nil || !bytes.Equal(k, key) {
			c.found("thread of operation %d: content differs", number(k))
		}
	})
	c.each(incidents, func(k, v []byte) {
		var told bot.Told
		err := packTold.unpack(v, &told)
		if key, kerr := incidentKey(told.VM, told.Incident.ID); errors.Join(err, kerr) != nil || !bytes.Equal(k, key) {
			c.found("incident of VM %d: content differs", number(k))
		}
	})
	c.each(took, func(k, v []byte) {
		if len(v)%8 != 0 || len(v) > 8*maxTook {
			c.found("lengths of %s: %d bytes", k, len(v))
		}
	})
}

// keys: each belongs to an operation that exists, or to none.
func (c *checker) keys() {
	c.each(keys, func(k, v []byte) {
		if len(k) < 8 || len(v) != 16 {
			c.found("key %q: %d bytes", k, len(v))
			return
		}
		if id := number(v[8:]); id != 0 && c.t.get(operations, be(id)) == nil {
			c.found("key %q: operation %d does not exist", k[8:], id)
		}
	})
}

// audit: no number is missing, each record names the MAC before it, and its
// own MAC is right. After a damaged record the chain goes on from what is
// stored, so that the first one is named alone.
func (c *checker) audit() {
	var end chain
	c.each(audit, func(k, v []byte) {
		seq := number(k)
		r, err := decodeRecord(seq, v)
		if err != nil {
			c.found("%w", err)
			end = chain{seq: seq}
			copy(end.mac[:], v)
			return
		}
		switch {
		case seq != end.seq+1:
			c.found("audit record %d: follows record %d, what was between is missing", seq, end.seq)
		case r.Seq != seq:
			c.found("audit record %d: says that it is record %d", seq, r.Seq)
		case r.Prev != hex.EncodeToString(end.prev()):
			c.found("audit record %d: does not continue record %d", seq, end.seq)
		}
		prev, err := hex.DecodeString(r.Prev)
		if err != nil {
			c.found("audit record %d: %w", seq, err)
		}
		if c.keyed && c.seal.sum(prev, v[macLen:]) != [macLen]byte(v[:macLen]) {
			c.found("audit record %d: was changed, or sealed with another key", seq)
		}
		end = chain{seq, [macLen]byte(v[:macLen])}
	})
}
