package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Rate has n callers call f over and over, and returns calls a second: those of
// some time, after a warm-up.
func Rate(b *testing.B, n int, warm, long time.Duration, f func(caller, i int) error) float64 {
	var counted atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for caller := range n {
		wg.Go(func() {
			mine := 0
			for i := 0; time.Since(begin) < warm+long; i++ {
				if err := f(caller, i); err != nil {
					b.Error(err)
					return
				}
				if time.Since(begin) > warm {
					mine++
				}
			}
			counted.Add(int64(mine))
		})
	}
	wg.Wait()
	return float64(counted.Load()) / long.Seconds()
}
