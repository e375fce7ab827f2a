package slack_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
)

// How much goes on while the bot is restarted: readers ask all the time, and
// each VM is rebooted a few times, by one and with another's approval. A minute
// of edits and a second of posts in a channel bound it.
const (
	rollRestarts = 6
	rollReaders  = 4
	rollRounds   = 4
	rollPeople   = 120
)

var operationCode = regexp.MustCompile(`^v1:(\d+):`)

// rolled are the VMs that are rebooted, each in a channel of its own.
var rolled = []string{"4001", "4002", "4003"}

// rolling is a team that goes on working while its bot is restarted.
type rolling struct {
	*world
	at    string // where Slack calls the bot; "": over sockets
	lives int    // bots so far; under mu
	acked atomic.Int64
	told  atomic.Int64 // how often somebody heard that it shuts down
}

// TestRollingRestartsLoseNothing: the bot is stopped and the next one started
// on its store, again and again, while people read, confirm and approve. What
// was acknowledged is answered, each operation is sent once and ends once.
func TestRollingRestartsLoseNothing(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"sockets", "http"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newRolling(t, way == "http")
			stop := make(chan struct{})
			var readers, movers sync.WaitGroup
			for n := range rollReaders {
				readers.Go(func() { r.reads(n, stop) })
			}
			for n, vm := range rolled {
				movers.Go(func() { r.reboots(n, vm) })
			}
			for range rollRestarts {
				more := r.acked.Load() + 20 + rand.Int64N(40)
				require.True(t, r.await(patience, func() bool { return r.acked.Load() >= more }), "nobody does anything")
				r.Stop()
				r.begin()
			}
			movers.Wait()
			close(stop)
			readers.Wait()
			for op := range int64(len(rolled) * rollRounds) {
				r.Ended(op + 1)
			}
			r.Stop()
			r.whole()
		})
	}
}

func newRolling(t *testing.T, overHTTP bool) *rolling {
	t.Helper()
	people := make(map[string]string)
	var lines, names []string
	for i := range rollPeople {
		name := fmt.Sprint("u", i+1)
		people[name] = strings.ToUpper(name)
		names = append(names, name)
		lines = append(lines, fmt.Sprintf("  %s: {slack: %s/%s}\n", name, team, people[name]))
	}
	r := &rolling{}
	// What is sent within 10 s has 0.5 s here, on a machine that is busy with more.
	s := adaptertest.Settings{Empty: true, Scale: 0.05, Env: map[string]string{"HOSTERBOT_LOG": "warn"}, Policy: "version: 1\npeople:\n" + strings.Join(lines, "") +
		"groups:\n  ops: [" + strings.Join(names, ", ") + "]\nroles:\n  owner: {allow: [all reads, all interrupts]}\n" +
		"grants:\n  - {id: all, to: [ops], role: owner}\nguards:\n  - {id: cuts, commands: [all interrupts], approve: {by: [ops], count: 1, within: 30m}}\n"}
	if overHTTP {
		r.at = adaptertest.Vacant(t)
		s.Env["SLACK_APP_TOKEN"], s.Env["SLACK_SIGNING_SECRET"], s.Env["HOSTERBOT_CHAT_LISTEN"] = "", signingKey, r.at
	}
	r.world = newWorld(t, s)
	r.join(people)
	for n := range rolled {
		r.channels[r.channel(n)] = map[string]any{"id": r.channel(n), "is_member": true}
	}
	// What the pace of one bot is, several in a row exceed: Slack says so.
	r.faults.Stays("chat.postMessage", func(w http.ResponseWriter, q *http.Request) bool {
		posts := r.calls["post in "+q.PostForm.Get("channel")]
		if len(posts) < 4 || time.Since(posts[len(posts)-4]) > 3*time.Second {
			return false
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "", http.StatusTooManyRequests)
		return true
	})
	r.begin()
	return r
}

func (r *rolling) channel(n int) string { return fmt.Sprint("C9ROLL", n) }

// begin starts the next bot.
func (r *rolling) begin() {
	r.Start()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lives++
	r.news.Tell()
}

// does sends what somebody did until it is acknowledged, and waits for its
// answer; told that the bot shuts down, he does it again with the next one.
func (r *rolling) does(user, kind string, op int64, make func() map[string]any) *deed {
	for {
		r.mu.Lock()
		life := r.lives
		r.mu.Unlock()
		d := r.made(user, kind, make())
		if r.at == "" {
			d.overSockets()
		} else {
			d.overHTTP(r.at)
		}
		r.acked.Add(1)
		r.mu.Lock()
		r.news.Tell()
		r.mu.Unlock()
		r.answered(d, op)
		if !slices.ContainsFunc(d.private(), func(text string) bool { return strings.Contains(text, "shutting down") }) {
			return d
		}
		r.told.Add(1)
		require.True(r.tb, r.await(patience, func() bool { return r.lives > life }), "no next bot")
	}
}

// overSockets sends it, and again when its socket ended before it was
// acknowledged, as Slack does.
func (d *deed) overSockets() {
	for {
		s := d.send()
		late := time.NewTimer(slackWaits)
		select {
		case <-d.acks:
			late.Stop()
			return
		case <-late.C:
			require.Fail(d.f.tb, "not acknowledged in time", "%v", d.payload)
		case <-s.gone:
			late.Stop()
			if len(d.acks) > 0 {
				return
			}
		}
	}
}

