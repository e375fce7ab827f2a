package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"hosterbot/bot"
	"hosterbot/store"
)

// BenchmarkFollowed keeps 10,000 followed jobs in a store: how much memory each
// takes in the process, and how long it takes to find what is due.
func BenchmarkFollowed(b *testing.B) {
	const n = 10_000
	st, err := store.Open("bolt:"+filepath.Join(b.TempDir(), "s.db"), store.Options{AuditKey: []byte("k")})
	require.NoError(b, err)
	b.Cleanup(func() { _ = st.Close() })
	now := time.Now()
	before := heap()
	var fill errgroup.Group
	fill.SetLimit(256)
	for i := range n {
		fill.Go(func() error {
			at := now.Add(time.Hour + time.Duration(i)*time.Millisecond)
			_, err := st.Create(b.Context(), now, "", &bot.Operation{
				State: bot.Following, Command: "vm create", Person: "ana", NextAt: at, Lane: fmt.Sprintf("vm/%d", i), Silent: true,
				Job: &bot.Job{ID: int64(i), Since: now, Next: at, Last: bot.Progress{Phase: bot.Running, Word: "executing", Fraction: 0.5}},
			}, bot.Written{})
			return err
		})
	}
	require.NoError(b, fill.Wait())
	b.ReportMetric(float64(heap()-before)/n, "B/job")
	b.ReportAllocs()
	for b.Loop() {
		due, next, err := st.Due(b.Context(), now, "", 256)
		require.NoError(b, err)
		require.Empty(b, due)
		require.False(b, next.IsZero())
	}
	b.ReportMetric(float64(heap()-before)/n, "B/job")
}

// heap is how much memory is in use after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
