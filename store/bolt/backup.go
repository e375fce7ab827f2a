package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Ping implements bot.Store: it writes, and looks whether enough of the disk
// is free for Create.
func (s *Store) Ping(ctx context.Context, now time.Time) error {
	err := s.enoughDisk()
	if err == nil {
		v := timed(now, nil)
		err = s.write(ctx, func(t *tx) error {
			t.put(meta, []byte("ping"), v)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Backup implements bot.Store. Writes go on meanwhile; the space of what they
// delete is not used again until the copy is done.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	err := s.view(ctx, func(t *tx) error {
		_, err := t.bolt.WriteTo(&bounded{ctx, w})
		return err
	})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// bounded is a writer that ends with its context.
type bounded struct {
	ctx context.Context
	w   io.Writer
}

func (b *bounded) Write(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.w.Write(p)
}

// Restore puts a copy that Backup made in the place of the store at path, and
// keeps what was there as path.before-restore. Its owner stays the one of the
// store that was there, or else of the folder. Nothing changes unless the copy
// can be opened and Check finds nothing in it. It returns ErrInUse while a
// process holds the store, and works over a damaged one. The next Open returns
// ErrRollback, unless that is accepted.
func Restore(ctx context.Context, path string, from io.Reader, o Options) error {
	if err := restore(ctx, path, from, o); err != nil {
		return fmt.Errorf("restore %s: %w", path, err)
	}
	return nil
}

func restore(ctx context.Context, path string, from io.Reader, o Options) (err error) {
	release, err := keepOff(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".restore-*") // mode 0600
	if err != nil {
		return unwrapPath(err)
	}
	defer os.Remove(part.Name()) // gone already, if all went well
	_, err = io.Copy(part, from)
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return err
	}
	if info, err := os.Stat(part.Name()); err == nil && info.Size() > 0 {
		if _, err := prove(part.Name(), o.plan()); err != nil {
			return fmt.Errorf("the copy is not fit for use: %w", err)
		}
		if err := modernise(part.Name(), o.plan()); err != nil {
			return fmt.Errorf("the copy cannot be migrated: %w", err)
		}
	}
	if err := try(ctx, part.Name(), o); err != nil {
		return fmt.Errorf("the copy is not fit for use: %w", err)
	}
	ownAs(part.Name(), path, filepath.Dir(path))
	// A link keeps a store at path at every moment, where links are possible.
	before := path + ".before-restore"
	if err := os.Remove(before); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(path, before); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path, before); err != nil {
			return err
		}
	}
	// The mark comes first: a kill between the two costs a needless question,
	// not a missed one.
	unmark, err := markRestored(path + ".gen")
	if err != nil {
		return err
	}
	ownAs(path+".gen", part.Name())
	if err := os.Rename(part.Name(), path); err != nil {
		return errors.Join(err, unmark())
	}
	return syncDir(path)
}

// keepOff keeps every process from opening the store at path. A damaged one
// is safe from that by itself.
func keepOff(path string) (release func() error, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, explain(path, err)
	case err != nil:
		return func() error { return nil }, nil
	}
	return db.Close, nil
}

// try opens a copy and reads all of it.
func try(ctx context.Context, path string, o Options) error {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return errors.Join(fmt.Errorf("%w: it is empty", ErrDamaged), err)
	}
	o.Reading = true
	s, err := open(path, o)
	if err != nil {
		return err
	}
	return errors.Join(s.Check(ctx), s.Close())
}
