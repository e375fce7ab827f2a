package storetest

import (
	"fmt"

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
	}},
}
