package slack_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters"
	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/slack"
	"hosterbot/bot"
)

// stub is a bot that does what a test says.
type stub = adaptertest.Stub

// play runs a test with a connected adapter, on a clock that waits for nobody.
func play(t *testing.T, h bot.Handler, test func(t *testing.T, p *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, bot.SystemClock{})
		p.a.returned = make(chan string, 10_000)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.a.Run(ctx, h) }()
		defer func() {
			cancel()
			require.NoError(t, <-ended)
		}()
		p.connected(t)
		test(t, p)
	})
}

// sees are the texts that a person sees.
func (h *harness) sees(t *testing.T, person string) []string {
	t.Helper()
	var out []string
	for _, m := range h.Sees(t, person) {
		out = append(out, m.Text)
	}
	return out
}

func replies(card bot.Card) *stub {
	return &stub{OnHandle: func(ctx context.Context, r bot.Request) { _ = r.Answer.Reply(ctx, card) }}
}

func TestAHandlerThatHangsIsAcknowledgedInTime(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		<-time.After(10 * time.Second)
		_ = r.Answer.Ack(ctx)
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Late"})
	}}
	play(t, b, func(t *testing.T, h *harness) {
		frame, acked := h.envelope("slash_commands", h.slash("U07ANA", "vm list"))
		began := time.Now()
		require.True(t, h.newest(0).send(frame))
		require.Nil(t, <-acked)
		require.Equal(t, 900*time.Millisecond, time.Since(began))
		<-h.a.returned
		require.Equal(t, []string{"Late"}, titles(h.sees(t, "ana")))
		require.Empty(t, acked, "it is acknowledged once")
	})
}

// titles are texts without marks and line ends.
func titles(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		for _, r := range text {
			if r != '*' && r != '\n' && r != '`' {
				out[i] += string(r)
			}
		}
	}
	return out
}

func TestARedeliveryRunsOnceAndIsAcknowledgedTwice(t *testing.T) {
	var keys []string
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		keys = append(keys, r.Key)
		<-time.After(time.Second)
		_ = r.Answer.Ack(ctx)
	}}
	play(t, b, func(t *testing.T, h *harness) {
		payload := h.slash("U07ANA", "vm list")
		synctest.Wait()
		first, firstAck := h.envelope("slash_commands", payload)
		second, secondAck := h.envelope("slash_commands", payload)
		require.True(t, h.newest(0).send(first))
		require.True(t, h.newest(1).send(second), "on the other socket, while the first is under way")
		require.Nil(t, <-firstAck)
		require.Nil(t, <-secondAck)
		<-h.a.returned
		require.Len(t, keys, 1)
		third, thirdAck := h.envelope("slash_commands", payload)
		require.True(t, h.newest(0).send(third))
		require.Nil(t, <-thirdAck)
		<-h.a.returned
		require.Len(t, keys, 2, "later the bot has to know it by its key")
		require.Equal(t, keys[0], keys[1])
	})
}

func TestAnAcknowledgementGoesByAnotherSocketWhereItsOwnHasEnded(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		<-time.After(time.Second)
		require.NoError(t, r.Answer.Ack(ctx))
	}}
	play(t, b, func(t *testing.T, h *harness) {
		synctest.Wait()
		s := h.newest(0)
		frame, acked := h.envelope("slash_commands", h.slash("U07ANA", "vm list"))
		require.True(t, s.send(frame))
		<-time.After(500 * time.Millisecond)
		require.NoError(t, s.ws.Close())
		require.Nil(t, <-acked)
	})
}

func TestNoCommandIsLostInTwentyRefreshes(t *testing.T) {
	var handled atomic.Int64
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		handled.Add(1)
		_ = r.Answer.Ack(ctx)
	}}
	play(t, b, func(t *testing.T, h *harness) {
		var sent int64
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() { // 50 commands a second, each to the socket opened last
			for ctx.Err() == nil {
				frame, acked := h.envelope("slash_commands", h.slash("U07ANA", "vm list"))
				require.True(t, h.newest(0).send(frame), "there is a socket at any time")
				require.Nil(t, <-acked)
				sent++
				<-time.After(20 * time.Millisecond)
			}
		})
		for range 20 {
			dropped := h.newest(0)
			require.True(t, dropped.send(map[string]any{"type": "disconnect", "reason": "refresh_requested"}))
			<-time.After(time.Second)
			require.NoError(t, dropped.ws.Close())
			<-time.After(time.Second)
			require.Equal(t, 2, h.open())
			require.True(t, h.a.Health().OK)
		}
		cancel()
		wait.Wait()
		synctest.Wait()
		require.Greater(t, sent, int64(1000))
		require.Equal(t, sent, handled.Load())
		require.Equal(t, 22, h.count("apps.connections.open"), "one for each that was dropped")
	})
}

