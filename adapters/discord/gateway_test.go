package discord_test

import (
	"context"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters"
	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

// stub is a bot that does what a test says.
type stub = adaptertest.Stub

func replies(card bot.Card) *stub {
	return &stub{OnHandle: func(ctx context.Context, r bot.Request) { _ = r.Answer.Reply(ctx, card) }}
}

// scene is an adapter that runs, between a double and a bot, on a clock that
// waits for nobody.
type scene struct {
	*fake
	t     *testing.T
	a     *discord.Adapter
	log   *adaptertest.Journal
	ended chan error
	stop  context.CancelFunc
}

// play runs a test with a connected adapter. Nothing secret may be in its log.
func play(t *testing.T, h bot.Handler, test func(s *scene), prepare ...func(*fake, *discord.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, h, prepare...)
		require.True(t, s.joined(s.a), "%s", s.log)
		test(s)
		s.end()
		require.NoError(t, <-s.ended)
	})
}

// start begins a scene without waiting for anything.
func start(t *testing.T, h bot.Handler, prepare ...func(*fake, *discord.Options)) *scene {
	f, log := newFake(t, bubble{}), &adaptertest.Journal{}
	o := f.options(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, p := range prepare {
		p(f, &o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &scene{fake: f, t: t, a: f.adapter(o), log: log, ended: make(chan error, 1), stop: cancel}
	go func() { s.ended <- s.a.Run(ctx, h) }()
	return s
}

func (s *scene) end() {
	s.stop()
	synctest.Wait()
	text := s.log.String()
	require.NotContains(s.t, text, botToken)
	require.NotContains(s.t, text, "interaction-canary")
	require.NotContains(s.t, text, "level=ERROR")
}

// command makes somebody type a command.
func (s *scene) command(who, channel, line string) *deed {
	s.t.Helper()
	d, err := s.typesLine(userID(who), channel, line)
	require.NoError(s.t, err)
	return d
}

func (s *scene) says(who, line string) string {
	s.t.Helper()
	d := s.command(who, homeID, line)
	require.True(s.t, d.answered(patience), "%s", s.log)
	synctest.Wait()
	return d.text()
}

// pass lets time go by.
func (s *scene) pass(d time.Duration) {
	s.t.Helper()
	require.NoError(s.t, bot.SystemClock{}.Sleep(s.t.Context(), d))
	synctest.Wait()
}

// counts is how often a session was begun and how often one went on.
func (s *scene) counts() (begun, resumed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.identifies), s.resumes
}

func TestALostConnectionGoesOnWithItsSession(t *testing.T) {
	for name, lose := range map[string]func(*fake){
		"cut off":                      func(f *fake) { f.cutOff() },
		"asked to reconnect":           func(f *fake) { f.reconnect() },
		"closed with an unknown error": func(f *fake) { f.hangUp(4000) },
		"too many frames":              func(f *fake) { f.hangUp(4008) },
		"asked to resume":              func(f *fake) { f.invalidate(true) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
				require.Zero(t, s.a.Reconnects(), "the first connection is none")
				lose(s.fake)
				synctest.Wait()
				s.pass(2 * time.Second)
				begun, resumed := s.counts()
				require.Equal(t, 1, begun)
				require.Equal(t, 1, resumed)
				require.EqualValues(t, 1, s.a.Reconnects())
				require.True(t, s.a.Health().OK)
				require.Contains(t, s.says("ana", "vm list"), "Heard")
			})
		})
	}
}

func TestASessionThatIsOverBeginsAnew(t *testing.T) {
	for name, lose := range map[string]func(*fake){
		"not valid":             func(f *fake) { f.invalidate(false) },
		"timed out":             func(f *fake) { f.hangUp(4009) },
		"wrong sequence number": func(f *fake) { f.hangUp(4007) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
				lose(s.fake)
				s.pass(30 * time.Second)
				begun, resumed := s.counts()
				require.Equal(t, 2, begun)
				require.Zero(t, resumed)
				require.EqualValues(t, 1, s.a.Reconnects())
				require.Contains(t, s.says("ana", "vm list"), "Heard")
			})
		})
	}
}

