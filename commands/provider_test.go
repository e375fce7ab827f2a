package commands_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
	"hosterbot/commands/hoster"
)

func TestIncidentsOfAVM(t *testing.T) {
	w := start(t)
	got, err := commands.Provider(w.api).Incidents(t.Context(), 4002)
	require.NoError(t, err)
	require.Equal(t, []bot.Incident{
		{
			ID: "215486", Start: "2026-11-24 11:49:00", Stop: "2026-11-24 12:00:00", Host: "203.0.113.6",
			Types: []string{"NTP Amplification", "DNS Amplification"}, Impact: 412_330_112, Direction: 1, Ongoing: true,
		},
		{
			ID: "117896", Start: "2026-11-15 12:00:00", Stop: "2026-11-15 12:23:00", Host: "203.0.113.6",
			Types: []string{"SYN Flood"}, Impact: 90_107_632, Direction: 1,
		},
	}, got)
	require.Len(t, w.Calls(), 1, "one call a VM")
}

// TestOnlyTheProviderSaysThatAVMIsGone: an incident ends with its VM, so what a
// proxy says about a path is no such word.
func TestOnlyTheProviderSaysThatAVMIsGone(t *testing.T) {
	w := start(t)
	_, err := commands.Provider(w.api).Incidents(t.Context(), 999)
	require.True(t, bot.IsKind(err, bot.Missing), "%v", err)
	for _, fault := range []string{"bare-404", "wrong-shape", "unauthorized", "unknown-code", "422"} {
		w.fault("incidents", fault)
		list, err := commands.Provider(w.api).Incidents(t.Context(), 4002)
		if fault == "wrong-shape" { // an object in place of the list still has them
			require.NoError(t, err)
			require.Len(t, list, 2)
			continue
		}
		require.True(t, bot.IsKind(err, bot.Unavailable), "%s: %v", fault, err)
	}
}

// TestALongPauseIsTrouble: while the provider wants no call, nobody is told that
// everything works.
func TestALongPauseIsTrouble(t *testing.T) {
	for after, says := range map[string]string{"9": "answers", "600": "asks to slow down (HTTP 429): it is not asked again before 12:10:00 UTC", "Wed, 21 Oct 2099 07:28:00 GMT": "asks to slow down (HTTP 429): it is not asked again before 13:00:00 UTC"} {
		t.Run(after, func(t *testing.T) {
			throttles := false
			w := startBehind(t, func(sim http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if !throttles {
						sim.ServeHTTP(rw, r)
						return
					}
					rw.Header().Set("Retry-After", after)
					rw.WriteHeader(http.StatusTooManyRequests)
				})
			})
			_, err := w.read("vm list")
			require.NoError(t, err)
			throttles = true
			_, err = w.api.DeleteVM(t.Context(), 4001, true)
			require.Equal(t, hoster.Throttled, hoster.ClassOf(err))
			h := commands.Provider(w.api).Health()
			require.Equal(t, []any{says, says == "answers"}, []any{h.Text, h.OK})
			w.clock.now = w.clock.now.Add(time.Hour)
			throttles = false
			_, err = w.read("vm list")
			require.NoError(t, err)
			require.True(t, commands.Provider(w.api).Health().OK)
		})
	}
}

// TestAnIncidentWithoutAnID: the provider's documentation promises none.
func TestAnIncidentWithoutAnID(t *testing.T) {
	w := startBehind(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/incidents") {
				http.NotFound(rw, r)
				return
			}
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(map[string]any{"response": []any{map[string]any{"start": "2026-11-24 11:49:00", "ongoing": 1}}, "error": false})
		})
	})
	got, err := commands.Provider(w.api).Incidents(t.Context(), 4002)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Empty(t, got[0].ID)
	require.True(t, got[0].Ongoing)
}
