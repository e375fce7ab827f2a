package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// RunReopen tests what is there after a restart. open opens the store at path,
// where there is none yet, and is called again after the suite has closed it.
func RunReopen(t *testing.T, open func(tb testing.TB, path string) bot.Store, path string) {
	c := newCaller(t, open(t, path))
	again := func() {
		t.Helper()
		require.NoError(t, c.Close())
		c.Store = open(t, path)
		require.NoError(t, c.Check(c.ctx))
	}
	again() // an empty store may be opened again

	op := operation(4001)
	op.Votes = []bot.Vote{{Person: "ben", Approve: true, At: noon}}
	op.NextAt = at(3)
	w := bot.Written{
		Audit: []bot.Record{{Time: noon, Kind: "command"}}, Took: time.Minute,
		Owed: []bot.Owed{root(0, "C0OPS"), line(0, "line"), root(0, "C0AUDIT")},
	}
	first, err := c.Create(c.ctx, noon, "create", &op, w)
	require.NoError(t, err)
	held := c.bring(4002, bot.Unknown)
	ended := c.bring(4003, bot.Denied)
	require.NoError(t, c.SetLock(c.ctx, noon, "lock", bot.Lock{Target: "all", Since: noon, Until: at(60)}, bot.Written{}))
	read, err := c.SaveRead(c.ctx, noon, bot.Read{Nonce: "n", Expires: at(15)}, bot.Written{})
	require.NoError(t, err)
	owed := c.owed()
	require.NoError(t, c.Postpone(c.ctx, noon, owed[1], at(7)))
	th := bot.Thread{Op: first.ID, Place: channel("C0OPS"), Root: bot.Ref{Place: channel("C0OPS"), ID: "1.2"}, Shown: 1}
	require.NoError(t, c.Deliver(c.ctx, noon, owed[0], th))
	told := attack(4001, "215486")
	require.NoError(t, c.SaveIncident(c.ctx, noon, told))
	require.NoError(t, c.SaveIncident(c.ctx, noon, attack(4002, "7")))
	require.NoError(t, c.DropIncident(c.ctx, noon, 4002, "7"))
	owed, records := c.owed(), c.records()
	again()

	t.Run("incidents that are told are there, and no others", func(t *testing.T) {
		require.Equal(t, []bot.Told{told}, c.told())
	})
	t.Run("operations are there, with their indexes", func(t *testing.T) {
		for _, want := range []bot.Operation{*first.Operation, held, ended} {
			require.Equal(t, want, c.stored(want.ID))
		}
		open, err := c.Open(c.ctx)
		require.NoError(t, err)
		require.Equal(t, []int64{first.ID, held.ID}, open)
		due, next, err := c.Due(c.ctx, at(3), "me", 10)
		require.NoError(t, err)
		require.Equal(t, []int64{first.ID}, due)
		require.True(t, next.Equal(at(10)), next)
		took, err := c.Took(c.ctx, "vm delete")
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Minute}, took)
	})
	t.Run("lanes are still held", func(t *testing.T) {
		holder, err := c.Holder(c.ctx, held.Lane)
		require.NoError(t, err)
		require.Equal(t, held.ID, holder)
	})
	t.Run("committed, answer lost: the key again returns the first result", func(t *testing.T) {
		stored, err := c.Create(c.ctx, at(1), "create", &op, w)
		require.NoError(t, err)
		require.Equal(t, bot.Stored{Operation: first.Operation, Repeated: true}, stored)
		require.NoError(t, c.SetLock(c.ctx, noon, "lock", bot.Lock{Target: "vm/9", Until: at(60)}, w))
		require.Equal(t, records, c.records())
		require.Equal(t, owed, c.owed())
	})
	t.Run("messages owed, threads, locks and reads are there", func(t *testing.T) {
		require.Equal(t, []string{"line", "root of C0AUDIT"}, titles(owed))
		require.Equal(t, owed, c.owed())
		require.Equal(t, 1, owed[0].Tries)
		threads, err := c.Threads(c.ctx, first.ID)
		require.NoError(t, err)
		require.Equal(t, []bot.Thread{th}, threads)
		require.Len(t, c.locks(noon), 1)
		got, err := c.Read(c.ctx, noon, read.ID)
		require.NoError(t, err)
		require.Equal(t, read, got)
	})
	t.Run("a root owed before coalesces", func(t *testing.T) {
		c.advance(*first.Operation, bot.Pending, bot.Written{Owed: []bot.Owed{root(first.ID, "C0AUDIT")}})
		now := c.owed()
		require.Len(t, now, len(owed))
		require.Equal(t, owed[1].Seq, now[1].Seq)
		require.Equal(t, int64(2), now[1].Version)
	})
	t.Run("numbers and the audit chain go on", func(t *testing.T) {
		require.NoError(t, c.Prune(c.ctx, at(20)))
		again()
		require.Equal(t, ended.ID+1, c.create(op, w).ID)
		saved, err := c.SaveRead(c.ctx, noon, bot.Read{}, bot.Written{})
		require.NoError(t, err)
		require.Equal(t, read.ID+1, saved.ID)
		now := c.owed()
		require.Greater(t, now[len(now)-1].Seq, owed[len(owed)-1].Seq)
		all := c.records()
		require.Len(t, all, len(records)+1)
		c.chained(all)
	})
}
