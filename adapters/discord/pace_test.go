package discord_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

const postRoute = "POST /channels/{channel_id}/messages"

func TestManyPostsKeepThePaceOfDiscord(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		ended := make(chan error, 20)
		for n := range 20 {
			go func() {
				_, err := s.a.Post(s.t.Context(), place(homeID), fmt.Sprint(n), bot.Card{Title: fmt.Sprint("Post ", n)})
				ended <- err
			}()
		}
		for range 20 {
			require.NoError(s.t, <-ended)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Len(s.t, s.messages, 20)
		require.Zero(s.t, s.limited, "no call that Discord refuses")
	})
}

func TestAPostWithoutAnAnswerStandsOnce(t *testing.T) {
	for name, wrong := range map[string]func(s *scene) []fault{
		"done, and the answer lost": func(s *scene) []fault { return []fault{s.doneButLost()} },
		"a bad gateway":             func(*scene) []fault { return []fault{status(502)} },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &stub{}, func(s *scene) {
				s.next(postRoute, wrong(s)...)
				_, err := s.a.Post(s.t.Context(), place(homeID), "key", bot.Card{Title: "Once"})
				var post *bot.PostError
				require.ErrorAs(s.t, err, &post)
				require.True(s.t, post.Lost)
				require.Equal(s.t, 1, s.count(postRoute), "the caller decides whether it is sent again")
				ref, err := s.a.Post(s.t.Context(), place(homeID), "key", bot.Card{Title: "Once, and changed since"})
				require.NoError(s.t, err)
				s.mu.Lock()
				defer s.mu.Unlock()
				require.Len(s.t, s.messages, 1)
				require.Equal(s.t, s.messages[0].id, ref.ID)
				require.Contains(s.t, s.messages[0].reading(), "changed since", "and it shows how things are now")
			})
		})
	}
}

func TestDiscordAsksToWait(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		s.next(postRoute, tooMany(90, false))
		_, err := s.a.Post(s.t.Context(), place(homeID), "key", bot.Card{Title: "Later"})
		var post *bot.PostError
		require.ErrorAs(s.t, err, &post)
		require.Equal(s.t, 90*time.Second, post.RetryAfter)
		require.False(s.t, post.Lost)
		_, err = s.a.Post(s.t.Context(), place(homeID), "key", bot.Card{Title: "Later"})
		require.ErrorAs(s.t, err, &post)
		require.Equal(s.t, 1, s.count(postRoute), "nothing is sent before that")
		s.pass(90 * time.Second)
		_, err = s.a.Post(s.t.Context(), place(homeID), "key", bot.Card{Title: "Later"})
		require.NoError(s.t, err)
	})
}

func TestOneSlowEditHoldsUpNoOthers(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		slow, err := s.a.Post(s.t.Context(), place(homeID), "slow", bot.Card{Title: "Slow"})
		require.NoError(s.t, err)
		other, err := s.a.Post(s.t.Context(), place(homeID), "other", bot.Card{Title: "Other"})
		require.NoError(s.t, err)
		wrong, arrived, let := s.slow()
		defer let()
		s.next("PATCH /channels/{channel_id}/messages/{message_id}", wrong)
		ended := make(chan error, 1)
		go func() { ended <- s.a.Edit(s.t.Context(), slow, bot.Card{Title: "Slow, edited"}) }()
		<-arrived
		began := s.clock.Now()
		require.NoError(s.t, s.a.Edit(s.t.Context(), other, bot.Card{Title: "Other, edited"}))
		d := s.command("ana", homeID, "vm list")
		require.True(s.t, d.acked(patience))
		require.Less(s.t, s.clock.Now().Sub(began), time.Second)
		let()
		require.NoError(s.t, <-ended)
	})
}

func TestResultsGoBeforeProgress(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		ref, err := s.a.Post(s.t.Context(), place(homeID), "root", bot.Card{Title: "Root"})
		require.NoError(s.t, err)
		for range 4 { // one call is left in the channel's bucket of edits
			require.NoError(s.t, s.a.Edit(s.t.Context(), ref, bot.Card{Title: "Edited"}))
		}
		moved := make(chan error, 1)
		go func() {
			moved <- s.a.Edit(s.t.Context(), ref, bot.Card{Title: "Moving", Bar: &bot.Bar{Fraction: 0.5, Word: "runs"}})
		}()
		synctest.Wait()
		began := s.clock.Now()
		require.NoError(s.t, s.a.Edit(s.t.Context(), ref, bot.Card{Title: "Done"}))
		require.Zero(s.t, s.clock.Now().Sub(began), "the place that progress leaves free")
		s.mu.Lock()
		require.Contains(s.t, s.messages[0].reading(), "Done")
		s.mu.Unlock()
		<-moved
		require.Zero(s.t, s.limited)
	})
}

func TestRolesGoByID(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		is := func(id, who string) bot.Membership {
			m, _ := s.a.Member(context.Background(), bot.Group{Name: "leads", Platform: "discord", ID: id}, []bot.PolicyAccount{{Platform: "discord", ID: userID(who)}})
			return m
		}
		require.Equal(s.t, bot.MemberYes, is(guildID+"/"+leadsRole, "dia"))
		require.Equal(s.t, bot.MemberNo, is(guildID+"/"+leadsRole, "ben"))
		require.Equal(s.t, bot.MemberNo, is(guildID+"/"+leadsThere, "ana"), "a role of the same name elsewhere is another one")
		require.Equal(s.t, bot.MemberUnknown, is(otherGuild+"/"+leadsThere, "ana"), "a server that is not served")
		require.Equal(s.t, bot.MemberNo, is(guildID+"/"+leadsRole, "eve"), "not a member at all")
		s.pass(2 * time.Minute)
		s.next("GET /guilds/{guild_id}/members/{user_id}", status(500))
		require.Equal(s.t, bot.MemberUnknown, is(guildID+"/"+leadsRole, "dia"), "a look-up that failed")
	})
}

// TestBucketsAreFreed: of the routes of many channels only those are kept that
// have something to say.
func TestBucketsAreFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := discord.Gates(t.Context(), bubble{}, 20_000)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 4096)
	})
}

// TestOneSlowAnswerHoldsUpNoOthers: the library holds one lock for the edits of
// all answers.
func TestOneSlowAnswerHoldsUpNoOthers(t *testing.T) {
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Ack(ctx)
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	play(t, h, func(s *scene) {
		wrong, arrived, let := s.slow()
		defer let()
		s.next("PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original", wrong)
		slow := s.command("ana", homeID, "vm list")
		<-arrived
		began := s.clock.Now()
		require.Contains(s.t, s.says("ben", "vm list"), "Heard")
		require.Zero(s.t, s.clock.Now().Sub(began))
		let()
		synctest.Wait()
		require.Contains(s.t, slow.text(), "Heard")
	})
}
