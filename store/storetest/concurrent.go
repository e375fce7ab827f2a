package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// callers is how many call at once.
const callers = 8

// RunConcurrent tests what many callers see at once. open is as in Run.
func RunConcurrent(t *testing.T, open func(testing.TB) bot.Store) {
	for _, tc := range raceTests {
		t.Run(tc.name, func(t *testing.T) {
			c := newCaller(t, open(t))
			tc.run(c)
			if err := c.Check(c.ctx); !errors.Is(err, bot.ErrUnavailable) {
				require.NoError(t, err, "the store is sound after every race")
			}
			if records, err := c.Audit(c.ctx, bot.AuditFilter{Limit: 1}); err == nil && len(records) > 0 {
				c.chained(c.records())
			}
		})
	}
}

// race calls f n times at once, and returns the errors by their index.
func race(n int, f func(i int) error) []error {
	out := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return out
}

// won counts those without an error; all others have to be losses.
func (c *caller) won(errs []error, loss error) int {
	c.Helper()
	n := 0
	for _, err := range errs {
		if err == nil {
			n++
			continue
		}
		require.ErrorIs(c, err, loss)
	}
	return n
}

var raceTests = []test{
	{"incidents of many are all kept", func(c *caller) {
		c.won(race(callers, func(i int) error {
			for n := range 5 {
				if err := c.SaveIncident(c.ctx, noon, attack(int64(4001+i), fmt.Sprint(n))); err != nil {
					return err
				}
			}
			return c.DropIncident(c.ctx, noon, int64(4001+i), "0")
		}), nil)
		require.Len(c, c.told(), 4*callers)
	}},
	{"of those who advance one version exactly one wins", func(c *caller) {
		op := c.create(operation(4001))
		op = c.advance(op, bot.Pending)
		for round := range 20 {
			votes := race(callers, func(i int) error {
				mine := op
				mine.Votes = append(mine.Votes[:len(mine.Votes):len(mine.Votes)], bot.Vote{Person: fmt.Sprint("p", i)})
				_, err := c.Advance(c.ctx, noon, fmt.Sprint(round, "/", i), &mine, bot.Written{Audit: []bot.Record{{Kind: "vote", Op: op.ID}}})
				return err
			})
			require.Equal(c, 1, c.won(votes, bot.ErrConflict))
			op = c.stored(op.ID)
			require.Len(c, op.Votes, round+1)
		}
		require.Len(c, c.records(), 20)
	}},
	{"votes are never lost when each is tried again after a conflict", func(c *caller) {
		id := c.bring(4001, bot.Pending).ID
		c.won(race(callers, func(i int) error {
			for {
				op, err := c.Operation(c.ctx, id)
				if err != nil {
					return err
				}
				op.Votes = append(op.Votes, bot.Vote{Person: fmt.Sprint("p", i)})
				if _, err = c.Advance(c.ctx, noon, "", &op, bot.Written{}); !errors.Is(err, bot.ErrConflict) {
					return err
				}
			}
		}), nil)
		require.Len(c, c.stored(id).Votes, callers)
	}},
	{"of those who race for a lane exactly one gets it", func(c *caller) {
		for lane := range 5 {
			var ops []bot.Operation
			for range callers {
				ops = append(ops, c.bring(int64(lane), bot.Checking))
			}
			errs := race(callers, func(i int) error {
				op := ops[i]
				op.State = bot.Intent
				_, err := c.Advance(c.ctx, noon, "", &op, bot.Written{})
				return err
			})
			require.Equal(c, 1, c.won(errs, bot.ErrBusy))
			holder, err := c.Holder(c.ctx, fmt.Sprint("vm/", lane))
			require.NoError(c, err)
			require.Equal(c, bot.Intent, c.stored(holder).State)
		}
	}},
	{"one key from many callers has one effect", func(c *caller) {
		got := make([]bot.Stored, callers)
		c.won(race(callers, func(i int) (err error) {
			w := bot.Written{Audit: []bot.Record{{Kind: "command"}}, Owed: []bot.Owed{root(0, "C0OPS"), line(0, "x")}}
			got[i], err = c.Create(c.ctx, noon, "k", new(operation(4001)), w)
			return err
		}), nil)
		repeated := 0
		for _, s := range got {
			require.Equal(c, int64(1), s.ID)
			if s.Repeated {
				repeated++
			}
		}
		require.Equal(c, callers-1, repeated)
		require.Len(c, c.records(), 1)
		require.Len(c, c.owed(), 2)
		all, err := c.Operations(c.ctx, bot.OperationFilter{})
		require.NoError(c, err)
		require.Len(c, all, 1)
	}},
	{"numbers are given once and without a gap", func(c *caller) {
		seen := make([]bool, 20*callers+1)
		var mu sync.Mutex
		c.won(race(callers, func(i int) error {
			for range 20 {
				stored, err := c.Create(c.ctx, noon, "", new(operation(4001)), bot.Written{Audit: []bot.Record{{Kind: "command"}}})
				if err != nil {
					return err
				}
				read, err := c.Operation(c.ctx, stored.ID)
				if err != nil || read.Version != 1 {
					return fmt.Errorf("own write is not seen: %w", err)
				}
				mu.Lock()
				if seen[stored.ID] {
					err = errors.New("given twice")
				}
				seen[stored.ID] = true
				mu.Unlock()
				if err != nil {
					return err
				}
			}
			return nil
		}), nil)
		for id := range 20 * callers {
			require.True(c, seen[id+1])
		}
	}},
	{"a root owed anew while it is delivered is owed until its newest version was delivered", func(c *caller) {
		op := c.create(operation(4001), bot.Written{Owed: []bot.Owed{root(0, "C0OPS")}})
		shown := int64(0)
		c.won(race(2, func(i int) error {
			for version := 0; version < 50; version++ {
				if i == 0 {
					stored, err := c.Advance(c.ctx, noon, "", &op, bot.Written{Owed: []bot.Owed{root(op.ID, "C0OPS")}})
					if err != nil {
						return err
					}
					op = *stored.Operation
					continue
				}
				owed, _, err := c.Owed(c.ctx, noon, "me", 10)
				if err != nil {
					return err
				}
				for _, o := range owed {
					shown = max(shown, o.Version)
					if err := c.Deliver(c.ctx, noon, o, bot.Thread{Op: o.Op, Place: o.Place, Shown: o.Version}); err != nil {
						return err
					}
				}
			}
			return nil
		}), nil)
		for _, o := range c.owed() {
			shown = o.Version
			require.NoError(c, c.Deliver(c.ctx, noon, o, bot.Thread{}))
		}
		require.Empty(c, c.owed())
		require.Equal(c, int64(51), shown)
	}},
	{"a lock is set and cleared by one at a time", func(c *caller) {
		l := bot.Lock{Target: "vm/4001", Since: noon, Until: at(9)}
		for range 10 {
			require.NoError(c, c.SetLock(c.ctx, noon, "", l, bot.Written{}))
			errs := race(callers, func(int) error { return c.ClearLock(c.ctx, noon, "", l.Target, bot.Written{}) })
			require.Equal(c, 1, c.won(errs, bot.ErrNotFound))
		}
	}},
	{"a refused write does not undo those beside it", func(c *caller) {
		held := c.bring(1, bot.Unknown)
		blocked := c.bring(1, bot.Checking)
		before := len(c.records())
		errs := race(8*callers, func(i int) (err error) {
			w := bot.Written{Audit: []bot.Record{{Kind: "x"}}}
			switch op := operation(int64(i)); i % 4 {
			case 0:
				_, err = c.Create(c.ctx, noon, "", &op, w)
			case 1:
				blocked := blocked
				blocked.State = bot.Intent
				_, err = c.Advance(c.ctx, noon, "", &blocked, w)
			case 2:
				stale := held
				stale.Version--
				_, err = c.Advance(c.ctx, noon, "", &stale, w)
			case 3:
				err = c.ClearLock(c.ctx, noon, "", "vm/1", w)
			}
			return err
		})
		for i, err := range errs {
			require.ErrorIs(c, err, []error{nil, bot.ErrBusy, bot.ErrConflict, bot.ErrNotFound}[i%4])
		}
		require.Len(c, c.records(), before+2*callers)
	}},
	{"a context that ends leaves a write whole, or not there", func(c *caller) {
		errs := race(20*callers, func(i int) error {
			ctx, cancel := context.WithCancel(c.ctx)
			go cancel()
			_, err := c.Create(ctx, noon, fmt.Sprint("k", i), new(operation(int64(i))), bot.Written{Audit: []bot.Record{{Kind: "command"}}})
			return err
		})
		written := c.won(errs, context.Canceled)
		all, err := c.Operations(c.ctx, bot.OperationFilter{Limit: 1000})
		require.NoError(c, err)
		require.Len(c, all, written, "what is reported as not written is not there")
		require.Len(c, c.records(), written)
	}},
	{"Close waits for writes under way, and refuses the others", func(c *caller) {
		var w io.Writer = io.Discard
		var closed sync.WaitGroup
		errs := race(10*callers, func(i int) error {
			if i == 5*callers {
				closed.Go(func() { c.Close() })
			}
			if i%10 == 0 {
				return c.Backup(c.ctx, w)
			}
			_, err := c.Create(c.ctx, noon, "", new(operation(int64(i))), bot.Written{})
			return err
		})
		closed.Wait()
		c.won(errs, bot.ErrUnavailable)
	}},
	{"every method may be called while all others are", func(c *caller) {
		op := c.create(operation(4001), bot.Written{Owed: []bot.Owed{root(0, "C0OPS")}})
		var all []func() error
		for _, call := range calls(c, op) {
			all = append(all, call)
		}
		errs := race(4*len(all), func(i int) error {
			for range 5 {
				err := all[i%len(all)]()
				switch {
				case err == nil, errors.Is(err, bot.ErrConflict), errors.Is(err, bot.ErrNotFound):
				default:
					return err
				}
			}
			return nil
		})
		require.NoError(c, errors.Join(errs...))
	}},
	{"readers see whole writes while others write", func(c *caller) {
		stop := make(chan struct{})
		time.AfterFunc(200*time.Millisecond, func() { close(stop) })
		errs := race(callers, func(i int) error {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return nil
				default:
				}
				if i%2 == 0 {
					w := bot.Written{Audit: []bot.Record{{Kind: "command"}}, Owed: []bot.Owed{line(0, "x")}}
					if _, err := c.Create(c.ctx, noon, "", new(operation(int64(i))), w); err != nil {
						return err
					}
					continue
				}
				// Read in this order, a later answer can only know more.
				owed, _, err := c.Owed(c.ctx, noon, "me", 1<<20)
				if err != nil {
					return err
				}
				open, err := c.Open(c.ctx)
				if err != nil {
					return err
				}
				if len(open) < len(owed) {
					return fmt.Errorf("%d operations have not ended and %d messages are owed", len(open), len(owed))
				}
			}
		})
		require.NoError(c, errors.Join(errs...))
	}},
}
