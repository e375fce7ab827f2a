package slack

import (
	"context"
	"net"
	"net/http"
	"time"

	"hosterbot/bot"
)

// DialWith makes the adapter connect through dial, to a double in memory.
func (a *Adapter) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	t := a.http.Transport.(*http.Transport)
	t.DialContext, t.Proxy, t.ForceAttemptHTTP2 = dial, nil, false
	a.dialer.NetDialContext, a.dialer.Proxy = dial, nil
}

// Rendered is a card's message: its text and its blocks as they are sent.
func Rendered(c bot.Card, team string, now time.Time) (text string, blocks any) {
	m := render(c, team, now)
	return m.text, m.blocks
}

// Plainer are the messages for a Slack that refuses the first.
func Plainer(c bot.Card, team string, now time.Time) (simple any, bare string) {
	m := render(c, team, now)
	return m.simple().blocks, m.bare().text
}

// Modal is a form as a view.
func Modal(f bot.Form, now time.Time) any {
	return modal(f, origin{Channel: "C0OPS", Kept: "KEY"}, now)
}

// Parsed is what a frame is taken for.
func Parsed(frame []byte) (sort int, line, code string, err error) {
	e, err := decode(frame)
	if err != nil {
		return 0, "", "", err
	}
	c := e.call()
	return int(c.sort), c.line, c.code, nil
}

// Unescape undoes what Slack does to a typed text.
func Unescape(text string) string { return unescape(text) }