func TestAReconnectRequestRightAfterAResumeHoldsNothingUp(t *testing.T) {
	play(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
		s.mu.Lock()
		s.first = func(l *link) { l.say(object{"op": 7, "d": nil, "s": nil, "t": nil}) }
		s.mu.Unlock()
		s.cutOff()
		s.pass(5 * time.Second)
		begun, resumed := s.counts()
		require.Equal(t, 1, begun)
		require.Equal(t, 2, resumed)
		require.Contains(t, s.says("ana", "vm list"), "Heard")
	})
}

func TestAConnectionThatHangsIsDroppedAfterOneAndAHalfHeartbeats(t *testing.T) {
	play(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
		s.pass(2 * s.beat) // heartbeats have come to their pace
		s.deaf(true)
		s.mu.Lock()
		old := s.live()
		s.mu.Unlock()
		s.pass(s.beat/2 - time.Second) // the last answer is at most one interval old
		require.True(t, s.a.Health().OK)
		s.pass(s.beat + 2*time.Second)
		s.mu.Lock()
		require.False(t, old.open)
		s.mu.Unlock()
		s.deaf(false)
		s.pass(time.Minute)
		require.True(t, s.a.Health().OK)
		begun, _ := s.counts()
		require.Equal(t, 1, begun, "the session goes on")
	})
}

func TestHeartbeatsComeAtTheirPaceAndWhenAskedFor(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		s.pass(10*s.beat + time.Second)
		s.mu.Lock()
		beats := s.live().beats
		s.mu.Unlock()
		require.InDelta(t, 10, beats, 1)
		require.True(t, s.wantsBeat())
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Equal(t, beats+1, s.live().beats)
	})
}

func TestSomeCloseCodesEndIt(t *testing.T) {
	for _, code := range []int{4004, 4010, 4011, 4012, 4013, 4014} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, &stub{})
			require.True(t, s.joined(s.a))
			s.hangUp(code)
			var fatal *adapters.FatalError
			require.ErrorAs(t, <-s.ended, &fatal, "%d", code)
			require.NotEmpty(t, fatal.Text)
			require.False(t, s.a.Health().OK)
			s.end()
		})
	}
}

func TestWhatDiscordRefusesAtTheStartEndsIt(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fake, *discord.Options)
		says    string
	}{
		"the token":              {func(f *fake, _ *discord.Options) { f.stays("GET /users/@me", refuse(401, 0)) }, "refuses DISCORD_BOT_TOKEN"},
		"an endpoint elsewhere":  {func(f *fake, _ *discord.Options) { f.endpointURL = "https://bot.example/" }, "Interactions Endpoint URL"},
		"the token, at a socket": {func(f *fake, _ *discord.Options) { f.closeWith = 4004 }, "refuses DISCORD_BOT_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, &stub{}, c.prepare)
				var fatal *adapters.FatalError
				require.ErrorAs(t, <-s.ended, &fatal)
				require.Contains(t, fatal.Text, c.says)
				s.end()
			})
		})
	}
}

func TestADiscordThatIsDownAtTheStartIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, replies(bot.Card{Title: "Heard"}), func(f *fake, _ *discord.Options) {
			f.stays("GET /users/@me", status(503))
			f.stays("GET /gateway/bot", status(503))
			f.silent = true
		})
		s.pass(time.Minute)
		require.False(t, s.a.Health().OK)
		require.Error(t, s.a.CanPost(t.Context(), place(homeID)))
		s.stays("GET /users/@me", nil)
		s.pass(time.Minute)
		s.stays("GET /gateway/bot", nil)
		s.pass(time.Minute)
		require.False(t, s.a.Health().OK, "connected, and nothing is heard")
		s.mu.Lock()
		s.silent = false
		s.mu.Unlock()
		s.pass(2 * time.Minute)
		require.Contains(t, s.says("ana", "vm list"), "Heard")
		s.end()
		require.NoError(t, <-s.ended)
	})
}

func TestAnEmptyQuotaOfSessionsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, &stub{}, func(f *fake, _ *discord.Options) { f.spent, f.resetAfter = 1000, time.Hour })
		s.pass(59 * time.Minute)
		begun, _ := s.counts()
		require.Zero(t, begun)
		require.LessOrEqual(t, s.count("GET /gateway/bot"), 2)
		s.pass(2 * time.Minute)
		begun, _ = s.counts()
		require.Equal(t, 1, begun)
		s.end()
		require.NoError(t, <-s.ended)
	})
}

