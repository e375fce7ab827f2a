package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"hosterbot/bot"
	"hosterbot/store/bolt"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// fill makes a store with n operations at path and closes it.
func fill(tb testing.TB, path string, n int) {
	tb.Helper()
	s, err := bolt.Open(path, options)
	require.NoError(tb, err)
	for i := range n {
		_, err := s.Create(tb.Context(), noon, fmt.Sprint("k", i), new(operation(i)), written)
		require.NoError(tb, err)
	}
	require.NoError(tb, s.Close())
}

func operation(i int) bot.Operation {
	return bot.Operation{
		State: bot.Pending, Command: "vm delete", Lane: fmt.Sprint("vm/", i), Person: "ana", Created: noon, NextAt: noon.Add(time.Hour),
		Targets: []bot.Target{{Kind: "vm", ID: int64(i)}}, Title: "Delete VM",
	}
}

var written = bot.Written{
	Audit: []bot.Record{{Time: noon, Kind: "command", Person: "ana", Command: "vm delete"}},
	Owed:  []bot.Owed{{Kind: bot.OwedRoot, At: noon}},
}

func TestOpenInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosterbot.db")
	opts := options
	opts.Now = func() time.Time { return noon }
	first, err := bolt.Open(path, opts)
	require.NoError(t, err)
	begin := time.Now()
	_, err = bolt.Open(path, options)
	require.ErrorIs(t, err, bolt.ErrInUse)
	require.Less(t, time.Since(begin), 3*time.Second, "it gives up after about a second")
	host, _ := os.Hostname()
	require.EqualError(t, err, fmt.Sprintf("open %s: locked (is another hosterbot running? pid %d, host %s, since 2026-11-25 12:00 UTC)", path, os.Getpid(), host))
	require.ErrorIs(t, bolt.Restore(t.Context(), path, strings.NewReader(""), options), bolt.ErrInUse)
	require.NoError(t, first.Ping(t.Context(), noon), "the holder is not disturbed")
	require.NoError(t, first.Close())
	require.NoFileExists(t, path+".holder")
	MustOpen(t, path)
}

func TestOpenPermission(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := MustOpen(t, path)
	for _, name := range []string{path, path + ".holder"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	require.NoError(t, s.Close())
	require.NoError(t, os.Chmod(path, 0o644))
	MustOpen(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "a permission that is too wide is narrowed")
}

func TestOpenWhereNothingCanBe(t *testing.T) {
	dir := t.TempDir()
	_, err := bolt.Open(filepath.Join(dir, "no", "such", "dir.db"), options)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = bolt.Open(dir, options)
	require.ErrorContains(t, err, "not a file")
	require.NoError(t, os.Chmod(dir, 0o500))
	s, err := bolt.Open(filepath.Join(dir, "test.db"), options)
	if os.Geteuid() == 0 { // root may write everywhere
		require.NoError(t, err)
		require.NoError(t, s.Close())
		return
	}
	require.ErrorIs(t, err, os.ErrPermission)
}

func TestOpenNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	fill(t, path, 1)
	change(t, path, "meta", []byte("schema"), func([]byte) []byte { return binary.BigEndian.AppendUint64(nil, 99) })
	_, err := bolt.Open(path, options)
	require.ErrorIs(t, err, bolt.ErrNewer)
	require.ErrorContains(t, err, "made by a newer hosterbot")
}

func TestOpenDamaged(t *testing.T) {
	whole := MustOpen(t, filepath.Join(t.TempDir(), "whole.db"))
	for i := range 300 {
		_, err := whole.Create(t.Context(), noon, fmt.Sprint("k", i), new(operation(i)), written)
		require.NoError(t, err)
	}
	var copied bytes.Buffer
	require.NoError(t, whole.Backup(t.Context(), &copied))
	content := copied.Bytes()
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(other, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("theirs"))
		return err
	}))
	require.NoError(t, db.Close())
	foreign, err := os.ReadFile(other)
	require.NoError(t, err)
	noise := bytes.Repeat([]byte("garbage "), 4096)
	for name, file := range map[string][]byte{
		"garbage":              noise,
		"one byte":             {1},
		"both metas gone":      append(noise[:8192:8192], content[8192:]...),
		"cut to its metas":     content[:8192],
		"cut in the middle":    content[:len(content)/10],
		"cut to a part page":   content[:5000],
		"another program's":    foreign,
		"metas of a new store": append(content[:8192:8192], noise...),
		"no page where it was": append(content[:8192:8192], make([]byte, len(content)-8192)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			require.NoError(t, os.WriteFile(path, file, 0o600))
			_, err := bolt.Open(path, options)
			require.ErrorIs(t, err, bolt.ErrDamaged)
			left, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, file, left, "what is damaged is not touched")
		})
	}
	t.Run("an empty file is a new store", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, MustOpen(t, path).Ping(t.Context(), noon))
	})
	t.Run("no damage ends the process", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			file := bytes.Clone(content)
			at := rnd.IntN(len(content))
			switch rnd.IntN(3) {
			case 0: // a byte of a page's head or element list
				at = at&^4095 + rnd.IntN(200)
				file[at] ^= byte(1 + rnd.IntN(255))
			case 1: // any byte
				file[at] ^= byte(1 + rnd.IntN(255))
			case 2: // a page of something else
				at &^= 4095
				copy(file[at:at+4096], content[rnd.IntN(len(content))&^4095:])
			}
			require.NoError(t, os.WriteFile(path, file, 0o600))
			s, err := bolt.Open(path, accepting)
			if err != nil {
				require.ErrorIs(t, err, bolt.ErrDamaged)
				continue
			}
			_ = s.Check(t.Context()) // finds it, unless the byte was of no use
			require.NoError(t, s.Close())
		}
	})
}

