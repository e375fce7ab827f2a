package discord_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/discord"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

func TestAFileForWhoTakesNoDirectMessages(t *testing.T) {
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.File(ctx, bot.File{Name: "vms.csv", Title: "3 VMs", Data: []byte("id\n4001\n")})
	}}
	play(t, h, func(s *scene) {
		for _, c := range []struct{ who, says string }{{"ana", "is in your direct messages"}, {"shy", "id\n4001\n"}} {
			d := s.command(c.who, homeID, "vm list")
			require.True(s.t, d.answered(patience))
			s.pass(time.Second)
			require.Contains(s.t, d.text(), c.says)
			for _, m := range d.sees() {
				require.Equal(s.t, userID(c.who), m.to, "nobody else sees it")
			}
		}
	})
}

func TestAnAnswerAfterTheTokenHasEndedIsADirectMessage(t *testing.T) {
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Ack(ctx)
		_ = bot.SystemClock{}.Sleep(ctx, 16*time.Minute)
		_ = r.Answer.Reply(ctx, bot.Card{Title: "At last", Secrets: []bot.Shown{{Label: "Password", Value: secret.New("canary-hunter2")}}})
	}}
	play(t, h, func(s *scene) {
		ana, shy := s.command("ana", homeID, "vm list"), s.command("shy", homeID, "vm list")
		s.pass(17 * time.Minute)
		require.Contains(s.t, ana.text(), "At last")
		require.NotContains(s.t, ana.text(), "canary", "a direct message stays")
		require.NotContains(s.t, shy.text(), "At last", "a channel has too many eyes")
		require.Contains(s.t, shy.text(), "<@"+userID("shy")+">")
	})
}

func TestAPressInADirectMessage(t *testing.T) {
	pressed := make(chan bot.Press, 4)
	h := &stub{OnPress: func(ctx context.Context, p bot.Press) {
		pressed <- p
		_ = p.Answer.Reply(ctx, bot.Card{Title: "Pressed"})
	}}
	play(t, h, func(s *scene) {
		for _, c := range []struct {
			who    string
			member bool
		}{{"ben", true}, {"eve", false}} {
			s.mu.Lock()
			direct := s.directWith(s.people[userID(c.who)])
			m := s.keep(&message{channel: direct.id, author: botUser, to: userID(c.who), buttons: []shownButton{{label: "Go", code: "v1:1:go:n", style: 1}}})
			m.buttons[0].live = true
			s.mu.Unlock()
			d, err := s.presses(userID(c.who), m.id, "Go")
			require.NoError(s.t, err)
			require.True(s.t, d.answered(patience))
			if !c.member {
				require.Contains(s.t, d.text(), "not a member")
				require.Empty(s.t, pressed)
				continue
			}
			p := <-pressed
			require.Equal(s.t, bot.Account{Platform: "discord", Team: guildID, User: userID(c.who)}, p.Account)
			require.True(s.t, p.Place.Direct)
			require.Contains(s.t, d.text(), "Pressed")
		}
	})
}

func TestWhatIsTypedInAThreadStaysThere(t *testing.T) {
	typed := make(chan bot.Request, 1)
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		typed <- r
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	play(t, h, func(s *scene) {
		d := s.command("ana", openThread, "vm list --state=running")
		require.True(s.t, d.answered(patience))
		r := <-typed
		require.Equal(s.t, homeID, r.Place.Channel)
		require.Equal(s.t, openThread, r.Place.Thread)
		require.Equal(s.t, []bot.Arg{{Name: "state", Value: "running"}}, r.Args)
	})
}

func TestAServerThatIsNotServedIsTold(t *testing.T) {
	h := &stub{OnHandle: func(context.Context, bot.Request) { t.Error("it ran") }}
	play(t, h, func(s *scene) {
		s.mu.Lock()
		s.guilds[otherGuild].commands = s.guilds[guildID].commands // from before
		s.mu.Unlock()
		d := s.command("eve", elsewhereID, "vm list")
		require.True(s.t, d.answered(patience))
		require.Contains(s.t, d.text(), "does not serve this server")
		require.Equal(s.t, userID("eve"), d.sees()[0].to)
	})
}

func TestChoicesWhileSomebodyTypes(t *testing.T) {
	asked := make(chan bot.Completion, 1)
	h := &stub{OnComplete: func(c bot.Completion) []bot.Choice {
		asked <- c
		out := make([]bot.Choice, 40)
		for i := range out {
			out[i] = bot.Choice{Value: fmt.Sprint(4000 + i), Label: "web"}
		}
		return out
	}}
	play(t, h, func(s *scene) {
		d, err := s.completes(userID("ana"), homeID, "vm resize", "vm", "40", object{"cores": 2})
		require.NoError(s.t, err)
		require.True(s.t, d.acked(time.Second))
		c := <-asked
		require.Equal(s.t, []any{"vm resize", "vm", "40"}, []any{c.Words, c.Param, c.Prefix})
		require.Equal(s.t, []bot.Arg{{Name: "cores", Value: "2"}}, c.Args)
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Len(s.t, d.in.choices, 25)
		require.Equal(s.t, "4000 · web", d.in.choices[0].(object)["name"])
	})
}

func TestAChangedCommandIsWrittenOnceAndAnUnchangedOneNever(t *testing.T) {
	const create, edit = "POST /applications/{application_id}/guilds/{guild_id}/commands", "PATCH /applications/{application_id}/guilds/{guild_id}/commands/{command_id}"
	var first []object
	play(t, &stub{}, func(s *scene) {
		s.pass(time.Second)
		require.Equal(s.t, 1, s.count(create))
		first = s.guilds[guildID].commands
	})
	for name, c := range map[string]struct {
		spoil func(object)
		edits int
	}{
		"unchanged": {func(object) {}, 0},
		"changed":   {func(cmd object) { cmd["description"] = "of old" }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			there := maps.Clone(first[0])
			other := object{"id": "700000000000000001", "name": "deploy", "type": 1.0, "description": "Another tool's", "application_id": appID, "guild_id": guildID}
			c.spoil(there)
			play(t, &stub{}, func(s *scene) {
				s.pass(time.Minute)
				require.Zero(s.t, s.count(create))
				require.Equal(s.t, c.edits, s.count(edit))
				s.mu.Lock()
				defer s.mu.Unlock()
				require.Equal(s.t, []object{other, s.guilds[guildID].commands[1]}, s.guilds[guildID].commands, "another tool's command stays")
			}, func(f *fake, _ *discord.Options) { f.guilds[guildID].commands = []object{other, there} })
		})
	}
}
