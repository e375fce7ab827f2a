package bot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"hosterbot/bot"
)

// TestWhateverHappensTheInvariantsHold lets people do anything in any order,
// while the provider, the store and the chats fail as they like and the bot is
// restarted, and asserts the invariants of safety.md after every step.
func TestWhateverHappensTheInvariantsHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		m := &model{world: w, rt: rt, sent: map[int64]int{}, final: map[int64]bot.Operation{}}
		m.script()
		people := rapid.SampledFrom([]string{"ana", "ben", "cho", "dia", "eve", "stranger", "ana@discord", "cho@discord", "dia@discord"})
		lines := rapid.SampledFrom([]string{
			"vm start 4009", "vm stop 4009", "vm delete 4009", "vm delete 4001 --force", "vm create --cores 2", "software install 4009",
			"backup create 4009", "vm reset-password 4009", "op resolve 1 done --reason x", "op resolve 2 unsure --reason x", "vm show 4009", "vm list",
		})
		keys := rapid.IntRange(0, 30)
		rt.Repeat(map[string]func(*rapid.T){
			"say": func(rt *rapid.T) {
				who := people.Draw(rt, "who")
				a := w.sayKey(fmt.Sprint("say/", keys.Draw(rt, "key")), where(who), who, lines.Draw(rt, "line"))
				require.NotZero(rt, a.count())
			},
			"press": func(rt *rapid.T) {
				if w.store.lastOp == 0 {
					return
				}
				id := rapid.Int64Range(1, w.store.lastOp).Draw(rt, "op")
				who, action := people.Draw(rt, "who"), rapid.SampledFrom(bot.Actions()).Draw(rt, "action")
				key := fmt.Sprint("press/", keys.Draw(rt, "key"))
				op := m.op(id)
				target := op.Target()
				var a *answer
				if rapid.Bool().Draw(rt, "form") {
					a = w.sendKey(key, who, bot.OpCode(&op, action), "reason", "INC", "target", fmt.Sprint(target.ID), "outcome", "done", "password", canary)
				} else {
					a = w.pressKey(key, who, bot.OpCode(&op, action))
				}
				require.NotZero(rt, a.count(), "%s by %s on %s is not answered", action, who, op.State)
			},
			"do what it waits for": func(rt *rapid.T) {
				for id := w.store.lastOp; id > 0; id-- {
					op := m.op(id)
					target := op.Target()
					key := w.key()
					switch op.State {
					case bot.Confirming:
						if op.Digest == "" {
							continue
						}
						w.sendKey(key, op.Person, bot.OpCode(&op, "confirm"), "reason", "INC", "target", fmt.Sprint(target.ID))
					case bot.Pending:
						w.pressKey(key, rapid.SampledFrom([]string{"ana", "cho", "dia", "ben"}).Draw(rt, "approver"), bot.OpCode(&op, "approve"))
					case bot.Ready:
						w.sendKey(key, op.Person, bot.OpCode(&op, "secret"), "password", canary)
						m.skip(time.Second)
					case bot.Unknown, bot.NeedsHuman, bot.LostTrack:
						w.sendKey(key, rapid.SampledFrom([]string{"ana", "cho", "dia"}).Draw(rt, "resolver"), bot.OpCode(&op, "resolve"), "outcome", "done", "reason", "x")
					default:
						continue
					}
					return
				}
			},
			"wait": func(rt *rapid.T) { m.skip(time.Duration(rapid.IntRange(0, 1200).Draw(rt, "seconds")) * time.Second) },
			"the clock is set back": func(rt *rapid.T) {
				by := time.Duration(rapid.IntRange(1, 1200).Draw(rt, "seconds")) * time.Second
				m.back += by
				m.clock.move(-by)
			},
			"restart": func(*rapid.T) { m.fails = 0; w.restart() },
			"store fails": func(rt *rapid.T) {
				m.fails = rapid.IntRange(1, 4).Draw(rt, "times")
				m.lost = rapid.Bool().Draw(rt, "written all the same")
			},
			"chat fails": func(rt *rapid.T) { m.chatFails = rapid.IntRange(1, 5).Draw(rt, "times") },
			"policy": func(rt *rapid.T) {
				change := rapid.SampledFrom([][]string{
					nil, {"leads: [ana, cho, dia]", "leads: [ana, cho, ben]"}, {"count: 1, within: 20m", "count: 2, within: 20m"},
					{"leads-own, to: [leads]", "leads-own, to: [cho, dia]"}, {"within: 20m}, ask", "within: 20m}, delay: 5m, ask"},
				}).Draw(rt, "change")
				w.policy(change...)
			},
			"lock": func(*rapid.T) {
				_ = w.store.SetLock(w.ctx, w.clock.Now(), "", bot.Lock{Target: "vm/4009", By: "cho", Until: w.clock.Now().Add(2 * time.Minute)}, bot.Written{})
			},
			"": func(*rapid.T) { m.check() },
		})
		m.fails, m.chatFails = 0, 0
		m.skip(2*time.Hour + m.back) // what expires does so by the clock
		m.check()
		m.ended()
	})
}

