package adapters

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"hosterbot/bot"
)

// Bounds of a Memory.
const (
	remembered = 10_000
	lookFor    = 5 * time.Second
)

// Memory keeps what was looked up. Those who ask for the same at once share
// one call; a failure is told to them, and kept by nobody. Make it with
// NewMemory.
type Memory[V any] struct {
	clock bot.Clock
	keep  func(V) time.Duration
	calls singleflight.Group

	mu    sync.Mutex
	known map[string]known[V]
}

type known[V any] struct {
	value V
	until time.Time
}

// NewMemory makes a Memory that believes a value for as long as keep says.
func NewMemory[V any](clock bot.Clock, keep func(V) time.Duration) *Memory[V] {
	return &Memory[V]{clock: clock, keep: keep, known: make(map[string]known[V])}
}

// Always keeps whatever it is for d.
func Always[V any](d time.Duration) func(V) time.Duration { return func(V) time.Duration { return d } }

// Recall returns a value that is remembered.
func (m *Memory[V]) Recall(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.known[key]
	return k.value, ok && m.clock.Now().Before(k.until)
}

// Learn remembers a value that came without being asked for.
func (m *Memory[V]) Learn(key string, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= remembered {
		clear(m.known)
	}
	m.known[key] = known[V]{v, m.clock.Now().Add(m.keep(v))}
}

// Get recalls a value, or looks it up.
func (m *Memory[V]) Get(ctx context.Context, key string, look func(context.Context) (V, error)) (V, error) {
	if v, ok := m.Recall(key); ok {
		return v, nil
	}
	return m.Refresh(ctx, key, look)
}

// Refresh looks a value up, whatever is remembered.
func (m *Memory[V]) Refresh(ctx context.Context, key string, look func(context.Context) (V, error)) (V, error) {
	v, err, _ := m.calls.Do(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		v, err := look(ctx)
		if err == nil {
			m.Learn(key, v)
		}
		return v, err
	})
	return v.(V), err
}
