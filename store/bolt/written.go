package bolt

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"hosterbot/bot"
)

// maxPlaces bounds how many places are kept encoded.
const maxPlaces = 1000

// maxTook is how many lengths of jobs are kept for a command.
const maxTook = 20

// newOp stands for the number of the operation that is being created.
const newOp = math.MinInt64

// written is a bot.Written made ready by the caller, so that the committer has
// little left to do.
type written struct {
	records [][]byte
	owed    []owing
	took    time.Duration
	command string
}

// owing is a message about to be owed.
type owing struct {
	head owedHead
	body []byte
}

// prepare makes with ready. op is the operation that changes, nil if there is
// none; version is the one that it will have. A root of that operation is owed
// for this version. In Create, what has no Op gets the new number.
func (s *Store) prepare(now time.Time, with bot.Written, op *bot.Operation, version int64, create bool) (*written, error) {
	if len(with.Audit) > 0 && len(s.key) == 0 {
		return nil, fmt.Errorf("%w: there is no key for the audit log", bot.ErrUnavailable)
	}
	w := &written{took: with.Took}
	if op != nil {
		w.command = op.Command
	}
	for _, r := range with.Audit {
		if create && r.Op == 0 {
			r.Op = newOp
		}
		if r.Time.IsZero() {
			r.Time = now
		}
		body, err := encodeRecord(r)
		if err != nil {
			return nil, err
		}
		w.records = append(w.records, body)
	}
	for _, o := range with.Owed {
		if create && o.Op == 0 {
			o.Op = newOp
		}
		if o.Kind == bot.OwedRoot && op != nil && (o.Op == newOp || o.Op == op.ID) {
			o.Version = version
		}
		if o.At.IsZero() {
			o.At = now
		}
		h := owedHead{o.Op, o.Version, nanos(o.At), nanos(o.NotBefore), uint32(max(o.Tries, 0)), o.Kind == bot.OwedRoot}
		place, err := s.placeKey(o.Place)
		if err != nil {
			return nil, err
		}
		body := place
		if !h.root {
			rest := o // what the head does not say
			rest.Seq, rest.Op, rest.Version, rest.At, rest.NotBefore, rest.Tries = 0, 0, 0, time.Time{}, time.Time{}, 0
			body = packOwed.pack(nil, &rest)
		}
		w.owed = append(w.owed, owing{h, body})
	}
	return w, nil
}

// rootKey names the root message of an operation in a place.
type rootKey struct {
	op    int64
	place string // as placeKey
}

// placeKey is a packed place, as it is stored for a root and in keys. There
// are few places, so each is packed once.
func (s *Store) placeKey(p bot.Place) ([]byte, error) {
	if key, ok := s.places.Load(p); ok {
		return key.([]byte), nil
	}
	key := packPlace.sized(nil, &p)
	if len(key) > maxKey {
		return nil, fmt.Errorf("%w: place is too long", errInvalid)
	}
	if s.placesN.Add(1) <= maxPlaces {
		s.places.Store(p, key)
	}
	return key, nil
}

// threadKey is the key of a thread.
func (s *Store) threadKey(op int64, p bot.Place) ([]byte, error) {
	place, err := s.placeKey(p)
	return append(be(uint64(op)), place...), err
}

// put stores what belongs to a change; id is the number of a new operation.
// It is the last part of a write.
func (w *written) put(t *tx, id uint64) {
	for _, body := range w.records {
		t.append(body, id)
	}
	for i := range w.owed {
		t.owe(w.owed[i], id)
	}
	if w.took > 0 && w.command != "" {
		key := []byte(w.command)
		old := t.get(took, key)
		old = old[min(len(old), max(0, len(old)-8*(maxTook-1))):]
		v := append(make([]byte, 0, len(old)+8), old...)
		t.put(took, key, binary.BigEndian.AppendUint64(v, uint64(w.took)))
	}
}

// owe adds a message to the end of those owed. A root that is owed already
// keeps its place in the order and is owed for the newer version; one that is
// being retried keeps the chat's patience too, else the earlier moment counts.
func (t *tx) owe(o owing, id uint64) {
	if o.head.op == newOp {
		o.head.op = int64(id)
	}
	if !o.head.root {
		t.put(owed, be(t.next(owed)), o.head.value(o.body))
		return
	}
	key := rootKey{o.head.op, string(o.body)}
	root := t.root(key)
	if root.seq != 0 {
		old := root.head
		if old.tries > 0 {
			o.head.tries, o.head.notBefore = old.tries, max(old.notBefore, o.head.notBefore)
		} else {
			o.head.notBefore = min(old.notBefore, o.head.notBefore)
		}
		o.head.version = max(o.head.version, old.version)
	} else {
		root.seq = t.next(owed)
	}
	root.head = o.head
	t.putRoot(key, root, o.body)
}

// owedRoot is a root message that is owed, as the committer knows it.
type owedRoot struct {
	seq  uint64
	head owedHead
}

// root finds the root message that is owed; its seq is 0 if none is.
func (t *tx) root(k rootKey) owedRoot {
	if r, ok := t.moved[k]; ok {
		return r
	}
	return t.roots[k]
}

// putRoot stores a root message that is owed. body is its place.
func (t *tx) putRoot(k rootKey, r owedRoot, body []byte) {
	t.put(owed, be(r.seq), r.head.value(body))
	t.moved[k] = r
}
