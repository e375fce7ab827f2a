package adaptertest

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var hard = []struct {
	name  string
	check func(*testing.T, *World)
}{
	{"killed while it waits for approval, its buttons work on", killedPending},
	{"killed in the middle of a job, the same thread goes on", killedFollowing},
	{"killed between acknowledgement and answer, nothing is in the way", killedBeforeAnswer},
	{"killed after a post and before its ID is known, it goes on in one thread", killedAfterPost},
	{"told to stop in a slow call, it says so and ends the call", stoppedInCall},
	{"while the provider hangs, what does not ask it is answered; told to stop then, it says so to who waits", stoppedInRead},
	{"a root message that somebody deleted is posted anew", deletedRoot},
}

// RunHard kills, stops and robs the built bot in one chat, and looks at what
// people see of it: one root message, its thread, one end message.
func RunHard(t *testing.T, open func(tb testing.TB, s Settings) *World) {
	for _, h := range hard {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			w := open(t, Settings{Scale: 0.1}) // a job has to outlive the bot
			h.check(t, w)
			w.NoSecrets()
		})
	}
}

func killedPending(t *testing.T, w *World) {
	w.Deletes("ana", "4009")
	before, _ := w.Root(1)
	w.Types("ben", "op show 1") // its record comes after that of the message's ID
	w.Restart()
	require.NoError(t, w.Press("dia", "Approve"))
	w.Ended(1)
	after, thread := w.Root(1)
	require.Equal(t, before.ID, after.ID, "it is the same message")
	require.Equal(t, []string{"dia approved", "ana: done. VM 4009 is deleted."}, Titles(thread))
	w.Once(1)
	require.Equal(t, []string{"delete"}, w.Sim.Done())
	w.Stop()
}

func killedFollowing(t *testing.T, w *World) {
	w.Types("ana", "vm reinstall 4003 --template Ubuntu22.04")
	require.NoError(t, w.Press("ana", "Confirm"))
	require.NoError(t, w.Fill("ana", `reason="new system" target=4003`))
	require.NoError(t, w.Press("cho", "Approve"))
	require.True(t, w.Until(func(c Talk) bool {
		return slices.ContainsFunc(c, func(s Said) bool { return c.Operation(&s) == 1 && strings.Contains(s.Text, "runs it as job") })
	}), "%s", w.Conversation())
	before, _ := w.Root(1)
	w.Kill()
	w.Start() // progress needs no ear
	w.Shows(1, "%")
	w.Ended(1)
	after, thread := w.Root(1)
	require.Equal(t, before.ID, after.ID, "it is the same message")
	w.Once(1)
	require.Equal(t, "cho approved", thread[0].Title())
	require.Contains(t, thread[len(thread)-1].Title(), "ana: done.")
	require.Equal(t, []string{"reinstall"}, w.Sim.Done())
	w.Stop()
}

func killedBeforeAnswer(t *testing.T, w *World) {
	require.NoError(t, w.Sim.Fault("config", "slow")) // the target is read after the acknowledgement
	d, err := w.chats[0].Type("ana", "vm delete 4009")
	require.NoError(t, err)
	d.Acked()
	w.SlowCall()
	w.Restart()
	w.Deletes("ana", "4009")
	require.NoError(t, w.Press("dia", "Approve"))
	op := w.Newest()
	w.Ended(op)
	w.Once(op)
	require.Equal(t, []string{"delete"}, w.Sim.Done())
	w.Stop()
}

