package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// step makes the next schema of the one before it: it may add buckets and
// rewrite what they hold, in a transaction that is committed with the number
// of the new schema, or not at all. It never touches audit records: their bytes
// are sealed.
type step func(tx *bbolt.Tx) error

// plan is a schema, and the steps that lead to it: the first from schema 1 to 2,
// and so on. The last schema is 1 + len(steps).
type plan struct{ steps []step }

// plan is that of this program, where a test gives no other. To raise the
// schema, add its step here and a file of the schema before it, written by the
// last release, to testdata.
func (o Options) plan() plan {
	if o.other != nil {
		return *o.other
	}
	return plan{steps: []step{packAll, addIncidents, flatten}}
}

func (p plan) schema() uint64 { return schema + uint64(len(p.steps)) }

// stored is the schema of a file, 0 if it has none.
func stored(tx *bbolt.Tx) uint64 {
	b := tx.Bucket([]byte(bucketNames[meta]))
	if b == nil {
		return 0
	}
	v := b.Get([]byte("schema"))
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// migrate takes an older store to the schema of the plan, in one transaction.
// What was there before is kept beside it as path.schema-N, so that an older
// hosterbot can go on with it; what a try that failed left there is replaced.
// kept is its name, "" where nothing had to be done.
func migrate(db *bbolt.DB, path string, p plan) (kept string, err error) {
	var from uint64
	if err := db.View(func(tx *bbolt.Tx) error { from = stored(tx); return nil }); err != nil {
		return "", err
	}
	if from < 1 || from >= p.schema() {
		return "", nil
	}
	kept = fmt.Sprintf("%s.schema-%d", path, from)
	if err := db.View(func(tx *bbolt.Tx) error { return keep(tx, kept) }); err != nil {
		return "", fmt.Errorf("keep the store of schema %d: %w", from, err)
	}
	return kept, db.Update(func(tx *bbolt.Tx) error {
		for n := from; n < p.schema(); n++ {
			if err := p.steps[n-1](tx); err != nil {
				return fmt.Errorf("schema %d to %d: %w", n, n+1, err)
			}
		}
		return tx.Bucket([]byte(bucketNames[meta])).Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, p.schema()))
	})
}

// evolve migrates the store where it is older, or refuses to read one that is.
func (s *Store) evolve(p plan) error {
	if !s.reading {
		_, err := migrate(s.db, s.path, p)
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		if n := stored(tx); n < p.schema() {
			return fmt.Errorf("%w (schema %d, this one knows %d): the next hosterbot run migrates it", ErrOlder, n, p.schema())
		}
		return nil
	})
}

// keep writes a copy of the store to a file, which stands there whole or not at
// all.
func keep(tx *bbolt.Tx, path string) error {
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*") // mode 0600
	if err != nil {
		return unwrapPath(err)
	}
	defer os.Remove(part.Name()) // gone already, if all went well
	_, err = tx.WriteTo(io.Writer(part))
	for _, next := range []func() error{part.Sync, part.Close, func() error { return os.Rename(part.Name(), path) }, func() error { return syncDir(path) }} {
		if err == nil {
			err = next()
		}
	}
	return err
}

// modernise migrates a file that nobody has open, such as a backup before it is
// restored.
func modernise(path string, p plan) error {
	db, _, err := openFile(path)
	if err != nil {
		return explain(path, err)
	}
	kept, err := migrate(db, path, p)
	if kept != "" {
		err = errors.Join(err, os.Remove(kept)) // the backup itself is the copy
	}
	return errors.Join(err, db.Close())
}