type model struct {
	*world
	rt        *rapid.T
	sent      map[int64]int // attempts of which a byte may have left, by operation
	final     map[int64]bot.Operation
	fails     int // writes that fail next
	lost      bool
	chatFails int
	back      time.Duration // by which the clock was set back
}

// script makes provider, store and chats do as the draw says.
func (m *model) script() {
	guard := m.store.before
	m.store.before = func(method string) error {
		if err := guard(method); err != nil {
			return err
		}
		if m.fails > 0 && !m.lost && slices.Contains([]string{"Create", "Advance", "Append", "SaveRead", "Deliver"}, method) {
			m.fails--
			return bot.ErrUnavailable
		}
		return nil
	}
	m.store.after = func(string) error {
		if m.fails > 0 && m.lost {
			m.fails--
			return bot.ErrUnavailable
		}
		return nil
	}
	fail := func() error {
		if m.chatFails > 0 {
			m.chatFails--
			return errors.New("502")
		}
		return nil
	}
	for _, c := range []*chat{m.slack, m.discord} {
		c.onPost = func(bot.Place, string, bot.Card) error { return fail() }
		c.onEdit = func(bot.Card) error { return fail() }
	}
	classes := []bot.Class{bot.Accepted, bot.Accepted, bot.Refused, bot.NotSent, bot.Throttled, bot.NoAnswer}
	settled := []bot.Settled{bot.Done, bot.NotDone, bot.Unclear, bot.Person}
	for _, r := range m.rows {
		if r.run == nil || r == m.row("op resolve") || r == m.row("op note") {
			continue
		}
		follows := r.follow != nil
		r.run = func(c *bot.Call) bot.Outcome {
			op, err := m.peek(c.Op.ID)
			require.NoError(m.rt, err)
			require.Equal(m.rt, bot.Intent, op.State, "2: nothing is sent before its intent is on disk")
			m.guarded(&op)
			class := rapid.SampledFrom(classes).Draw(m.rt, "class")
			if class != bot.NotSent && class != bot.Throttled {
				m.sent[op.ID]++
			}
			return bot.Outcome{Class: class, Text: "text " + c.Secrets["password"].Reveal(), Settle: rapid.Bool().Draw(m.rt, "0xa1"), Job: 15, Followed: follows, Done: "Done."}
		}
		if r.settle != nil {
			r.settle = func(*bot.Call) (bot.Verdict, error) {
				if rapid.IntRange(0, 3).Draw(m.rt, "unreadable") == 0 {
					return bot.Verdict{}, errors.New("502")
				}
				return bot.Verdict{Is: rapid.SampledFrom(settled).Draw(m.rt, "settled"), Text: "Read."}, nil
			}
		}
		if follows {
			r.follow = func(*bot.Call) (bot.Progress, error) {
				phase := rapid.SampledFrom([]bot.Phase{bot.Running, bot.Running, bot.Running, bot.Finished, bot.Broken, bot.Lost, "new"}).Draw(m.rt, "phase")
				return bot.Progress{Phase: phase, Fraction: float64(rapid.IntRange(-1, 10).Draw(m.rt, "fraction")) / 10, Word: "executing", Text: "Text."}, nil
			}
		}
	}
}

