package bot_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/policy"
)

// siege is a world whose policy watches 4001 and 4002, and what attacks them.
type siege struct {
	*world
	attacks map[int64][]bot.Incident
	fails   map[int64]error
}

// watching puts a watch into the house's policy.
func (w *world) watching(block string) {
	w.tb.Helper()
	w.policy("break_glass:\n", "incidents: "+block+"\nbreak_glass:\n")
}

const usualWatch = "{watch: [prod], in: slack:T01TEAM/C0ALARM}"

func newSiege(t *testing.T, change ...func(*world, *bot.Config)) *siege {
	t.Helper()
	s := &siege{attacks: map[int64][]bot.Incident{}, fails: map[int64]error{}}
	s.world = newWorld(t, change...)
	s.api.attacks = func(vm int64) ([]bot.Incident, error) { return s.attacks[vm], s.fails[vm] }
	s.watching(usualWatch)
	return s
}

// attack makes an incident of a VM, or ends it.
func (s *siege) attack(vm int64, id string, ongoing bool) {
	for n := range s.attacks[vm] {
		if s.attacks[vm][n].ID == id {
			s.attacks[vm][n].Ongoing = ongoing
			return
		}
	}
	s.attacks[vm] = append(s.attacks[vm], bot.Incident{
		ID: id, Start: "2026-03-02 11:49:00", Stop: "2026-03-02 12:06:00", Host: "203.0.113.6", Types: []string{"NTP Amplification"}, Impact: 412_330_112, Direction: 1, Ongoing: ongoing,
	})
}

// said is what the alarm channel was told, in order.
func (s *siege) said() []string {
	s.slack.mu.Lock()
	defer s.slack.mu.Unlock()
	return append([]string(nil), s.slack.log...)
}

func (s *siege) kept() []bot.Told {
	s.tb.Helper()
	kept, err := s.store.Incidents(s.ctx)
	require.NoError(s.tb, err)
	return kept
}

const (
	begins = "post slack:T01TEAM/C0ALARM Network incident of VM `%d`%s"
	over   = "edit slack:T01TEAM/C0ALARM Network incident of VM `%d`%s: over"
	inLine = "post slack:T01TEAM/C0ALARM The incident is over"
)

func TestAnIncidentIsToldOnceAndEndsInItsThread(t *testing.T) {
	s := newSiege(t)
	s.attack(4002, "117896", false)
	s.attack(4002, "215486", true)
	s.due()
	s.skip(20 * time.Minute)
	require.Equal(t, []string{fmt.Sprintf(begins, 4002, "")}, s.said(), "once, and not the one that had ended before")
	root := s.slack.roots(alarm)[0]
	for _, word := range []string{"215486", "NTP Amplification", "203.0.113.6", "2026-03-02 11:49:00", "412330112", "It goes on.", "vm incidents 4002"} {
		require.Contains(t, words(root.card), word)
	}
	require.Equal(t, bot.Warn, root.card.Tone)

	s.attack(4002, "215486", false)
	s.skip(20 * time.Minute)
	require.Equal(t, []string{fmt.Sprintf(begins, 4002, ""), fmt.Sprintf(over, 4002, ""), inLine}, s.said())
	require.Equal(t, bot.Good, root.card.Tone)
	require.Contains(t, words(root.card), "2026-03-02 12:06:00")
	require.Len(t, s.slack.thread(alarm), 1)
	require.Empty(t, s.kept())

	s.attack(4002, "215486", true)
	s.skip(5 * time.Minute)
	roots := s.slack.roots(alarm)
	require.Len(t, roots, 2, "one that begins again is a new one")
	require.NotEqual(t, roots[0].key, roots[1].key)
}

func TestTheWatchKeepsThePaceOfThePolicy(t *testing.T) {
	s := newSiege(t)
	s.due()
	require.Equal(t, []int64{4001, 4002}, s.api.asked, "at the start")
	s.skip(5*time.Minute - time.Second)
	require.Len(t, s.api.asked, 2)
	s.skip(time.Second)
	require.Len(t, s.api.asked, 4)

	s.watching("{watch: [web-1], in: slack:T01TEAM/C0ALARM, every: 1h}")
	s.due()
	require.Equal(t, []int64{4001}, s.api.asked[4:], "another wish is looked after at once")
	s.skip(time.Hour - time.Second)
	require.Len(t, s.api.asked, 5)
	s.skip(time.Second)
	require.Len(t, s.api.asked, 6)

	s.policy()
	s.skip(48 * time.Hour)
	require.Len(t, s.api.asked, 6, "without the section nothing is watched")
}

