package discord_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
)

// TestRollingRestartsLoseNothing: the bot is stopped and the next one started
// on its store, again and again, while people read and change. What was
// acknowledged is answered, each operation is sent once and ends once.
func TestRollingRestartsLoseNothing(t *testing.T) {
	t.Parallel()
	const rounds = 3
	b := newWorld(t, adaptertest.Settings{Scale: 0.1}) // a wish has to outlive a restart
	var acked, lives atomic.Int64
	// does lets somebody do something until it is acknowledged, waits for its
	// answer, and is false if that was that the bot shuts down.
	does := func(begin func() *deed) *deed {
		t.Helper()
		for range 100 {
			life := lives.Load()
			again := func() bool { return lives.Load() > life } // Discord told the person that nobody responds
			require.True(t, b.await(patience, func() bool { return b.live() != nil }), "%s", b.Journal)
			d := begin()
			require.True(t, b.await(patience, func() bool { return d.in.first != 0 || again() }), "not acknowledged\n%s", b.Journal)
			b.mu.Lock()
			taken := d.in.first != 0
			b.mu.Unlock()
			if !taken {
				continue
			}
			acked.Add(1)
			var said string
			require.True(t, b.await(patience, func() bool {
				for _, m := range b.messages {
					if text := m.reading(); m.changed > d.mark && m.to == d.in.user && !m.thinking {
						said = text
						return true
					}
				}
				return false
			}), "never answered: %v\n%s\n%s", d.in.payload["data"], b.Conversation(), b.Journal)
			if !strings.Contains(said, "shutting down") {
				return d
			}
			require.True(t, b.await(patience, again))
		}
		require.Fail(t, "nobody takes it")
		return nil
	}
	types := func(person, line string) *deed {
		t.Helper()
		return does(func() *deed {
			d, err := b.typesLine(userID(person), homeID, line)
			require.NoError(t, err)
			return d
		})
	}
	done := make(chan struct{})
	var readers, movers sync.WaitGroup
	for _, person := range []string{"ben", "cho", "dia"} {
		readers.Go(func() {
			tick := time.NewTicker(400 * time.Millisecond)
			defer tick.Stop()
			for range 18 { // twenty a minute is what a person may
				select {
				case <-done:
					return
				case <-tick.C:
				}
				types(person, "vm list")
			}
		})
	}
	movers.Go(func() {
		for n := range rounds {
			types("ana", "vm reboot 4003")
			does(func() (d *deed) {
				require.True(t, b.await(patience, func() bool {
					for _, m := range b.messages {
						for _, shown := range m.buttons {
							if shown.live && shown.label == "Confirm" && b.visible(m, userID("ana")) {
								d = b.pressed(userID("ana"), m, shown)
								return true
							}
						}
					}
					return false
				}), "no Confirm\n%s", b.Conversation())
				return d
			})
			require.True(t, b.await(patience, func() bool { roots, ends := b.rebooted(); return roots > n && ends > n }), "%s", b.Conversation())
		}
	})
	for range 3 {
		more := acked.Load() + 5
		require.Eventually(t, func() bool { return acked.Load() >= more }, patience, 5*time.Millisecond)
		b.Stop()
		require.True(t, b.await(patience, func() bool { return b.live() == nil }))
		b.Start()
		b.Connected()
		lives.Add(1)
		b.mu.Lock()
		b.changed()
		b.mu.Unlock()
	}
	movers.Wait()
	close(done)
	readers.Wait()
	b.Stop()
	require.Equal(t, slices.Repeat([]string{"reboot"}, rounds), b.Sim.Done(), "each operation is sent once")
	b.mu.Lock()
	roots, ends := b.rebooted()
	b.mu.Unlock()
	require.Equal(t, fmt.Sprint(rounds, rounds), fmt.Sprint(roots, ends), "one root and one end each\n%s", b.Conversation())
}

// rebooted counts the roots of reboots that are done, and their end messages.
// The caller holds mu.
func (f *fake) rebooted() (roots, ends int) {
	for _, m := range f.messages {
		text := m.reading()
		switch {
		case m.to != "" || m.deleted:
		case m.channel == homeID && strings.Contains(text, "Done: Reboot VM"):
			roots++
		case f.channels[m.channel].parent == homeID && strings.Contains(text, "<@"+userID("ana")+">"):
			ends++
		}
	}
	return roots, ends
}
