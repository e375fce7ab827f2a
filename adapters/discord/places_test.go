package discord_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/stretchr/testify/require"

	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

func TestWhereThereCanBeNoThread(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		root, err := s.a.Post(s.t.Context(), place(threadless), "root", bot.Card{Op: 17, Title: "Delete"})
		require.NoError(s.t, err)
		in := root.Place
		in.Thread = root.ID
		_, err = s.a.Post(s.t.Context(), in, "line", bot.Card{Title: "ben approved"})
		var post *bot.PostError
		require.ErrorAs(s.t, err, &post)
		require.True(s.t, post.Forbidden)
		ana := bot.Account{Platform: "discord", Team: guildID, User: userID("ana")}
		_, err = s.a.Post(s.t.Context(), in, "end", bot.Card{Title: "Done", Mentions: []bot.Account{ana}})
		require.NoError(s.t, err, "the end is told all the same")
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Equal(s.t, root.ID, s.messages[len(s.messages)-1].reply)
	})
}

func TestPlacesAreLookedAtBeforehand(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		in := func(thread string) bot.Place {
			p := place(homeID)
			p.Thread = thread
			return p
		}
		for name, c := range map[string]struct {
			place bot.Place
			says  string // "": the bot may post
		}{
			"home":                             {place(homeID), ""},
			"a thread":                         {in(openThread), ""},
			"one that is archived":             {in(archivedID), ""},
			"one that is locked":               {in(lockedID), "locked"},
			"a forum":                          {place(forumID), "no messages in that kind of channel"},
			"a thread of it":                   {in(forumThread), ""},
			"a thread where it may begin none": {in(besideThread), ""},
			"no permission":                    {place(closedID), "Send Messages"},
			"no embeds":                        {place(plainID), "Embed Links"},
			"not seen":                         {place(hiddenID), "does not see"},
			"not there":                        {place("12345"), "does not see"},
			"another server":                   {place(elsewhereID), ""},
		} {
			err := s.a.CanPost(s.t.Context(), c.place)
			var person *bot.Error
			switch {
			case name == "another server":
				require.Error(s.t, err, "a channel of another server than it says")
			case c.says == "":
				require.NoError(s.t, err, name)
			default:
				require.True(s.t, errors.As(err, &person), name)
				require.Contains(s.t, person.Text, c.says, name)
			}
			s.pass(2 * time.Second)
		}
	})
}

