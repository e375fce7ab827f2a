package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/store"
)

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := store.Open("bolt:"+path, store.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Ping(t.Context(), time.Now()))
	_, err = store.Open("bolt:"+path, store.Options{})
	require.ErrorIs(t, err, store.ErrInUse)
	require.ErrorIs(t, store.Restore(t.Context(), "bolt:"+path, path, store.Options{}), store.ErrInUse)
	require.NoError(t, s.Close())
}

func TestOpenNothing(t *testing.T) {
	for name, tc := range map[string]struct{ address, want string }{
		"another back end, whose password is not shown": {"postgres://ana:secret@host/db", `store: unknown kind "postgres", expected bolt:PATH such as bolt:./hosterbot.db`},
		"a path alone": {"./hosterbot.db", `store: unknown kind "./hosterbot.db", expected bolt:PATH such as bolt:./hosterbot.db`},
		"no path":      {"bolt:", `store "bolt:": the path is missing, expected bolt:PATH such as bolt:./hosterbot.db`},
		"nothing":      {"", `store: unknown kind "", expected bolt:PATH such as bolt:./hosterbot.db`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(tc.address, store.Options{})
			require.EqualError(t, err, tc.want)
			require.Nil(t, s)
			require.EqualError(t, store.Restore(t.Context(), tc.address, "", store.Options{}), tc.want)
		})
	}
}

func TestOpenDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o600))
	s, err := store.Open("bolt:"+path, store.Options{})
	require.ErrorIs(t, err, store.ErrDamaged)
	require.True(t, s == nil, "no nil pointer in an interface")
}

func TestRestore(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "test.db"), filepath.Join(dir, "backup")
	s, err := store.Open("bolt:"+path, store.Options{})
	require.NoError(t, err)
	f, err := os.Create(backup)
	require.NoError(t, err)
	require.NoError(t, s.Backup(t.Context(), f))
	require.NoError(t, f.Close())
	require.NoError(t, s.Close())
	require.NoError(t, store.Restore(t.Context(), "bolt:"+path, backup, store.Options{}))
	require.FileExists(t, path+".before-restore")
	require.ErrorIs(t, store.Restore(t.Context(), "bolt:"+path, backup+"x", store.Options{}), os.ErrNotExist)
}
