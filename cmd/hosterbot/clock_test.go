package main

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAClockIsMovedWhileTimersAreMade: the demo lets time pass while the bot
// waits in many places at once.
func TestAClockIsMovedWhileTimersAreMade(t *testing.T) {
	c := &movedClock{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for ctx.Err() == nil {
				c.AfterFunc(time.Hour, func() {})()
			}
		})
	}
	for range 2000 {
		c.Jump(time.Millisecond)
	}
	cancel()
	wait.Wait()
	require.Zero(t, c.NextTimer())
}
