package discord_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/commands/hoster/hostersim"
)

const incidentTitle = "Network incident of VM 4001 (web-1)"

// incidents are the messages that tell of incidents, roots or in threads. The
// caller holds mu.
func (f *fake) incidents(thread bool) (out []adaptertest.Said) {
	for _, s := range f.Said() {
		if title := s.Title(); s.To == "" && !s.Deleted && (s.Thread != "") == thread && (strings.Contains(title, incidentTitle) || strings.Contains(title, "The incident is over")) {
			out = append(out, s)
		}
	}
	return out
}

// TestKilledWhileAnIncidentIsTold: an attack is told in one message, which shows
// its end, and ended by one in its thread, wherever the process was killed, and
// though it was away until Discord knew the nonce no more and the attack was
// over.
func TestKilledWhileAnIncidentIsTold(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"after_post", "after_post_ack"} {
		for _, at := range []string{"begin", "end"} {
			t.Run(point+"/"+at, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, adaptertest.Settings{Empty: true, Policy: strings.Replace((*fake)(nil).Adapt(adaptertest.Example(t)),
					"break_glass:\n", "incidents: {watch: [web-1], in: discord:"+guildID+"/"+homeID+", every: 1m}\nbreak_glass:\n", 1)})
				shown := func(thread bool, words string) {
					t.Helper()
					require.True(t, w.await(patience, func() bool {
						all := w.incidents(thread)
						return len(all) > 0 && strings.Contains(all[0].Title(), words)
					}), "%s\n%s", w.Conversation(), w.Journal)
				}
				dies := func() {
					t.Helper()
					w.Point = point
					w.Start()
					require.Equal(t, -1, w.Exits(patience), "killed")
					w.Point = ""
					w.forgets() // a few minutes went by
				}
				require.NoError(t, w.Sim.Fault("incidents", "attack"))
				if at == "begin" {
					dies()
				} else {
					w.Start()
					shown(false, incidentTitle)
					w.Stop()
				}
				require.NoError(t, w.Sim.Fault("incidents", "attack-over"))
				if at == "end" {
					dies()
				}
				w.Start()
				shown(false, incidentTitle+": over")
				shown(true, "The incident is over")
				sim := w.Sim.(*hostersim.Sim)
				looks := len(sim.Calls())
				require.Eventually(t, func() bool { return len(sim.Calls()) > looks+1 }, patience, 10*time.Millisecond, "it looks on")
				w.Stop()
				w.mu.Lock()
				defer w.mu.Unlock()
				require.Len(t, w.incidents(false), 1, "%s", adaptertest.Talk(w.Said()))
				require.Len(t, w.incidents(true), 1, "%s", adaptertest.Talk(w.Said()))
				require.Equal(t, w.incidents(false)[0].ID, w.incidents(true)[0].Thread)
				for _, s := range w.Said() {
					require.NotContains(t, s.Text, "sent again")
				}
			})
		}
	}
}
