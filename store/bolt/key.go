package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

const (
	keyLife = 24 * time.Hour
	// keyAge is the span of the bucket that a key goes into. A key is found by
	// looking into the four that its life may touch, and whole buckets grow
	// too old, so that keys need no second index by time.
	keyAge = 8 * time.Hour

	maxKey = 1024 // bytes of anything that becomes part of a key
	// maxPrune is how many of each sort Prune forgets a call.
	maxPrune = 1000
)

// age is the bucket of the keys of one span of time.
type age struct {
	at uint64 // the span's number since 1970
	b  *bbolt.Bucket
}

func ageOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / uint64(keyAge/time.Second) }

// loadAges finds the buckets of keys, newest first.
func (t *tx) loadAges() {
	if t.ages != nil {
		return
	}
	t.ages = []age{}
	all := t.bucket(keys)
	c := all.Cursor()
	for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
		if b := all.Bucket(k); b != nil && len(k) == 8 {
			b.FillPercent = grows // keys of platforms begin with what counts up
			t.ages = append(t.ages, age{number(k), b})
		}
	}
}

// knows tells whether the key was used in the 24 hours before now, and for
// which operation (0: none).
func (t *tx) knows(now time.Time, key string) (op uint64, ok bool) {
	if key == "" {
		return 0, false
	}
	t.loadAges()
	for _, a := range t.ages {
		if v := a.b.Get([]byte(key)); len(v) == 16 {
			at := moment(int64(binary.BigEndian.Uint64(v)))
			return number(v[8:]), now.Sub(at) <= keyLife
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
	v := binary.BigEndian.AppendUint64(timed(now, nil), op)
	at := ageOf(now)
	for _, a := range t.ages {
		if a.at == at {
			t.note(a.b.Put([]byte(key), v))
			return
		}
	}
	b, err := t.bucket(keys).CreateBucket(be(at))
	if err != nil {
		t.note(err)
		return
	}
	t.note(b.Put([]byte(key), v))
	t.ages = nil
}

// note keeps the first error of a put.
func (t *tx) note(err error) {
	if err != nil && t.broken == nil {
		t.broken = fmt.Errorf("put: %w", err)
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
	t.loadAges()
	left := maxPrune
	for i := len(t.ages) - 1; i >= 0 && left > 0; i-- {
		a := t.ages[i]
		if a.at+1 > ageOf(now.Add(-keyLife)) {
			return
		}
		var old [][]byte
		c := a.b.Cursor()
		for k, _ := c.First(); k != nil && len(old) < left; k, _ = c.Next() {
			old = append(old, append([]byte(nil), k...))
		}
		for _, k := range old {
			t.note(a.b.Delete(k))
		}
		if left -= len(old); left > 0 { // it is empty
			t.note(t.bucket(keys).DeleteBucket(be(a.at)))
			t.ages = t.ages[:i]
		}
	}
}

// over tells whether a timed value's moment has come. A value without one
// lasts.
func over(v []byte, now time.Time) bool {
	return len(v) >= 8 && number(v) != 0 && number(v) <= uint64(max(nanos(now), 0))
}
