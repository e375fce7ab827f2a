package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

var operationTests = []test{
	{"Create gives the next number and version 1", func(c *caller) {
		op := operation(4001)
		op.ID, op.Version = 99, 99
		first := c.create(op)
		require.Equal(c, int64(1), first.ID)
		require.Equal(c, int64(1), first.Version)
		require.Equal(c, int64(2), c.create(op).ID)
	}},
	{"what is stored is what comes back", func(c *caller) {
		op := operation(4001)
		op.Votes = []bot.Vote{{Person: "ben", Approve: true, Digest: "d", At: noon}}
		op.Job = &bot.Job{ID: 7, Since: noon, Last: bot.Progress{Phase: bot.Running, Fraction: 0.5}}
		op.Attempts = []bot.Attempt{{At: noon, SendBy: at(1), Class: bot.Accepted}}
		op.Loses, op.Reason, op.Hint = "All data <&> \u2028 \x01", `"quoted"`, "ünïcode"
		stored := c.create(op)
		op.ID, op.Version = 1, 1
		require.Equal(c, op, stored)
		require.Equal(c, op, c.stored(1))
	}},
	{"Create gives its number to records and messages that have none", func(c *caller) {
		c.create(operation(4001))
		op := c.create(operation(4002), bot.Written{
			Audit: []bot.Record{{Time: noon, Kind: "command"}, {Time: noon, Kind: "command", Op: 1}},
			Owed:  []bot.Owed{{Kind: bot.OwedRoot, Place: channel("C0OPS"), At: noon}, {Kind: bot.OwedLine, Op: 1, At: noon}},
		})
		records := c.records()
		require.Equal(c, []int64{op.ID, 1}, []int64{records[0].Op, records[1].Op})
		owed := c.owed()
		require.Equal(c, []int64{op.ID, 1}, []int64{owed[0].Op, owed[1].Op})
		require.Equal(c, op.Version, owed[0].Version)
	}},
	{"Advance replaces the operation and counts its version", func(c *caller) {
		op := c.create(operation(4001))
		op.State, op.Waits = bot.Ready, "delay"
		stored, err := c.Advance(c.ctx, at(1), "", &op, bot.Written{})
		require.NoError(c, err)
		op.Version = 2
		require.Equal(c, op, *stored.Operation)
		require.False(c, stored.Repeated)
		require.Equal(c, op, c.stored(op.ID))
	}},
	{"Advance from another version is ErrConflict, and writes nothing", func(c *caller) {
		op := c.create(operation(4001))
		newer := c.advance(op, bot.Pending)
		for _, version := range []int64{op.Version, newer.Version + 1, 0} {
			op.State, op.Version = bot.Ready, version
			_, err := c.Advance(c.ctx, noon, "k", &op, bot.Written{
				Audit: []bot.Record{{Time: noon, Kind: "vote"}}, Owed: []bot.Owed{{Op: 1, Kind: bot.OwedLine}}, Took: time.Second,
			})
			require.ErrorIs(c, err, bot.ErrConflict)
		}
		require.Equal(c, newer, c.stored(op.ID))
		require.Empty(c, c.records())
		require.Empty(c, c.owed())
		took, err := c.Took(c.ctx, op.Command)
		require.NoError(c, err)
		require.Empty(c, took)
		newer.State = bot.Ready // the key of a refused write is free
		stored, err := c.Advance(c.ctx, noon, "k", &newer, bot.Written{})
		require.NoError(c, err)
		require.False(c, stored.Repeated)
	}},
	{"Advance of what does not exist is ErrNotFound", func(c *caller) {
		op := operation(4001)
		op.ID, op.Version = 5, 1
		_, err := c.Advance(c.ctx, noon, "", &op, bot.Written{})
		require.ErrorIs(c, err, bot.ErrNotFound)
		_, err = c.Operation(c.ctx, 5)
		require.ErrorIs(c, err, bot.ErrNotFound)
		_, err = c.Operation(c.ctx, -1)
		require.ErrorIs(c, err, bot.ErrNotFound)
	}},
	{"Advance takes exactly the arrows of CanBecome, and final states never change", func(c *caller) {
		id := int64(5000)
		for _, from := range bot.States() {
			for _, to := range bot.States() {
				id++
				op := c.bring(id, from)
				next := op
				next.State = to
				stored, err := c.Advance(c.ctx, noon, "", &next, bot.Written{})
				if from.CanBecome(to) {
					require.NoError(c, err, "%s to %s", from, to)
					require.Equal(c, to, stored.State)
				} else {
					require.ErrorIs(c, err, bot.ErrConflict, "%s to %s", from, to)
					require.Equal(c, op, c.stored(op.ID))
				}
			}
		}
	}},
	{"an operation of 1 MB is stored", func(c *caller) {
		op := operation(4001)
		op.Loses = strings.Repeat("x", 1<<20)
		stored := c.create(op)
		require.Equal(c, stored, c.stored(stored.ID))
		stored.Loses = "little"
		require.Equal(c, "little", c.stored(c.advance(stored, bot.Ready).ID).Loses)
	}},
	{"a context that has ended writes nothing", func(c *caller) {
		ctx, cancel := contextEnded(c)
		defer cancel()
		_, err := c.Create(ctx, noon, "k", new(operation(4001)), bot.Written{})
		require.ErrorIs(c, err, ctx.Err())
		require.NotErrorIs(c, err, bot.ErrUnavailable)
		require.Equal(c, int64(1), c.create(operation(4001)).ID)
	}},
	{"Took keeps the last 20 of a command, oldest first", func(c *caller) {
		for i := range 25 {
			op := c.bring(int64(4001+i), bot.Intent)
			c.advance(op, bot.Succeeded, bot.Written{Took: time.Duration(i+1) * time.Second})
		}
		other := operation(3999)
		other.Command = "vm resize"
		c.create(other, bot.Written{Took: time.Hour})
		took, err := c.Took(c.ctx, "vm delete")
		require.NoError(c, err)
		require.Len(c, took, 20)
		require.Equal(c, 6*time.Second, took[0])
		require.Equal(c, 25*time.Second, took[19])
		took, err = c.Took(c.ctx, "vm resize")
		require.NoError(c, err)
		require.Equal(c, []time.Duration{time.Hour}, took)
		took, err = c.Took(c.ctx, "vm list")
		require.NoError(c, err)
		require.Empty(c, took)
	}},
}

