package slack_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// answers are the texts that a person was shown after a deed, and what
// everybody was.
func (d *deed) answers() []string {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	var out []string
	for _, m := range d.w.messages {
		if m.changed > d.mark && (m.to == "" || m.to == d.user) {
			text, _ := m.reading()
			out = append(out, text)
		}
	}
	return out
}

// hears waits until an answer holds a word.
func (d *deed) hears(word string) {
	d.w.tb.Helper()
	ok := d.w.await(patience, func() bool {
		return slices.ContainsFunc(d.w.messages, func(m *message) bool {
			text, _ := m.reading()
			return m.changed > d.mark && (m.to == "" || m.to == d.user) && strings.Contains(strings.ReplaceAll(text, "`", ""), word)
		})
	})
	require.True(d.w.tb, ok, "nobody said %q\n%s", word, d.w.conversation())
}

// deletes asks for, confirms and explains the deletion of a VM that is halted.
func (p *player) deletes(person, vm string) {
	p.tb.Helper()
	p.types(person, "vm delete "+vm)
	require.NoError(p.tb, p.press(person, "Confirm"))
	require.NoError(p.tb, p.fill(person, `reason="old" target=`+vm))
}

func newPlayer(t *testing.T, s settings) *player {
	return &player{world: newWorld(t, s), pressers: make(map[string]bool)}
}

// done are the mutating calls that the provider carried out.
func (w *world) done() []string {
	var out []string
	for _, c := range w.sim.Calls() {
		if c.Mutating && c.Done {
			out = append(out, c.Kind)
		}
	}
	return out
}

func TestKilledBetweenAcknowledgementAndAnswer(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, settings{})
	require.NoError(t, p.sim.Fault("config", "slow")) // the target is read after the acknowledgement
	d := p.deed(accounts["ana"], "slash_commands", p.slash(accounts["ana"], "vm delete 4009"))
	d.acked()
	p.slowCall()
	p.kill()
	require.Empty(t, d.answers())
	p.start()
	p.connected()
	d.send() // Slack knows of no answer
	d.acked()
	d.hears("operation 1")
	p.types("ana", "op list --open")
	p.mu.Lock()
	newest := p.newestOperation()
	p.mu.Unlock()
	require.EqualValues(t, 1, newest, "it is one operation\n%s", p.conversation())
	p.deletes("ana", "4009") // and nothing is in the way of another
	require.NoError(t, p.press("dia", "Approve"))
	p.ended(2)
	require.Equal(t, []string{"delete"}, p.done())
	p.stop()
}

func TestBothSocketsCutAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, settings{})
	require.NoError(t, p.sim.Fault("list", "slow"))
	d := p.deed(accounts["ana"], "slash_commands", p.slash(accounts["ana"], "vm list"))
	d.acked()
	p.slowCall()
	p.mu.Lock()
	for _, s := range p.sockets {
		_ = s.ws.UnderlyingConn().Close()
	}
	p.mu.Unlock()
	require.True(t, p.await(patience, func() bool { return p.openNow() == 0 }))
	p.pace.wake <- struct{}{}
	d.hears("5 VMs") // an answer needs no socket
	p.connected()
	p.types("ben", "vm show 4001")
	require.LessOrEqual(t, p.count("apps.connections.open"), 6)
	p.stop()
}

func TestTwentyRefreshesLoseNoCommand(t *testing.T) {
	t.Parallel()
	people, policy := crowd()
	w := newWorld(t, settings{policy: policy, lean: true, scale: 1})
	w.join(people)
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	sent := make(chan struct{})
	go func() { // 50 commands a second; each has to be answered
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var all []<-chan struct{}
		for ctx.Err() == nil {
			<-tick.C
			over, user := make(chan struct{}), fmt.Sprint("U", n.Add(1)%loadPeople+1)
			all = append(all, over)
			go func() {
				defer close(over)
				if ack, _, _ := w.one(user, "vm list"); ack > slackWaits {
					t.Errorf("acknowledged after %s", ack)
				}
			}()
		}
		for _, over := range all {
			<-over
		}
		close(sent)
	}()
	for range 20 {
		w.connected()
		w.mu.Lock()
		before := len(w.sockets)
		s := w.sockets[slices.IndexFunc(w.sockets, func(s *socket) bool { return s.open && !s.leaving })]
		s.leaving = true
		w.mu.Unlock()
		require.True(t, s.send(map[string]any{"type": "disconnect", "reason": "refresh_requested"}))
		require.True(t, w.await(patience, func() bool { return len(w.sockets) > before }), "no new socket before the old one has gone")
		require.True(t, w.await(patience, func() bool { return s.under == 0 }), "what was on its way is not acknowledged")
		_ = s.ws.Close()
	}
	require.True(t, w.await(patience, func() bool { return n.Load() > 40 }), "commands are typed")
	cancel()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-sent:
	case <-late.C:
		require.Fail(t, "a command was lost")
	}
	require.Equal(t, 22, w.count("apps.connections.open"), "one for each that was dropped")
	w.stop()
}

