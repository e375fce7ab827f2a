package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func contextEnded(c *caller) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	return ctx, cancel
}

// root, line and end are messages owed to an operation's thread.
func root(op int64, place string) bot.Owed {
	return bot.Owed{Op: op, Place: channel(place), Kind: bot.OwedRoot, At: noon}
}

func line(op int64, text string) bot.Owed {
	return bot.Owed{Op: op, Place: channel("C0OPS"), Kind: bot.OwedLine, Card: bot.Card{Title: text}, At: noon}
}

// owe owes messages that belong to no change.
func (c *caller) owe(o ...bot.Owed) {
	c.Helper()
	require.NoError(c, c.Append(c.ctx, noon, "", bot.Written{Owed: o}))
}

// ripe are the messages that may be sent now.
func (c *caller) ripe(now time.Time, limit int) ([]bot.Owed, time.Time) {
	c.Helper()
	out, next, err := c.Owed(c.ctx, now, "me", limit)
	require.NoError(c, err)
	return out, next
}

func titles(owed []bot.Owed) []string {
	out := []string{}
	for _, o := range owed {
		if o.Kind == bot.OwedRoot {
			out = append(out, "root of "+o.Place.Channel)
		} else {
			out = append(out, o.Card.Title)
		}
	}
	return out
}