// change changes a value behind the store's back.
func change(tb testing.TB, path, bucket string, key []byte, f func([]byte) []byte) {
	tb.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	require.NoError(tb, err)
	require.NoError(tb, db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if key == nil {
			key, _ = b.Cursor().First()
		}
		if v := f(bytes.Clone(b.Get(key))); v != nil {
			return b.Put(key, v)
		}
		return b.Delete(key)
	}))
	require.NoError(tb, db.Close())
}

func flip(v []byte) []byte {
	v[len(v)/2] ^= 1
	return v
}

func gone([]byte) []byte { return nil }

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func TestCheckFinds(t *testing.T) {
	for name, tc := range map[string]struct {
		bucket string
		key    []byte
		f      func([]byte) []byte
		want   string
	}{
		"a changed record":       {"audit", key(3), flip, "audit record 3"},
		"a changed MAC":          {"audit", key(3), func(v []byte) []byte { v[0] ^= 1; return v }, "audit record 3: was changed"},
		"a removed record":       {"audit", key(3), gone, "audit record 4: follows record 2"},
		"a removed first record": {"audit", key(1), gone, "audit record 2: follows record 0"},
		"an index entry lost":    {"open", key(2), gone, "operation 2: missing in index open"},
		"a lane held twice":      {"operations", key(2), func(v []byte) []byte { return bytes.Replace(v, []byte("vm/1"), []byte("vm/0"), 1) }, "operation 2: holds lane vm/0, as operation 1 does"},
		"an operation's JSON":    {"operations", key(2), func(v []byte) []byte { return v[:len(v)-1] }, "operation 2"},
		"an operation's head":    {"operations", key(2), func(v []byte) []byte { v[16] ^= 2; return v }, "operation 2: head and content differ"},
		"a message's JSON":       {"owed", key(1), func(v []byte) []byte { return v[:len(v)-1] }, "message owed 1"},
		"a root owed twice":      {"owed", key(2), func(v []byte) []byte { v[7]--; return v }, "is the root that message 1 is"},
		"a key's value":          {"keys", nil, flip, `key "k0": operation 72057594037927937 does not exist`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			s := MustOpen(t, path)
			for i := range 5 {
				op := operation(i)
				op.State = bot.Unknown
				_, err := s.Create(t.Context(), noon, fmt.Sprint("k", i), &op, written)
				require.NoError(t, err)
			}
			require.NoError(t, s.Check(t.Context()))
			require.NoError(t, s.Close())
			change(t, path, tc.bucket, tc.key, tc.f)
			err := MustOpen(t, path).Check(t.Context())
			require.ErrorIs(t, err, bolt.ErrDamaged)
			require.ErrorContains(t, err, tc.want)
		})
	}
	t.Run("another audit key", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		fill(t, path, 2)
		s, err := bolt.Open(path, bolt.Options{AuditKey: []byte("other")})
		require.NoError(t, err)
		require.ErrorContains(t, s.Check(t.Context()), "audit record 1: was changed, or sealed with another key")
		require.NoError(t, s.Close())
	})
	t.Run("no audit key: the chain is followed, and nothing audited is written", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		fill(t, path, 2)
		s, err := bolt.Open(path, bolt.Options{MinFree: -1})
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context()))
		require.ErrorIs(t, s.Append(t.Context(), noon, "", written), bot.ErrUnavailable)
		require.NoError(t, s.Close())
	})
}

