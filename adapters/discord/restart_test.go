package discord_test

import (
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/commands/hoster/hostersim"
)

// How much goes on while the bot is restarted: everybody asks now and then, and
// two VMs are rebooted a few times, each by one and with another's approval.
// Twenty commands a minute for each, and the pace of a channel, bound it.
const (
	rollRounds = 3
	rollReads  = 12 // by each person
)

// rolled says who reboots which VM, who approves, and where.
var rolled = []struct{ vm, asks, approves, channel string }{
	{"4003", "ana", "cho", homeID},
	{"4002", "ben", "dia", leadsID},
}

const rollPolicy = `version: 1
people:
  ana: {discord: "118200000000000077"}
  ben: {discord: "118200000000000088"}
  cho: {discord: "991100000000000003"}
  dia: {discord: "991100000000000004"}
groups:
  ops: [ana, ben, cho, dia]
roles:
  owner: {allow: [all reads, all interrupts]}
grants:
  - {id: all, to: [ops], role: owner}
guards:
  - {id: cuts, commands: [all interrupts], approve: {by: [ops], count: 1, within: 30m}}
`

// rolling is a team that goes on working while its bot is restarted.
type rolling struct {
	*world
	overHTTP bool
	lives    int // bots so far; under mu
	acked    atomic.Int64
	ops      []int64      // that were confirmed; under mu
	told     atomic.Int64 // how often somebody heard that it shuts down
	unheard  atomic.Int64 // how often somebody was told that nobody responds
}

// TestRollingRestartsLoseNothing: the bot is stopped and the next one started
// on its store, again and again, while people read, confirm and approve. What
// was acknowledged is answered, each operation is sent once and ends once.
func TestRollingRestartsLoseNothing(t *testing.T) {
	t.Parallel()
	// Discord lets a new session begin every 5 s.
	for way, restarts := range map[string]int{"gateway": 3, "http": 6} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newRolling(t, way == "http")
			done := make(chan struct{})
			var readers, movers sync.WaitGroup
			for _, person := range []string{"ana", "ben", "cho", "dia"} {
				readers.Go(func() { r.reads(person, done) })
			}
			for _, one := range rolled {
				movers.Go(func() {
					for range rollRounds {
						r.reboots(one.vm, one.asks, one.approves, one.channel)
					}
				})
			}
			for range restarts {
				more := r.acked.Load() + 4 + rand.Int64N(6)
				require.True(t, r.await(patience, func() bool { return r.acked.Load() >= more }), "nobody does anything\n%s", r.Conversation())
				r.Stop()
				require.True(t, r.await(patience, func() bool { return r.live() == nil }))
				r.begin()
			}
			movers.Wait()
			close(done)
			readers.Wait()
			r.Stop()
			r.whole()
		})
	}
}

func newRolling(t *testing.T, overHTTP bool) *rolling {
	t.Helper()
	s := adaptertest.Settings{Empty: true, Scale: 0.1, Policy: rollPolicy, Env: map[string]string{"HOSTERBOT_LOG": "warn"}} // a wish has to outlive a restart
	r := &rolling{overHTTP: overHTTP}
	if overHTTP {
		r.world = newCalled(t, s)
	} else {
		r.world = newWorld(t, s)
	}
	r.begin()
	require.True(t, r.await(patience, func() bool { return len(r.guilds[guildID].commands) > 0 }), "%s", r.Journal)
	return r
}

// newCalled is a world whose bot Discord calls. Nothing is started.
func newCalled(t *testing.T, s adaptertest.Settings) *world {
	t.Helper()
	at := adaptertest.Vacant(t)
	env := map[string]string{"DISCORD_MODE": "http", "DISCORD_PUBLIC_KEY": (*fake)(nil).verifyKey(), "HOSTERBOT_CHAT_LISTEN": at}
	maps.Copy(env, s.Env)
	s.Empty, s.Env = true, env
	w := newWorld(t, s)
	w.at, w.endpointURL = at, "https://bot.example/discord/interactions"
	return w
}

// listens waits until the bot takes connections of the balancer.
func (w *world) listens() {
	w.tb.Helper()
	require.Eventually(w.tb, func() bool {
		c, err := net.Dial("tcp", w.at)
		return err == nil && c.Close() == nil
	}, patience, 5*time.Millisecond)
}

