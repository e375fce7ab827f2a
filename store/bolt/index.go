package bolt

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"hosterbot/bot"
)

// index is what is known beside the file: of the operations that are open, who
// holds which lane, and when each has to be looked at; and the locks. It is made
// anew from the file when the store is opened, and brought up to date with every
// commit; so a change of a look or a lane costs no page, and whoever asks for a
// lock no transaction.
type index struct {
	mu    sync.Mutex
	lanes map[string]uint64 // to their holders; the committer alone changes it
	due   []look            // sorted
	locks []bot.Lock        // sorted by target; what was given out stays as it is
}

// look is a moment at which an operation has to be looked at.
type look struct {
	at int64 // nanos
	id uint64
}

func (l look) compare(m look) int { return cmp.Or(cmp.Compare(l.at, m.at), cmp.Compare(l.id, m.id)) }

// moved is another moment at which an operation has to be looked at.
type moved struct {
	id      uint64
	old, is int64 // nanos, 0: not at all
}

// readIndex makes the index of a file. An operation that is listed as open and
// is not there, or not whole, may hold any lane: such a store is damaged.
func readIndex(t *tx) (*index, error) {
	x := &index{lanes: map[string]uint64{}}
	var err error
	t.scan(unended, nil, func(k, _ []byte) bool {
		id := number(k)
		v := t.get(operations, k)
		if v == nil {
			err = fmt.Errorf("%w: operation %d is open and is not there", ErrDamaged, id)
			return false
		}
		var h opHead
		if h, _, err = splitOp(v); err != nil {
			err = fmt.Errorf("operation %d: %w", id, err)
			return false
		}
		if h.holds {
			x.lanes[h.lane] = id
		}
		if h.nextAt != 0 {
			x.due = append(x.due, look{h.nextAt, id})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(x.due, look.compare)
	x.locks, err = readLocks(t)
	return x, err
}

// become takes over what another index holds.
func (x *index) become(other *index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lanes, x.due, x.locks = other.lanes, other.due, other.locks
}

// apply brings the index to what a transaction left.
func (x *index) apply(t *tx) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for lane, id := range t.held {
		if id == 0 {
			delete(x.lanes, lane)
		} else {
			x.lanes[lane] = id
		}
	}
	if t.relock {
		x.locks = t.locks
	}
	for _, m := range t.looks {
		if m.old != 0 {
			if i, ok := slices.BinarySearchFunc(x.due, look{m.old, m.id}, look.compare); ok {
				x.due = slices.Delete(x.due, i, i+1)
			}
		}
		if m.is != 0 {
			l := look{m.is, m.id}
			i, _ := slices.BinarySearchFunc(x.due, l, look.compare)
			x.due = slices.Insert(x.due, i, l)
		}
	}
}

// until lists at most limit operations that are due at now, the longest due
// first, and when the next one is.
func (x *index) until(now time.Time, limit int) (ids []int64, next time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.due {
		if at := moment(l.at); at.After(now) || len(ids) >= limit {
			return ids, at
		}
		ids = append(ids, int64(l.id))
	}
	return ids, time.Time{}
}

// holder tells who holds a lane, 0: nobody.
func (x *index) holder(lane string) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lanes[lane]
}

// locked are the locks in force at now.
func (x *index) locked(now time.Time) []bot.Lock {
	x.mu.Lock()
	defer x.mu.Unlock()
	ended := func(l bot.Lock) bool { return !l.Until.IsZero() && !l.Until.After(now) }
	if slices.ContainsFunc(x.locks, ended) {
		return slices.DeleteFunc(slices.Clone(x.locks), ended)
	}
	return slices.Clip(x.locks)
}

// free tells whether the operation may hold what its head says, as this
// transaction sees it.
func (t *tx) free(id uint64, h opHead) error {
	if !h.holds {
		return nil
	}
	holder, ok := t.held[h.lane]
	if !ok {
		holder = t.open.lanes[h.lane]
	}
	if holder != 0 && holder != id {
		return &bot.BusyError{Lane: h.lane, Holder: int64(holder)}
	}
	return nil
}

// index notes what an operation was and what it is.
func (t *tx) index(id uint64, old, is opHead) {
	if old.open() != is.open() {
		if is.open() {
			t.put(unended, be(id), []byte{})
		} else {
			t.delete(unended, be(id))
		}
	}
	if old.nextAt != is.nextAt {
		t.looks = append(t.looks, moved{id, old.nextAt, is.nextAt})
	}
	if old.holds == is.holds && old.lane == is.lane {
		return
	}
	if t.held == nil {
		t.held = map[string]uint64{}
	}
	if old.holds {
		t.held[old.lane] = 0
	}
	if is.holds {
		t.held[is.lane] = id
	}
}
