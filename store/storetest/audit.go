package storetest

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// chained requires that records follow each other without a gap.
func (c *caller) chained(records []bot.Record) {
	c.Helper()
	prev := ""
	for i, r := range records {
		require.Equal(c, uint64(i+1), r.Seq)
		require.Equal(c, prev, r.Prev, "record %d", r.Seq)
		require.NotEmpty(c, r.MAC)
		require.NotEqual(c, prev, r.MAC)
		prev = r.MAC
	}
}

var auditTests = []test{
	{"records are sealed: numbered, each with the MAC of the one before", func(c *caller) {
		want := bot.Record{
			Seq: 77, Prev: "forged", MAC: "forged", Time: noon, Kind: "vote", Op: 5, State: bot.Pending, Person: "ana", Account: "slack:T1/U1", Place: "slack:T1/C1",
			Command: "vm delete", Target: "vm/4001", Args: bot.Args{{Name: "vm", Value: "4001"}}, Digest: "d", Decision: "approve", Rule: "r1", Line: 12,
			Policy: "h", Attempt: 1, Status: 200, Code: "0x01", Text: `"op":1,"prev":""} <&>`, BreakGlass: true, Count: 3,
		}
		require.NoError(c, c.Append(c.ctx, noon, "", bot.Written{Audit: []bot.Record{{Time: noon, Kind: "first"}, want}}))
		c.create(operation(4001), bot.Written{Audit: []bot.Record{{Time: noon, Kind: "command", Text: `"op":-9223372036854775808,`}}})
		records := c.records()
		require.Len(c, records, 3)
		c.chained(records)
		want.Seq, want.Prev, want.MAC = 2, records[1].Prev, records[1].MAC
		require.Equal(c, want, records[1])
		require.Equal(c, int64(1), records[2].Op)
		require.Equal(c, `"op":-9223372036854775808,`, records[2].Text)
	}},
	{"the same record twice has two MACs", func(c *caller) {
		r := bot.Record{Time: noon, Kind: "flood"}
		require.NoError(c, c.Append(c.ctx, noon, "", bot.Written{Audit: []bot.Record{r, r}}))
		records := c.records()
		require.NotEqual(c, records[0].MAC, records[1].MAC)
	}},
	{"a record without a time has the caller's now", func(c *caller) {
		require.NoError(c, c.Append(c.ctx, at(3), "", bot.Written{Audit: []bot.Record{{Kind: "read"}}}))
		require.Equal(c, at(3), c.records()[0].Time)
	}},
	{"Audit lists newest first, 100 if no limit is said, and pages by Before", func(c *caller) {
		var all []bot.Record
		for i := range 105 {
			all = append(all, bot.Record{Time: at(i), Kind: "read"})
		}
		require.NoError(c, c.Append(c.ctx, noon, "", bot.Written{Audit: all}))
		page, err := c.Audit(c.ctx, bot.AuditFilter{})
		require.NoError(c, err)
		require.Len(c, page, 100)
		require.Equal(c, uint64(105), page[0].Seq)
		page, err = c.Audit(c.ctx, bot.AuditFilter{Before: page[99].Seq, Limit: 3})
		require.NoError(c, err)
		require.Len(c, page, 3)
		require.Equal(c, uint64(5), page[0].Seq)
		page, err = c.Audit(c.ctx, bot.AuditFilter{Before: 1})
		require.NoError(c, err)
		require.Empty(c, page)
	}},
	{"each field of the filter picks, and together they all have to", func(c *caller) {
		var all []bot.Record
		for i := range 6 {
			r := bot.Record{Time: at(i), Kind: "vote", Person: "ana", Target: "vm/4001", Op: int64(1 + i/2), Text: `"person":"ben","target":"vm/4002","op":3,`}
			if i%2 == 1 {
				r.Person, r.Target = `b"en`, "vm/40010"
			}
			all = append(all, r)
		}
		all[5].Time = at(2) // clocks of callers differ
		require.NoError(c, c.Append(c.ctx, noon, "", bot.Written{Audit: all}))
		for name, tc := range map[string]struct {
			f    bot.AuditFilter
			want string
		}{
			"person":  {bot.AuditFilter{Person: `b"en`}, "[6 4 2]"},
			"target":  {bot.AuditFilter{Target: "vm/4001"}, "[5 3 1]"},
			"op":      {bot.AuditFilter{Op: 3}, "[6 5]"},
			"since":   {bot.AuditFilter{Since: at(3)}, "[5 4]"},
			"all":     {bot.AuditFilter{Person: "ana", Target: "vm/4001", Op: 2, Since: at(1)}, "[3]"},
			"nothing": {bot.AuditFilter{Person: "ben"}, "[]"},
			"limit":   {bot.AuditFilter{Person: "ana", Limit: 2}, "[5 3]"},
		} {
			got, err := c.Audit(c.ctx, tc.f)
			require.NoError(c, err, name)
			var seqs []uint64
			for _, r := range got {
				seqs = append(seqs, r.Seq)
			}
			require.Equal(c, tc.want, fmt.Sprint(seqs), name)
		}
	}}, {"Sealed gives every record after a number, oldest first, as it is stored", func(c *caller) {
		none := func(bot.Sealed) error { return errors.New("there is no record") }
		require.NoError(c, c.Sealed(c.ctx, 0, none))
		var all []bot.Record
		for i := range 1203 { // several pages
			all = append(all, bot.Record{Time: at(i), Kind: "read", Text: "<&>\n"})
		}
		require.NoError(c, c.Append(c.ctx, noon, "", bot.Written{Audit: all}))
		want := c.records()
		for _, after := range []uint64{0, 1, 499, 500, 1202, 1203, 5000, math.MaxInt64} {
			seq := after
			require.NoError(c, c.Sealed(c.ctx, after, func(s bot.Sealed) error {
				seq++
				require.Equal(c, seq, s.Seq)
				r, err := s.Record()
				require.NoError(c, err)
				require.Equal(c, want[seq-1], r)
				require.Equal(c, 1, strings.Count(string(s.Body), `"prev":"`+r.Prev+`"}`))
				return nil
			}))
			require.Equal(c, max(after, 1203), seq)
		}
	}},
	{"Sealed ends with the first error of its caller, and with its context", func(c *caller) {
		require.NoError(c, c.Append(c.ctx, noon, "", bot.Written{Audit: make([]bot.Record, 3)}))
		errEnough, n := errors.New("enough"), 0
		err := c.Sealed(c.ctx, 0, func(bot.Sealed) error {
			if n++; n == 2 {
				return errEnough
			}
			return nil
		})
		require.Equal(c, errEnough, err)
		require.Equal(c, 2, n)
		ctx, cancel := contextEnded(c)
		defer cancel()
		require.ErrorIs(c, c.Sealed(ctx, 0, func(bot.Sealed) error { return nil }), ctx.Err())
	}},
	{"Sealed lets its caller write meanwhile", func(c *caller) {
		w := bot.Written{Audit: make([]bot.Record, 1)}
		require.NoError(c, c.Append(c.ctx, noon, "", w))
		require.NoError(c, c.Sealed(c.ctx, 0, func(s bot.Sealed) error {
			if s.Seq > 1 {
				return nil
			}
			return c.Append(c.ctx, noon, "", w)
		}))
		require.Len(c, c.records(), 2)
	}},
	{"a store of which nothing was lost is no rollback, and to end none writes what it is given", func(c *caller) {
		require.Empty(c, c.Rollback())
		require.NoError(c, c.EndRollback(c.ctx, at(1), bot.Written{Audit: []bot.Record{{Kind: "rollback"}}, Owed: []bot.Owed{line(0, "x")}}))
		require.Empty(c, c.Rollback())
		require.Equal(c, at(1), c.records()[0].Time)
		require.Len(c, c.owed(), 1)
	}},
}