var keyTests = []test{
	{"the same key again changes nothing and returns what is stored now", func(c *caller) {
		w := bot.Written{
			Audit: []bot.Record{{Time: noon, Kind: "command"}}, Took: time.Second,
			Owed: []bot.Owed{{Kind: bot.OwedLine, Place: channel("C0OPS"), At: noon}},
		}
		first, err := c.Create(c.ctx, noon, "k", new(operation(4001)), w)
		require.NoError(c, err)
		now := c.advance(*first.Operation, bot.Pending)
		again, err := c.Create(c.ctx, at(1), "k", new(operation(4002)), w)
		require.NoError(c, err)
		require.Equal(c, bot.Stored{Operation: &now, Repeated: true}, again)
		require.Len(c, c.records(), 1)
		require.Len(c, c.owed(), 1)
		took, err := c.Took(c.ctx, "vm delete")
		require.NoError(c, err)
		require.Len(c, took, 1)
		require.Equal(c, int64(2), c.create(operation(4001)).ID, "no number was given away")
	}},
	{"a repeated Advance is no conflict", func(c *caller) {
		op := c.create(operation(4001))
		op.State = bot.Pending
		first, err := c.Advance(c.ctx, noon, "k", &op, bot.Written{})
		require.NoError(c, err)
		again, err := c.Advance(c.ctx, noon, "k", &op, bot.Written{})
		require.NoError(c, err)
		require.Equal(c, bot.Stored{Operation: first.Operation, Repeated: true}, again)
	}},
	{"an empty key is never a repetition", func(c *caller) {
		require.Equal(c, int64(1), c.create(operation(4001)).ID)
		require.Equal(c, int64(2), c.create(operation(4001)).ID)
	}},
	{"keys of locks and records are known too", func(c *caller) {
		w := bot.Written{Audit: []bot.Record{{Time: noon, Kind: "lock"}}}
		l := bot.Lock{Target: "vm/4001", By: "ana", Since: noon, Until: at(60)}
		for range 2 {
			require.NoError(c, c.SetLock(c.ctx, noon, "set", l, w))
			require.NoError(c, c.Append(c.ctx, noon, "append", w))
		}
		require.Len(c, c.records(), 2)
		for range 2 {
			require.NoError(c, c.ClearLock(c.ctx, noon, "clear", l.Target, w))
		}
		require.NoError(c, c.SetLock(c.ctx, noon, "set", l, w))
		locks, err := c.Locks(c.ctx, noon)
		require.NoError(c, err)
		require.Empty(c, locks, "a lock is not set again by an old key")
		require.Len(c, c.records(), 3)
	}},
	{"a key that was no operation's is Repeated without one", func(c *caller) {
		require.NoError(c, c.Append(c.ctx, noon, "k", bot.Written{}))
		stored, err := c.Create(c.ctx, noon, "k", new(operation(4001)), bot.Written{})
		require.NoError(c, err)
		require.Equal(c, bot.Stored{Operation: &bot.Operation{}, Repeated: true}, stored)
	}},
	{"keys are kept for 24 hours, over Prune", func(c *caller) {
		first, err := c.Create(c.ctx, noon, "k", new(operation(4001)), bot.Written{})
		require.NoError(c, err)
		for _, later := range []time.Duration{time.Hour, 12 * time.Hour, 24 * time.Hour} {
			now := noon.Add(later)
			require.NoError(c, c.Prune(c.ctx, now))
			again, err := c.Create(c.ctx, now, "k", new(operation(4001)), bot.Written{})
			require.NoError(c, err)
			require.True(c, again.Repeated, "after %s", later)
			require.Equal(c, first.ID, again.ID)
		}
		now := noon.Add(24*time.Hour + time.Second)
		require.NoError(c, c.Prune(c.ctx, now))
		again, err := c.Create(c.ctx, now, "k", new(operation(4001)), bot.Written{})
		require.NoError(c, err)
		require.False(c, again.Repeated)
		again, err = c.Create(c.ctx, now.Add(time.Hour), "k", new(operation(4001)), bot.Written{})
		require.NoError(c, err)
		require.True(c, again.Repeated, "the newer use counts")
		require.Equal(c, int64(2), again.ID)
	}},
	{"a key too long to be kept is refused, and nothing written", func(c *caller) {
		_, err := c.Create(c.ctx, noon, strings.Repeat("k", 1<<17), new(operation(4001)), bot.Written{})
		require.Error(c, err)
		require.Equal(c, int64(1), c.create(operation(4001)).ID)
	}},
}