func TestASocketThatSlackDropsAtOnceIsReplaced(t *testing.T) {
	play(t, replies(bot.Card{Title: "Here"}), func(t *testing.T, h *harness) {
		synctest.Wait()
		require.NoError(t, h.newest(0).ws.Close())
		require.NoError(t, h.newest(0).ws.Close())
		<-time.After(2 * time.Second)
		require.Equal(t, 2, h.open())
		h.Type(t, "ana", "vm list")
		require.Equal(t, []string{"Here"}, titles(h.sees(t, "ana")))
	})
}

func TestASilentSocketIsGivenUpAndNotReady(t *testing.T) {
	play(t, replies(bot.Card{Title: "Here"}), func(t *testing.T, h *harness) {
		synctest.Wait()
		for range 20 {
			h.next("apps.connections.open", status(http.StatusBadGateway))
		}
		h.mute.Store(true)
		<-time.After(55 * time.Second)
		require.True(t, h.a.Health().OK)
		<-time.After(20 * time.Second)
		require.False(t, h.a.Health().OK)
		require.True(t, h.a.Health().Fatal)
		require.Contains(t, h.a.Health().Text, "Slack")
		<-time.After(10 * time.Minute)
		require.True(t, h.a.Health().OK)
		h.Type(t, "ana", "vm list")
	})
}

func TestSocketsThatDieAreNotDialledInAStorm(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() {
			for ctx.Err() == nil {
				if s := h.newest(0); s != nil {
					_ = s.ws.Close()
				}
				<-time.After(10 * time.Millisecond)
			}
		})
		<-time.After(5 * time.Minute)
		cancel()
		wait.Wait()
		require.Less(t, h.count("apps.connections.open"), 60)
		require.Greater(t, h.count("apps.connections.open"), 15, "and it never gives up")
		<-time.After(time.Minute)
		h.connected(t)
	})
}

func TestEndlessRefreshesAreLimited(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
			if s := h.newest(0); s != nil {
				s.send(map[string]any{"type": "disconnect", "reason": "warning"})
			}
		}
		require.Less(t, h.count("apps.connections.open"), 30+5*20+10)
	})
}

func TestASocketWithoutAFirstFrameIsNotConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, bot.SystemClock{})
		h.quiet = true
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.a.Run(ctx, &stub{}) }()
		<-time.After(time.Minute)
		require.False(t, h.a.Health().OK)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestRefusedCredentialsAreFatal(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*fake)
		says  []string
	}{
		"a wrong bot token": {func(f *fake) { f.next("auth.test", refuse("invalid_auth")) }, []string{"SLACK_BOT_TOKEN", "wrong"}},
		"a revoked token":   {func(f *fake) { f.next("auth.test", refuse("token_revoked")) }, []string{"SLACK_BOT_TOKEN", "revoked"}},
		"missing scopes":    {func(f *fake) { f.scopes = []string{"commands", "chat:write"} }, []string{"users:read", "files:write", "Bot Token Scopes"}},
		"a wrong app token": {func(f *fake) { f.next("apps.connections.open", refuse("not_allowed_token_type")) }, []string{"SLACK_APP_TOKEN"}},
		"an app without sockets": {func(f *fake) {
			for range 4 {
				f.next("apps.connections.open", refuse("missing_scope"))
			}
		}, []string{"SLACK_APP_TOKEN", "scope"}},
	} {
		t.Run(name, func(t *testing.T) {
			for how, call := range map[string]func(context.Context, *slack.Adapter) error{
				"check": func(ctx context.Context, a *slack.Adapter) error { return a.Check(ctx) },
				"run":   func(ctx context.Context, a *slack.Adapter) error { return a.Run(ctx, &stub{}) },
			} {
				synctest.Test(t, func(t *testing.T) {
					h := open(t, bot.SystemClock{})
					c.spoil(h.fake)
					err := call(t.Context(), h.a.Adapter)
					var fatal *adapters.FatalError
					require.ErrorAs(t, err, &fatal, how)
					for _, word := range c.says {
						require.ErrorContains(t, err, word)
					}
					require.NotContains(t, err.Error(), "canary")
					require.False(t, h.a.Health().OK)
				})
			}
		})
	}
}

func TestTroubleOnTheWayIsNotFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, bot.SystemClock{})
		for range 5 {
			h.next("auth.test", status(http.StatusBadGateway))
			h.next("apps.connections.open", status(http.StatusTooManyRequests))
		}
		err := h.a.Check(t.Context())
		require.Error(t, err)
		var fatal *adapters.FatalError
		require.NotErrorAs(t, err, &fatal)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.a.Run(ctx, &stub{}) }()
		<-time.After(5 * time.Minute)
		require.True(t, h.a.Health().OK)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestTokensHaveTheirShape(t *testing.T) {
	_, err := slack.New(slack.Options{APIURL: "https://slack.com/api"})
	for _, word := range []string{"SLACK_BOT_TOKEN", "xoxb-", "SLACK_APP_TOKEN", "xapp-", "SLACK_API_URL"} {
		require.ErrorContains(t, err, word)
	}
}