// TestAnOpenOperationThatIsLostMayHoldAnyLane: so nothing runs on such a store.
func TestAnOpenOperationThatIsLostMayHoldAnyLane(t *testing.T) {
	for name, tc := range map[string]struct {
		bucket string
		key    []byte
		f      func([]byte) []byte
		want   string
	}{
		"an operation lost":       {"operations", key(2), gone, "operation 2 is open and is not there"},
		"an operation's head":     {"operations", key(2), func(v []byte) []byte { return v[:8] }, "operation 2"},
		"an index entry too many": {"open", key(99), func([]byte) []byte { return []byte{} }, "operation 99 is open and is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			fill(t, path, 3)
			change(t, path, tc.bucket, tc.key, tc.f)
			_, err := bolt.Open(path, accepting)
			require.ErrorIs(t, err, bolt.ErrDamaged)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// A lock that cannot be read would be one that stops nothing.
func TestALockThatCannotBeReadStopsAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := MustOpen(t, path)
	lock := bot.Lock{Target: "vm/4001", By: "ana", Reason: "migration", Since: noon}
	require.NoError(t, s.SetLock(t.Context(), noon, "", lock, bot.Written{}))
	require.NoError(t, s.Close())
	s = MustOpen(t, path)
	found, err := s.Locks(t.Context(), noon)
	require.NoError(t, err)
	require.Equal(t, []bot.Lock{lock}, found)
	require.NoError(t, s.Close())
	change(t, path, "locks", []byte("vm/4001"), func(v []byte) []byte { return v[:len(v)-1] })
	_, err = bolt.Open(path, accepting)
	require.ErrorIs(t, err, bolt.ErrDamaged)
	require.ErrorContains(t, err, `lock of "vm/4001"`)
}

func TestRestore(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "test.db")
	s := MustOpen(t, path)
	_, err := s.Create(ctx, noon, "", new(operation(1)), written)
	require.NoError(t, err)
	var backup bytes.Buffer
	require.NoError(t, s.Backup(ctx, &backup))
	_, err = s.Create(ctx, noon, "", new(operation(2)), written)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	now, err := os.ReadFile(path)
	require.NoError(t, err)

	same := func(t *testing.T) {
		t.Helper()
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, now, left)
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, entries, 2, "nothing but the store and its mark is left lying about")
	}
	for name, tc := range map[string]struct {
		from io.Reader
		opts bolt.Options
		want error
	}{
		"of garbage":        {strings.NewReader(strings.Repeat("x", 1<<16)), options, bolt.ErrDamaged},
		"of nothing":        {strings.NewReader(""), options, bolt.ErrDamaged},
		"of half a copy":    {bytes.NewReader(backup.Bytes()[:backup.Len()/2]), options, bolt.ErrDamaged},
		"with another key":  {bytes.NewReader(backup.Bytes()), bolt.Options{AuditKey: []byte("other")}, bolt.ErrDamaged},
		"from broken media": {io.MultiReader(bytes.NewReader(backup.Bytes()[:9000]), broken{}), options, errBroken},
	} {
		t.Run(name+" changes nothing", func(t *testing.T) {
			require.ErrorIs(t, bolt.Restore(ctx, path, tc.from, tc.opts), tc.want)
			same(t)
		})
	}
	check := func(path string, operations int) {
		t.Helper()
		s, err := bolt.Open(path, accepting)
		require.NoError(t, err)
		require.NoError(t, s.Check(ctx))
		all, err := s.Operations(ctx, bot.OperationFilter{})
		require.NoError(t, err)
		require.Len(t, all, operations)
		require.NoError(t, s.Close())
	}
	for range 2 { // over a store, and over a kept older one
		require.NoError(t, bolt.Restore(ctx, path, bytes.NewReader(backup.Bytes()), options))
		check(path, 1)
	}
	require.NoError(t, os.WriteFile(path, now, 0o600))
	require.NoError(t, bolt.Restore(ctx, path, bytes.NewReader(backup.Bytes()), options))
	check(path+".before-restore", 2)
	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o600))
	require.NoError(t, bolt.Restore(ctx, path, bytes.NewReader(backup.Bytes()), options), "it works over a damaged store")
	check(path, 1)
	require.NoError(t, os.Remove(path))
	require.NoError(t, bolt.Restore(ctx, path, bytes.NewReader(backup.Bytes()), options), "and where there is none")
	check(path, 1)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestBackupWhileWriting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	s := MustOpen(t, filepath.Join(dir, "test.db"))
	done := make(chan error)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := s.Create(t.Context(), noon, "", new(operation(i)), written); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range 5 {
		path := filepath.Join(dir, fmt.Sprint("copy", i))
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, s.Backup(t.Context(), f))
		require.NoError(t, f.Close())
		copied, err := bolt.Open(path, accepting)
		require.NoError(t, err)
		require.NoError(t, errors.Join(copied.Check(t.Context()), copied.Close()))
	}
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, s.Check(t.Context()))
}