var laneTests = []test{
	{"the lane is held from intent to end, unknown included", func(c *caller) {
		for i, state := range bot.States() {
			op := c.bring(int64(4001+i), state)
			holder, err := c.Holder(c.ctx, op.Lane)
			if !state.HoldsLane() {
				require.ErrorIs(c, err, bot.ErrNotFound, state)
				continue
			}
			require.NoError(c, err, state)
			require.Equal(c, op.ID, holder)
		}
	}},
	{"another operation is told who holds the lane, and writes nothing", func(c *caller) {
		first := c.bring(4001, bot.Unknown)
		second := c.bring(4001, bot.Checking)
		next := second
		next.State = bot.Intent
		_, err := c.Advance(c.ctx, noon, "k", &next, bot.Written{Audit: []bot.Record{{Kind: "intent"}}})
		var busy *bot.BusyError
		require.ErrorAs(c, err, &busy)
		require.ErrorIs(c, err, bot.ErrBusy)
		require.Equal(c, bot.BusyError{Lane: "vm/4001", Holder: first.ID}, *busy)
		require.Equal(c, second, c.stored(second.ID))
		require.Empty(c, c.records())
		c.advance(first, bot.SettledDone)
		c.advance(second, bot.Intent)
		holder, err := c.Holder(c.ctx, "vm/4001")
		require.NoError(c, err)
		require.Equal(c, second.ID, holder)
	}},
	{"LaneFreed frees the lane although the state would hold it", func(c *caller) {
		op := c.bring(4001, bot.Unknown)
		op.LaneFreed = true
		op = c.advance(op, bot.Unknown)
		_, err := c.Holder(c.ctx, op.Lane)
		require.ErrorIs(c, err, bot.ErrNotFound)
		other := c.bring(4001, bot.Intent)
		c.advance(op, bot.SettledDone) // must not free what is another's
		holder, err := c.Holder(c.ctx, op.Lane)
		require.NoError(c, err)
		require.Equal(c, other.ID, holder)
	}},
	{"going back to checking frees the lane", func(c *caller) {
		op := c.advance(c.bring(4001, bot.Intent), bot.Checking)
		_, err := c.Holder(c.ctx, op.Lane)
		require.ErrorIs(c, err, bot.ErrNotFound)
	}},
	{"operations without a lane hold none", func(c *caller) {
		for range 2 {
			op := operation(4001)
			op.Lane = ""
			op = c.create(op)
			for _, s := range path[bot.Intent] {
				op = c.advance(op, s)
			}
		}
		_, err := c.Holder(c.ctx, "")
		require.ErrorIs(c, err, bot.ErrNotFound)
	}},
}

