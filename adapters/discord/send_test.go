package discord_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

// after is the adapter of a process that was started later.
func (s *scene) after() *discord.Adapter {
	s.t.Helper()
	a := s.adapter(s.options(testLog(s.t)))
	require.NoError(s.t, a.Check(s.t.Context()))
	return a
}

func (s *scene) post(a *discord.Adapter, p bot.Place, key string, c bot.Card) bot.Ref {
	s.t.Helper()
	ref, err := a.Post(s.t.Context(), p, key, c)
	require.NoError(s.t, err)
	return ref
}

// standing are the messages of the bot that all can see.
func (s *scene) standing() []*message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*message
	for _, m := range s.messages {
		if m.author == botUser && m.to == "" && !m.deleted {
			out = append(out, m)
		}
	}
	return out
}

func rootCard(state string) bot.Card {
	return bot.Card{Op: 17, Title: state + ": Delete VM " + bot.Code("4009"), Lines: []string{"It is " + state + " since " + bot.At(noon)},
		Fields: []bot.Field{{Label: "Reason", Value: "old"}}, Notes: []string{"Operation 17, asked by ana."}, Byline: "Operation 17, asked by ana."}
}

// incidentCard is the root message of no operation.
func incidentCard(state string) bot.Card {
	line := "Incident " + bot.Code("1") + " of VM " + bot.Code("4001") + ", seen since " + bot.At(noon) + "."
	return bot.Card{Title: "Network incident of VM " + bot.Code("4001") + ": " + state, Lines: []string{"It is " + state + "."}, Notes: []string{line}, Byline: line}
}

func TestAPostOfUnknownFateIsFoundAgain(t *testing.T) {
	line := bot.Card{Title: "ben approved *this*", Lines: []string{"until " + bot.At(noon)}}
	end := bot.Card{Title: "ana: done.", Mentions: []bot.Account{discordAccount(userID("ana"))}}
	for name, c := range map[string]struct {
		first, again bot.Card
		shows        string // how things are now
		place        func(root bot.Ref) bot.Place
	}{
		"a root message in another state": {rootCard("asked"), rootCard("Expired"), "Expired", func(root bot.Ref) bot.Place { return root.Place }},
		"an incident that is over since":  {incidentCard("going on"), incidentCard("over"), "It is over", func(root bot.Ref) bot.Place { return root.Place }},
		"a root message of what was typed in a thread": {rootCard("asked"), rootCard("Expired"), "Expired", func(root bot.Ref) bot.Place {
			root.Place.Thread = openThread
			return root.Place
		}},
		"a line in its thread":            {line, line, "ben approved", inThreadOf},
		"an end message in its thread":    {end, end, "ana: done", inThreadOf},
		"an end message without a thread": {end, end, "ana: done", func(bot.Ref) bot.Place { return bot.Place{} }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, lost := range []bool{false, true} { // else the process was killed before it had the answer
				play(t, &stub{}, func(s *scene) {
					other := rootCard("asked")
					other.Op, other.Notes, other.Byline = 7, []string{"Operation 7, asked by ana."}, "Operation 7, asked by ana."
					p := c.place(s.post(s.a, place(homeID), "other", other))
					if p.Channel == "" {
						p = inThreadOf(s.post(s.a, place(threadless), "flat", other))
					}
					s.post(s.a, p, "near miss", bot.Card{Title: "ben approved this, too", Mentions: end.Mentions})
					before := len(s.standing())
					a := s.a
					if lost {
						s.next(postRoute, s.doneButLost())
						_, err := a.Post(s.t.Context(), p, "key", c.first)
						require.Error(s.t, err)
					} else {
						s.post(a, p, "key", c.first)
						a = s.after()
						c.again.Again = true
					}
					s.pass(nonceFor + time.Minute)
					ref := s.post(a, p, "key", c.again)
					all := s.standing()
					require.Len(s.t, all, before+1)
					require.Equal(s.t, all[before].id, ref.ID)
					require.NotContains(s.t, all[before].reading(), "sent again")
					require.Contains(s.t, all[before].reading(), c.shows, "it shows how things are now")
					require.Equal(s.t, ref, s.post(a, p, "key", c.again), "and is known from then on")
				})
			}
		})
	}
}

// inThreadOf is the thread of a root message.
func inThreadOf(root bot.Ref) bot.Place {
	p := root.Place
	p.Thread = root.ID
	return p
}

func TestAPostThatMayStandAndIsNotSeenSaysThatItIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(s *scene)
		mark    bool
	}{
		"it is not there":             {func(*scene) {}, false},
		"the bot may not read":        {func(s *scene) { s.denies(homeID, discordgo.PermissionReadMessageHistory) }, true},
		"a hundred were said since":   {func(s *scene) { s.chatters(100) }, true},
		"ninety-nine were said since": {func(s *scene) { s.chatters(99) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &stub{}, func(s *scene) {
				c.prepare(s)
				card := rootCard("asked")
				card.Again = true
				ref := s.post(s.after(), place(homeID), "key", card)
				marked := func() {
					all := s.standing()
					require.Len(s.t, all, 1)
					n := 0
					if c.mark {
						n = 1
					}
					require.Equal(s.t, n, strings.Count(all[0].reading(), "(sent again) If a copy of this stands above, that one no longer changes."), all[0].reading())
					require.Equal(s.t, n, strings.Count(all[0].reading(), "sent again"))
				}
				marked()
				require.NoError(s.t, s.after().Edit(s.t.Context(), ref, rootCard("ended")))
				marked()
			})
		})
	}
}

// TestEveryRootThatIsSentAgainSaysThatItsCopyStays: also an incident's, and one
// in a thread; a line in a thread does not change anyway.
func TestEveryRootThatIsSentAgainSaysThatItsCopyStays(t *testing.T) {
	thread := place(homeID)
	thread.Thread = openThread
	for name, c := range map[string]struct {
		card  bot.Card
		place bot.Place
		root  bool
	}{
		"an incident":            {incidentCard("going on"), place(homeID), true},
		"an operation in thread": {rootCard("asked"), thread, true},
		"a line":                 {bot.Card{Title: "ben approved"}, thread, false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &stub{}, func(s *scene) {
				s.denies(homeID, discordgo.PermissionReadMessageHistory)
				c.card.Again = true
				s.post(s.after(), c.place, "key", c.card)
				text := s.standing()[0].reading()
				require.Contains(s.t, text, "(sent again)")
				require.Equal(s.t, c.root, strings.Contains(text, "If a copy of this stands above"))
			})
		})
	}
}

// denies takes permissions from the bot in a channel.
func (f *fake) denies(channel string, bits int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.channels[channel].overwrites = append(f.channels[channel].overwrites, overwrite{id: botRole, deny: bits})
}

// chatters makes somebody say so much in home.
func (f *fake) chatters(n int) {
	for i := range n {
		f.says(userID("ben"), homeID, fmt.Sprint("Operation 17, asked by ana. ", i))
	}
}

// TestKilledBeforeAPostIsAnswered: the message stands, and the bot that was
// killed never heard of it.
func TestKilledBeforeAPostIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{})
	stands := make(chan struct{})
	w.next(postRoute, w.swallows(stands))
	w.Types("ana", "vm delete 4009")
	require.NoError(t, w.Press("ana", "Confirm"))
	require.NoError(t, w.Fill("ana", `reason="old" target=4009`))
	<-stands
	w.forgets() // a few minutes went by
	w.Restart()
	require.NoError(t, w.Press("dia", "Approve"))
	w.Ended(1)
	w.Once(1)
	require.Equal(t, []string{"delete"}, w.Sim.Done())
	w.Stop()
}
