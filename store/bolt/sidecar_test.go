package bolt_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/store/bolt"
)

type mark struct {
	Seq      uint64
	MAC      string
	Restored bool
}

// markOf reads the sidecar of a store.
func markOf(tb testing.TB, path string) (m mark) {
	tb.Helper()
	body, err := os.ReadFile(path + ".gen")
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(body, &m))
	return m
}

// copyFile copies what stands at a path, and puts nothing where it is none.
func copyFile(tb testing.TB, from, to string) {
	tb.Helper()
	body, err := os.ReadFile(from)
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(to, body, 0o600))
}

// more adds an audit record.
func more(tb testing.TB, path string) {
	tb.Helper()
	s, err := bolt.Open(path, options)
	require.NoError(tb, err)
	require.NoError(tb, s.Append(tb.Context(), noon, "", written))
	require.NoError(tb, s.Close())
}

func TestANewStoreHasItsSidecarAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := MustOpen(t, path)
	require.Equal(t, mark{}, markOf(t, path))
	info, err := os.Stat(path + ".gen")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, s.Append(t.Context(), noon, "", written))
	require.NoError(t, s.Close())
	require.Equal(t, uint64(1), markOf(t, path).Seq)
	require.NoFileExists(t, path+".gen.new")
}

func TestTheSidecarFollowsWithinAboutASecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := MustOpen(t, path)
	for n := range uint64(20) {
		require.NoError(t, s.Append(t.Context(), noon, "", written))
		require.LessOrEqual(t, markOf(t, path).Seq, n+1, "it is never ahead")
	}
	require.Less(t, markOf(t, path).Seq, uint64(20), "it is written now and then, not with each record")
	last, err := s.Audit(t.Context(), bot.AuditFilter{Limit: 1})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return markOf(t, path) == mark{Seq: 20, MAC: last[0].MAC} }, 10*time.Second, 10*time.Millisecond)
}

func TestWhatIsOlderThanItWasIsNotOpened(t *testing.T) {
	const hint = ". To go on with it as it is: hosterbot run --accept-rollback, which invalidates open approvals and makes open operations unknown"
	for name, tc := range map[string]struct {
		do   func(tb testing.TB, path, old string) // old is a copy with 3 records of the store with 5
		want string
	}{
		"an older copy":        {func(tb testing.TB, path, old string) { copyFile(tb, old, path) }, "an older copy is in its place: it ends with audit record 3, and had come to record 5" + hint},
		"a store that is gone": {func(tb testing.TB, path, _ string) { require.NoError(tb, os.Remove(path)) }, "an older copy is in its place: it ends with audit record 0, and had come to record 5" + hint},
		"a tail that was cut":  {func(tb testing.TB, path, _ string) { change(tb, path, "audit", key(5), gone) }, "an older copy is in its place: it ends with audit record 4, and had come to record 5" + hint},
		"its record removed": {func(tb testing.TB, path, _ string) {
			more(tb, path)
			restoreMark(tb, path, 5)
			change(tb, path, "audit", key(5), gone)
		}, "audit record 5 is missing" + hint},
		"a sidecar that is gone":  {func(tb testing.TB, path, _ string) { require.NoError(tb, os.Remove(path+".gen")) }, ".gen is missing or damaged: it says how far the audit log had come, and the log holds 5 records" + hint},
		"a sidecar that is empty": {func(tb testing.TB, path, _ string) { require.NoError(tb, os.WriteFile(path+".gen", nil, 0o600)) }, ".gen is missing or damaged: it says how far the audit log had come, and the log holds 5 records" + hint},
		"a sidecar without its MAC": {func(tb testing.TB, path, _ string) {
			require.NoError(tb, os.WriteFile(path+".gen", []byte(`{"seq":5}`), 0o600))
		}, ".gen is missing or damaged" + ": it says how far the audit log had come, and the log holds 5 records" + hint},
		"a sidecar of another store": {func(tb testing.TB, path, _ string) {
			restoreMark(tb, path, 4)
			m := markOf(tb, path)
			m.Seq = 5
			putMark(tb, path, m)
		}, "another copy is in its place: its audit record 5 is not the one that was written" + hint},
		"a backup that was restored": {func(tb testing.TB, path, old string) {
			body, err := os.ReadFile(old)
			require.NoError(tb, err)
			require.NoError(tb, bolt.Restore(tb.Context(), path, bytes.NewReader(body), options))
		}, "a backup was restored that ends with audit record 3, and the store before it had come to record 5" + hint},
		"a backup of just now that was restored": {func(tb testing.TB, path, _ string) {
			body, err := os.ReadFile(path)
			require.NoError(tb, err)
			require.NoError(tb, bolt.Restore(tb.Context(), path, bytes.NewReader(body), options))
		}, "a backup was restored that ends with audit record 5" + hint},
		"a backup that was restored where there was no store": {func(tb testing.TB, path, old string) {
			body, err := os.ReadFile(old)
			require.NoError(tb, err)
			require.NoError(tb, os.Remove(path))
			require.NoError(tb, os.Remove(path+".gen"))
			require.NoError(tb, bolt.Restore(tb.Context(), path, bytes.NewReader(body), options))
		}, "a backup was restored that ends with audit record 3" + hint},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, old := filepath.Join(dir, "test.db"), filepath.Join(dir, "old")
			logOf(t, path, 3)
			copyFile(t, path, old)
			more(t, path)
			more(t, path)
			tc.do(t, path, old)
			for range 2 {
				_, err := bolt.Open(path, options)
				require.ErrorIs(t, err, bolt.ErrRollback)
				require.ErrorContains(t, err, tc.want)
			}
			// Looking at it changes nothing, and is not refused.
			before, _ := os.ReadFile(path + ".gen")
			s, err := bolt.Open(path, bolt.Options{AuditKey: options.AuditKey, Reading: true})
			require.NoError(t, err)
			_ = s.Check(t.Context())
			require.Contains(t, s.Rollback(), strings.TrimSuffix(tc.want, hint), "who looks is told")
			require.ErrorIs(t, s.Append(t.Context(), noon, "", written), bot.ErrUnavailable)
			require.ErrorIs(t, s.Ping(t.Context(), noon), bot.ErrUnavailable)
			require.NoError(t, s.Close())
			after, _ := os.ReadFile(path + ".gen")
			require.Equal(t, before, after)
			// Accepted and then killed or closed, it is refused again.
			s, err = bolt.Open(path, accepting)
			require.NoError(t, err)
			require.NotEmpty(t, s.Rollback())
			require.NoError(t, s.Append(t.Context(), noon, "", bot.Written{Audit: []bot.Record{{Kind: "another"}}}))
			require.NoError(t, s.Close())
			_, err = bolt.Open(path, options)
			require.ErrorIs(t, err, bolt.ErrRollback)
			// Dealt with, it is the newest.
			s, err = bolt.Open(path, accepting)
			require.NoError(t, err)
			require.NoError(t, s.EndRollback(t.Context(), noon, written))
			require.Empty(t, s.Rollback())
			last, err := s.Audit(t.Context(), bot.AuditFilter{Limit: 1})
			require.NoError(t, err)
			require.Equal(t, mark{Seq: last[0].Seq, MAC: last[0].MAC}, markOf(t, path), "at once")
			require.NoError(t, s.Close())
			s, err = bolt.Open(path, accepting)
			require.NoError(t, err)
			require.Empty(t, s.Rollback(), "to accept what is none changes nothing")
			require.NoError(t, s.Close())
			MustOpen(t, path)
		})
	}
}

