package slack_test

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// deed is something that a person did, on its way through the bot.
type deed struct {
	w       *world
	user    string
	kind    string
	payload map[string]any
	mark    int // what is newer came after it
	sent    time.Time
	acks    chan map[string]any
	trigger string
	url     string
}

// deed makes an envelope and sends it on one of the sockets. The caller does
// not hold mu.
func (w *world) deed(user, kind string, payload map[string]any) *deed {
	w.tb.Helper()
	d := w.made(user, kind, payload)
	d.send()
	return d
}

// made is a deed that nobody has sent yet.
func (w *world) made(user, kind string, payload map[string]any) *deed {
	d := &deed{w: w, user: user, kind: kind, payload: payload, trigger: str(payload["trigger_id"])}
	d.url = str(payload["response_url"])
	d.url = d.url[strings.LastIndexByte(d.url, '/')+1:]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	d.mark = w.serial
	return d
}

// send sends it, or sends it again, and returns where: Slack makes a new
// envelope of what it delivers again.
func (d *deed) send() *socket {
	d.w.tb.Helper()
	frame, acks := d.w.envelope(d.kind, d.payload)
	d.acks = acks
	for range 100 {
		s := d.w.some()
		d.sent = time.Now()
		if s.send(frame) {
			return s
		}
		<-s.gone // its end is noticed in a moment
	}
	require.Fail(d.w.tb, "no socket takes it")
	return nil
}

// some is one of the open sockets, as Slack chooses: by chance. A command is
// under way on it.
func (w *world) some() *socket {
	w.tb.Helper()
	var chosen *socket
	require.True(w.tb, w.await(patience, func() bool {
		var all []*socket
		for _, s := range w.sockets {
			if s.open && !s.leaving {
				all = append(all, s)
			}
		}
		if len(all) == 0 {
			return false
		}
		chosen = all[rand.N(len(all))]
		chosen.under++
		return true
	}), "no socket is open")
	return chosen
}

// slackWaits is when a person is told that the app does not respond.
const slackWaits = 3 * time.Second

// acked waits for the acknowledgement, and fails if it came too late.
func (d *deed) acked() map[string]any {
	d.w.tb.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case ack := <-d.acks:
		if took := time.Since(d.sent); took > slackWaits {
			require.Fail(d.w.tb, "acknowledged too late", "%s after %s", d.payload["text"], took)
		}
		return ack
	case <-late.C:
		require.Fail(d.w.tb, "never acknowledged", "%v", d.payload)
		return nil
	}
}

// answered waits until the person can see what became of it: an answer, a
// form, or what everybody sees: a change of an operation, or, where op is 0, a
// new one.
func (d *deed) answered(op int64) {
	d.w.tb.Helper()
	ok := d.w.await(patience, func() bool {
		if u := d.w.urls[d.url]; u != nil && u.shown > 0 {
			return true
		}
		if t := d.w.triggers[d.trigger]; t != nil && t.view > 0 {
			return true
		}
		for _, m := range d.w.messages {
			switch {
			case m.changed <= d.mark:
			case m.to == d.user, op != 0 && d.w.operation(m) == op, op == 0 && m.made > d.mark && rootOf(m) != 0:
				return true
			}
		}
		return false
	})
	require.True(d.w.tb, ok, "%s was never answered: %v\n%s", d.user, d.payload, d.w.conversation())
}

// types is a slash command. It returns when it is acknowledged and answered.
func (w *world) types(person, line string) *deed {
	w.tb.Helper()
	d := w.deed(accounts[person], "slash_commands", w.slash(accounts[person], line))
	d.acked()
	d.answered(0)
	return d
}
