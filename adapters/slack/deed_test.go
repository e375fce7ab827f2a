package slack_test

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// deed is something that a person did, on its way through the bot.
type deed struct {
	f       *fake
	user    string
	kind    string
	payload map[string]any
	mark    int // what is newer came after it
	sent    time.Time
	acks    chan map[string]any
	trigger string
	url     string
	form    *view // that was sent
	judged  bool  // what was wrong with it was told
}

// deed makes an envelope and sends it on one of the sockets. The caller does
// not hold mu.
func (f *fake) deed(user, kind string, payload map[string]any) *deed {
	f.tb.Helper()
	d := f.made(user, kind, payload)
	d.send()
	return d
}

// made is a deed that nobody has sent yet.
func (f *fake) made(user, kind string, payload map[string]any) *deed {
	d := &deed{f: f, user: user, kind: kind, payload: payload, trigger: str(payload["trigger_id"])}
	d.url = str(payload["response_url"])
	d.url = d.url[strings.LastIndexByte(d.url, '/')+1:]
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial++
	d.mark = f.serial
	return d
}

// send sends it, or sends it again, and returns where: Slack makes a new
// envelope of what it delivers again.
func (d *deed) send() *socket {
	d.f.tb.Helper()
	frame, acks := d.f.envelope(d.kind, d.payload)
	d.acks = acks
	for range 100 {
		s := d.f.some()
		d.sent = time.Now()
		if s.send(frame) {
			return s
		}
		<-s.gone // its end is noticed in a moment
	}
	require.Fail(d.f.tb, "no socket takes it")
	return nil
}

// some is one of the open sockets, as Slack chooses: by chance. A command is
// under way on it.
func (f *fake) some() *socket {
	f.tb.Helper()
	var chosen *socket
	require.True(f.tb, f.await(patience, func() bool {
		var all []*socket
		for _, s := range f.sockets {
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

// Acked waits for the acknowledgement, and fails if it came too late.
func (d *deed) Acked() {
	d.f.tb.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case ack := <-d.acks:
		if took := time.Since(d.sent); took > slackWaits {
			require.Fail(d.f.tb, "acknowledged too late", "%s after %s", d.payload["text"], took)
		}
		if d.form != nil {
			d.f.settle(d.form, ack)
			d.judged = ack["response_action"] != nil
		}
	case <-late.C:
		require.Fail(d.f.tb, "never acknowledged", "%v", d.payload)
	}
}

// Shown tells whether an answer came. The caller holds mu.
func (d *deed) Shown() bool {
	u, t := d.f.urls[d.url], d.f.triggers[d.trigger]
	return d.judged || u != nil && u.shown > 0 || t != nil && t.view > 0
}

// Mark tells what came after it.
func (d *deed) Mark() uint64 { return uint64(d.mark) }
