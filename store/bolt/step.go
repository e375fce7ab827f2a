package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"hosterbot/bot"
)

// packAll is the step from schema 1, which stored JSON, to 2, which packs it.
// What is no JSON is packed already, by a hosterbot between the two, and stays.
func packAll(tx *bbolt.Tx) error {
	for _, of := range []struct {
		in   bucket
		pack func(k, v []byte) (key, value []byte, err error)
	}{
		{operations, packedOp},
		{owed, packedOwed},
		{reads, func(k, v []byte) ([]byte, []byte, error) { return packedTimed(packRead, k, v) }},
		{locks, func(k, v []byte) ([]byte, []byte, error) { return packedTimed(packLock, k, v) }},
		{threads, packedThread},
	} {
		name := bucketNames[of.in]
		if err := rewrite(tx.Bucket([]byte(name)), of.pack); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// addIncidents is the step from schema 2 to 3, which has a bucket for them.
func addIncidents(tx *bbolt.Tx) error {
	_, err := tx.CreateBucketIfNotExists([]byte(bucketNames[incidents]))
	return err
}

// flatten is the step from schema 3 to 4. That one had a bucket of lanes and one
// of what is due, which are now made of the open operations, and a bucket in
// keys for every eight hours.
func flatten(tx *bbolt.Tx) error {
	index := tx.Bucket([]byte(bucketNames[unended]))
	if due := tx.Bucket([]byte("due")); due != nil {
		err := due.ForEach(func(k, _ []byte) error { return index.Put(bytes.Clone(k[min(8, len(k)):]), []byte{}) })
		if err != nil {
			return fmt.Errorf("due: %w", err)
		}
	}
	for _, name := range []string{"due", "lanes"} {
		if err := tx.DeleteBucket([]byte(name)); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	all := tx.Bucket([]byte(bucketNames[keys]))
	var ages [][]byte
	if err := all.ForEachBucket(func(k []byte) error { ages = append(ages, bytes.Clone(k)); return nil }); err != nil {
		return err
	}
	for _, age := range ages {
		var pairs [][2][]byte
		err := all.Bucket(age).ForEach(func(k, v []byte) error {
			pairs = append(pairs, [2][]byte{slices.Concat(age, k), bytes.Clone(v)})
			return nil
		})
		if err == nil {
			err = all.DeleteBucket(age)
		}
		for _, p := range pairs {
			err = errors.Join(err, all.Put(p[0], p[1]))
		}
		if err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	return nil
}

// rewrite gives every pair of a bucket another key and value. It collects them
// first: bbolt does not allow a change while its cursor walks.
func rewrite(b *bbolt.Bucket, f func(k, v []byte) (key, value []byte, err error)) error {
	type pair struct{ old, key, value []byte }
	var pairs []pair
	err := b.ForEach(func(k, v []byte) error {
		key, value, err := f(k, v)
		if err != nil {
			return fmt.Errorf("key %x: %w", k, err)
		}
		pairs = append(pairs, pair{append([]byte(nil), k...), append([]byte(nil), key...), append([]byte(nil), value...)})
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if err := b.Delete(p.old); err != nil {
			return err
		}
	}
	for _, p := range pairs {
		if err := b.Put(p.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

func packedOp(k, v []byte) ([]byte, []byte, error) {
	h, body, err := splitOp(v)
	if err != nil || !json.Valid(body) {
		return k, v, err
	}
	var op bot.Operation
	if err := decode(body, &op); err != nil {
		return nil, nil, err
	}
	op.State, op.Lane, op.NextAt = h.state, h.lane, moment(h.nextAt)
	value, _, err := encodeOp(&op, h.version)
	return k, value, err
}

func packedOwed(k, v []byte) ([]byte, []byte, error) {
	h, body, err := splitOwed(v)
	if err != nil || !json.Valid(body) {
		return k, v, err
	}
	if h.root {
		var p bot.Place
		err = decode(body, &p)
		return k, h.value(packPlace.sized(nil, &p)), err
	}
	var o bot.Owed
	err = decode(body, &o)
	return k, h.value(packOwed.pack(nil, &o)), err
}

// packedTimed packs what stands behind a time.
func packedTimed[T any](p packer[T], k, v []byte) ([]byte, []byte, error) {
	if len(v) < 8 || !json.Valid(v[8:]) {
		return k, v, nil
	}
	var value T
	if err := decode(v[8:], &value); err != nil {
		return nil, nil, err
	}
	return k, p.pack(append(make([]byte, 0, len(v)), v[:8]...), &value), nil
}

// packedThread packs a thread and the place in its key.
func packedThread(k, v []byte) ([]byte, []byte, error) {
	if len(k) < 8 || !json.Valid(v) {
		return k, v, nil
	}
	var t bot.Thread
	if err := decode(v, &t); err != nil {
		return nil, nil, err
	}
	return packPlace.sized(append([]byte(nil), k[:8]...), &t.Place), packThread.pack(nil, &t), nil
}