// TestAThreadGoesOn: an operation's line and end stand in its thread, also for
// the next process, and where somebody else began the thread; where that is
// shut, the end answers in the channel and says why.
func TestAThreadGoesOn(t *testing.T) {
	line, end := bot.Card{Title: "ben approved"}, bot.Card{Title: "ana: done", Mentions: []bot.Account{discordAccount(userID("ana"))}}
	typedIn := func(thread string) func(*scene) bot.Place {
		return func(s *scene) bot.Place {
			s.mu.Lock()
			defer s.mu.Unlock()
			p := place(s.channels[thread].parent)
			p.Thread = thread
			return p
		}
	}
	rooted := func(channel string) func(*scene) bot.Place {
		return func(s *scene) bot.Place {
			root := s.post(s.a, place(channel), "root", rootCard("asked"))
			s.post(s.a, inThreadOf(root), "begins it", line)
			return inThreadOf(root)
		}
	}
	for name, c := range map[string]struct {
		where  func(*scene) bot.Place
		after  func(s *scene, thread *channel)
		beside string // why the end stands in the channel; "": it stands in the thread
	}{
		"its own, after a restart":                 {rooted(homeID), nil, ""},
		"its own, where none may be begun since":   {rooted(homeID), func(s *scene, _ *channel) { s.denies(homeID, discordgo.PermissionCreatePublicThreads) }, ""},
		"its own, that sleeps":                     {rooted(homeID), func(_ *scene, th *channel) { th.archived = true }, ""},
		"somebody else's":                          {typedIn(openThread), nil, ""},
		"somebody else's, where none may be begun": {typedIn(besideThread), nil, ""},
		"a forum's":                           {typedIn(forumThread), nil, ""},
		"its own, that was locked":            {rooted(homeID), func(_ *scene, th *channel) { th.locked = true }, "it is locked"},
		"its own, that was locked and sleeps": {rooted(homeID), func(_ *scene, th *channel) { th.locked, th.archived = true, true }, "it is locked"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &stub{}, func(s *scene) {
				p := c.where(s)
				if c.after != nil {
					s.mu.Lock()
					thread := s.channels[p.Thread]
					s.mu.Unlock()
					c.after(s, thread)
				}
				a := s.after()
				_ = a.CanPost(s.t.Context(), bot.Place{Place: place(p.Channel).Place}) // the router asks, so the permissions are known
				_, err := a.Post(s.t.Context(), p, "line", line)
				ref := s.post(a, p, "end", end)
				all := s.standing()
				last := all[len(all)-1]
				require.Equal(s.t, last.id, ref.ID)
				if c.beside == "" {
					require.NoError(s.t, err)
					require.Equal(s.t, p.Thread, last.channel)
					require.Equal(s.t, p.Thread, all[len(all)-2].channel)
					return
				}
				require.True(s.t, refusal(s.t, err).Forbidden)
				require.Equal(s.t, p.Channel, last.channel)
				require.Equal(s.t, p.Thread, last.reply)
				require.Contains(s.t, last.reading(), "No thread here: "+c.beside)
			})
		})
	}
}

// TestAThreadThatSomebodyDeleted: it is begun again; where Discord does not let
// that happen, its root counts as gone, so that it is posted anew.
func TestAThreadThatSomebodyDeleted(t *testing.T) {
	end := bot.Card{Title: "ana: done", Mentions: []bot.Account{discordAccount(userID("ana"))}}
	for name, again := range map[string]bool{"begun again": true, "never again": false} {
		t.Run(name, func(t *testing.T) {
			play(t, &stub{}, func(s *scene) {
				root := s.post(s.a, place(homeID), "root", rootCard("asked"))
				s.post(s.a, inThreadOf(root), "line", bot.Card{Title: "ben approved"})
				s.mu.Lock()
				s.channels[root.ID].deleted = true
				s.mu.Unlock()
				if again {
					ref := s.post(s.a, inThreadOf(root), "end", end)
					require.Equal(s.t, root.ID, ref.Place.Thread)
					require.Contains(s.t, s.standing()[2].reading(), "ana: done")
					return
				}
				s.next("POST /channels/{channel_id}/messages/{message_id}/threads", refuse(http.StatusBadRequest, 160004))
				_, err := s.a.Post(s.t.Context(), inThreadOf(root), "end", end)
				require.True(s.t, refusal(s.t, err).Gone)
			})
		})
	}
}

// TestAThreadThatCannotBeBegunSaysWhy: what Discord says of a thread that cannot be begun
// is in the end message, which answers the root.
func TestAThreadThatCannotBeBegunSaysWhy(t *testing.T) {
	const begin = "POST /channels/{channel_id}/messages/{message_id}/threads"
	for says, wrong := range map[string]fault{
		"the bot lacks the permission Create Public Threads": refuse(http.StatusForbidden, 50013),
		"Discord has no threads in this kind of channel":     refuse(http.StatusBadRequest, 50024),
		"as many open threads as it can have":                refuse(http.StatusBadRequest, 160006),
		"as many open threads as":                            refuse(http.StatusBadRequest, 160007),
	} {
		t.Run(says, func(t *testing.T) {
			play(t, &stub{}, func(s *scene) {
				root := s.post(s.a, place(homeID), "root", rootCard("asked"))
				s.next(begin, wrong)
				s.post(s.a, inThreadOf(root), "end", bot.Card{Title: "ana: done", Mentions: []bot.Account{discordAccount(userID("ana"))}})
				all := s.standing()
				require.Equal(s.t, root.ID, all[1].reply)
				require.Contains(s.t, all[1].reading(), says)
			})
		})
	}
}

