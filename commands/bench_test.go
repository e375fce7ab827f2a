package commands_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
	"hosterbot/commands"
	"hosterbot/commands/hoster"
)

// BenchmarkVMList lists 50 VMs of a provider that answers after 5 ms: how many
// calls it takes with nothing kept, and how long against the bound of
// (1 + 2N/8) round trips.
func BenchmarkVMList(b *testing.B) {
	const n, trip = 50, 20 * time.Millisecond
	var calls atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		<-time.After(trip)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/status"):
			fmt.Fprint(w, `{"result":{"cpu":0.1,"mem":1,"memfree":1,"netin":1,"netout":1,"uptime":60,"state":"running"}}`)
		case strings.HasSuffix(r.URL.Path, "/config"):
			fmt.Fprint(w, `{"result":{"cpuCores":2,"mem":2048,"disk":"100G","ips":["203.0.113.5"],"template":"Debian12.0"}}`)
		default:
			ids := make([]string, n)
			for i := range ids {
				ids[i] = fmt.Sprint(5000 + i)
			}
			fmt.Fprintf(w, `{"result":[%s]}`, strings.Join(ids, ","))
		}
	}))
	b.Cleanup(provider.Close)
	// What one round trip takes here, with its way through the client.
	one, err := hoster.New(hoster.Config{URL: provider.URL, Token: secret.New("t"), Rate: 1e6})
	require.NoError(b, err)
	defer one.Close()
	var round time.Duration
	for i := range 20 {
		at := time.Now()
		_, err := one.VMStatus(b.Context(), 5000+i)
		require.NoError(b, err)
		round += time.Since(at) / 20
	}
	calls.Store(0)
	b.ReportAllocs()
	for b.Loop() {
		api, err := hoster.New(hoster.Config{URL: provider.URL, Token: secret.New("t"), Rate: 1e6})
		require.NoError(b, err)
		catalogue, err := commands.Catalogue(api, bot.SystemClock{})
		require.NoError(b, err)
		row, _ := catalogue.Find("vm list")
		card, err := row.Read(b.Context(), &bot.Call{Command: row, Now: time.Now()})
		require.NoError(b, err)
		require.Len(b, card.Table.Rows, n)
		api.Close()
	}
	took := b.Elapsed() / time.Duration(b.N)
	bound := time.Duration((1 + 2*n/8.0) * float64(round))
	b.ReportMetric(float64(calls.Load())/float64(b.N), "calls/op")
	b.ReportMetric(float64(took)/float64(bound), "of-bound")
}