// putMark writes a sidecar.
func putMark(tb testing.TB, path string, m mark) {
	tb.Helper()
	body, err := json.Marshal(map[string]any{"seq": m.Seq, "mac": m.MAC})
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(path+".gen", body, 0o600))
}

// restoreMark makes the sidecar lag: it is that of an earlier record.
func restoreMark(tb testing.TB, path string, seq uint64) {
	tb.Helper()
	s, err := bolt.Open(path, bolt.Options{Reading: true})
	require.NoError(tb, err)
	all, err := s.Audit(tb.Context(), bot.AuditFilter{Before: seq + 1, Limit: 1})
	require.NoError(tb, err)
	require.NoError(tb, s.Close())
	putMark(tb, path, mark{Seq: seq, MAC: all[0].MAC})
}

func TestASidecarThatLagsIsNoRollback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	logOf(t, path, 5)
	for _, seq := range []uint64{1, 4, 5} {
		restoreMark(t, path, seq)
		s, err := bolt.Open(path, options)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.Equal(t, uint64(5), markOf(t, path).Seq, "and catches up")
	}
	putMark(t, path, mark{})
	MustOpen(t, path)
}

func TestAKillBetweenCommitAndSidecarIsNoRollback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childStore+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	seen := make([]byte, 4096)
	_, err = out.Read(seen) // it has written, and does so all the time
	require.NoError(t, err)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	lags := markOf(t, path)
	s, err := bolt.Open(path, options)
	require.NoError(t, err)
	last, err := s.Audit(t.Context(), bot.AuditFilter{Limit: 1})
	require.NoError(t, err)
	require.GreaterOrEqual(t, last[0].Seq, lags.Seq, "it may lag, and is never ahead")
	require.NoError(t, s.Close())
	require.Equal(t, last[0].Seq, markOf(t, path).Seq)
}

func TestReadingMakesNoStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	_, err := bolt.Open(path, bolt.Options{Reading: true})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, path)
}