var listTests = []test{
	{"Operations lists newest first, 100 if no limit is said, and pages by Before", func(c *caller) {
		for i := range 105 {
			c.create(operation(int64(4001 + i)))
		}
		all, err := c.Operations(c.ctx, bot.OperationFilter{})
		require.NoError(c, err)
		require.Len(c, all, 100)
		require.Equal(c, int64(105), all[0].ID)
		page, err := c.Operations(c.ctx, bot.OperationFilter{Before: all[99].ID, Limit: 3})
		require.NoError(c, err)
		require.Equal(c, []int64{5, 4, 3}, ids(page))
		page, err = c.Operations(c.ctx, bot.OperationFilter{Before: 3})
		require.NoError(c, err)
		require.Equal(c, []int64{2, 1}, ids(page))
		page, err = c.Operations(c.ctx, bot.OperationFilter{Before: 1000, Limit: 1})
		require.NoError(c, err)
		require.Equal(c, []int64{105}, ids(page))
		page, err = c.Operations(c.ctx, bot.OperationFilter{Before: 1})
		require.NoError(c, err)
		require.Empty(c, page)
	}},
	{"each field of the filter picks, and together they all have to", func(c *caller) {
		for i := range 6 {
			op := operation(4001)
			op.Created = at(i)
			if i%2 == 0 {
				op.Person = `b"en`
			}
			if i >= 4 {
				op.Command, op.Targets = "vm resize", []bot.Target{vm(4002), {Kind: "ip", Addr: "203.0.113.5"}}
			}
			if i == 1 || i == 4 {
				op.Job = &bot.Job{ID: 1}
			}
			op.Title = `"person":"ana","command":"vm delete","job":{` // is no field
			stored := c.create(op)
			if i == 0 || i == 5 {
				c.advance(stored, bot.Cancelled)
			}
		}
		for name, tc := range map[string]struct {
			f    bot.OperationFilter
			want []int64
		}{
			"person":         {bot.OperationFilter{Person: `b"en`}, []int64{5, 3, 1}},
			"nobody":         {bot.OperationFilter{Person: "an"}, []int64{}},
			"command":        {bot.OperationFilter{Command: "vm resize"}, []int64{6, 5}},
			"target":         {bot.OperationFilter{Target: "vm/4001"}, []int64{4, 3, 2, 1}},
			"second target":  {bot.OperationFilter{Target: "ip/203.0.113.5"}, []int64{6, 5}},
			"near miss":      {bot.OperationFilter{Target: "vm/400"}, []int64{}},
			"open":           {bot.OperationFilter{Open: true}, []int64{5, 4, 3, 2}},
			"open, paged":    {bot.OperationFilter{Open: true, Before: 4, Limit: 1}, []int64{3}},
			"jobs":           {bot.OperationFilter{Jobs: true}, []int64{5, 2}},
			"since":          {bot.OperationFilter{Since: at(3)}, []int64{6, 5, 4}},
			"open of person": {bot.OperationFilter{Open: true, Person: "ana"}, []int64{4, 2}},
			"all":            {bot.OperationFilter{Person: `b"en`, Command: "vm resize", Target: "vm/4002", Open: true, Jobs: true, Since: at(1)}, []int64{5}},
			"limit":          {bot.OperationFilter{Person: `b"en`, Limit: 2}, []int64{5, 3}},
		} {
			got, err := c.Operations(c.ctx, tc.f)
			require.NoError(c, err, name)
			require.Equal(c, tc.want, ids(got), name)
		}
	}},
	{"Due lists the longest due first, and when the next one is due", func(c *caller) {
		for i, minutes := range []int{3, 1, 9, 2, 0} {
			op := operation(int64(4001 + i))
			op.NextAt = time.Time{}
			if minutes > 0 {
				op.NextAt = at(minutes)
			}
			c.create(op)
		}
		for _, tc := range []struct {
			now, limit int
			want       string
			next       time.Time
		}{
			{0, 9, "[]", at(1)},
			{1, 9, "[2]", at(2)},
			{5, 9, "[2 4 1]", at(9)},
			{5, 2, "[2 4]", at(3)},
			{9, 9, "[2 4 1 3]", time.Time{}},
		} {
			got, next, err := c.Due(c.ctx, at(tc.now), "me", tc.limit)
			require.NoError(c, err)
			require.Equal(c, tc.want, fmt.Sprint(got), "at %d", tc.now)
			require.True(c, tc.next.Equal(next), "next at %d: %s", tc.now, next)
		}
	}},
	{"Due follows what Advance says", func(c *caller) {
		op := c.create(operation(4001))
		op.NextAt = at(1)
		op = c.advance(op, bot.Pending)
		got, next, err := c.Due(c.ctx, at(1), "me", 10)
		require.NoError(c, err)
		require.Equal(c, []int64{op.ID}, got)
		require.Zero(c, next)
		op.NextAt = time.Time{}
		c.advance(op, bot.Expired)
		got, next, err = c.Due(c.ctx, at(100), "me", 10)
		require.NoError(c, err)
		require.Empty(c, got)
		require.Zero(c, next)
	}},
	{"Open lists what has not ended, oldest first", func(c *caller) {
		var want []int64
		for i, state := range bot.States() {
			if op := c.bring(int64(4001+i), state); !state.Final() {
				want = append(want, op.ID)
			}
		}
		got, err := c.Open(c.ctx)
		require.NoError(c, err)
		require.Equal(c, want, got)
	}},
}