// TestAnAnswerWithoutReading: where the bot may not read, its message answers
// none, and stands all the same.
func TestAnAnswerWithoutReading(t *testing.T) {
	play(t, &stub{}, func(s *scene) {
		s.denies(threadless, discordgo.PermissionReadMessageHistory)
		root := s.post(s.a, place(threadless), "root", rootCard("asked"))
		s.post(s.a, inThreadOf(root), "end", bot.Card{Title: "ana: done", Mentions: []bot.Account{discordAccount(userID("ana"))}})
		all := s.standing()
		require.Len(s.t, all, 2)
		require.Empty(s.t, all[1].reply)
		require.Contains(s.t, all[1].reading(), "ana: done")
	})
}

// TestARootSaysThatItHasNoThread: what the bot may do comes with the command,
// so the root promises no thread that there cannot be.
func TestARootSaysThatItHasNoThread(t *testing.T) {
	for channel, says := range map[string]string{homeID: "", threadless: "No thread here: the bot lacks the permission Create Public Threads. How it goes on is shown in this message."} {
		h := &stub{}
		var a *discord.Adapter
		h.OnHandle = func(ctx context.Context, r bot.Request) {
			_, err := a.Post(ctx, r.Place, "root", rootCard("asked"))
			if err == nil {
				err = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
			}
			if err != nil {
				t.Error(err)
			}
		}
		play(t, h, func(s *scene) {
			a = s.a
			require.True(s.t, s.command("ana", channel, "vm list").answered(patience))
			text := s.standing()[0].reading()
			if says == "" {
				require.NotContains(s.t, text, "No thread")
			}
			require.Contains(s.t, text, says)
			require.Zero(s.t, s.count("GET /channels/{channel_id}"), "nobody was asked")
		})
	}
}

// TestOldMessagesAreEditedRarely: progress in a message of more than an hour
// once a minute; its end always, and where Discord refuses that, the message
// counts as gone, so that it is posted anew.
func TestOldMessagesAreEditedRarely(t *testing.T) {
	const edit = "PATCH /channels/{channel_id}/messages/{message_id}"
	play(t, &stub{}, func(s *scene) {
		root := s.post(s.a, place(homeID), "root", rootCard("asked"))
		moves := func(f float64) {
			s.t.Helper()
			c := rootCard("moving")
			c.Bar = &bot.Bar{Fraction: f, Word: "runs"}
			require.NoError(s.t, s.a.Edit(s.t.Context(), root, c))
		}
		for n := range 10 { // half a minute
			moves(float64(n) / 100)
			s.pass(3 * time.Second)
		}
		require.Equal(s.t, 10, s.count(edit))
		s.pass(time.Hour)
		for n := range 60 { // three minutes
			moves(float64(n) / 60)
			s.pass(3 * time.Second)
		}
		require.Equal(s.t, 13, s.count(edit), "once a minute")
		moves(0.99)
		require.NoError(s.t, s.a.Edit(s.t.Context(), root, rootCard("Done")), "the end waits for nothing")
		require.Contains(s.t, s.standing()[0].reading(), "Done")
		s.next(edit, refuse(http.StatusTooManyRequests, 30046))
		err := s.a.Edit(s.t.Context(), root, rootCard("Done"))
		require.True(s.t, refusal(s.t, err).Gone)
		require.Zero(s.t, refusal(s.t, err).RetryAfter, "no other message waits for it")
	})
}

// refusal is the error of a post or an edit.
func refusal(t *testing.T, err error) *bot.PostError {
	t.Helper()
	var post *bot.PostError
	require.ErrorAs(t, err, &post)
	return post
}