func TestShutdownLetsCallsAnswerAndAcknowledgementsArrive(t *testing.T) {
	began := make(chan struct{})
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		close(began)
		<-time.After(time.Second)
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Finished"})
	}}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, bot.SystemClock{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.a.Run(ctx, b) }()
		s := h.connected(t)
		frame, acked := h.envelope("slash_commands", h.slash("U07ANA", "vm list"))
		require.True(t, s.send(frame))
		<-began
		cancel()
		require.Nil(t, <-acked)
		at := time.Now()
		require.NoError(t, <-ended)
		require.GreaterOrEqual(t, time.Since(at), 200*time.Millisecond)
		require.Equal(t, []string{"Finished"}, titles(h.sees(t, "ana")))
		synctest.Wait()
		require.Zero(t, h.open())
		require.Equal(t, "stopped", h.a.Health().Text)
	})
}

func TestAHandlerThatHangsDoesNotHoldUpShutdown(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, _ bot.Request) { <-ctx.Done() }}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, bot.SystemClock{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.a.Run(ctx, b) }()
		s := h.connected(t)
		frame, acked := h.envelope("slash_commands", h.slash("U07ANA", "vm list"))
		require.True(t, s.send(frame))
		require.Nil(t, <-acked)
		at := time.Now()
		cancel()
		require.NoError(t, <-ended)
		require.Less(t, time.Since(at), 6*time.Second)
	})
}

func TestWhatIsLeftMayPanic(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Ack(ctx)
		r.Later(bot.Rest{Run: func() {
			if r.Line == "bad" {
				panic("a mistake")
			}
			_ = r.Answer.Reply(ctx, bot.Card{Title: "Here"})
		}})
	}}
	play(t, b, func(t *testing.T, h *harness) {
		for _, line := range []string{"bad", "good"} {
			frame, acked := h.envelope("slash_commands", h.slash("U07ANA", line))
			require.True(t, h.newest(0).send(frame))
			require.Nil(t, <-acked)
			synctest.Wait()
		}
		require.Equal(t, []string{"Here"}, titles(h.sees(t, "ana")))
	})
}

func TestARedeliveryWhileTheRestWaitsRunsOnce(t *testing.T) {
	var rests int
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Ack(ctx)
		r.Later(bot.Rest{Run: func() {
			rests++
			<-time.After(time.Minute)
			_ = r.Answer.Reply(ctx, bot.Card{Title: "Here"})
		}})
	}}
	play(t, b, func(t *testing.T, h *harness) {
		synctest.Wait()
		payload := h.slash("U07ANA", "vm list")
		for i := range 3 {
			frame, acked := h.envelope("slash_commands", payload)
			require.True(t, h.newest(i%2).send(frame))
			require.Nil(t, <-acked)
		}
		<-time.After(2 * time.Minute)
		require.Equal(t, 1, rests)
		require.Equal(t, []string{"Here"}, titles(h.sees(t, "ana")))
	})
}

func TestTooMuchAtOnceIsToldSo(t *testing.T) {
	release := make(chan struct{})
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		<-release
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Done"})
	}}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		h := open(t, bot.SystemClock{})
		h.a.returned = make(chan string, 10_000)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.a.Run(ctx, b) }()
		s := h.connected(t)
		const more = 20
		acks := make([]chan map[string]any, 0, adapters.CallsMost+more)
		for i := range adapters.CallsMost + more {
			frame, acked := h.envelope("slash_commands", h.slash("U07ANA", fmt.Sprint("vm list ", i)))
			require.True(t, s.send(frame))
			acks = append(acks, acked)
		}
		for _, acked := range acks {
			require.Nil(t, <-acked)
		}
		synctest.Wait()
		busy := 0
		for _, m := range h.Sees(t, "ana") {
			require.Contains(t, m.Text, "too much to do")
			require.Contains(t, m.Text, "Nothing was done")
			busy++
		}
		require.Equal(t, more, busy)
		close(release)
		for range adapters.CallsMost {
			<-h.a.returned
		}
		cancel()
		require.NoError(t, <-ended)
		require.Len(t, h.Sees(t, "ana"), adapters.CallsMost+more)
	})
}

func TestWhatIsNotUnderstoodIsAcknowledged(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		for _, c := range []struct {
			kind    string
			payload any
		}{
			{"events_api", map[string]any{"event": map[string]any{"type": "app_home_opened"}}},
			{"something_new", nil},
			{"interactive", "no object"},
			{"interactive", map[string]any{"type": "view_closed"}},
			{"interactive", map[string]any{"type": "block_actions", "actions": []any{map[string]any{"type": "button", "action_id": "open-0"}}}},
			{"slash_commands", []any{1}},
		} {
			frame, acked := h.envelope(c.kind, c.payload)
			require.True(t, h.newest(0).send(frame))
			require.Nil(t, <-acked, c.kind)
		}
		require.True(t, h.newest(0).send("not an object"))
		require.True(t, h.a.Health().OK)
		require.Empty(t, h.a.returned)
	})
}
