package bolt_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/store/bolt"
)

// replace puts another file under the descriptor that the store writes to,
// until the returned function is called.
func replace(t *testing.T, path, by string, flag int) (back func()) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || to != path {
			continue
		}
		var fd int
		_, err := fmt.Sscan(e.Name(), &fd)
		require.NoError(t, err)
		kept, err := syscall.Dup(fd) // and with it the lock
		require.NoError(t, err)
		other, err := os.OpenFile(by, flag, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.Dup3(int(other.Fd()), fd, syscall.O_CLOEXEC))
		require.NoError(t, other.Close())
		return func() {
			require.NoError(t, syscall.Dup3(kept, fd, syscall.O_CLOEXEC))
			require.NoError(t, syscall.Close(kept))
		}
	}
	t.Fatal("the store's descriptor is not found")
	return nil
}

func TestDiskThatTakesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		by    string
		flag  int
		cause error
	}{
		"full":      {"/dev/full", os.O_RDWR, nil}, // bbolt asks for its size first, and finds none
		"read-only": {"", os.O_RDONLY, syscall.EBADF},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			s := MustOpen(t, path)
			first, err := s.Create(ctx, noon, "k1", new(operation(1)), written)
			require.NoError(t, err)
			if tc.by == "" {
				tc.by = path
			}
			back := replace(t, path, tc.by, tc.flag)
			for range 3 {
				_, err = s.Create(ctx, noon, "k2", new(operation(2)), written)
				require.ErrorIs(t, err, bot.ErrUnavailable)
				if tc.cause != nil {
					require.ErrorIs(t, err, tc.cause)
				}
				require.ErrorIs(t, s.Ping(ctx, noon), bot.ErrUnavailable)
			}
			stored, err := s.Operation(ctx, first.ID)
			require.NoError(t, err, "it can still be read")
			require.Equal(t, *first.Operation, stored)
			back()
			second, err := s.Create(ctx, noon, "k2", new(operation(2)), written)
			require.NoError(t, err, "it goes on when the disk does")
			require.False(t, second.Repeated)
			require.Equal(t, first.ID+1, second.ID)
			require.NoError(t, s.Check(ctx))
			require.NoError(t, s.Close())
			require.NoError(t, MustOpen(t, path).Check(ctx))
		})
	}
}

func TestLittleDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	fill(t, path, 1)
	opts := options
	opts.MinFree = math.MaxInt64
	s, err := bolt.Open(path, opts)
	require.NoError(t, err)
	_, err = s.Create(ctx, noon, "", new(operation(2)), written)
	require.ErrorIs(t, err, bot.ErrUnavailable)
	require.ErrorContains(t, err, "MB of disk are free")
	require.ErrorIs(t, s.Ping(ctx, noon), bot.ErrUnavailable)
	op, err := s.Operation(ctx, 1)
	require.NoError(t, err)
	op.State = bot.Ready
	_, err = s.Advance(ctx, noon, "", &op, written)
	require.NoError(t, err, "what is under way is recorded")
	require.NoError(t, s.Close())
}

// TestARestoredStoreKeepsItsOwner: an operator restores as root, and the bot
// that is not root opens it. Without root, there is one owner for all.
func TestARestoredStoreKeepsItsOwner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "test.db")
	s := MustOpen(t, path)
	require.NoError(t, s.Append(t.Context(), noon, "", written))
	var backup bytes.Buffer
	require.NoError(t, s.Backup(t.Context(), &backup))
	require.NoError(t, s.Close())
	want, folder := 65532, 65533
	if os.Chown(path, want, want) != nil || os.Chown(dir, folder, folder) != nil {
		want, folder = os.Getuid(), os.Getuid()
	}
	owned := func(uid int) {
		t.Helper()
		for _, name := range []string{path, path + ".gen"} {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.Equal(t, uint32(uid), info.Sys().(*syscall.Stat_t).Uid, name)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
		}
	}
	require.NoError(t, bolt.Restore(t.Context(), path, bytes.NewReader(backup.Bytes()), options))
	owned(want)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Remove(path+".gen"))
	require.NoError(t, bolt.Restore(t.Context(), path, bytes.NewReader(backup.Bytes()), options))
	owned(folder)
}

// TestLocksAreThoseOfTheFile: they are kept in memory, and are the file's after
// any number of changes, commits that fail, prunings, backups and openings.
func TestLocksAreThoseOfTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "test.db")
	reopen := func() *bolt.Store {
		s, err := bolt.Open(path, accepting)
		require.NoError(t, err)
		return s
	}
	s := reopen()
	rnd := rand.New(rand.NewPCG(1, 2))
	want := map[string]bot.Lock{}
	now := noon
	inForce := func() (out []bot.Lock) {
		for _, l := range want {
			if l.Until.IsZero() || l.Until.After(now) {
				out = append(out, l)
			}
		}
		slices.SortFunc(out, func(a, b bot.Lock) int { return cmp.Compare(a.Target, b.Target) })
		return out
	}
	back := func() {}
	broken := false
	for range 600 {
		now = now.Add(time.Duration(rnd.IntN(30)) * time.Second)
		target := fmt.Sprint("vm/", rnd.IntN(8))
		switch n := rnd.IntN(20); {
		case n < 9:
			l := bot.Lock{Target: target, By: fmt.Sprint("u", rnd.IntN(9)), Reason: "work", Since: now}
			if rnd.IntN(3) > 0 {
				l.Until = now.Add(time.Duration(rnd.IntN(300)) * time.Second)
			}
			if err := s.SetLock(ctx, now, "", l, written); broken {
				require.ErrorIs(t, err, bot.ErrUnavailable)
			} else {
				require.NoError(t, err)
				want[target] = l
			}
		case n < 13:
			l, is := want[target]
			is = is && (l.Until.IsZero() || l.Until.After(now))
			switch err := s.ClearLock(ctx, now, "", target, written); {
			case !is && !broken:
				require.ErrorIs(t, err, bot.ErrNotFound)
			case broken:
				require.Error(t, err)
			default:
				require.NoError(t, err)
				delete(want, target)
			}
		case n < 15:
			if err := s.Prune(ctx, now); !broken {
				require.NoError(t, err)
			}
		case n < 17 && !broken:
			back, broken = replace(t, path, path, os.O_RDONLY), true
		case n < 18 && !broken:
			require.NoError(t, s.Close())
			s = reopen()
		case n < 19 && !broken:
			var backup bytes.Buffer
			require.NoError(t, s.Backup(t.Context(), &backup))
			require.NoError(t, s.Close())
			require.NoError(t, bolt.Restore(t.Context(), path, &backup, options))
			s = reopen()
		case broken:
			back()
			broken = false
		}
		found, err := s.Locks(ctx, now)
		require.NoError(t, err)
		require.ElementsMatch(t, inForce(), found)
	}
	if broken {
		back()
	}
	found, err := s.Locks(ctx, now)
	require.NoError(t, err)
	require.Equal(t, len(inForce()), len(found))
	require.NoError(t, s.Close())
	reading := options
	reading.Reading = true
	r, err := bolt.Open(path, reading)
	require.NoError(t, err)
	again, err := r.Locks(ctx, now)
	require.NoError(t, err)
	require.Equal(t, found, again)
	require.NoError(t, r.Close())
}
