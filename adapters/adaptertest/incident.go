package adaptertest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const incidentTitle = "Network incident of VM 4001 (web-1)"

// incidents are the messages that tell everybody of the incident of this test:
// roots, or in threads.
func (c Talk) incidents(thread bool) (out []Said) {
	for _, s := range c {
		if title := s.Title(); s.To == "" && !s.Deleted && (s.Thread != "") == thread &&
			(strings.Contains(title, incidentTitle) || strings.Contains(title, "The incident is over")) {
			out = append(out, s)
		}
	}
	return out
}

// RunIncidents kills the built bot while it tells of an attack: it is told in
// one message, which shows its end, and ended by one in its thread, wherever
// the process was killed. away is what the platform forgets while no bot is
// there; nil: nothing.
func RunIncidents(t *testing.T, open func(tb testing.TB, s Settings) (w *World, away func())) {
	for _, point := range []string{"after_post", "after_post_ack"} {
		for _, at := range []string{"begin", "end"} {
			t.Run(point+"/"+at, func(t *testing.T) {
				t.Parallel()
				w, away := open(t, Settings{Empty: true})
				w.WritePolicy(w.chats[0].Adapt(strings.Replace(Example(t), "break_glass:\n", "incidents: {watch: [web-1], in: slack:T01TEAM/C0OPS, every: 1m}\nbreak_glass:\n", 1)))
				shown := func(thread bool, words string) {
					t.Helper()
					require.True(t, w.Until(func(c Talk) bool {
						all := c.incidents(thread)
						return len(all) > 0 && strings.Contains(all[0].Title(), words)
					}), "%s\n%s", w.Conversation(), w.Journal)
				}
				dies := func() {
					t.Helper()
					w.Point = point
					w.Start()
					require.Equal(t, -1, w.Exits(Patience), "killed")
					w.Point = ""
					if away != nil {
						away()
					}
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
				looks := w.calls.Load()
				require.Eventually(t, func() bool { return w.calls.Load() > looks+1 }, Patience, 10*time.Millisecond, "it looks on")
				w.Stop()
				all := w.Talk()
				roots, ends := all.incidents(false), all.incidents(true)
				require.Len(t, roots, 1, "%s", all)
				require.Len(t, ends, 1, "%s", all)
				require.Equal(t, roots[0].ID, ends[0].Thread)
				for _, s := range all {
					require.NotContains(t, s.Text, "sent again")
				}
			})
		}
	}
}
