package adapters_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// at is workers in a bubble, whose clock jumps when all of it waits.
func at(t *testing.T, test func(t *testing.T, w *adapters.Workers)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := adapters.NewWorkers(bot.SystemClock{})
		w.Open()
		test(t, w)
	})
}

// asks is a rest that asks the provider.
func asks(run func()) bot.Rest { return bot.Rest{Run: run, Asks: true} }

func TestAThousandCallsWaitWithoutGoroutines(t *testing.T) {
	at(t, func(t *testing.T, w *adapters.Workers) {
		var calls, rests, ended atomic.Int64
		called, left := make(chan struct{}), make(chan struct{})
		for range 1000 {
			require.True(t, w.Call(false, func(time.Time) bot.Rest {
				calls.Add(1)
				<-called
				return asks(func() {
					rests.Add(1)
					<-left
					ended.Add(1)
				})
			}))
		}
		synctest.Wait()
		require.EqualValues(t, 64, calls.Load())
		close(called)
		synctest.Wait()
		require.EqualValues(t, 1000, calls.Load())
		require.EqualValues(t, 64, rests.Load())
		close(left)
		w.Close()
		require.EqualValues(t, 1000, ended.Load(), "what is left is waited for")
	})
}

func TestWhatIsLeftGivesWayToNewCalls(t *testing.T) {
	at(t, func(t *testing.T, w *adapters.Workers) {
		var rests atomic.Int64
		hold, held := make(chan struct{}), make(chan struct{})
		call := func() {
			require.True(t, w.Call(false, func(time.Time) bot.Rest {
				return asks(func() {
					rests.Add(1)
					<-hold
				})
			}))
		}
		require.True(t, w.Call(false, func(time.Time) bot.Rest { <-held; return bot.Rest{} }))
		for range 100 {
			call()
		}
		synctest.Wait()
		require.EqualValues(t, 2, rests.Load(), "one call is not acknowledged yet")
		close(held)
		synctest.Wait()
		require.EqualValues(t, 64, rests.Load(), "all are")
		close(hold)
		w.Close()
		require.EqualValues(t, 100, rests.Load())
	})
}

func TestCallsThatHangHoldUpNobody(t *testing.T) {
	at(t, func(t *testing.T, w *adapters.Workers) {
		hang := make(chan struct{})
		for range 200 {
			require.True(t, w.Call(false, func(time.Time) bot.Rest { <-hang; return bot.Rest{} }))
		}
		began := time.Now()
		since := make(chan time.Time, 1)
		require.True(t, w.Call(false, func(at time.Time) bot.Rest { since <- at; return bot.Rest{} }))
		require.Equal(t, began, <-since, "it knows how long it has waited")
		require.LessOrEqual(t, time.Since(began), 250*time.Millisecond)
		close(hang)
		w.Close()
	})
}

func TestACallThatHangsHoldsUpNothingThatIsLeft(t *testing.T) {
	at(t, func(t *testing.T, w *adapters.Workers) {
		var rests atomic.Int64
		hang := make(chan struct{})
		require.True(t, w.Call(false, func(time.Time) bot.Rest { <-hang; return bot.Rest{} }))
		for range 100 {
			require.True(t, w.Call(false, func(time.Time) bot.Rest { return asks(func() { rests.Add(1); <-hang }) }))
		}
		synctest.Wait()
		require.EqualValues(t, 2, rests.Load())
		<-time.After(25 * time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 64, rests.Load(), "it hangs, and they no longer wait for it")
		close(hang)
		w.Close()
		require.EqualValues(t, 100, rests.Load())
	})
}

func TestWhatComesWhileTheLastIsWaitedForBegins(t *testing.T) {
	at(t, func(t *testing.T, w *adapters.Workers) {
		w.Settle(t.Context()) // there is nothing to wait for
		call, rest := make(chan struct{}), make(chan struct{})
		require.True(t, w.Call(false, func(time.Time) bot.Rest { <-call; return asks(func() { <-rest }) }))
		settled := false
		go func() { w.Settle(t.Context()); settled = true }()
		synctest.Wait()
		begun := 0
		newcomer := func() {
			require.True(t, w.Call(false, func(time.Time) bot.Rest { begun++; return bot.Rest{} }))
			synctest.Wait()
		}
		newcomer()
		close(call)
		synctest.Wait()
		newcomer()
		require.Equal(t, 2, begun)
		require.False(t, settled, "something is left")
		close(rest)
		synctest.Wait()
		require.True(t, settled)
		w.Close()

		w.Open()
		hang := make(chan struct{})
		require.True(t, w.Call(false, func(time.Time) bot.Rest { <-hang; return bot.Rest{} }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.Settle(ctx)
		require.Error(t, ctx.Err(), "it waits no longer than it may")
		close(hang)
		w.Close()
	})
}

func TestWhatAsksNoProviderDoesNotWaitForWhatDoes(t *testing.T) {
	at(t, func(t *testing.T, w *adapters.Workers) {
		hang := make(chan struct{})
		for range 200 {
			require.True(t, w.Call(false, func(time.Time) bot.Rest { return asks(func() { <-hang }) }))
		}
		synctest.Wait()
		began, done := time.Now(), make(chan struct{})
		require.True(t, w.Call(false, func(time.Time) bot.Rest { return bot.Rest{Run: func() { close(done) }} }))
		<-done
		require.Zero(t, time.Since(began))
		close(hang)
		w.Close()
	})
}

func TestTooManyCallsAreRefused(t *testing.T) {
	at(t, func(t *testing.T, w *adapters.Workers) {
		hang := make(chan struct{})
		left := func(time.Time) bot.Rest { return asks(func() { <-hang }) }
		for range adapters.CallsMost {
			require.True(t, w.Call(false, left))
		}
		synctest.Wait()
		require.False(t, w.Call(false, left), "what is left counts as well")
		for range 200 {
			require.True(t, w.Call(true, left), "who decides about it finds room")
		}
		require.False(t, w.Call(true, left))
		told := 0
		for w.Busy(func() { <-hang }) {
			told++
		}
		require.Equal(t, 128, told)
		close(hang)
		synctest.Wait()
		require.True(t, w.Call(false, left), "there is room again")
		require.True(t, w.Busy(func() {}))
		w.Close()
	})
}

func TestNothingBeginsBeforeOpenOrAfterClose(t *testing.T) {
	w := adapters.NewWorkers(bot.SystemClock{})
	never := func(time.Time) bot.Rest { t.Error("it ran"); return bot.Rest{} }
	require.True(t, w.Call(false, never))
	require.True(t, w.Busy(func() { t.Error("it ran") }))
	w.Open()
	w.Close()
	require.True(t, w.Call(false, never))
	w.Close()
}