// TestAReloadWakesTheWatch: the running bot takes a new wish over when it is
// told of the new policy, not when the old pace says.
func TestAReloadWakesTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSiege(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		s.policy()
		ctx, stop := contextOf(t)
		done := make(chan error)
		go func() { done <- s.bot.Run(ctx) }()
		synctest.Wait()
		asked := func() int { s.api.mu.Lock(); defer s.api.mu.Unlock(); return len(s.api.asked) }
		require.Zero(t, asked())
		s.watching(usualWatch)
		s.bot.PolicyLooked(ctx, true, nil)
		synctest.Wait()
		require.Equal(t, 2, asked(), "no time has passed")
		<-time.After(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, 4, asked())
		stop()
		require.NoError(t, <-done)
	})
}

func TestTheWatchOverRestarts(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.due()
	s.restart()
	s.due()
	require.Len(t, s.said(), 1, "what was told is not told again")
	s.attack(4001, "1", false)
	s.jump(time.Hour)
	s.restart()
	s.due()
	require.Equal(t, []string{fmt.Sprintf(begins, 4001, " (web-1)"), fmt.Sprintf(over, 4001, " (web-1)"), inLine}, s.said(), "it ended while the bot was away")
	require.Empty(t, s.kept())
}

// TestACrashBetweenPostAndRecord: the key is the same after it, and the card
// says that it may stand there already.
func TestACrashBetweenPostAndRecord(t *testing.T) {
	type post struct {
		key   string
		again bool
	}
	for _, lost := range []string{"SaveIncident", "DropIncident"} {
		t.Run(lost, func(t *testing.T) {
			s := newSiege(t)
			s.attack(4001, "1", true)
			if lost == "DropIncident" {
				s.due()
				s.attack(4001, "1", false)
				s.jump(5 * time.Minute)
			}
			var posts []post
			s.slack.onPost = func(_ bot.Place, key string, c bot.Card) error {
				posts = append(posts, post{key, c.Again})
				return nil
			}
			before := s.store.before
			s.store.before = func(method string) error {
				if method == lost && len(posts) > 0 {
					return bot.ErrUnavailable // the process is dead by now
				}
				return before(method)
			}
			s.due()
			s.skip(time.Minute)
			require.Equal(t, []post{{posts[0].key, false}}, posts, "the same process knows that it has posted")
			s.store.before = before
			s.jump(time.Second)
			s.restart()
			s.due()
			require.Equal(t, []post{{posts[0].key, false}, {posts[0].key, true}}, posts)
		})
	}
}

func TestAStoreThatRefusesANewIncident(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	before, refuses := s.store.before, true
	s.store.before = func(method string) error {
		if method == "SaveIncident" && refuses {
			return bot.ErrUnavailable
		}
		return before(method)
	}
	s.due()
	require.Empty(t, s.said(), "what is not stored is not posted: after a crash its key would be another")
	refuses = false
	s.skip(time.Minute)
	require.Len(t, s.said(), 1, "it is tried again soon")
}

func TestAChatThatRefusesIsAskedAgain(t *testing.T) {
	for name, refusal := range map[string]*bot.PostError{
		"forbidden": {Forbidden: true, Err: errors.New("not in the channel")},
		"down":      {Err: errors.New("no connection")},
		"lost":      {Lost: true, Err: errors.New("no answer")},
		"slow down": {RetryAfter: time.Minute, Err: errors.New("too many")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSiege(t)
			s.attack(4001, "1", true)
			s.slack.onPost = func(bot.Place, string, bot.Card) error { return refusal }
			s.due()
			s.skip(24 * time.Hour)
			s.slack.onPost = nil
			s.skip(5 * time.Minute)
			require.Equal(t, []string{fmt.Sprintf(begins, 4001, " (web-1)")}, s.said())

			s.slack.onPost = func(bot.Place, string, bot.Card) error { return refusal }
			s.slack.onEdit = func(bot.Card) error { return refusal }
			s.attack(4001, "1", false)
			s.skip(24 * time.Hour)
			require.Len(t, s.kept(), 1)
			s.slack.onPost, s.slack.onEdit = nil, nil
			s.skip(5 * time.Minute)
			require.Equal(t, []string{fmt.Sprintf(begins, 4001, " (web-1)"), fmt.Sprintf(over, 4001, " (web-1)"), inLine}, s.said())
			require.Empty(t, s.kept())
		})
	}
}

func TestAnIncidentThatEndsBeforeTheChatIsBackIsToldWhole(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.slack.onPost = func(bot.Place, string, bot.Card) error { return &bot.PostError{Err: errors.New("down")} }
	s.due()
	s.attack(4001, "1", false)
	s.skip(time.Hour)
	s.slack.onPost = nil
	s.skip(5 * time.Minute)
	require.Equal(t, []string{fmt.Sprintf(begins, 4001, " (web-1): over"), inLine}, s.said())
	require.Empty(t, s.kept())
}

