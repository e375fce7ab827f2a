package discord_test

import (
	"testing"

	"hosterbot/adapters/adaptertest"
)

// TestKilledWhileAnIncidentIsTold: also where it was away until Discord knew
// the nonce no more and the attack was over.
func TestKilledWhileAnIncidentIsTold(t *testing.T) {
	t.Parallel()
	adaptertest.RunIncidents(t, func(tb testing.TB, s adaptertest.Settings) (*adaptertest.World, func()) {
		w := newWorld(tb, s)
		return w.World, w.forgets
	})
}
