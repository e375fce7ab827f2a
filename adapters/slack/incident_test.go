package slack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const incidentTitle = "Network incident of VM 4001 (web-1)"

// incidents are the messages that tell of incidents, roots or in threads. The
// caller holds mu.
func (f *fake) incidents(thread bool) (out []*message) {
	for _, m := range f.messages {
		if title := m.title(); m.channel == homeID && m.to == "" && !m.deleted && (m.thread != "") == thread &&
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
				w := newWorld(t, settings{empty: true, policy: strings.Replace(examplePolicy(t), "break_glass:\n", "incidents: {watch: [web-1], in: slack:"+team+"/"+homeID+", every: 1m}\nbreak_glass:\n", 1)})
				w.scopes = append(w.scopes, "channels:history") // else the second says that it is one
				shown := func(thread bool, words string) {
					t.Helper()
					require.True(t, w.await(patience, func() bool {
						all := w.incidents(thread)
						return len(all) > 0 && strings.Contains(all[0].title(), words)
					}), "%s\n%s", w.conversation(), w.journal)
				}
				dies := func() {
					t.Helper()
					w.point = point
					w.start()
					require.Equal(t, -1, w.exits(patience), "killed")
					w.point = ""
				}
				require.NoError(t, w.sim.Fault("incidents", "attack"))
				if at == "begin" {
					dies()
				} else {
					w.start()
					shown(false, incidentTitle)
					w.stop()
				}
				require.NoError(t, w.sim.Fault("incidents", "attack-over"))
				if at == "end" {
					dies()
				}
				w.start()
				shown(false, incidentTitle+": over")
				shown(true, "The incident is over")
				looks := len(w.sim.Calls())
				require.Eventually(t, func() bool { return len(w.sim.Calls()) > looks+1 }, patience, 10*time.Millisecond, "it looks on")
				w.stop()
				w.mu.Lock()
				defer w.mu.Unlock()
				require.Len(t, w.incidents(false), 1)
				require.Len(t, w.incidents(true), 1)
				require.Equal(t, w.incidents(false)[0].id, w.incidents(true)[0].thread)
			})
		}
	}
}