func TestARootThatSomebodyDeletedIsPostedAnew(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.due()
	s.slack.roots(alarm)[0].gone = true
	s.attack(4001, "1", false)
	s.skip(5 * time.Minute)
	roots := s.slack.roots(alarm)
	require.Len(t, roots, 2)
	require.NotEqual(t, roots[0].key, roots[1].key)
	require.Contains(t, roots[1].card.Title, "over")
	require.Len(t, s.slack.thread(alarm), 1)
	require.Equal(t, "2", s.slack.messages[2].place.Thread)
}

func TestAVMThatCannotBeReadIsNotOver(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.attack(4002, "2", true)
	s.due()
	s.fails[4001] = bot.Errorf(bot.Unavailable, "The provider does not answer.")
	s.attacks[4001] = nil
	s.attack(4002, "2", false)
	s.skip(time.Hour)
	require.Len(t, s.kept(), 1, "and holds up no other")
	require.Equal(t, int64(4001), s.kept()[0].VM)
	require.Len(t, s.slack.thread(alarm), 1)
	delete(s.fails, 4001)
	s.skip(5 * time.Minute)
	require.Empty(t, s.kept(), "what the provider no longer lists is over")
	require.Len(t, s.slack.thread(alarm), 2)
}

func TestAVMThatIsGoneEndsItsIncident(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.due()
	s.fails[4001] = bot.Errorf(bot.Missing, "The provider knows no VM `4001`.")
	s.skip(10 * time.Minute)
	require.Contains(t, words(s.slack.roots(alarm)[0].card), "The VM has been gone since")
	thread := s.slack.thread(alarm)
	require.Len(t, thread, 1)
	require.Equal(t, "The VM is gone, and its incident with it", thread[0].Title)
	require.Empty(t, s.kept())
}

func TestAVMThatIsNoLongerWatchedEndsSilently(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.attack(4002, "2", true)
	s.due()
	said := s.said()
	s.watching("{watch: [web-1], in: slack:T01TEAM/C0ALARM}")
	s.due()
	require.Len(t, s.kept(), 1)
	s.policy()
	s.restart() // the section may have gone while the bot was away
	s.due()
	s.attack(4001, "1", false)
	s.skip(time.Hour)
	require.Empty(t, s.kept())
	require.Equal(t, said, s.said())
}

// TestAnotherChannel: what was told stays in its thread, and what no channel
// took yet goes to the new one.
func TestAnotherChannel(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.due()
	s.slack.onPost = func(p bot.Place, _ string, _ bot.Card) error {
		if p.Channel == alarm.Channel && p.Thread == "" {
			return &bot.PostError{Forbidden: true, Err: errors.New("archived")}
		}
		return nil
	}
	s.attack(4002, "2", true)
	s.skip(5 * time.Minute)
	s.watching("{watch: [prod], in: slack:T01TEAM/C0OPS}")
	s.due()
	require.Len(t, s.slack.roots(ops), 1)
	require.Contains(t, s.slack.roots(ops)[0].card.Title, "4002")
	s.attack(4001, "1", false)
	s.skip(5 * time.Minute)
	require.Len(t, s.slack.thread(alarm), 1)
	require.Len(t, s.slack.roots(ops), 1)
}

// TestAPlaceThatNoChatServes: nothing is lost, and it is said in the log.
func TestAPlaceThatNoChatServes(t *testing.T) {
	var log bytes.Buffer
	s := newSiege(t, func(w *world, c *bot.Config) {
		c.Adapters, c.Logger = []bot.Adapter{w.discord}, slog.New(slog.NewTextHandler(&log, nil))
	})
	s.attack(4001, "1", true)
	s.due()
	require.Contains(t, log.String(), "no chat serves the place")
	s.watching("{watch: [prod], in: discord:300000000000000001/400000000000000001}")
	s.due()
	require.Len(t, s.discord.roots(discord), 1)
}

