package hoster_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
)

func TestRateAndBurst(t *testing.T) {
	for _, tt := range []struct {
		name string
		who  hoster.Priority
		free int           // at once
		then time.Duration // for 60 more
	}{
		{"people have the whole rate", hoster.People, 40, 3 * time.Second},
		{"mutations have three quarters", hoster.Mutation, 30, 4 * time.Second},
		{"settling has three quarters", hoster.Settling, 30, 4 * time.Second},
		{"polling has three quarters", hoster.Polling, 30, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, reply(200, ``), func(cfg *hoster.Config) { cfg.Rate = 20 })
			start := b.clock.Now()
			for range tt.free {
				require.NoError(t, b.Acquire(t.Context(), tt.who))
			}
			require.Equal(t, start, b.clock.Now())
			for range 60 {
				require.NoError(t, b.Acquire(t.Context(), tt.who))
			}
			require.WithinDuration(t, start.Add(tt.then), b.clock.Now(), time.Microsecond)
		})
	}
}

func TestPeopleFindTheirQuarterUntouched(t *testing.T) {
	b := newBench(t, reply(200, ``), func(cfg *hoster.Config) { cfg.Rate = 20 })
	for range 30 {
		require.NoError(t, b.Acquire(t.Context(), hoster.Polling))
	}
	start := b.clock.Now()
	for range 10 {
		require.NoError(t, b.Acquire(t.Context(), hoster.People))
	}
	require.Equal(t, start, b.clock.Now())
}

// slowClient has one token for people and one for the rest, both gone.
func slowClient(t *testing.T) *hoster.Client {
	t.Helper()
	c, err := hoster.New(hoster.Config{URL: "http://127.0.0.1:1", Token: secret.New(canary), Rate: 1})
	require.NoError(t, err)
	require.NoError(t, c.Acquire(t.Context(), hoster.Polling))
	require.NoError(t, c.Acquire(t.Context(), hoster.People))
	return c
}

func TestPriorityAndArrivalDecideWhoIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := slowClient(t)
		var (
			mu    sync.Mutex
			order []string
			wait  sync.WaitGroup
		)
		for i, p := range []hoster.Priority{
			hoster.Polling, hoster.Settling, hoster.Polling, hoster.Mutation, hoster.People, hoster.Mutation, hoster.People,
		} {
			wait.Go(func() {
				err := c.Acquire(t.Context(), p)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				order = append(order, fmt.Sprintf("%d/%d", p, i))
			})
			synctest.Wait() // so that they arrive in this order
		}
		wait.Wait()
		require.Equal(t, []string{
			"0/4", "0/6", "1/3", "1/5", "2/1", "3/0", "3/2",
		}, order)
	})
}

func TestWhoGivesUpHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := slowClient(t)
		start := time.Now()
		leaving, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- c.Acquire(leaving, hoster.People) }()
		synctest.Wait()
		go func() { second <- c.Acquire(t.Context(), hoster.People) }()
		synctest.Wait()

		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		require.NoError(t, <-second)
		require.Equal(t, time.Second, time.Since(start), "the token that the first did not take")
		require.ErrorIs(t, c.Acquire(leaving, hoster.People), context.Canceled)
	})
}

// throttle answers as Laravel's throttle:LIMIT,1 does, on the clock given to
// it, and counts its 429s.
type throttle struct {
	limit int
	clock func() time.Time

	mu      sync.Mutex
	ends    time.Time
	used    int
	most    int // used in any window
	refused int
}

func (l *throttle) answer(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	if !now.Before(l.ends) {
		l.ends, l.used = now.Add(time.Minute), 0
	}
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(l.limit))
	if l.used >= l.limit {
		l.refused++
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("Retry-After", strconv.Itoa(int(l.ends.Sub(now).Seconds())))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	l.used++
	l.most = max(l.most, l.used)
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(l.limit-l.used))
	_, _ = w.Write([]byte(`{"result":[]}`))
}

func TestTheProvidersBudgetIsKept(t *testing.T) {
	for _, tt := range []struct {
		name string
		who  hoster.Priority
		most int
	}{
		{"by people, whole", hoster.People, 60},
		{"by polling, but for a quarter", hoster.Polling, 45},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stock := &throttle{limit: 60}
			b := newBench(t, stock.answer, func(cfg *hoster.Config) { cfg.Rate = 20 })
			stock.clock = b.clock.Now
			start := b.clock.Now()
			for range 300 {
				require.NoError(t, b.Acquire(t.Context(), tt.who))
				_, err := b.StartVM(t.Context(), 1)
				require.NoError(t, err)
			}
			require.Zero(t, stock.refused)
			require.LessOrEqual(t, stock.most, tt.most)
			require.Less(t, b.clock.Now().Sub(start), 8*time.Minute, "and used")
		})
	}
}

func TestA429StopsAllAndSlowsDown(t *testing.T) {
	busy := reply(429, `{"message":"Too Many Attempts."}`, "Retry-After", "7")
	fine := reply(200, `{"result":[]}`)
	b := newBench(t, script(busy, fine), func(cfg *hoster.Config) { cfg.Rate = 20 })
	start := b.clock.Now()
	_, err := b.StartVM(t.Context(), 1)
	require.Equal(t, hoster.Throttled, hoster.ClassOf(err))

	require.NoError(t, b.Acquire(t.Context(), hoster.Mutation))
	require.Equal(t, 7*time.Second, b.clock.Now().Sub(start))

	for range 39 { // the burst
		require.NoError(t, b.Acquire(t.Context(), hoster.People))
	}
	before := b.clock.Now()
	for range 10 {
		require.NoError(t, b.Acquire(t.Context(), hoster.People))
	}
	require.WithinDuration(t, before.Add(time.Second), b.clock.Now(), time.Millisecond, "half the rate")

	b.clock.Advance(time.Minute)
	_, err = b.VMs(t.Context())
	require.NoError(t, err)
	for range 39 {
		require.NoError(t, b.Acquire(t.Context(), hoster.People))
	}
	before = b.clock.Now()
	for range 20 {
		require.NoError(t, b.Acquire(t.Context(), hoster.People))
	}
	require.WithinDuration(t, before.Add(time.Second), b.clock.Now(), time.Millisecond, "the whole rate again")
}

func TestNonsenseInRateHeadersIsIgnored(t *testing.T) {
	for _, value := range []string{"", "-1", "0", "many", "99999999999999999999"} {
		b := newBench(t, reply(200, `{"result":[]}`, "X-RateLimit-Limit", value, "X-RateLimit-Remaining", value))
		start := b.clock.Now()
		for range 100 {
			_, err := b.VMs(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, start, b.clock.Now(), "limit %q", value)
	}
}

func TestReadsHavePriority(t *testing.T) {
	b := newBench(t, reply(200, `{"result":[]}`), func(cfg *hoster.Config) { cfg.Rate = 20 })
	polling := hoster.WithPriority(t.Context(), hoster.Polling)
	for range 30 {
		_, err := b.VMs(polling)
		require.NoError(t, err)
	}
	start := b.clock.Now()
	_, err := b.VMs(polling)
	require.NoError(t, err)
	require.NotEqual(t, start, b.clock.Now())

	start = b.clock.Now()
	_, err = b.VMs(t.Context())
	require.NoError(t, err)
	require.Equal(t, start, b.clock.Now())
}