var messageTests = []test{
	{"messages are owed in order, and come back whole", func(c *caller) {
		card := bot.Card{Title: "done <b>", Tone: bot.Good, Lines: []string{"`x`"}, Bar: &bot.Bar{Fraction: 0.5}, Buttons: []bot.Button{{Label: "Retry", Code: "v1:1:retry:n"}}}
		want := bot.Owed{Op: 1, Place: channel("C0OPS"), Kind: bot.OwedEnd, Card: card, At: noon, NotBefore: at(1), Tries: 2, Version: 3}
		c.owe(line(1, "one"), want, root(1, "C0OPS"), line(0, "two"))
		owed := c.owed()
		require.Equal(c, []string{"one", "done <b>", "root of C0OPS", "two"}, titles(owed))
		for i := range owed[1:] {
			require.Greater(c, owed[i+1].Seq, owed[i].Seq)
		}
		want.Seq = owed[1].Seq
		require.Equal(c, want, owed[1])
	}},
	{"Owed holds back what may not be sent yet, and says when the next one may", func(c *caller) {
		later := line(1, "later")
		later.NotBefore = at(5)
		sooner := line(1, "sooner")
		sooner.NotBefore = at(3)
		c.owe(later, line(1, "now"), sooner)
		got, next := c.ripe(noon, 10)
		require.Equal(c, []string{"now"}, titles(got))
		require.True(c, next.Equal(at(3)), next)
		got, next = c.ripe(at(3), 10)
		require.Equal(c, []string{"now", "sooner"}, titles(got))
		require.True(c, next.Equal(at(5)), next)
		got, next = c.ripe(at(5), 10)
		require.Equal(c, []string{"later", "now", "sooner"}, titles(got))
		require.Zero(c, next)
		got, next = c.ripe(at(5), 2)
		require.Equal(c, []string{"later", "now"}, titles(got))
		require.False(c, next.IsZero() || next.After(at(5)), "the third may be sent now: %s", next)
	}},
	{"a root owed again coalesces and keeps its place in the order", func(c *caller) {
		op := c.create(operation(4001), bot.Written{Owed: []bot.Owed{root(0, "C0OPS"), root(0, "C0AUDIT")}})
		c.owe(line(op.ID, "line"))
		op = c.advance(op, bot.Pending, bot.Written{Owed: []bot.Owed{root(op.ID, "C0OPS")}})
		owed := c.owed()
		require.Equal(c, []string{"root of C0OPS", "root of C0AUDIT", "line"}, titles(owed))
		require.Equal(c, []int64{2, 1}, []int64{owed[0].Version, owed[1].Version}, "owed for the version that the change made")
		c.owe(root(99, "C0OPS"))
		require.Len(c, c.owed(), 4, "another operation's root is another message")
	}},
	{"lines and ends are never dropped", func(c *caller) {
		end := line(1, "end")
		end.Kind = bot.OwedEnd
		c.owe(line(1, "same"), line(1, "same"), end)
		require.Equal(c, []string{"same", "same", "end"}, titles(c.owed()))
	}},
	{"Deliver takes the message off and records the thread", func(c *caller) {
		op := c.create(operation(4001), bot.Written{Owed: []bot.Owed{root(0, "C0OPS"), line(0, "line")}})
		owed := c.owed()
		th := bot.Thread{Op: op.ID, Place: channel("C0OPS"), Root: bot.Ref{Place: channel("C0OPS"), ID: "1.2", Twin: true}, Shown: 1, ShownAt: at(1), Posted: 40}
		for range 2 { // it may be called again
			require.NoError(c, c.Deliver(c.ctx, at(1), owed[0], th))
		}
		require.Equal(c, []string{"line"}, titles(c.owed()))
		threads, err := c.Threads(c.ctx, op.ID)
		require.NoError(c, err)
		require.Equal(c, []bot.Thread{th}, threads)
		require.NoError(c, c.Deliver(c.ctx, at(1), owed[1], bot.Thread{}))
		require.Empty(c, c.owed())
		threads, err = c.Threads(c.ctx, op.ID)
		require.NoError(c, err)
		require.Equal(c, []bot.Thread{th}, threads, "a zero Op records nothing")
		c.advance(op, bot.Pending, bot.Written{Owed: []bot.Owed{root(op.ID, "C0OPS")}})
		require.Len(c, c.owed(), 1, "it can be owed again")
	}},
	{"a root that was owed anew since it was read stays owed", func(c *caller) {
		op := c.create(operation(4001), bot.Written{Owed: []bot.Owed{root(0, "C0OPS")}})
		c.owe(line(op.ID, "line"))
		read := c.owed()[0]
		require.NoError(c, c.Postpone(c.ctx, noon, read, at(1)))
		c.advance(op, bot.Pending, bot.Written{Owed: []bot.Owed{root(op.ID, "C0OPS")}})
		th := bot.Thread{Op: op.ID, Place: read.Place, Root: bot.Ref{ID: "1"}, Shown: 1}
		require.NoError(c, c.Deliver(c.ctx, noon, read, th))
		owed := c.owed()
		require.Equal(c, []string{"root of C0OPS", "line"}, titles(owed))
		require.Equal(c, int64(2), owed[0].Version)
		require.Zero(c, owed[0].Tries, "the tries were those of the one delivered")
		require.NoError(c, c.Deliver(c.ctx, noon, owed[0], th))
		require.Equal(c, []string{"line"}, titles(c.owed()))
	}},
	{"a root owed anew for the same version stays owed too", func(c *caller) {
		o := root(1, "C0OPS")
		o.Version = 7
		c.owe(o)
		read := c.owed()[0]
		o.At = at(1)
		c.owe(o)
		require.NoError(c, c.Deliver(c.ctx, at(1), read, bot.Thread{}))
		require.Len(c, c.owed(), 1)
	}},
	{"an older root does not replace a newer one", func(c *caller) {
		o := root(1, "C0OPS")
		o.Version = 7
		c.owe(o)
		o.Version = 6
		c.owe(o)
		require.Equal(c, int64(7), c.owed()[0].Version)
	}},
	{"Postpone puts off and counts the tries", func(c *caller) {
		c.owe(line(1, "a"), line(1, "b"))
		for i := range 3 {
			require.NoError(c, c.Postpone(c.ctx, noon, c.owed()[0], at(i+1)))
		}
		got, next := c.ripe(noon, 10)
		require.Equal(c, []string{"b"}, titles(got))
		require.True(c, next.Equal(at(3)))
		got, _ = c.ripe(at(3), 10)
		require.Equal(c, []string{"a", "b"}, titles(got), "it keeps its place in the order")
		require.Equal(c, []int{3, 0}, []int{got[0].Tries, got[1].Tries})
	}},
	{"Postpone of what is no longer owed is ErrNotFound", func(c *caller) {
		c.owe(line(1, "a"))
		o := c.owed()[0]
		require.NoError(c, c.Deliver(c.ctx, noon, o, bot.Thread{}))
		require.ErrorIs(c, c.Postpone(c.ctx, noon, o, at(1)), bot.ErrNotFound)
	}},
	{"a root owed anew while it is put off waits as long; one that only waits goes sooner", func(c *caller) {
		c.owe(root(1, "C0OPS"))
		require.NoError(c, c.Postpone(c.ctx, noon, c.owed()[0], at(5)))
		c.owe(root(1, "C0OPS"))
		got, next := c.ripe(at(4), 10)
		require.Empty(c, got)
		require.True(c, next.Equal(at(5)))
		paced := root(2, "C0OPS")
		paced.NotBefore = at(9)
		c.owe(paced)
		paced.NotBefore = at(10)
		c.owe(paced)
		got, _ = c.ripe(at(9), 10)
		require.Len(c, got, 2, "news does not put the message off for ever")
		c.owe(root(2, "C0OPS"))
		got, _ = c.ripe(noon, 10)
		require.Len(c, got, 1)
	}},
	{"Threads are in the order of the operation's places", func(c *caller) {
		op := c.create(operation(4001)) // C0OPS, C0AUDIT
		other := c.create(operation(4002))
		for _, name := range []string{"C0MOVED", "C0AUDIT", "C0OPS"} {
			require.NoError(c, c.Deliver(c.ctx, noon, bot.Owed{}, bot.Thread{Op: op.ID, Place: channel(name)}))
		}
		require.NoError(c, c.Deliver(c.ctx, noon, bot.Owed{}, bot.Thread{Op: op.ID, Place: channel("C0OPS"), Posted: 5}))
		threads, err := c.Threads(c.ctx, op.ID)
		require.NoError(c, err)
		require.Len(c, threads, 3)
		for i, name := range []string{"C0OPS", "C0AUDIT", "C0MOVED"} {
			require.Equal(c, name, threads[i].Place.Channel)
		}
		require.Equal(c, 5, threads[0].Posted, "the last state counts")
		threads, err = c.Threads(c.ctx, other.ID)
		require.NoError(c, err)
		require.Empty(c, threads)
	}},
	{"a thread in a channel and the channel are two places", func(c *caller) {
		inThread := root(1, "C0OPS")
		inThread.Place.Thread = "1.2"
		c.owe(root(1, "C0OPS"), inThread)
		require.Len(c, c.owed(), 2)
	}},
}