func TestEveryPostIsRefusedForAWhile(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, settings{scale: 0.05})
	slow := func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "", http.StatusTooManyRequests)
		return true
	}
	refusing := func(on bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.always, "chat.postMessage")
		if on {
			p.always["chat.postMessage"] = slow
		}
	}
	refused := func(n int) { // so many calls more
		p.mu.Lock()
		from := len(p.calls["chat.postMessage"])
		p.mu.Unlock()
		require.True(t, p.await(patience, func() bool { return len(p.calls["chat.postMessage"]) >= from+n }))
	}
	refusing(true)
	p.deletes("ana", "4009")
	refused(1)
	p.types("ana", "op show 1") // private answers take another way
	refusing(false)
	require.True(t, p.await(patience, func() bool { return len(p.roots(1)) == 1 }))
	refusing(true)
	require.NoError(t, p.press("dia", "Approve"))
	refused(2)
	refusing(false)
	p.ended(1)
	p.mu.Lock()
	r := p.roots(1)[0]
	var lines []string
	for _, m := range p.messages {
		if m.thread == r.id {
			lines = append(lines, m.title())
		}
	}
	p.mu.Unlock()
	require.Equal(t, []string{"✅ dia approved", "✅ ana: done. VM 4009 is deleted."}, lines)
	p.stop()
}

func TestRefusedCredentialsEndTheBot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env   map[string]string
		spoil func(*fake)
		says  []string
	}{
		"a wrong bot token":     {map[string]string{"SLACK_BOT_TOKEN": "xoxb-wrong-canary"}, nil, []string{"SLACK_BOT_TOKEN"}},
		"a wrong app token":     {map[string]string{"SLACK_APP_TOKEN": "xapp-wrong-canary"}, nil, []string{"SLACK_APP_TOKEN"}},
		"tokens exchanged":      {map[string]string{"SLACK_BOT_TOKEN": appToken, "SLACK_APP_TOKEN": botToken}, nil, []string{"SLACK_BOT_TOKEN", "xoxb-", "SLACK_APP_TOKEN", "xapp-"}},
		"no app token":          {map[string]string{"SLACK_APP_TOKEN": ""}, nil, []string{"SLACK_APP_TOKEN"}},
		"no bot token":          {map[string]string{"SLACK_BOT_TOKEN": ""}, nil, []string{"SLACK_BOT_TOKEN"}},
		"a missing scope":       {nil, func(f *fake) { f.scopes = f.scopes[:len(f.scopes)-1] }, []string{"SLACK_BOT_TOKEN", "groups:read"}},
		"a token without calls": {nil, func(f *fake) { f.always["auth.test"] = refuse("account_inactive") }, []string{"SLACK_BOT_TOKEN", "install"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{empty: true, env: c.env})
			if c.spoil != nil {
				w.mu.Lock() // what comes from the bot has no other order after this
				c.spoil(w.fake)
				w.mu.Unlock()
			}
			w.start()
			require.Equal(t, 78, w.exits(10*time.Second), "%s", w.journal)
			for _, word := range c.says {
				require.Contains(t, w.journal.String(), word)
			}
			require.NotContains(t, w.journal.String(), "canary")
		})
	}
}

// vacant is an address that nobody listens on, nor any other test: loopback
// has more hosts than one.
func vacant(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)))
	require.NoError(tb, err)
	defer l.Close()
	return l.Addr().String()
}

func TestSlackIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	health, away := vacant(t), vacant(t)
	w := newWorld(t, settings{empty: true, env: map[string]string{"HOSTERBOT_LISTEN": health, "SLACK_API_URL": "http://" + away + "/api/"}})
	w.start()
	w.journal.says(t, 0, "slack cannot be reached")
	var code int
	var text string
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	until := func(want int) {
		t.Helper()
		for end := time.Now().Add(patience); code != want; <-tick.C {
			require.True(t, time.Now().Before(end), "/readyz says %d: %s", code, text)
			code, text = ready(health)
		}
	}
	until(http.StatusServiceUnavailable)
	require.Contains(t, text, "slack")
	lis, err := net.Listen("tcp", away)
	require.NoError(t, err)
	f := newFakeOn(t, bot.SystemClock{}, lis, "http://"+away)
	f.join(accounts)
	until(http.StatusOK)
	w.stop()
	require.True(t, f.await(patience, func() bool { return f.openNow() == 0 }))
}

func TestToldToStopDuringASlowCall(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, settings{})
	require.NoError(t, p.sim.Fault("start", "slow"))
	d := p.deed(accounts["ana"], "slash_commands", p.slash(accounts["ana"], "vm start 4009"))
	d.acked()
	p.slowCall()
	p.signal(syscall.SIGTERM)
	says := func(person, line string) {
		t.Helper()
		for end := time.Now().Add(patience); ; { // the signal takes a moment
			require.True(t, time.Now().Before(end), "%s", p.conversation())
			d := p.types(person, line)
			if slices.ContainsFunc(d.answers(), func(text string) bool { return strings.Contains(text, "shutting down") }) {
				return
			}
		}
	}
	says("ben", "vm list")
	p.pace.wake <- struct{}{}
	require.Zero(t, p.exits(patience), "%s", p.journal)
	require.Equal(t, []string{"start"}, p.done())
	p.start()
	p.connected()
	p.ended(1)
	p.mu.Lock()
	title := p.roots(1)[0].title()
	p.mu.Unlock()
	require.Contains(t, title, "Done: Start VM 4009")
	require.Equal(t, []string{"start"}, p.done(), "it was sent once")
	p.stop()
}
