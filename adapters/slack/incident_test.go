package slack_test

import (
	"testing"

	"hosterbot/adapters/adaptertest"
)

func TestKilledWhileAnIncidentIsTold(t *testing.T) {
	t.Parallel()
	adaptertest.RunIncidents(t, func(tb testing.TB, s adaptertest.Settings) (*adaptertest.World, func()) {
		w := newWorld(tb, s)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.scopes = append(w.scopes, "channels:history") // else the second says that it is one
		return w.World, nil
	})
}
