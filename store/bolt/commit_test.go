package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// These tests are inside the package because no method of a Store can break
// the rule for writes.

func mustOpen(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "test.db"), Options{AuditKey: []byte("k"), MinFree: -1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// together runs writes in one batch: the committer is held until all wait.
func together(t *testing.T, s *Store, do ...func(*tx) error) []error {
	t.Helper()
	gate := make(chan struct{})
	held := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.write(context.Background(), func(*tx) error {
			close(held)
			<-gate
			return nil
		})
	})
	<-held
	errs := make([]error, len(do))
	for i, f := range do {
		wg.Go(func() { errs[i] = s.write(context.Background(), f) })
		require.Eventually(t, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.waiting) == i+1
		}, 5*time.Second, time.Millisecond)
	}
	close(gate)
	wg.Wait()
	return errs
}

func TestSpoilerFailsAlone(t *testing.T) {
	errRefused := errors.New("refused")
	for name, spoil := range map[string]func(*tx) error{
		"panics after a put": func(x *tx) error {
			x.put(meta, []byte("spoiled"), []byte{1})
			panic("oops")
		},
		"puts what bbolt refuses": func(x *tx) error {
			x.put(meta, []byte("spoiled"), []byte{1})
			x.put(meta, []byte(strings.Repeat("k", 1<<16)), nil)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t)
			numbers := make([]uint64, 6)
			var do []func(*tx) error
			for i := range numbers {
				do = append(do, func(x *tx) error {
					numbers[i] = x.next(owed)
					x.put(meta, fmt.Append(nil, "good ", i), []byte{1})
					return nil
				})
			}
			do[1], do[4] = spoil, spoil
			do[2] = func(*tx) error { return errRefused }
			errs := together(t, s, do...)
			require.NoError(t, errors.Join(errs[0], errs[3], errs[5]))
			require.ErrorIs(t, errs[1], bot.ErrUnavailable)
			require.ErrorIs(t, errs[4], bot.ErrUnavailable)
			require.ErrorIs(t, errs[2], errRefused)
			require.Equal(t, []uint64{1, 0, 0, 2, 0, 3}, numbers, "no number is lost by the second try")
			require.NoError(t, s.view(t.Context(), func(x *tx) error {
				require.Nil(t, x.get(meta, []byte("spoiled")))
				for _, i := range []int{0, 3, 5} {
					require.NotNil(t, x.get(meta, fmt.Append(nil, "good ", i)))
				}
				return nil
			}))
			require.NoError(t, s.Check(t.Context()))
		})
	}
}

func TestSpoiledBatchKeepsTheChain(t *testing.T) {
	s := mustOpen(t)
	body, err := encodeRecord(bot.Record{Kind: "x"})
	require.NoError(t, err)
	record := func(x *tx) error { x.append(body, 0); return nil }
	errs := together(t, s, record, func(x *tx) error { x.append(body, 0); panic("oops") }, record)
	require.NoError(t, errors.Join(errs[0], errs[2]))
	require.NoError(t, s.Check(t.Context()))
	require.Equal(t, uint64(2), s.c.chain.seq)
}

func TestContextEndsWhileWaiting(t *testing.T) {
	s := mustOpen(t)
	gate, held := make(chan struct{}), make(chan struct{})
	first, second := make(chan error, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		first <- s.write(ctx, func(x *tx) error {
			close(held)
			<-gate
			x.put(meta, []byte("first"), []byte{1})
			return nil
		})
	}()
	<-held
	go func() {
		second <- s.write(ctx, func(x *tx) error {
			x.put(meta, []byte("second"), []byte{1})
			return nil
		})
	}()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.waiting) == 1
	}, 5*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-second, context.Canceled, "what waits is withdrawn")
	close(gate)
	require.NoError(t, <-first, "what was taken up is waited for")
	require.NoError(t, s.view(t.Context(), func(x *tx) error {
		require.NotNil(t, x.get(meta, []byte("first")))
		require.Nil(t, x.get(meta, []byte("second")))
		return nil
	}))
}
