package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"hosterbot/bot"
)

// bucket names one of the store's buckets.
type bucket int

// The buckets; the package comment says what is in them.
const (
	meta bucket = iota
	operations
	unended
	keys
	reads
	threads
	owed
	locks
	took
	audit
	incidents
	buckets // how many there are
)

var bucketNames = [buckets]string{
	"meta", "operations", "open", "keys", "reads", "threads", "owed", "locks", "took", "audit", "incidents",
}

// since is the first schema that has a bucket, where that is not the first.
var since = [buckets]uint64{incidents: 3}

// fill says how much of a page is filled before the next is begun, in the
// buckets that grow at their end: all of it where values never change, else so
// much that there is room for them to grow.
var fill = [buckets]float64{operations: grows, unended: 1, keys: grows, reads: 1, owed: grows, audit: 1}

const grows = 0.9

// tx is one bbolt transaction with its buckets at hand.
type tx struct {
	bolt *bbolt.Tx
	at   [buckets]*bbolt.Bucket
	look [buckets]*bbolt.Cursor // to look up with; each keeps the room it needs
	ages []uint64               // of keys, newest first; nil: not looked up
	// broken is the first put that bbolt refused: the write broke the rule.
	broken error
	chain  chain // of the audit log, as this transaction leaves it
	seal   *sealer
	roots  map[rootKey]owedRoot // the committer's, not to be changed
	moved  map[rootKey]owedRoot // what is to change in it; seq 0: goes
	open   *index               // the store's, not to be changed
	looks  []moved              // what is to change in it
	held   map[string]uint64    // likewise: lanes to their holders, 0: nobody
	relock bool                 // the locks have changed,
	locks  []bot.Lock           // and are these
}

func (t *tx) bucket(b bucket) *bbolt.Bucket {
	if t.at[b] == nil {
		t.at[b] = t.bolt.Bucket([]byte(bucketNames[b]))
		if fill[b] > 0 {
			t.at[b].FillPercent = fill[b]
		}
	}
	return t.at[b]
}

// get returns a value that is good until the end of the transaction; nil if
// there is none.
func (t *tx) get(b bucket, key []byte) []byte {
	if t.look[b] == nil {
		t.look[b] = t.bucket(b).Cursor()
	}
	if k, v := t.look[b].Seek(key); bytes.Equal(k, key) {
		return v
	}
	return nil
}

// put stores a value. It must not be changed until the transaction ended.
func (t *tx) put(b bucket, key, value []byte) {
	if err := t.bucket(b).Put(key, value); err != nil && t.broken == nil {
		t.broken = fmt.Errorf("put into %s: %w", bucketNames[b], err)
	}
}

func (t *tx) delete(b bucket, key []byte) {
	if err := t.bucket(b).Delete(key); err != nil && t.broken == nil {
		t.broken = fmt.Errorf("delete from %s: %w", bucketNames[b], err)
	}
}

// next gives the bucket's next number.
func (t *tx) next(b bucket) uint64 {
	n, err := t.bucket(b).NextSequence()
	if err != nil && t.broken == nil {
		t.broken = fmt.Errorf("count %s: %w", bucketNames[b], err)
	}
	return n
}

// scan calls f for each key that begins with prefix, in order, until it
// returns false.
func (t *tx) scan(b bucket, prefix []byte, f func(k, v []byte) bool) {
	c := t.bucket(b).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if !f(k, v) {
			return
		}
	}
}

// descend calls f for each key smaller than before, the largest first, until
// it returns false. A before of 0 begins at the end.
func (t *tx) descend(b bucket, before uint64, f func(k, v []byte) bool) {
	c := t.bucket(b).Cursor()
	var k, v []byte
	if before == 0 {
		k, v = c.Last()
	} else if k, _ = c.Seek(be(before)); k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	for ; k != nil; k, v = c.Prev() {
		if !f(k, v) {
			return
		}
	}
}

// be is a number as a key.
func be(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// number is be's inverse.
func number(k []byte) uint64 {
	if len(k) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

// nanos is a moment as a number that sorts like it; 0 is none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixNano(), 1)
}

// moment is nanos' inverse.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
