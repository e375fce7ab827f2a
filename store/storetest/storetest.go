// Package storetest is the contract that every back end of the store passes:
// each sentence of bot.Store's doc comments is a subtest.
//
// Run has what one caller sees, RunConcurrent what many see at once (with
// -race), RunReopen what is there after a restart; Rate is for benches. It knows
// bot and no back end. A bug found in one back end becomes a case here, for all.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// noon is when the tests begin.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// at is a moment some minutes after noon.
func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// test is one rule of the contract. Its name says the rule.
type test struct {
	name string
	run  func(c *caller)
}

// caller calls a store in a test, and ends the test where the contract says
// that a call succeeds and it does not.
type caller struct {
	testing.TB
	bot.Store
	ctx context.Context
}

func newCaller(tb testing.TB, s bot.Store) *caller {
	return &caller{tb, s, tb.Context()}
}

// Run tests what one caller sees. open opens an empty store, and closes it in
// the test's Cleanup.
func Run(t *testing.T, open func(testing.TB) bot.Store) {
	for name, tests := range map[string][]test{
		"operations": operationTests, "keys": keyTests, "lanes": laneTests, "lists": listTests,
		"messages": messageTests, "locks and reads": lockTests, "audit": auditTests, "incidents": incidentTests, "upkeep": upkeepTests,
	} {
		t.Run(name, func(t *testing.T) {
			for _, tc := range tests {
				t.Run(tc.name, func(t *testing.T) {
					c := newCaller(t, open(t))
					tc.run(c)
					if err := c.Check(c.ctx); !errors.Is(err, bot.ErrUnavailable) { // some tests close it
						require.NoError(t, err, "the store is sound after every test")
					}
				})
			}
		})
	}
}

// channel is a place in a chat.
func channel(name string) bot.Place {
	var p bot.Place
	p.Platform, p.Team, p.Channel = "slack", "T01TEAM", name
	return p
}

// vm is a target.
func vm(id int64) bot.Target { return bot.Target{Kind: "vm", ID: id} }

// operation is one that deletes a VM and waits for its confirmation.
func operation(id int64) bot.Operation {
	return bot.Operation{
		Key: fmt.Sprintf("slack/T01TEAM/%d", id), State: bot.Confirming, Command: "vm delete",
		Args: bot.Args{{Name: "vm", Value: fmt.Sprint(id)}}, Targets: []bot.Target{vm(id)}, Lane: fmt.Sprintf("vm/%d", id),
		Person: "ana", Account: bot.Account{Platform: "slack", Team: "T01TEAM", User: "U07ANA"},
		Place: channel("C0OPS"), Places: []bot.Place{channel("C0OPS"), channel("C0AUDIT")},
		Title: "Delete VM `4001`", Fields: []bot.Field{{Label: "Disk", Value: "20 GB"}}, Nonce: "n0nce",
		Baseline: []byte(`{"ips":["203.0.113.5"]}`), Created: noon, Expires: at(10), NextAt: at(10),
	}
}

// create stores an operation without a key.
func (c *caller) create(op bot.Operation, with ...bot.Written) bot.Operation {
	c.Helper()
	var w bot.Written
	if len(with) > 0 {
		w = with[0]
	}
	stored, err := c.Create(c.ctx, noon, "", &op, w)
	require.NoError(c, err)
	require.False(c, stored.Repeated)
	return *stored.Operation
}

// advance stores an operation's next state without a key.
func (c *caller) advance(op bot.Operation, to bot.State, with ...bot.Written) bot.Operation {
	c.Helper()
	var w bot.Written
	if len(with) > 0 {
		w = with[0]
	}
	op.State = to
	stored, err := c.Advance(c.ctx, noon, "", &op, w)
	require.NoError(c, err)
	return *stored.Operation
}

// path leads to every state from Confirming.
var path = map[bot.State][]bot.State{
	bot.Confirming: {}, bot.Pending: {bot.Pending}, bot.Ready: {bot.Ready}, bot.Checking: {bot.Ready, bot.Checking},
	bot.Intent:      {bot.Ready, bot.Checking, bot.Intent},
	bot.InProgress:  {bot.Ready, bot.Checking, bot.Intent, bot.InProgress},
	bot.Following:   {bot.Ready, bot.Checking, bot.Intent, bot.Following},
	bot.LostTrack:   {bot.Ready, bot.Checking, bot.Intent, bot.Following, bot.LostTrack},
	bot.Unknown:     {bot.Ready, bot.Checking, bot.Intent, bot.Unknown},
	bot.NeedsHuman:  {bot.Ready, bot.Checking, bot.Intent, bot.Unknown, bot.NeedsHuman},
	bot.Succeeded:   {bot.Ready, bot.Checking, bot.Intent, bot.Succeeded},
	bot.Failed:      {bot.Ready, bot.Checking, bot.Intent, bot.Failed},
	bot.SettledDone: {bot.Ready, bot.Checking, bot.Intent, bot.Unknown, bot.SettledDone}, bot.SettledNotDone: {bot.Ready, bot.Checking, bot.Intent, bot.Unknown, bot.SettledNotDone},
	bot.ResolvedDone:   {bot.Ready, bot.Checking, bot.Intent, bot.Unknown, bot.ResolvedDone},
	bot.ResolvedUndone: {bot.Ready, bot.Checking, bot.Intent, bot.Unknown, bot.ResolvedUndone},
	bot.ResolvedUnsure: {bot.Ready, bot.Checking, bot.Intent, bot.Unknown, bot.ResolvedUnsure},
	bot.Denied:         {bot.Denied}, bot.Cancelled: {bot.Cancelled}, bot.Expired: {bot.Expired}, bot.Invalidated: {bot.Invalidated},
}

// bring creates an operation on a VM and advances it to a state.
func (c *caller) bring(id int64, to bot.State) bot.Operation {
	c.Helper()
	op := c.create(operation(id))
	for _, s := range path[to] {
		op = c.advance(op, s)
	}
	return op
}

// stored reads an operation.
func (c *caller) stored(id int64) bot.Operation {
	c.Helper()
	op, err := c.Operation(c.ctx, id)
	require.NoError(c, err)
	return op
}

// records reads the audit log, oldest first.
func (c *caller) records() []bot.Record {
	c.Helper()
	var out []bot.Record
	f := bot.AuditFilter{Limit: 1000}
	for {
		page, err := c.Audit(c.ctx, f)
		require.NoError(c, err)
		if len(page) == 0 {
			return out
		}
		for _, r := range page {
			out = append([]bot.Record{r}, out...)
		}
		f.Before = page[len(page)-1].Seq
	}
}

// owed reads all messages owed, whenever they may be sent.
func (c *caller) owed() []bot.Owed {
	c.Helper()
	out, _, err := c.Owed(c.ctx, noon.AddDate(1, 0, 0), "me", 10_000)
	require.NoError(c, err)
	return out
}

func ids(ops []bot.Operation) []int64 {
	out := []int64{}
	for _, op := range ops {
		out = append(out, op.ID)
	}
	return out
}
