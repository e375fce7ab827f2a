package slack_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestOutsidersAreMarked(t *testing.T) {
	var who bot.Account
	b := &stub{
		OnHandle: func(_ context.Context, r bot.Request) { who = r.Account },
		OnPress:  func(_ context.Context, p bot.Press) { who = p.Account },
	}
	play(t, b, func(t *testing.T, h *harness) {
		for user, outsider := range map[string]bool{"U07ANA": false, "U09GUEST": true, "U10BOT": true, "U11CONNECT": true} {
			h.does(t, "slash_commands", h.slash(user, "vm list"))
			require.Equal(t, bot.Account{Platform: "slack", Team: team, User: user, Guest: outsider}, who)
		}
		foreign := h.slash("U07ANA", "vm list")
		foreign["team_id"] = "T02OTHER"
		h.does(t, "slash_commands", foreign)
		require.Equal(t, bot.Account{Platform: "slack", Team: "T02OTHER", User: "U07ANA", Guest: true}, who)
		require.Equal(t, "T02OTHER/U07ANA", who.ID(), "the same number elsewhere is somebody else")

		r, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root", Buttons: []bot.Button{{Label: "Approve", Code: "v1:1:approve:n"}}})
		require.NoError(t, err)
		h.does(t, "interactive", h.click("U11CONNECT", h.find(t, r.ID), "Approve"))
		require.Equal(t, bot.Account{Platform: "slack", Team: "T02OTHER", User: "U11CONNECT", Guest: true}, who)
	})
}

func TestWhoCannotBeLookedUpIsRefused(t *testing.T) {
	for name, wrong := range map[string]fault{"no answer": status(http.StatusBadGateway), "too fast": status(http.StatusTooManyRequests), "unknown": refuse("user_not_found")} {
		t.Run(name, func(t *testing.T) {
			ran := 0
			b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
				ran++
				_ = r.Answer.Ack(ctx)
			}}
			play(t, b, func(t *testing.T, h *harness) {
				h.next("users.info", wrong)
				frame, acked := h.envelope("slash_commands", h.slash("U07ANA", "vm delete 4001"))
				require.True(t, h.newest(0).send(frame))
				require.Nil(t, <-acked)
				synctest.Wait()
				require.Zero(t, ran)
				require.Contains(t, h.sees(t, "ana")[0], "nothing was done")
				h.Type(t, "ana", "vm delete 4001")
				require.Equal(t, 1, ran, "a failure is not remembered")
			})
		})
	}
}

func TestAccountsAreLookedUpOnce(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		for range 20 {
			h.Type(t, "ana", "vm list")
		}
		require.Equal(t, 1, h.count("users.info"))
		require.Equal(t, 1, h.count("conversations.info"))
		<-time.After(6 * time.Minute)
		h.users["U07ANA"]["is_restricted"] = true
		h.Type(t, "ana", "vm list")
		require.Equal(t, 2, h.count("users.info"))
	})
}

func TestPlaces(t *testing.T) {
	var where bot.Place
	b := &stub{OnHandle: func(_ context.Context, r bot.Request) { where = r.Place }}
	for name, c := range map[string]struct {
		channel, called string
		fault           fault
		direct, shared  bool
	}{
		"a channel":                  {homeID, "ops", nil, false, false},
		"shared with outsiders":      {"C3SHARED", "partners", nil, false, true},
		"a private conversation":     {"DU07ANA", "directmessage", nil, true, false},
		"two people without the bot": {"D777", "directmessage", nil, false, true},
		"private, without the bot":   {"C9NONE", "privategroup", nil, false, true},
		"Slack does not say":         {homeID, "ops", status(http.StatusBadGateway), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, b, func(t *testing.T, h *harness) {
				if c.fault != nil {
					h.next("conversations.info", c.fault)
				}
				p := h.slash("U07ANA", "vm list")
				p["channel_id"], p["channel_name"] = c.channel, c.called
				h.does(t, "slash_commands", p)
				want := place(c.channel)
				want.Direct, want.Shared = c.direct, c.shared
				require.Equal(t, want, where)
			})
		})
	}
}

func TestWhereTheBotMayPost(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		h.channels["G5FEW"] = map[string]any{"id": "G5FEW", "is_mpim": true, "is_member": true}
		dm := place("DU07ANA")
		dm.Direct = true
		require.NoError(t, h.a.CanPost(t.Context(), dm))
		require.NoError(t, h.a.CanPost(t.Context(), place(homeID)))
		for channel, says := range map[string]string{"C1CLOSED": "/invite @hosterbot", "C2OLD": "archive", "C9NONE": "/invite @hosterbot", "D777": "to the bot itself", "G5FEW": "to the bot itself"} {
			var own *bot.Error
			require.ErrorAs(t, h.a.CanPost(t.Context(), place(channel)), &own)
			require.Contains(t, own.Text+own.Hint, says)
		}
		h.channels["C1CLOSED"]["is_member"] = true
		require.NoError(t, h.a.CanPost(t.Context(), place("C1CLOSED")), "an invitation works at once")
		h.next("conversations.info", status(http.StatusBadGateway))
		require.True(t, bot.IsKind(h.a.CanPost(t.Context(), place("C3SHARED")), bot.Unavailable))
	})
}

func TestUserGroups(t *testing.T) {
	oncall := bot.Group{Name: "oncall", Platform: "slack", ID: "T01TEAM/S0ONCALL"}
	ben := []bot.PolicyAccount{{Platform: "discord", ID: "300"}, {Platform: "slack", ID: "T01TEAM/U08BEN"}}
	play(t, &stub{}, func(t *testing.T, h *harness) {
		ask := func(g bot.Group, accounts ...bot.PolicyAccount) bot.Membership {
			is, err := h.a.Member(t.Context(), g, accounts)
			require.Equal(t, is == bot.MemberUnknown, err != nil)
			return is
		}
		require.Equal(t, bot.MemberYes, ask(oncall, ben...))
		require.Equal(t, bot.MemberNo, ask(oncall, bot.PolicyAccount{Platform: "slack", ID: "T02OTHER/U08BEN"}))
		require.Equal(t, bot.MemberNo, ask(oncall, bot.PolicyAccount{Platform: "demo", ID: "U08BEN"}))
		require.Equal(t, 1, h.count("usergroups.users.list"), "asked once a minute")
		h.groups["S0ONCALL"] = nil
		<-time.After(61 * time.Second)
		require.Equal(t, bot.MemberNo, ask(oncall, ben...))
		<-time.After(61 * time.Second)
		h.next("usergroups.users.list", status(http.StatusBadGateway), status(http.StatusTooManyRequests))
		require.Equal(t, bot.MemberUnknown, ask(oncall, ben...))
		require.Equal(t, bot.MemberUnknown, ask(oncall, ben...))
		require.Equal(t, bot.MemberUnknown, ask(bot.Group{Name: "gone", Platform: "slack", ID: "T01TEAM/S0GONE"}, ben...))
		require.Equal(t, bot.MemberUnknown, ask(bot.Group{Name: "theirs", Platform: "slack", ID: "T02OTHER/S0ONCALL"}, ben...))
	})
}