// TestIncidentsAsTheProviderSendsThem: no ID, hostile text, one twice, and far
// too many.
func TestIncidentsAsTheProviderSendsThem(t *testing.T) {
	s := newSiege(t)
	bad := "x\x01`<!channel>\u202e" + strings.Repeat("y", 5000)
	types := make([]string, 500)
	for i := range types {
		types[i] = bad
	}
	s.attacks[4001] = []bot.Incident{
		{Start: "2026-03-02 11:49:00", Ongoing: true},
		{Start: "2026-03-02 11:49:00", Ongoing: true},
		{Start: "2026-03-02 11:50:00", Ongoing: true},
		{ID: bad, Start: bad, Stop: bad, Host: bad, Types: types, Ongoing: true},
		{Ongoing: true},
	}
	for i := range 100 {
		s.attack(4002, fmt.Sprint(i+1), true)
	}
	s.due()
	s.skip(time.Hour)
	require.Len(t, s.slack.roots(alarm), 4+20)
	var ids []string
	for _, told := range s.kept() {
		ids = append(ids, told.Incident.ID)
	}
	require.Contains(t, ids, "since 2026-03-02 11:49:00", "one without an ID is named by its start")
	for _, m := range s.slack.roots(alarm) {
		text := words(m.card)
		require.NotContains(t, text, "\u202e")
		require.Less(t, len(text), 20_000)
		for _, f := range m.card.Fields {
			require.NotContains(t, f.Value, "\x01")
			require.NotContains(t, f.Value, "`")
		}
	}
}

// TestTheWatchStopsWithTheBot: a look in mid-way ends, and what stands in the
// chat is recorded.
func TestTheWatchStopsWithTheBot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSiege(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		s.attack(4001, "1", true)
		s.attack(4002, "2", true)
		ctx, stop := contextOf(t)
		s.slack.onPost = func(bot.Place, string, bot.Card) error { stop(); return nil }
		require.NoError(t, s.bot.Run(ctx))
		require.Len(t, s.said(), 1)
		require.False(t, s.kept()[0].Root.IsZero())
		require.Equal(t, policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0ALARM"}, s.kept()[0].Place.Place)
	})
}

// TestAnIncidentThatChangesIsShownAsItIs: in its one root message, once a
// change, and again where the chat refused.
func TestAnIncidentThatChangesIsShownAsItIs(t *testing.T) {
	s := newSiege(t)
	s.attack(4001, "1", true)
	s.due()
	first := s.said()
	s.attacks[4001][0].Stop = "2026-03-02 13:00:00" // of one that goes on: now
	s.skip(5 * time.Minute)
	require.Equal(t, first, s.said(), "what is not shown is no change")

	s.attacks[4001][0].Types = []string{"NTP Amplification", "UDP Flood"}
	s.slack.onEdit = func(bot.Card) error { return &bot.PostError{Err: errors.New("down")} }
	s.skip(5 * time.Minute)
	require.NotContains(t, words(s.slack.roots(alarm)[0].card), "UDP Flood")
	s.slack.onEdit = nil
	s.skip(20 * time.Minute)
	edited := "edit slack:T01TEAM/C0ALARM Network incident of VM `4001` (web-1)"
	require.Equal(t, append(first, edited), s.said())
	root := s.slack.roots(alarm)[0]
	require.Contains(t, words(root.card), "UDP Flood")
	require.Contains(t, words(root.card), "It goes on.")

	s.attacks[4001][0].Impact++
	s.restart()
	s.due()
	require.Equal(t, append(first, edited, edited), s.said())
	require.Empty(t, s.slack.thread(alarm))

	root.gone = true
	s.attacks[4001][0].Impact++
	s.skip(20 * time.Minute)
	require.Len(t, s.slack.roots(alarm), 1, "it is not posted anew while it goes on")
	s.attack(4001, "1", false)
	s.skip(5 * time.Minute)
	require.Len(t, s.slack.roots(alarm), 2)
	require.Len(t, s.slack.thread(alarm), 1)
}

// TestAnIncidentsBylineIsTheSameInAllItsStates: a chat that keeps no key finds
// the root again by it, however the incident has changed; and no other has it.
func TestAnIncidentsBylineIsTheSameInAllItsStates(t *testing.T) {
	for name, end := range map[string]func(*siege){
		"over":           func(s *siege) { s.attack(4001, "1", false) },
		"the VM is gone": func(s *siege) { s.fails[4001] = bot.Errorf(bot.Missing, "The provider knows no VM `4001`.") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSiege(t)
			s.attack(4001, "1", true)
			s.attack(4001, "2", true)
			s.attack(4002, "1", true) // another VM's, of the same number and moment
			s.due()
			bylines := make(map[string]bool)
			for _, m := range s.slack.roots(alarm) {
				require.Contains(t, m.card.Notes, m.byline)
				bylines[m.byline] = true
			}
			require.Len(t, bylines, 3)
			root := s.slack.roots(alarm)[0]
			s.attacks[4001][0].Impact++
			s.skip(5 * time.Minute)
			require.Equal(t, 1, root.edits)
			end(s)
			s.skip(5 * time.Minute)
			require.Equal(t, 2, root.edits)
			require.Contains(t, root.card.Notes, root.byline)
		})
	}
}
