package bolt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

const (
	keyLife = 24 * time.Hour
	// keyAge is the span of time whose keys stand together. A key is found by a
	// look into each of the few that are there, and what is too old stands at
	// the beginning, so that keys need no second index by time.
	keyAge = 8 * time.Hour

	maxKey = 1024 // bytes of anything that becomes part of a key
	// maxPrune is how many of each sort Prune forgets a call.
	maxPrune = 1000
)

// ageOf is the number of a span since 1970.
func ageOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / uint64(keyAge/time.Second) }

// keyOf is where a key of a span stands.
func keyOf(age uint64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), age), key...)
}

// loadAges finds the spans that there are keys of, newest first.
func (t *tx) loadAges() {
	if t.ages != nil {
		return
	}
	t.ages = []uint64{}
	c := t.bucket(keys).Cursor()
	for k, _ := c.Last(); len(k) >= 8; {
		t.ages = append(t.ages, number(k))
		if k, _ = c.Seek(k[:8]); k == nil {
			return
		}
		k, _ = c.Prev()
	}
}

// knows tells whether the key was used in the 24 hours before now, and for
// which operation (0: none).
func (t *tx) knows(now time.Time, key string) (op uint64, ok bool) {
	if key == "" {
		return 0, false
	}
	t.loadAges()
	for _, age := range t.ages {
		if v := t.get(keys, keyOf(age, key)); len(v) == 16 {
			return number(v[8:]), now.Sub(moment(int64(number(v)))) <= keyLife
		}
	}
	return 0, false
}

// learn remembers the key.
func (t *tx) learn(now time.Time, key string, op uint64) {
	if key == "" {
		return
	}
	t.loadAges()
	age := ageOf(now)
	t.put(keys, keyOf(age, key), binary.BigEndian.AppendUint64(timed(now, nil), op))
	if i, ok := slices.BinarySearchFunc(t.ages, age, func(a, b uint64) int { return cmp.Compare(b, a) }); !ok {
		t.ages = slices.Insert(t.ages, i, age)
	}
}

// validKey refuses what cannot be remembered.
func validKey(key string) error {
	if len(key) > maxKey {
		return fmt.Errorf("%w: key of %d bytes", errInvalid, len(key))
	}
	return nil
}

// Prune implements bot.Store.
func (s *Store) Prune(ctx context.Context, now time.Time) error {
	// What is over stays over, so it can be looked for without holding up
	// writes; only a lock may be replaced meanwhile.
	var overReads, overLocks [][]byte
	err := s.view(ctx, func(t *tx) error {
		t.scan(reads, nil, func(k, v []byte) bool {
			if over(v, now) {
				overReads = append(overReads, append([]byte(nil), k...))
			}
			return len(overReads) < maxPrune
		})
		t.scan(locks, nil, func(k, v []byte) bool {
			if over(v, now) {
				overLocks = append(overLocks, append([]byte(nil), k...))
			}
			return len(overLocks) < maxPrune
		})
		return nil
	})
	if err == nil {
		err = s.write(ctx, func(t *tx) error {
			for _, k := range overReads {
				t.delete(reads, k)
			}
			for _, k := range overLocks {
				if over(t.get(locks, k), now) {
					t.delete(locks, k)
					t.relock = true
				}
			}
			t.forget(now)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	return nil
}

// forget deletes keys of spans that ended 24 hours ago.
func (t *tx) forget(now time.Time) {
	last := ageOf(now.Add(-keyLife))
	var old [][]byte
	t.scan(keys, nil, func(k, _ []byte) bool {
		if number(k)+1 > last {
			return false
		}
		old = append(old, bytes.Clone(k))
		return len(old) < maxPrune
	})
	for _, k := range old {
		t.delete(keys, k)
	}
	if len(old) > 0 {
		t.ages = nil
	}
}

// over tells whether a timed value's moment has come. A value without one
// lasts.
func over(v []byte, now time.Time) bool {
	return len(v) >= 8 && number(v) != 0 && number(v) <= uint64(max(nanos(now), 0))
}
