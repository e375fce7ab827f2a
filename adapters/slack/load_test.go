package slack_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
)

// How much load a row of BenchmarkBinary is. A person may run twenty commands a
// minute, so there are many of them.
const (
	loadFor    = 1500 * time.Millisecond
	loadMost   = 4000 // commands to the bot
	loadPeople = 400
)

// crowd are the people of the load.
func crowd() (people map[string]string, policy string) {
	people = make(map[string]string)
	var names []string
	var lines strings.Builder
	for i := range loadPeople {
		name := fmt.Sprint("u", i+1)
		people[name] = fmt.Sprint("U", i+1)
		names = append(names, name)
		fmt.Fprintf(&lines, "  %s: {slack: %s/%s}\n", name, team, people[name])
	}
	return people, "version: 1\npeople:\n" + lines.String() + "groups:\n  ops: [" + strings.Join(names, ", ") + "]\n" +
		"roles:\n  owner: {allow: [all reads, all changes, all interrupts, all destroys]}\n" +
		"grants:\n  - {id: all, to: [ops], role: owner}\n" +
		"guards:\n  - {id: loss, commands: [all destroys], confirm: type-target, reason: required, approve: {by: [ops], count: 1, within: 30m}}\n"
}

// leanOn makes people members of the workspace, of whom only the times count.
func (f *fake) leanOn(people map[string]string) {
	f.join(people)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lean = true
}

// row is what one kind of load does to one bot.
type row struct {
	perSecond  float64
	ack, reply []time.Duration // sorted
	cpu        time.Duration   // of a command
	rss        int64           // bytes
	turned     int64           // commands that were turned away
	calls      int             // of the provider, by all commands
}

// at is the quantile of sorted times, in milliseconds.
func at(sorted []time.Duration, q float64) float64 {
	return float64(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Microseconds()) / 1000
}

