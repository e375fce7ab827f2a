package discord

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"hosterbot/bot"
)

// DialWith makes the adapter connect through dial, to a double in memory.
func (a *Adapter) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	t := a.http.Transport.(*door).next.(*http.Transport)
	t.DialContext, t.Proxy, t.ForceAttemptHTTP2 = dial, nil, false
	a.dialer.NetDialContext, a.dialer.Proxy = dial, nil
}

// Rendered is a card's message as it is sent.
func Rendered(c bot.Card, now time.Time) any { return render(c, now).body() }

// Plainer are the messages for a Discord that refuses the first.
func Plainer(c bot.Card, now time.Time) (simple, bare any) {
	m := render(c, now)
	return m.simple().body(), m.bare().body()
}

// Modal is a form as it is sent.
func Modal(f bot.Form, now time.Time) (any, error) { return modal(f, now) }

// Parsed is what an interaction is taken for.
func Parsed(data []byte) (sort int, words, code string, args []bot.Arg, err error) {
	c, err := parse(data)
	return int(c.sort), c.words, c.code, c.args, err
}

// Decoded is what a frame is taken for.
func Decoded(data []byte) (op int, err error) {
	p, err := decode(data)
	return p.Op, err
}

// Escape is what makes a text safe where markdown is read.
func Escape(text string) string { return escape(text) }

// RouteOf names the bucket that a call is counted in.
func RouteOf(method, address string) string { return routeOf(method, address) }

// Size is the length of a text as Discord counts it.
func Size(text string) int { return size(text) }

// Gates is how many buckets are kept after one call to each of n routes.
func Gates(ctx context.Context, clock bot.Clock, n int) (int, error) {
	l := newLimits(clock)
	for i := range n {
		done, err := l.enter(ctx, fmt.Sprint("PATCH channels/", i), result)
		if err != nil {
			return 0, err
		}
		done(&seen{limit: 5, remaining: 4, reset: 5 * time.Second})
	}
	return len(l.gates), nil
}