// killedAfterPost: where the bot may look for what it posted it finds it. Where
// it may not, the root is sent again and says so to its end, for the copy stays
// as it is; and only one of them goes on.
func killedAfterPost(t *testing.T, w *World) {
	w.Point = "after_post"
	w.Restart()
	w.Types("ana", "vm reboot 4003")
	user, chat := w.chats[0].User("ana"), w.chats[0]
	s, b, ok := w.Talk().Find(user, "Confirm", 1)
	require.True(t, ok, "%s", w.Conversation())
	require.NoError(t, w.Sim.Fault("config", "slow")) // it looks at the target before the call, which leaves after the kill then
	chat.Click("ana", s, b)                           // what kills it may come before the acknowledgement
	require.Equal(t, -1, w.Exits(Patience), "%s", w.Journal)
	w.Kill()
	require.Len(t, w.Talk().Roots(1), 1, "it stands: %s", w.Conversation())
	w.Point = ""
	w.Start()
	w.Connected()
	ended := func(c Talk) (ends []int) {
		roots := c.Roots(1)
		for i := range roots {
			ends = append(ends, len(c.Ends(&roots[i])))
		}
		return ends
	}
	require.True(t, w.Until(func(c Talk) bool { return slices.Contains(ended(c), 1) }), "%s", w.Conversation())
	all := w.Talk()
	roots := all.Roots(1)
	root := roots[len(roots)-1]
	require.Contains(t, root.Title(), "Done: Reboot VM 4003")
	if len(roots) > 1 {
		require.Equal(t, []int{0, 1}, ended(all), "%s", w.Conversation())
		require.Contains(t, root.Text, "(sent again) If a copy of this stands above, that one no longer changes.")
	} else {
		require.Equal(t, []int{1}, ended(all))
		require.NotContains(t, root.Text, "sent again")
	}
	require.Equal(t, []string{"reboot"}, w.Sim.Done())
	w.Stop()
}

func stoppedInCall(t *testing.T, w *World) {
	require.NoError(t, w.Sim.Fault("start", "slow"))
	d, err := w.chats[0].Type("ana", "vm start 4009")
	require.NoError(t, err)
	d.Acked()
	w.SlowCall()
	w.Signal(syscall.SIGTERM)
	w.saysThatItStops()
	w.LetGo()
	require.Zero(t, w.Exits(Patience), "%s", w.Journal)
	require.Equal(t, []string{"start"}, w.Sim.Done())
	w.Start()
	w.Connected()
	w.Ended(1)
	root, _ := w.Root(1)
	require.Contains(t, root.Title(), "Done: Start VM 4009")
	w.Once(1)
	require.Equal(t, []string{"start"}, w.Sim.Done(), "it was sent once")
	w.Stop()
}

// saysThatItStops waits until that is what people hear: a signal takes a moment.
func (w *World) saysThatItStops() {
	w.tb.Helper()
	told := func() bool {
		d := w.Types("ben", "vm list")
		for _, s := range w.Talk() {
			if s.Changed > d.Mark() && strings.Contains(s.Text, "shutting down") {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(Patience); !told(); {
		require.True(w.tb, time.Now().Before(end), "%s", w.Conversation())
	}
}

func stoppedInRead(t *testing.T, w *World) {
	w.Scale = 1 // a read is given up later than the bot
	w.Restart()
	for range 20 { // also when it is asked again
		require.NoError(t, w.Sim.Fault("list", "slow"))
	}
	d, err := w.chats[0].Type("ana", "vm list")
	require.NoError(t, err)
	d.Acked()
	w.SlowCall()
	var more []Deed // than wait for the provider at once
	for range 17 {
		for _, person := range people {
			d, err := w.chats[0].Type(person, "vm list")
			require.NoError(t, err)
			more = append(more, d)
		}
	}
	for _, d := range more {
		d.Acked()
	}
	own, err := w.chats[0].Type("dia", "whoami")
	require.NoError(t, err)
	w.Hears("dia", own, "You are dia")
	w.Signal(syscall.SIGTERM)
	w.saysThatItStops()
	w.saysThatItStops() // it is not deaf while it waits
	require.Zero(t, w.Exits(Patience), "%s", w.Journal)
	w.Hears("ana", d, "The bot is shutting down")
}

func deletedRoot(t *testing.T, w *World) {
	w.Deletes("ana", "4009")
	before, _ := w.Root(1)
	w.chats[0].Delete(before.ID)
	require.NoError(t, w.Press("dia", "Approve")) // somebody's client still shows it
	w.Ended(1)
	after, thread := w.Root(1)
	require.NotEqual(t, before.ID, after.ID)
	require.Contains(t, Titles(thread), "ana: done. VM 4009 is deleted.")
	w.Once(1)
	w.Stop()
}

// Titles are the titles of messages.
func Titles(all []Said) []string {
	var out []string
	for i := range all {
		out = append(out, all[i].Title())
	}
	return out
}
