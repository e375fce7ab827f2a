package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
)

// stepClock moves by what is slept, and says when somebody begins to sleep.
type stepClock struct {
	bot.SystemClock
	now    atomic.Int64
	sleeps chan time.Duration
	goOn   chan struct{}
}

func (c *stepClock) Now() time.Time { return time.Unix(0, c.now.Load()) }

func (c *stepClock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case c.sleeps <- d:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.goOn:
		c.now.Add(int64(d))
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAnAPIThatIsQuietIsAskedNowAndThen(t *testing.T) {
	var asked atomic.Int64
	var refuse atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if refuse.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"result": []}`))
	}))
	defer s.Close()
	clock := &stepClock{sleeps: make(chan time.Duration), goOn: make(chan struct{})}
	clock.now.Store(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC).UnixNano())
	api, err := hoster.New(hoster.Config{URL: s.URL, Token: secret.New("t"), Clock: clock})
	require.NoError(t, err)
	defer api.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { probe(ctx, api, clock); close(done) }()
	defer func() { cancel(); <-done }()

	require.Equal(t, probeEvery, <-clock.sleeps)
	require.EqualValues(t, 1, asked.Load(), "at the start")
	rounds := int(quietFor / probeEvery)
	for range rounds - 1 {
		clock.goOn <- struct{}{}
		<-clock.sleeps
	}
	require.EqualValues(t, 1, asked.Load(), "it was heard from a moment ago")
	refuse.Store(true)
	clock.goOn <- struct{}{}
	<-clock.sleeps
	require.EqualValues(t, 2, asked.Load())
	require.True(t, api.Health().TokenRefused, "health knows though nobody asked for anything")
	clock.goOn <- struct{}{}
	<-clock.sleeps
	require.EqualValues(t, 3, asked.Load(), "what is not well is asked each time")
}
