package slack_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/bot"
)

func TestACommandThatIsDeliveredAgainAfterAKillIsOneOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{})
	require.NoError(t, w.sim.Fault("config", "slow")) // the target is read after the acknowledgement
	d := w.deed(accounts["ana"], "slash_commands", w.slash(accounts["ana"], "vm delete 4009"))
	d.Acked()
	w.SlowCall()
	w.Restart()
	d.send() // Slack knows of no answer
	d.Acked()
	w.Hears("ana", d, "operation 1")
	w.Types("ana", "op list --open")
	require.EqualValues(t, 1, w.Newest(), "%s", w.Conversation())
	w.Stop()
}

func TestBothSocketsCutAtOnce(t *testing.T) {
	t.Parallel()
	p := newWorld(t, adaptertest.Settings{})
	require.NoError(t, p.sim.Fault("list", "slow"))
	d := p.deed(accounts["ana"], "slash_commands", p.slash(accounts["ana"], "vm list"))
	d.Acked()
	p.SlowCall()
	p.mu.Lock()
	for _, s := range p.sockets {
		_ = s.ws.UnderlyingConn().Close()
	}
	p.mu.Unlock()
	require.True(t, p.await(patience, func() bool { return p.openNow() == 0 }))
	p.LetGo()
	p.Hears("ana", d, "5 VMs") // an answer needs no socket
	p.Connected()
	p.Types("ben", "vm show 4001")
	require.LessOrEqual(t, p.count("apps.connections.open"), 6)
	p.Stop()
}

func TestTwentyRefreshesLoseNoCommand(t *testing.T) {
	t.Parallel()
	people, policy := crowd()
	w := newWorld(t, adaptertest.Settings{Policy: policy, Scale: 1})
	w.leanOn(people)
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
		w.Connected()
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
	w.Stop()
}

// TestAStopTellsAllThatWait: where the provider hangs, most have not even begun.
func TestAStopTellsAllThatWait(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer api.Close()
	defer close(hang)
	people, policy := crowd()
	w := newWorld(t, adaptertest.Settings{Policy: policy, Scale: 1, Env: map[string]string{"HOSTERAPI_URL": api.URL, "HOSTERBOT_LOG": "error"}})
	w.leanOn(people)
	const most = 500
	var told []chan string
	var acks []chan map[string]any
	for i := range most {
		payload := w.slash(fmt.Sprint("U", i%loadPeople+1), []string{"vm list", "vm delete 4009"}[i%2])
		id := str(payload["response_url"])
		said := make(chan string, 8)
		w.mu.Lock()
		w.urls[id[strings.LastIndexByte(id, '/')+1:]].told = said
		w.mu.Unlock()
		frame, acked := w.envelope("slash_commands", payload)
		require.True(t, w.some().send(frame))
		told, acks = append(told, said), append(acks, acked)
	}
	for _, acked := range acks {
		<-acked
	}
	w.Stop()
	for _, said := range told {
		last := ""
		for len(said) > 0 {
			last = <-said
		}
		require.Contains(t, last, "The bot is shutting down")
	}
}

func TestEveryPostIsRefusedForAWhile(t *testing.T) {
	t.Parallel()
	p := newWorld(t, adaptertest.Settings{Scale: 0.05})
	slow := func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "", http.StatusTooManyRequests)
		return true
	}
	refusing := func(on bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults.Stays("chat.postMessage", nil)
		if on {
			p.faults.Stays("chat.postMessage", slow)
		}
	}
	refused := func(n int) { // so many calls more
		p.mu.Lock()
		from := len(p.calls["chat.postMessage"])
		p.mu.Unlock()
		require.True(t, p.await(patience, func() bool { return len(p.calls["chat.postMessage"]) >= from+n }))
	}
	refusing(true)
	p.Deletes("ana", "4009")
	refused(1)
	p.Types("ana", "op show 1") // private answers take another way
	refusing(false)
	p.Root(1)
	refusing(true)
	require.NoError(t, p.Press("dia", "Approve"))
	refused(2)
	refusing(false)
	p.Ended(1)
	_, thread := p.Root(1)
	require.Equal(t, []string{"dia approved", "ana: done. VM 4009 is deleted."}, adaptertest.Titles(thread))
	p.Stop()
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
		"a token without calls": {nil, func(f *fake) { f.faults.Stays("auth.test", refuse("account_inactive")) }, []string{"SLACK_BOT_TOKEN", "install"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, adaptertest.Settings{Empty: true, Env: c.env})
			if c.spoil != nil {
				w.mu.Lock() // what comes from the bot has no other order after this
				c.spoil(w.fake)
				w.mu.Unlock()
			}
			w.Start()
			require.Equal(t, 78, w.Exits(10*time.Second), "%s", w.Journal)
			for _, word := range c.says {
				require.Contains(t, w.Journal.String(), word)
			}
			require.NotContains(t, w.Journal.String(), "canary")
		})
	}
}

func TestSlackIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	health, away := adaptertest.Vacant(t), adaptertest.Vacant(t)
	w := newWorld(t, adaptertest.Settings{Empty: true, Env: map[string]string{"HOSTERBOT_LISTEN": health, "SLACK_API_URL": "http://" + away + "/api/"}})
	w.Start()
	w.Journal.Says(t, 0, "slack cannot be reached")
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
	w.Stop()
	require.True(t, f.await(patience, func() bool { return f.openNow() == 0 }))
}