// op reads an operation past the hooks.
func (m *model) op(id int64) bot.Operation {
	op, err := m.peek(id)
	require.NoError(m.rt, err)
	return op
}

// skip is world.skip that bears a store that fails.
func (m *model) skip(d time.Duration) {
	until := m.clock.Now().Add(d)
	for {
		next, err := m.bot.RunDue(m.ctx)
		if err != nil {
			require.ErrorIs(m.rt, err, bot.ErrUnavailable)
			next = m.clock.Now().Add(time.Second)
		}
		if next.IsZero() || next.After(until) {
			break
		}
		m.clock.move(max(0, next.Sub(m.clock.Now())))
	}
	m.clock.move(max(0, until.Sub(m.clock.Now())))
	_, _ = m.bot.RunDue(m.ctx)
}

// guarded asserts that what runs has what it needs.
func (m *model) guarded(op *bot.Operation) {
	if op.BreakGlass != "" {
		return
	}
	voters := op.Voters()
	slices.Sort(voters)
	require.Equal(m.rt, slices.Compact(slices.Clone(voters)), voters, "3: distinct people")
	require.NotContains(m.rt, voters, op.Person, "3: none of them who asked")
	need := 0
	for _, a := range op.Requirement.Approve {
		need = max(need, a.Count)
	}
	require.GreaterOrEqual(m.rt, len(voters), need, "3: the approvals that it needs")
	if op.Digest != "" {
		require.Equal(m.rt, op.Digest, op.Sum(), "3: all for the same digest")
	}
	require.False(m.rt, m.clock.Now().Before(op.NotBefore))
}

// check asserts the invariants of safety.md.
func (m *model) check() {
	lanes := map[string]int64{}
	m.store.mu.Lock()
	all := m.store.all()
	dump := string(m.store.dump())
	m.store.mu.Unlock()
	for _, op := range all {
		require.LessOrEqual(m.rt, m.sent[op.ID], 1, "1: one request of which a byte may have left")
		if was, ok := m.final[op.ID]; ok {
			require.Equal(m.rt, was, op, "4: final states never change")
		}
		if op.State.Final() {
			m.final[op.ID] = op
		}
		if op.HoldsLane() {
			require.Zero(m.rt, lanes[op.Lane], "7: %s is held by one", op.Lane)
			lanes[op.Lane] = op.ID
		}
	}
	require.NotContains(m.rt, dump, canary, "6: no byte of a secret")
	for _, c := range []*chat{m.slack, m.discord} {
		for _, msg := range c.messages {
			require.NotContains(m.rt, words(msg.card), canary, "6: no byte of a secret")
		}
	}
	prev := ""
	for _, s := range m.store.audit {
		require.Contains(m.rt, string(s.body), fmt.Sprintf("%q:%q", "prev", prev))
		prev = s.mac
	}
}

// ended asserts what holds when nothing fails any more and time has passed.
func (m *model) ended() {
	require.Empty(m.rt, m.store.owed, "what is owed is sent")
	m.store.mu.Lock()
	all := m.store.all()
	m.store.mu.Unlock()
	for _, op := range all {
		require.False(m.rt, op.State.Waiting() && op.Waits == "" || op.State == bot.Intent || op.State == bot.Confirming || op.State == bot.Pending, "operation %d does not end: %s", op.ID, op.State)
		if op.Silent {
			continue
		}
		for _, p := range op.Places {
			c := m.slack
			if p.Platform == "discord" {
				c = m.discord
			}
			roots, ends := map[string]int{}, map[string]int{}
			for _, msg := range c.messages {
				if msg.card.Op != op.ID || msg.place.Place != p.Place {
					continue
				}
				if msg.place.Thread == "" {
					roots[msg.key]++
				} else if strings.HasPrefix(msg.card.Title, op.Person+": ") {
					ends[msg.key]++
				}
			}
			require.Len(m.rt, roots, 1, "operation %d (%s): one message in %s", op.ID, op.State, p)
			want := 0
			if op.State.Final() {
				want = 1
			}
			require.Len(m.rt, ends, want, "8: operation %d (%s): one end message in %s", op.ID, op.State, p)
		}
	}
}
