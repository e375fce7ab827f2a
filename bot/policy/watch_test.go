package policy_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

// watched is a policy file in a folder of its own, and its watcher.
type watched struct {
	tb   testing.TB
	file string
	*policy.Watcher
}

func watch(tb testing.TB, text string) watched {
	tb.Helper()
	w := watched{tb: tb, file: filepath.Join(tb.TempDir(), "policies.yaml")}
	w.write(text)
	first, err := policy.Load(w.file, vocabulary{})
	require.NoError(tb, err)
	w.Watcher = policy.NewWatcher(w.file, vocabulary{}, first)
	return w
}

func (w watched) write(text string) {
	w.tb.Helper()
	require.NoError(w.tb, os.WriteFile(w.file, []byte(text), 0o600))
}

func (w watched) check(changed bool) {
	w.tb.Helper()
	got, err := w.Check(context.Background())
	require.NoError(w.tb, err)
	require.Equal(w.tb, changed, got)
}

func TestWatcher(t *testing.T) {
	other := strings.Replace(base, "cores: 8", "cores: 4", 1)
	tests := []struct {
		name string
		play func(t *testing.T, w watched)
	}{
		{"nothing changed", func(t *testing.T, w watched) {
			first := w.Current()
			w.check(false)
			require.Same(t, first, w.Current())
		}},
		{"new content is in use", func(t *testing.T, w watched) {
			first := w.Current()
			w.write(other)
			w.check(true)
			require.NotEqual(t, first.Hash(), w.Current().Hash())
			require.Equal(t, w.Current().Hash(), w.State().Hash)
			w.check(false)
		}},
		{"content of the same size and time counts", func(t *testing.T, w watched) {
			info, err := os.Stat(w.file)
			require.NoError(t, err)
			w.write(other)
			require.NoError(t, os.Chtimes(w.file, info.ModTime(), info.ModTime()))
			w.check(true)
		}},
		{"a new time alone loads again", func(t *testing.T, w watched) {
			require.NoError(t, os.Chtimes(w.file, time.Unix(1, 0), time.Unix(1, 0)))
			w.check(true)
		}},
		{"a file renamed over it counts", func(t *testing.T, w watched) {
			next := w.file + ".new"
			require.NoError(t, os.WriteFile(next, []byte(other), 0o600))
			require.NoError(t, os.Rename(next, w.file))
			w.check(true)
		}},
		{"a bad file leaves the last good one, and is told once", func(t *testing.T, w watched) {
			first := w.Current()
			w.write(strings.Replace(base, "version: 1", "version: 2", 1))
			changed, err := w.Check(t.Context())
			require.False(t, changed)
			require.ErrorContains(t, err, "version 2")
			require.Same(t, first, w.Current())
			require.Equal(t, err, w.State().LastErr)
			require.False(t, w.State().LastErrAt.IsZero())
			w.check(false)
			_, err = w.Reload(t.Context())
			require.ErrorContains(t, err, "version 2", "Reload tells it each time")

			w.write(base)
			w.check(true)
			require.NoError(t, w.State().LastErr)
		}},
		{"a failing test leaves the last good one", func(t *testing.T, w watched) {
			w.write(strings.Replace(base, "count: 1, by", "count: 2, by", 1))
			_, err := w.Check(t.Context())
			require.ErrorContains(t, err, "this test fails")
		}},
		{"a missing file leaves the last good one", func(t *testing.T, w watched) {
			first := w.Current()
			require.NoError(t, os.Remove(w.file))
			_, err := w.Check(t.Context())
			require.ErrorIs(t, err, os.ErrNotExist)
			require.Same(t, first, w.Current())
			w.check(false)
			w.write(base)
			w.check(true)
			require.NoError(t, w.State().LastErr)
		}},
		{"an empty file leaves the last good one", func(t *testing.T, w watched) {
			w.write("")
			_, err := w.Check(t.Context())
			require.ErrorContains(t, err, "empty")
		}},
		{"a folder leaves the last good one", func(t *testing.T, w watched) {
			require.NoError(t, os.Remove(w.file))
			require.NoError(t, os.Mkdir(w.file, 0o700))
			_, err := w.Check(t.Context())
			require.ErrorContains(t, err, "not a regular file")
		}},
		{"Reload loads what did not change", func(t *testing.T, w watched) {
			changed, err := w.Reload(t.Context())
			require.NoError(t, err)
			require.True(t, changed)
		}},
		{"the end of the context is no verdict", func(t *testing.T, w watched) {
			w.write(other)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := w.Check(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, w.State().LastErr)
			w.check(true)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.play(t, watch(t, base)) })
		})
	}
}

func TestWatcherSwappedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		link := filepath.Join(dir, "policies.yaml")
		for _, name := range []string{"one", "two"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(base), 0o600))
		}
		require.NoError(t, os.Symlink("one", link))
		first, err := policy.Load(link, vocabulary{})
		require.NoError(t, err)
		w := policy.NewWatcher(link, vocabulary{}, first)
		require.NoError(t, os.Symlink("two", link+".new"))
		require.NoError(t, os.Rename(link+".new", link))
		changed, err := w.Check(t.Context())
		require.NoError(t, err)
		require.True(t, changed, "the same content under another identity is another file")
	})
}

// TestWatcherHalfWritten writes a policy in two pieces, of which the first is
// a valid policy without denies.
func TestWatcherHalfWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, strings.Replace(base, "cores: 8", "cores: 4", 1))
		half := strings.Index(base, "denies:")
		w.write(base[:half])
		var wg sync.WaitGroup
		wg.Go(func() {
			<-time.After(50 * time.Millisecond)
			w.write(base)
		})
		w.check(true)
		wg.Wait()
		a := w.Current().Decide(policy.Question{Person: "ben", Command: "vm reboot", Targets: vm(4001), Time: noon})
		require.Equal(t, "hands-off", a.Rules[0].ID, "the deny is there")
	})
}

func TestWatcherRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, base)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					_, _ = w.Check(t.Context())
					_, _ = w.Reload(t.Context())
				}
			})
			wg.Go(func() {
				for range 1000 {
					_ = w.State()
					_ = w.Current().Decide(policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4001), Time: noon})
				}
			})
		}
		wg.Wait()
		require.Equal(t, w.Current().Hash(), w.State().Hash)
	})
}
