package slack_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/slack"
	"hosterbot/bot"
)

// BenchmarkAck is the way from a frame to its acknowledgement, through the
// double, with 1 and with 50 commands under way.
func BenchmarkAck(b *testing.B) {
	for _, n := range []int{1, 50} {
		b.Run(fmt.Sprint(n, " in flight"), func(b *testing.B) {
			h := open(b, bot.SystemClock{})
			h.a.returned = make(chan string, 1000)
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- h.a.Run(ctx, &stub{OnHandle: func(ctx context.Context, r bot.Request) { _ = r.Answer.Ack(ctx) }})
			}()
			s := h.connected(b)
			payload := h.slash("U07ANA", "vm list")
			acks := make([]chan map[string]any, n)
			trigger := 0
			b.ReportAllocs()
			for b.Loop() {
				for i := range acks {
					trigger++
					payload["trigger_id"] = fmt.Sprint("1.2.", trigger)
					frame, acked := h.envelope("slash_commands", payload)
					acks[i] = acked
					require.True(b, s.send(frame))
				}
				for _, acked := range acks {
					<-acked
					<-h.a.returned
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/command")
			cancel()
			require.NoError(b, <-ended)
		})
	}
}

// BenchmarkRender is the root message of an operation.
func BenchmarkRender(b *testing.B) {
	c := bot.Card{
		Title: "ana asks: Delete VM " + bot.Code("4009"), Lines: []string{"Needs 1 approval of leads. Until " + bot.At(noon) + "."},
		Fields: []bot.Field{{Label: "Size", Value: "2 cores"}, {Label: "IPs", Value: bot.Code("203.0.113.9")}}, Notes: []string{"Operation 17."},
		Buttons: []bot.Button{{Label: "Approve", Code: "v1:17:approve:n"}, {Label: "Deny", Code: "v1:17:deny:n"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		slack.Rendered(c, team, noon)
	}
}
