package storetest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func (c *caller) locks(now time.Time) []bot.Lock {
	c.Helper()
	out, err := c.Locks(c.ctx, now)
	require.NoError(c, err)
	return out
}

var lockTests = []test{
	{"locks are listed in the order of their targets, and come back whole", func(c *caller) {
		want := []bot.Lock{
			{Target: "all", By: "ana", Account: "slack:T1/U1", Reason: "freeze", Since: noon, Until: at(60)},
			{Target: "dedicated/7", By: "ben", Since: noon, Until: at(30)},
			{Target: "vm/4001", By: "ana", Since: noon, Until: at(10)},
		}
		for _, i := range []int{2, 0, 1} {
			require.NoError(c, c.SetLock(c.ctx, noon, "", want[i], bot.Written{Audit: []bot.Record{{Kind: "lock"}}}))
		}
		require.Equal(c, want, c.locks(noon))
		require.Len(c, c.records(), 3)
	}},
	{"a lock on the same target is replaced", func(c *caller) {
		l := bot.Lock{Target: "vm/4001", By: "ana", Since: noon, Until: at(10)}
		require.NoError(c, c.SetLock(c.ctx, noon, "", l, bot.Written{}))
		l.By, l.Until = "ben", at(20)
		require.NoError(c, c.SetLock(c.ctx, noon, "", l, bot.Written{}))
		require.Equal(c, []bot.Lock{l}, c.locks(at(15)))
	}},
	{"a lock is over when its moment has come", func(c *caller) {
		l := bot.Lock{Target: "vm/4001", Since: noon, Until: at(10)}
		require.NoError(c, c.SetLock(c.ctx, noon, "", l, bot.Written{}))
		require.Len(c, c.locks(at(10).Add(-time.Second)), 1)
		require.Empty(c, c.locks(at(10)))
		require.ErrorIs(c, c.ClearLock(c.ctx, at(10), "", l.Target, bot.Written{}), bot.ErrNotFound)
	}},
	{"a lock without an end lasts until it is cleared", func(c *caller) {
		require.NoError(c, c.SetLock(c.ctx, noon, "", bot.Lock{Target: "all", Since: noon}, bot.Written{}))
		later := noon.AddDate(9, 0, 0)
		require.NoError(c, c.Prune(c.ctx, later))
		require.Len(c, c.locks(later), 1)
	}},
	{"ClearLock removes one, and without one is ErrNotFound and writes nothing", func(c *caller) {
		w := bot.Written{Audit: []bot.Record{{Kind: "lock"}}}
		require.ErrorIs(c, c.ClearLock(c.ctx, noon, "k", "vm/4001", w), bot.ErrNotFound)
		require.Empty(c, c.records())
		require.NoError(c, c.SetLock(c.ctx, noon, "", bot.Lock{Target: "vm/4001", Until: at(1)}, bot.Written{}))
		require.NoError(c, c.ClearLock(c.ctx, noon, "k", "vm/4001", w), "the key of a refused write is free")
		require.Empty(c, c.locks(noon))
		require.Len(c, c.records(), 1)
	}},
	{"a lock without a target is refused", func(c *caller) {
		require.Error(c, c.SetLock(c.ctx, noon, "", bot.Lock{Until: at(1)}, bot.Written{}))
		require.Empty(c, c.locks(noon))
	}},
	{"SaveRead gives a number, Read returns it until it expires", func(c *caller) {
		want := bot.Read{
			ID: 99, Person: "ana", Account: bot.Account{Platform: "slack", Team: "T1", User: "U1"}, Place: channel("C0OPS"),
			Command: "vm list", Args: bot.Args{{Name: "label", Value: "web"}}, Targets: []bot.Target{vm(4001)}, Page: 2, Nonce: "n", Expires: at(15),
		}
		saved, err := c.SaveRead(c.ctx, noon, want, bot.Written{Audit: []bot.Record{{Kind: "read"}}})
		require.NoError(c, err)
		require.Equal(c, int64(1), saved.ID)
		want.ID = 1
		require.Equal(c, want, saved)
		got, err := c.Read(c.ctx, at(14), 1)
		require.NoError(c, err)
		require.Equal(c, want, got)
		_, err = c.Read(c.ctx, at(15), 1)
		require.ErrorIs(c, err, bot.ErrNotFound)
		_, err = c.Read(c.ctx, noon, 2)
		require.ErrorIs(c, err, bot.ErrNotFound)
		require.Len(c, c.records(), 1)
	}},
	{"a read that says nothing lives 15 minutes", func(c *caller) {
		saved, err := c.SaveRead(c.ctx, noon, bot.Read{}, bot.Written{})
		require.NoError(c, err)
		require.Equal(c, at(15), saved.Expires)
	}},
	{"numbers of reads are never given twice, nor those of operations used up", func(c *caller) {
		for i := range 3 {
			saved, err := c.SaveRead(c.ctx, noon, bot.Read{Expires: at(1)}, bot.Written{})
			require.NoError(c, err)
			require.Equal(c, int64(i+1), saved.ID)
			require.NoError(c, c.Prune(c.ctx, at(2)))
		}
		require.Equal(c, int64(1), c.create(operation(4001)).ID)
	}},
}