// overHTTP calls the bot as Slack does through a balancer, which calls again
// while nobody is there.
func (d *deed) overHTTP(at string) {
	path, form := "/slack/commands", url.Values{}
	for name, value := range d.payload {
		form.Set(name, str(value))
	}
	body := form.Encode()
	if d.kind == "interactive" {
		path, body = "/slack/interactions", payload(d.payload)
	}
	stamp := fmt.Sprint(time.Now().Unix())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		require.True(d.f.tb, time.Now().Before(end), "never acknowledged: %v", d.payload)
		q, err := http.NewRequestWithContext(d.f.tb.Context(), http.MethodPost, "http://"+at+path, strings.NewReader(body))
		require.NoError(d.f.tb, err)
		q.Header.Set("X-Slack-Request-Timestamp", stamp)
		q.Header.Set("X-Slack-Signature", signature(signingKey, stamp, body))
		began := time.Now()
		resp, err := callers.Do(q)
		if err != nil {
			continue
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		switch {
		case err == nil && resp.StatusCode == http.StatusOK:
			require.Less(d.f.tb, time.Since(began), slackWaits, "acknowledged too late")
			return
		case err == nil && resp.StatusCode != http.StatusServiceUnavailable:
			require.Fail(d.f.tb, "turned away", "%d: %v", resp.StatusCode, d.payload)
		}
	}
}

// callers keep no connection: a balancer asks whoever is there now.
var callers = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// private are the texts that nobody else saw after a deed.
func (d *deed) private() []string {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	var out []string
	for _, m := range d.f.messages {
		if m.changed > d.mark && m.to == d.user {
			text, _ := m.reading()
			out = append(out, text)
		}
	}
	return out
}

// answered waits until somebody can see what became of a deed: an answer, or a
// change of the operation.
func (r *rolling) answered(d *deed, op int64) {
	r.tb.Helper()
	require.True(r.tb, r.Until(func(c adaptertest.Talk) bool {
		return d.Shown() || slices.ContainsFunc(c, func(s adaptertest.Said) bool {
			return s.Changed > d.Mark() && (s.To == d.user || op != 0 && c.Operation(&s) == op)
		})
	}), "%s was never answered: %v\n%s", d.user, d.payload, r.Conversation())
}

// reads asks for the VMs, again and again, in the name of many.
func (r *rolling) reads(n int, stop <-chan struct{}) {
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		user := fmt.Sprint("U", 2*len(rolled)+1+n+rollReaders*(i%20))
		r.Hears(user, r.does(user, "slash_commands", 0, func() map[string]any { return r.slash(user, "vm list") }), "5 VMs")
	}
}

// reboots reboots a VM again and again: one asks and confirms, another
// approves.
func (r *rolling) reboots(n int, vm string) {
	asks, approves := fmt.Sprint("U", 2*n+1), fmt.Sprint("U", 2*n+2)
	for range rollRounds {
		d := r.does(asks, "slash_commands", 0, func() map[string]any {
			typed := r.slash(asks, "vm reboot "+vm)
			typed["channel_id"] = r.channel(n)
			return typed
		})
		var op int64
		require.True(r.tb, r.Until(func(c adaptertest.Talk) bool {
			for _, s := range c {
				for _, b := range s.Buttons {
					if found := operationCode.FindStringSubmatch(b.Code); s.Changed > d.Mark() && s.To == asks && b.Live && b.Label == "Confirm" && found != nil {
						op = number(found[1])
						return true
					}
				}
			}
			return false
		}), "%s is not shown what he asked for\n%s", asks, r.Conversation())
		r.clicks(asks, "Confirm", op)
		r.clicks(approves, "Approve", op)
		r.Ended(op)
	}
}

// clicks presses a button of an operation, which may take a moment to be there.
func (r *rolling) clicks(user, label string, op int64) {
	r.does(user, "interactive", op, func() map[string]any {
		var s adaptertest.Said
		var b adaptertest.Shown
		require.True(r.tb, r.Until(func(c adaptertest.Talk) (ok bool) {
			s, b, ok = c.Find(user, label, op)
			return ok
		}), "%s sees no %s of operation %d\n%s", user, label, op, r.Conversation())
		return r.clicked(user, s, b)
	})
}

// whole checks what is left when all is over.
func (r *rolling) whole() {
	r.tb.Helper()
	ops := len(rolled) * rollRounds
	var sent []string
	for _, c := range r.sim.Calls() {
		if c.Mutating {
			sent = append(sent, fmt.Sprint(c))
			require.True(r.tb, c.Done, "%v", c)
		}
	}
	require.Len(r.tb, sent, ops, "each operation is sent once\n%s", r.Conversation())
	all := r.Talk()
	for op := range int64(ops) {
		roots := all.Roots(op + 1)
		require.Len(r.tb, roots, 1, "operation %d", op+1)
		require.Len(r.tb, all.Ends(&roots[0]), 1, "operation %d", op+1)
		require.Contains(r.tb, roots[0].Title(), "Done: Reboot VM")
	}
	require.NotContains(r.tb, r.Journal.String(), "level=ERROR")
	r.tb.Logf("%d deeds, %d operations, %d bots, %d told that it shuts down", r.acked.Load(), ops, r.lives, r.told.Load())
}