// begin starts the next bot, and returns when it listens. Over HTTP people do
// not wait for that: there is a balancer.
func (r *rolling) begin() {
	r.Start()
	if r.overHTTP {
		r.listens()
	} else {
		r.Connected()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lives++
	// What the pace of one bot is, several in a row exceed: Discord says so.
	r.buckets = make(map[string]*bucket)
	r.news.Tell()
}

// does lets somebody do something until it is acknowledged, and waits for its
// answer; told that nobody responds or that the bot shuts down, he does it
// again, with the next bot.
func (r *rolling) does(op int64, begin func() *deed) *deed {
	for range 100 {
		if !r.overHTTP {
			require.True(r.tb, r.await(patience, func() bool { return r.live() != nil }), "%s", r.Journal)
		}
		r.mu.Lock()
		life := r.lives
		r.mu.Unlock()
		next := func() bool { return r.lives > life }
		d := begin()
		require.True(r.tb, r.await(patience, func() bool {
			return d.in.first != 0 || d.in.unheard || !r.overHTTP && next()
		}), "not acknowledged\n%s", r.Journal)
		r.mu.Lock()
		taken := d.in.first != 0
		r.mu.Unlock()
		if !taken {
			r.unheard.Add(1)
			continue
		}
		r.acked.Add(1)
		r.mu.Lock()
		r.news.Tell()
		r.mu.Unlock()
		if !strings.Contains(r.answer(d, op), "shutting down") {
			return d
		}
		r.told.Add(1)
		require.True(r.tb, r.await(patience, next), "no next bot")
	}
	require.Fail(r.tb, "nobody takes it")
	return nil
}

// answer waits until somebody can see what became of a deed: an answer of his
// own, or a change of the operation.
func (r *rolling) answer(d *deed, op int64) (said string) {
	r.tb.Helper()
	require.True(r.tb, r.Until(func(c adaptertest.Talk) bool {
		said = d.in.said
		return said != "" || op != 0 && slices.ContainsFunc(c, func(s adaptertest.Said) bool {
			return s.Changed > d.mark && s.To == "" && c.Operation(&s) == op
		})
	}), "never answered: %v\n%s\n%s", d.in.payload["data"], r.Conversation(), r.Journal)
	return said
}

func (r *rolling) types(person, channel, line string) *deed {
	return r.does(0, func() *deed {
		d, err := r.typesLine(userID(person), channel, line)
		require.NoError(r.tb, err)
		return d
	})
}

// reads asks for the VMs again and again.
func (r *rolling) reads(person string, done <-chan struct{}) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for range rollReads {
		select {
		case <-done:
			return
		case <-tick.C:
			d := r.types(person, homeID, "vm list")
			require.True(r.tb, r.await(patience, func() bool { return strings.Contains(d.in.said, "5 VMs") }), "%s", r.Conversation())
		}
	}
}

var confirmCode = regexp.MustCompile(`^v1:(\d+):`)

// reboots reboots a VM: one asks and confirms, another approves.
func (r *rolling) reboots(vm, asks, approves, channel string) {
	d := r.types(asks, channel, "vm reboot "+vm)
	var op int64
	require.True(r.tb, r.Until(func(c adaptertest.Talk) bool {
		for _, s := range c {
			for _, b := range s.Buttons {
				if found := confirmCode.FindStringSubmatch(b.Code); s.Made > d.mark && s.To == d.in.user && b.Live && b.Label == "Confirm" && found != nil {
					op, _ = strconv.ParseInt(found[1], 10, 64)
					return true
				}
			}
		}
		return false
	}), "%s is not shown what he asked for\n%s", asks, r.Conversation())
	r.mu.Lock()
	r.ops = append(r.ops, op)
	r.mu.Unlock()
	r.clicks(asks, "Confirm", op)
	r.clicks(approves, "Approve", op)
	r.Ended(op)
}

// clicks presses a button of an operation, which may take a moment to be there.
func (r *rolling) clicks(person, label string, op int64) {
	r.does(op, func() *deed {
		var s adaptertest.Said
		var b adaptertest.Shown
		require.True(r.tb, r.Until(func(c adaptertest.Talk) (ok bool) {
			s, b, ok = c.Find(userID(person), label, op)
			return ok
		}), "%s sees no %s of operation %d\n%s", person, label, op, r.Conversation())
		return r.Click(person, s, b).(*deed)
	})
}

// whole checks what is left when all is over.
func (r *rolling) whole() {
	r.tb.Helper()
	require.Len(r.tb, r.ops, len(rolled)*rollRounds)
	require.Equal(r.tb, slices.Repeat([]string{"reboot"}, len(r.ops)), r.Sim.Done(), "each operation is sent once")
	sent := 0
	for _, c := range r.Sim.(*hostersim.Sim).Calls() {
		if c.Mutating {
			sent++
		}
	}
	require.Equal(r.tb, len(r.ops), sent, "no mutation is sent in vain")
	all := r.Talk()
	for _, op := range r.ops {
		roots := all.Roots(op)
		require.Len(r.tb, roots, 1, "operation %d\n%s", op, r.Conversation())
		require.Len(r.tb, all.Ends(&roots[0]), 1, "operation %d\n%s", op, r.Conversation())
		require.Contains(r.tb, roots[0].Title(), "Done: Reboot VM")
	}
	require.NotContains(r.tb, r.Journal.String(), "level=ERROR")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, code := range r.hookSaid { // a balancer that found nobody for 3 s
		require.Equal(r.tb, http.StatusServiceUnavailable, code)
	}
	r.tb.Logf("%d deeds, %d operations of %d asked for, %d bots, %d told that it shuts down, %d that nobody responds",
		r.acked.Load(), len(r.ops), all.Newest(), r.lives, r.told.Load(), r.unheard.Load())
}

// TestARequestThatComesAgainAfterAKillIsOneOperation: the balancer knows of no
// answer, and sends it to the next bot.
func TestARequestThatComesAgainAfterAKillIsOneOperation(t *testing.T) {
	t.Parallel()
	w := newCalled(t, adaptertest.Settings{})
	w.Start()
	require.True(t, w.await(patience, func() bool { return len(w.guilds[guildID].commands) > 0 }), "%s", w.Journal)
	require.NoError(t, w.Sim.Fault("config", "slow")) // the target is read after the acknowledgement
	d, err := w.typesLine(userID("ana"), homeID, "vm delete 4009")
	require.NoError(t, err)
	require.True(t, d.acked(firstFor))
	w.SlowCall()
	w.Kill()
	w.Start()
	d.again()
	require.True(t, w.await(patience, func() bool { return d.in.tries == 2 || d.in.unheard }), "%s", w.Journal)
	w.listens()
	w.Types("ana", "op list --open")
	require.EqualValues(t, 1, w.Newest(), "%s", w.Conversation())
	w.Deletes("ana", "4009")
	require.NoError(t, w.Press("dia", "Approve"))
	op := w.Newest()
	w.Ended(op)
	w.Once(op)
	require.Equal(t, []string{"delete"}, w.Sim.Done())
	w.Stop()
}