var upkeepTests = []test{
	{"Prune forgets reads and locks that are over, and nothing else", func(c *caller) {
		op := c.create(operation(4001), bot.Written{Audit: []bot.Record{{Kind: "command"}}, Owed: []bot.Owed{root(0, "C0OPS")}})
		for i := range 4 {
			_, err := c.SaveRead(c.ctx, noon, bot.Read{Expires: at(10 * (i + 1))}, bot.Written{})
			require.NoError(c, err)
			require.NoError(c, c.SetLock(c.ctx, noon, "", bot.Lock{Target: fmt.Sprint("vm/", i), Until: at(10 * (i + 1))}, bot.Written{}))
		}
		require.NoError(c, c.Prune(c.ctx, at(20)))
		// Asked in the past, what is not pruned is still in force.
		require.Len(c, c.locks(noon), 2)
		for id, kept := range map[int64]bool{1: false, 2: false, 3: true, 4: true} {
			_, err := c.Read(c.ctx, noon, id)
			require.Equal(c, kept, err == nil, "read %d", id)
		}
		require.NoError(c, c.Prune(c.ctx, noon.AddDate(9, 0, 0)))
		require.Equal(c, op, c.stored(op.ID))
		require.Len(c, c.records(), 1)
		require.Len(c, c.owed(), 1)
	}},
	{"Prune forgets a bounded number a call, and all in the end", func(c *caller) {
		const n = 1500 // more than one call may forget
		all := make(chan error, n)
		for range n {
			go func() {
				_, err := c.SaveRead(c.ctx, noon, bot.Read{Expires: at(1)}, bot.Written{})
				all <- err
			}()
		}
		for range n {
			require.NoError(c, <-all)
		}
		left := func() (kept int) {
			for id := range int64(n) {
				if _, err := c.Read(c.ctx, noon, id+1); err == nil {
					kept++
				}
			}
			return kept
		}
		require.NoError(c, c.Prune(c.ctx, at(2)))
		require.Positive(c, left())
		require.Less(c, left(), n)
		for range 10 {
			require.NoError(c, c.Prune(c.ctx, at(2)))
		}
		require.Zero(c, left())
	}},
	{"Ping proves that the store takes writes", func(c *caller) {
		require.NoError(c, c.Ping(c.ctx, noon))
		ctx, cancel := contextEnded(c)
		defer cancel()
		require.Error(c, c.Ping(ctx, noon))
	}},
	{"Backup writes a copy", func(c *caller) {
		c.create(operation(4001))
		var b bytes.Buffer
		require.NoError(c, c.Backup(c.ctx, &b))
		require.NotZero(c, b.Len())
		ctx, cancel := contextEnded(c)
		defer cancel()
		require.ErrorIs(c, c.Backup(ctx, &b), ctx.Err())
	}},
	{"after Close every method is ErrUnavailable, and Close may be called again", func(c *caller) {
		op := c.create(operation(4001))
		require.NoError(c, c.Close())
		require.NoError(c, c.Close())
		for name, call := range calls(c, op) {
			require.ErrorIs(c, call(), bot.ErrUnavailable, name)
		}
	}},
}

// calls are one call of every method.
func calls(c *caller, op bot.Operation) map[string]func() error {
	var w bot.Written
	o := bot.Owed{Seq: 1, Place: channel("C0OPS"), Kind: bot.OwedLine}
	return map[string]func() error{
		"Create":       func() error { _, err := c.Create(c.ctx, noon, "", &op, w); return err },
		"Advance":      func() error { _, err := c.Advance(c.ctx, noon, "", &op, w); return err },
		"Operation":    func() error { _, err := c.Operation(c.ctx, op.ID); return err },
		"Operations":   func() error { _, err := c.Operations(c.ctx, bot.OperationFilter{}); return err },
		"Holder":       func() error { _, err := c.Holder(c.ctx, op.Lane); return err },
		"Due":          func() error { _, _, err := c.Due(c.ctx, noon, "me", 1); return err },
		"Open":         func() error { _, err := c.Open(c.ctx); return err },
		"Took":         func() error { _, err := c.Took(c.ctx, op.Command); return err },
		"SaveRead":     func() error { _, err := c.SaveRead(c.ctx, noon, bot.Read{}, w); return err },
		"Read":         func() error { _, err := c.Read(c.ctx, noon, 1); return err },
		"Threads":      func() error { _, err := c.Threads(c.ctx, op.ID); return err },
		"Owed":         func() error { _, _, err := c.Owed(c.ctx, noon, "me", 1); return err },
		"Deliver":      func() error { return c.Deliver(c.ctx, noon, o, bot.Thread{}) },
		"Postpone":     func() error { return c.Postpone(c.ctx, noon, o, noon) },
		"SetLock":      func() error { return c.SetLock(c.ctx, noon, "", bot.Lock{Target: "all"}, w) },
		"ClearLock":    func() error { return c.ClearLock(c.ctx, noon, "", "all", w) },
		"Locks":        func() error { _, err := c.Locks(c.ctx, noon); return err },
		"Incidents":    func() error { _, err := c.Incidents(c.ctx); return err },
		"SaveIncident": func() error { return c.SaveIncident(c.ctx, noon, attack(4001, "1")) },
		"DropIncident": func() error { return c.DropIncident(c.ctx, noon, 4001, "1") },
		"Append":       func() error { return c.Append(c.ctx, noon, "", w) },
		"Audit":        func() error { _, err := c.Audit(c.ctx, bot.AuditFilter{}); return err },
		"Sealed":       func() error { return c.Sealed(c.ctx, 0, func(bot.Sealed) error { return nil }) },
		"End":          func() error { return c.EndRollback(c.ctx, noon, w) },
		"Prune":        func() error { return c.Prune(c.ctx, noon) },
		"Ping":         func() error { return c.Ping(c.ctx, noon) },
		"Backup":       func() error { return c.Backup(c.ctx, &bytes.Buffer{}) },
		"Check":        func() error { return c.Check(c.ctx) },
	}
}
