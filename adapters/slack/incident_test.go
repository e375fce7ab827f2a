package slack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
)

const incidentTitle = "Network incident of VM 4001 (web-1)"

// titleOf is the first line of a message, without marks.
func titleOf(m *message) string {
	text, _ := m.reading()
	return (&adaptertest.Said{Text: text}).Title()
}

// incidents are the messages that tell of incidents, roots or in threads. The
// caller holds mu.
func (f *fake) incidents(thread bool) (out []*message) {
	for _, m := range f.messages {
		if title := titleOf(m); m.channel == homeID && m.to == "" && !m.deleted && (m.thread != "") == thread &&
			(strings.Contains(title, incidentTitle) || strings.Contains(title, "The incident is over")) {
			out = append(out, m)
		}
	}
	return out
}

// TestKilledWhileAnIncidentIsTold: an attack is told in one message, which shows
// its end, and ended by one in its thread, wherever the process was killed.
func TestKilledWhileAnIncidentIsTold(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"after_post", "after_post_ack"} {
		for _, at := range []string{"begin", "end"} {
			t.Run(point+"/"+at, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, adaptertest.Settings{Empty: true, Policy: strings.Replace((*fake)(nil).Adapt(adaptertest.Example(t)), "break_glass:\n", "incidents: {watch: [web-1], in: slack:"+team+"/"+homeID+", every: 1m}\nbreak_glass:\n", 1)})
				w.mu.Lock()
				w.scopes = append(w.scopes, "channels:history") // else the second says that it is one
				w.mu.Unlock()
				shown := func(thread bool, words string) {
					t.Helper()
					require.True(t, w.await(patience, func() bool {
						all := w.incidents(thread)
						return len(all) > 0 && strings.Contains(titleOf(all[0]), words)
					}), "%s\n%s", w.Conversation(), w.Journal)
				}
				dies := func() {
					t.Helper()
					w.Point = point
					w.Start()
					require.Equal(t, -1, w.Exits(patience), "killed")
					w.Point = ""
				}
				require.NoError(t, w.sim.Fault("incidents", "attack"))
				if at == "begin" {
					dies()
				} else {
					w.Start()
					shown(false, incidentTitle)
					w.Stop()
				}
				require.NoError(t, w.sim.Fault("incidents", "attack-over"))
				if at == "end" {
					dies()
				}
				w.Start()
				shown(false, incidentTitle+": over")
				shown(true, "The incident is over")
				looks := len(w.sim.Calls())
				require.Eventually(t, func() bool { return len(w.sim.Calls()) > looks+1 }, patience, 10*time.Millisecond, "it looks on")
				w.Stop()
				w.mu.Lock()
				defer w.mu.Unlock()
				require.Len(t, w.incidents(false), 1)
				require.Len(t, w.incidents(true), 1)
				require.Equal(t, w.incidents(false)[0].id, w.incidents(true)[0].thread)
			})
		}
	}
}