// load keeps n commands under way, for a while, and for most commands at most.
func (w *world) load(n int, line string, most int64) row {
	var r row
	var mu sync.Mutex
	var next, wrong atomic.Int64
	began := time.Now()
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			for {
				i := next.Add(1)
				if i > most || time.Since(began) > loadFor {
					return
				}
				ack, reply, body := w.one(fmt.Sprint("U", i%loadPeople+1), line)
				if strings.Contains(body, "too much") || strings.Contains(body, "could not be recorded") || strings.Contains(body, "more than 20") {
					wrong.Add(1)
				}
				mu.Lock()
				r.ack, r.reply = append(r.ack, ack), append(r.reply, reply)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	r.perSecond = float64(len(r.ack)) / time.Since(began).Seconds()
	slices.Sort(r.ack)
	slices.Sort(r.reply)
	r.turned = wrong.Load()
	return r
}

// one is one command, with the times to its acknowledgement and to its answer;
// that the bot is at work is no answer.
func (w *world) one(user, line string) (ack, reply time.Duration, body string) {
	payload := w.slash(user, line)
	told := make(chan string, 8)
	id := str(payload["response_url"])
	id = id[strings.LastIndexByte(id, '/')+1:]
	w.mu.Lock()
	w.urls[id].told = told
	w.mu.Unlock()
	frame, acked := w.envelope("slash_commands", payload)
	s := w.some()
	began := time.Now()
	if !s.send(frame) {
		w.tb.Error("a socket has gone")
	}
	<-acked
	ack = time.Since(began)
	w.mu.Lock()
	s.under--
	w.news.Tell()
	w.mu.Unlock()
	for body = <-told; strings.Contains(body, "Working on"); {
		body = <-told
	}
	return ack, time.Since(began), body
}

// BenchmarkBinary drives the built bot through the double of Slack, and beside
// it a bare echo bot on slack-go, the floor of what can be had, and whatever bot
// HOSTERBOT_BENCH_OTHER starts. A row is one run, however often it is asked for.
func BenchmarkBinary(b *testing.B) {
	people, policy := crowd()
	type kind struct {
		name, line string
		other      []string // another bot; nil: ours
	}
	self, err := os.Executable()
	require.NoError(b, err)
	floor := []string{self}
	kinds := []kind{{"echo", "x", floor}, {"open", "whoami", nil}, {"read", "vm list", nil}, {"mutation", "vm delete 4009", nil}}
	if other := strings.Fields(os.Getenv(otherEnv)); len(other) > 0 {
		kinds = append(kinds, kind{"other", "x", other})
	}
	idle := make(map[string]time.Duration) // what a start takes, by bot
	floors := make(map[int]row)            // by commands in flight
	open := func(b *testing.B, other []string) *world {
		w := newWorld(b, adaptertest.Settings{Policy: policy, Empty: true, Scale: 1, Env: map[string]string{"HOSTERBOT_LOG": "error"}})
		w.leanOn(people)
		if other != nil {
			w.startOther(other)
			require.True(b, w.await(patience, func() bool { return w.openNow() >= 1 }))
		} else {
			w.Start()
			w.Connected()
		}
		return w
	}
	for _, k := range kinds {
		id := strings.Join(k.other, " ")
		if _, known := idle[id]; !known {
			w := open(b, k.other)
			idle[id], _ = w.bill()
		}
		for _, n := range []int{1, 50, 200, 1000} {
			var r row
			b.Run(fmt.Sprintf("%s/%d_in_flight", k.name, n), func(b *testing.B) {
				if r.perSecond == 0 {
					w := open(b, k.other)
					for i := range 8 { // the first asks of the provider and of Slack
						w.one(fmt.Sprint("U", i+1), k.line)
					}
					most := int64(loadMost)
					if k.other != nil { // it counts nobody's commands
						most = math.MaxInt64
					}
					before := len(w.sim.Calls())
					r = w.load(n, k.line, most)
					r.calls = len(w.sim.Calls()) - before
					r.cpu, r.rss = w.bill()
					r.cpu = max(r.cpu-idle[id], 0) / time.Duration(len(r.ack))
				}
				if k.name == "echo" {
					floors[n] = r
				} else if f, ok := floors[n]; ok && f.cpu > 0 {
					b.ReportMetric(r.perSecond/f.perSecond, "speed/floor")
					b.ReportMetric(float64(r.cpu)/float64(f.cpu), "cpu/floor")
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(r.perSecond, "commands/s")
				b.ReportMetric(at(r.ack, 0.5), "ack-p50-ms")
				b.ReportMetric(at(r.ack, 0.99), "ack-p99-ms")
				b.ReportMetric(at(r.ack, 1), "ack-max-ms")
				b.ReportMetric(at(r.reply, 0.99), "reply-p99-ms")
				if r.turned > 0 {
					b.ReportMetric(float64(r.turned), "turned-away")
				}
				b.ReportMetric(float64(r.cpu.Microseconds())/1000, "cpu-ms/command")
				b.ReportMetric(float64(r.rss)/1e6, "peak-MB")
				b.ReportMetric(float64(r.calls), "api-calls")
				b.ReportMetric(float64(len(r.ack)), "commands")
				b.ReportMetric(at(r.reply, 0.5), "reply-p50-ms")
			})
		}
	}
}

// BenchmarkStart is the way from the start of the bot to both sockets, with an
// empty store, and from kill -9 to the first answer, with the store that a load
// has left behind.
func BenchmarkStart(b *testing.B) {
	_, err := adaptertest.Binary()
	require.NoError(b, err)
	people, policy := crowd()
	var start, first, again time.Duration
	b.Run("binary", func(b *testing.B) {
		if start == 0 {
			w := newWorld(b, adaptertest.Settings{Policy: policy, Empty: true, Scale: 1, Env: map[string]string{"HOSTERBOT_LOG": "error"}})
			w.leanOn(people)
			began := time.Now()
			w.Start()
			require.True(b, w.await(patience, func() bool { return w.openNow() >= 1 }))
			start = time.Since(began)
			w.Connected()
			w.load(200, "vm delete 4009", loadMost)
			w.Kill()
			began = time.Now()
			w.Start()
			require.True(b, w.await(patience, func() bool { return w.openNow() >= 1 }))
			again = time.Since(began)
			w.one("U1", "help")
			first = time.Since(began)
			w.Stop()
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(start.Microseconds())/1000, "start-to-connected-ms")
		b.ReportMetric(float64(again.Microseconds())/1000, "kill-to-connected-ms")
		b.ReportMetric(float64(first.Microseconds())/1000, "kill-to-answer-ms")
	})
}

// echoEnv makes the test binary the echo bot, with the API's address as value.
const echoEnv = "HOSTERBOT_TEST_ECHO"

// otherEnv is the command line of another bot to measure: it acknowledges
// /hoster and answers through the response_url, as the echo bot does.
const otherEnv = "HOSTERBOT_BENCH_OTHER"

// startOther starts another bot in the bot's place.
func (w *world) startOther(line []string) {
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), echoEnv+"="+w.base+"/api/",
		"SLACK_API_URL="+w.base+"/api/", "SLACK_BOT_TOKEN="+botToken, "SLACK_APP_TOKEN="+appToken)
	w.Spawn(cmd)
}

// echo is the least that a bot on slack-go does: acknowledge, and answer.
func echo() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	hc := &http.Client{Timeout: callPatience, Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 128}}
	api := slack.New(botToken, slack.OptionAppLevelToken(appToken), slack.OptionAPIURL(os.Getenv(echoEnv)), slack.OptionHTTPClient(hc))
	client := socketmode.New(api)
	go func() {
		for e := range client.Events {
			c, ok := e.Data.(slack.SlashCommand)
			if !ok || e.Type != socketmode.EventTypeSlashCommand {
				continue
			}
			go func() {
				_ = client.Ack(*e.Request)
				_ = slack.PostWebhookCustomHTTPContext(ctx, c.ResponseURL, hc, &slack.WebhookMessage{
					Text: "echo " + c.Text, ResponseType: slack.ResponseTypeEphemeral,
				})
			}()
		}
	}()
	_ = client.RunContext(ctx)
}

const callPatience = 20 * time.Second
