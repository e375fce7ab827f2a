package discord_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters"
	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

const (
	callbackRoute = "POST /interactions/{interaction_id}/{interaction_token}/callback"
	memberRoute   = "GET /guilds/{guild_id}/members/{user_id}"
)

// TestWhatHangsIsAcknowledgedWithinASecond: whatever it is that takes long, the
// person sees that the bot is at work, and then the answer.
func TestWhatHangsIsAcknowledgedWithinASecond(t *testing.T) {
	hang := func(ctx context.Context, to bot.Responder) {
		_ = bot.SystemClock{}.Sleep(ctx, 10*time.Second)
		_ = to.Reply(ctx, bot.Card{Title: "Heard"})
	}
	h := &stub{
		OnHandle: func(ctx context.Context, r bot.Request) { hang(ctx, r.Answer) },
		OnPress:  func(ctx context.Context, p bot.Press) { hang(ctx, p.Answer) },
	}
	button := bot.Card{Title: "Press", Buttons: []bot.Button{{Label: "Go", Code: "v1:1:go:n"}}}
	for name, begin := range map[string]func(s *scene) *deed{
		"a command": func(s *scene) *deed { return s.command("ana", homeID, "vm list") },
		"a press": func(s *scene) *deed {
			root := s.post(s.a, place(homeID), "root", button)
			d, err := s.presses(userID("ana"), root.ID, "Go")
			require.NoError(s.t, err)
			return d
		},
		"a press in a direct message, of an account that Discord does not name in time": func(s *scene) *deed {
			s.mu.Lock()
			direct := s.directWith(s.people[userID("ben")])
			m := s.keep(&message{channel: direct.id, author: botUser, to: userID("ben"), buttons: []shownButton{{label: "Go", code: "v1:1:go:n", style: 1}}})
			m.buttons[0].live = true
			s.mu.Unlock()
			wrong, _, let := s.slow()
			s.t.Cleanup(let)
			s.next(memberRoute, wrong)
			d, err := s.presses(userID("ben"), m.id, "Go")
			require.NoError(s.t, err)
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, h, func(s *scene) {
				d := begin(s)
				require.True(s.t, d.acked(time.Second))
				s.pass(11 * time.Second)
				require.Regexp(s.t, "Heard|Discord does not say who you are", d.text())
			})
		})
	}
}

// TestTooMuchIsToldAtOnce: while all handlers hang, the next one is told so,
// and is served again afterwards.
func TestTooMuchIsToldAtOnce(t *testing.T) {
	var let chan struct{} // of the bubble
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Ack(ctx)
		<-let
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	play(t, h, func(s *scene) {
		let = make(chan struct{})
		for range adapters.CallsMost {
			s.command("ana", homeID, "vm list")
		}
		synctest.Wait()
		d := s.command("ben", homeID, "vm list")
		require.True(s.t, d.answered(time.Second))
		require.Contains(s.t, d.text(), "too much to do")
		require.Contains(s.t, d.text(), "Nothing was done")
		close(let)
		synctest.Wait()
		require.Contains(s.t, s.says("ben", "vm list"), "Heard")
	})
}

// TestAFirstAnswerThatIsLost: whether it stands or not, the person sees the
// answer, and once.
func TestAFirstAnswerThatIsLost(t *testing.T) {
	for name, wrong := range map[string]func(s *scene) fault{
		"it stands":   func(s *scene) fault { return s.doneButLost() },
		"it does not": func(*scene) fault { return status(502) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
				s.next(callbackRoute, wrong(s))
				d := s.command("ana", homeID, "vm list")
				s.pass(10 * time.Second)
				all := d.sees()
				require.Len(s.t, all, 1)
				require.Contains(s.t, all[0].reading(), "Heard")
				require.Equal(s.t, userID("ana"), all[0].to)
			})
		})
	}
}

// TestEachServerHasItsCommand: servers have nothing to do with each other, and
// one that the bot was not added to is told of, and tried again.
func TestEachServerHasItsCommand(t *testing.T) {
	heard := make(chan bot.Request, 4)
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		heard <- r
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	play(t, h, func(s *scene) {
		s.pass(time.Second)
		require.True(s.t, s.a.Health().OK)
		require.Contains(s.t, s.a.Health().Text, "/hoster is not registered in server "+otherGuild+": the bot was not added to it: open https://discord.com/oauth2/authorize?client_id="+appID)
		require.Contains(s.t, s.says("ana", "vm list"), "Heard")
		require.Equal(s.t, guildID, (<-heard).Place.Team)

		s.mu.Lock()
		s.guilds[otherGuild].absent = false
		s.mu.Unlock()
		s.pass(2 * time.Minute)
		require.Equal(s.t, "connected as hosterbot", s.a.Health().Text)
		d := s.command("eve", elsewhereID, "vm list")
		require.True(s.t, d.answered(patience))
		r := <-heard
		require.Equal(s.t, fmt.Sprint("discord:", otherGuild, "/", elsewhereID), r.Place.String())
		require.Equal(s.t, otherGuild, r.Account.Team)
	}, func(f *fake, o *discord.Options) {
		o.Guilds = []string{guildID, otherGuild}
		f.guilds[otherGuild].absent = true
	})
}