func TestWhatIsNotUnderstoodHoldsNothingUp(t *testing.T) {
	panics := true
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		if panics {
			panics = false
			panic("a mistake")
		}
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	synctest.Test(t, func(t *testing.T) {
		s := start(t, h)
		require.True(t, s.joined(s.a))
		for _, frame := range []string{`{`, `[]`, `{"op":99}`, `{"op":0,"t":"INTERACTION_CREATE","d":7}`, `{"op":0,"t":"INTERACTION_CREATE","d":{"id":"x"}}`, `{"op":0,"t":"MESSAGE_CREATE","d":{}}`} {
			require.True(t, s.raw(frame))
		}
		d := s.command("ana", homeID, "vm list")
		require.True(t, d.acked(patience), "a panic is answered too")
		require.Contains(t, s.says("ana", "vm list"), "Heard")
		require.Contains(t, s.log.String(), "a mistake")
		s.stop()
		require.NoError(t, <-s.ended)
	})
}

func TestWhatIsLeftMayPanic(t *testing.T) {
	panics := true
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Ack(ctx)
		r.Later(bot.Rest{Run: func() {
			if panics {
				panics = false
				panic("a mistake")
			}
			_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
		}})
	}}
	synctest.Test(t, func(t *testing.T) {
		s := start(t, h)
		require.True(t, s.joined(s.a))
		require.True(t, s.command("ana", homeID, "vm list").acked(patience))
		require.Contains(t, s.says("ana", "vm list"), "Heard")
		require.Contains(t, s.log.String(), "a mistake")
		s.stop()
		require.NoError(t, <-s.ended)
	})
}

func TestWhatComesTooLateOrTwiceDoesNotRun(t *testing.T) {
	var runs int
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		runs++
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	play(t, h, func(s *scene) {
		d := s.command("ana", homeID, "vm list")
		require.True(t, d.answered(patience))
		d.again()
		synctest.Wait()
		require.Equal(t, 1, runs)

		s.mu.Lock()
		s.silent = true // the next connection is not ready for a while
		s.mu.Unlock()
		s.cutOff()
		synctest.Wait()
		late := s.command("ana", homeID, "vm list")
		s.pass(15 * time.Second)
		s.mu.Lock()
		s.silent = false
		s.mu.Unlock()
		s.pass(time.Minute)
		require.True(t, s.a.Health().OK)
		require.Equal(t, 1, runs, "Discord told the person long ago that it failed")
		require.False(t, late.acked(time.Second))
		require.Contains(t, s.log.String(), "came too late")
		require.Contains(t, s.says("ana", "vm list"), "Heard")
	})
}

// TestAnIDThatTellsNoTime: it, or one of the clocks, is far off, and nothing
// that old is delivered; so it runs.
func TestAnIDThatTellsNoTime(t *testing.T) {
	play(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
		for name, c := range map[string]struct {
			off  time.Duration
			runs bool
		}{"of years ago": {-3 * 365 * 24 * time.Hour, true}, "of next year": {365 * 24 * time.Hour, true}, "of an hour ago": {-time.Hour, false}} {
			s.mu.Lock()
			in := *s.did(aCommand, userID("ana"), s.channels[homeID], object{"id": "1", "name": "other", "type": 1}, nil).in // another tool's
			in.id = s.idAt(s.clock.Now().Add(c.off))
			in.token, in.payload = "interaction-canary-"+in.id, maps.Clone(in.payload)
			in.payload["id"], in.payload["token"] = in.id, in.token
			in.payload["data"] = object{"id": "1", "name": "hoster", "type": 1, "options": []any{object{"name": "status", "type": 1, "options": []any{}}}}
			s.interactions[in.id] = &in
			s.deliver(&in)
			s.mu.Unlock()
			synctest.Wait()
			s.mu.Lock()
			require.Equal(s.t, c.runs, in.first != 0, name)
			s.mu.Unlock()
		}
	})
}

func TestTheLogHoldsNoTokenWhateverGoesWrong(t *testing.T) {
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Ack(ctx)
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	play(t, h, func(s *scene) {
		for _, route := range []string{"POST /interactions/{interaction_id}/{interaction_token}/callback", "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original"} {
			for _, wrong := range []fault{status(502), status(429), refuse(404, 10062), refuse(401, 50027), tooMany(1, false)} {
				s.stays(route, wrong)
				s.command("ana", homeID, "vm list")
				s.pass(time.Minute)
			}
			s.stays(route, nil)
		}
		require.NotEmpty(t, s.log.String())
	})
}
