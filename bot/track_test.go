package bot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// job is a provider's job that lasts as long as it is said, and moves in steps.
type job struct {
	w     *world
	since time.Time
	lasts time.Duration
	step  float64 // of the fraction; 0: no progress is given
	polls int
	last  time.Time
}

func (j *job) follow(*bot.Call) (bot.Progress, error) {
	j.polls++
	now := j.w.clock.Now()
	j.last = now
	passed := now.Sub(j.since)
	if passed >= j.lasts {
		return bot.Progress{Phase: bot.Finished, Word: "complete", Fraction: 1, Text: "VM `4010` is ready."}, nil
	}
	p := bot.Progress{Phase: bot.Running, Word: "executing", Fraction: -1}
	if j.step > 0 {
		p.Fraction = j.step * float64(int(float64(passed)/float64(j.lasts)/j.step))
	}
	return p, nil
}

// begin starts a job behind a vm create, and returns the operation.
func (w *world) begin(lasts time.Duration, step float64) (int64, *job) {
	w.tb.Helper()
	j := &job{w: w, lasts: lasts, step: step}
	w.row("vm create").run = func(*bot.Call) bot.Outcome {
		j.since = w.clock.Now()
		return bot.Outcome{Class: bot.Accepted, Job: 15, Followed: true}
	}
	w.row("vm create").follow = j.follow
	id := w.confirmed("ana", "vm create --cores 2")
	w.due()
	require.Equal(w.tb, bot.Following, w.state(id))
	return id, j
}

// performance.md: a job of 600 s whose progress moves takes at most 22 polls,
// and its end is seen 2.5 s late on average; without progress 100 polls, 8 s.
func TestAJobIsPolledAsOftenAsItNeeds(t *testing.T) {
	for _, tc := range []struct {
		rule  string
		step  float64
		known bool // how long such jobs take is known
		polls int
		late  time.Duration
	}{
		{"progress in steps of 1 %", 0.01, false, 22, 2500 * time.Millisecond},
		{"progress in steps of 1 %, after others of its kind", 0.01, true, 22, 2500 * time.Millisecond},
		{"progress in steps of 5 %", 0.05, false, 40, 6 * time.Second},
		{"no progress", 0, false, 100, 8 * time.Second},
		{"no progress, after others of its kind", 0, true, 100, 8 * time.Second},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			const seeds = 20
			var late time.Duration
			most := 0
			for seed := range seeds {
				w := newWorld(t, func(_ *world, c *bot.Config) { c.Random = rand.NewChaCha8([32]byte{byte(seed), 7}) })
				if tc.known {
					for range 5 {
						w.store.took["vm create"] = append(w.store.took["vm create"], 580*time.Second, 620*time.Second)
					}
				}
				w.clock.move(time.Duration(seed*137) * time.Millisecond)
				id, j := w.begin(600*time.Second, tc.step)
				w.skip(15 * time.Minute)
				require.Equal(t, bot.Succeeded, w.state(id))
				late += j.last.Sub(j.since) - j.lasts
				most = max(most, j.polls)
			}
			t.Logf("at most %d polls, %s late on average", most, late/seeds)
			require.LessOrEqual(t, most, tc.polls)
			require.LessOrEqual(t, late/seeds, tc.late)
		})
	}
}

func TestTheFirstPollComesAfterTwoSeconds(t *testing.T) {
	w := newWorld(t)
	_, j := w.begin(time.Hour, 0)
	w.skip(2*time.Second - time.Millisecond)
	require.Zero(t, j.polls)
	w.skip(time.Millisecond)
	require.Equal(t, 1, j.polls)
}

func TestPausesAreBounded(t *testing.T) {
	for _, elapsed := range []time.Duration{0, time.Second, time.Minute, time.Hour, 6 * time.Hour} {
		for _, moves := range [][]bot.Move{
			nil,
			{{At: noon, Fraction: 0.1}},
			{{At: noon, Fraction: 0.1}, {At: noon.Add(time.Second), Fraction: 0.1}},
			{{At: noon, Fraction: 0.5}, {At: noon, Fraction: 0.6}},
			{{At: noon, Fraction: 0.1}, {At: noon.Add(time.Second), Fraction: 0.2}, {At: noon.Add(2 * time.Second), Fraction: 0.3}},
			{{At: noon, Fraction: 0.98}, {At: noon.Add(time.Second), Fraction: 0.99}, {At: noon.Add(2 * time.Second), Fraction: 1}},
			{{At: noon, Fraction: 0.000001}, {At: noon.Add(time.Hour), Fraction: 0.000002}, {At: noon.Add(2 * time.Hour), Fraction: 0.000003}},
		} {
			for _, usual := range []time.Duration{0, time.Millisecond, 10 * time.Minute} {
				for _, scale := range []float64{1, 0.1} {
					j := &bot.Job{Since: noon, Moves: moves}
					pause := j.Wait(noon.Add(elapsed), usual, scale)
					require.GreaterOrEqual(t, pause, time.Second)
					require.LessOrEqual(t, pause, time.Minute)
				}
			}
		}
	}
}

func TestTheEndIsSaidWithItsResult(t *testing.T) {
	w := newWorld(t)
	id, _ := w.begin(30*time.Second, 0.1)
	w.row("vm create").follow = func(*bot.Call) (bot.Progress, error) {
		return bot.Progress{
			Phase: bot.Finished, Text: "VM `4010` is ready.", Secret: true,
			Result: []bot.Field{{Label: "VM", Value: "`4010`"}}, Targets: []bot.Target{{Kind: "vm", ID: 4010}},
		}, nil
	}
	w.skip(time.Minute)
	op := w.op(id)
	require.Equal(t, []bot.Target{{Kind: "vm", ID: 4010}}, op.Made)
	require.True(t, op.Secret)
	root := w.slack.roots(ops)[0].card
	require.Contains(t, words(root), "4010")
	require.NotEmpty(t, button(root, "Reveal"))
	require.NotEmpty(t, w.store.took["vm create"])
}

func TestAJobThatFailsIsSaidWithItsCode(t *testing.T) {
	w := newWorld(t)
	id, _ := w.begin(time.Hour, 0.01)
	w.row("vm create").follow = func(*bot.Call) (bot.Progress, error) {
		return bot.Progress{Phase: bot.Broken, Code: "0xb0", Text: "The provider could not build it."}, nil
	}
	w.skip(time.Minute)
	require.Equal(t, bot.Failed, w.state(id))
	require.Equal(t, "0xb0", w.op(id).Code)
	require.Empty(t, w.store.took["vm create"], "only what succeeded tells how long it takes")
}

func TestAnErrorNeverEndsFollowing(t *testing.T) {
	w := newWorld(t)
	id, j := w.begin(time.Hour, 0.01)
	w.row("vm create").follow = func(*bot.Call) (bot.Progress, error) { j.polls++; return bot.Progress{}, errors.New("502") }
	w.skip(2 * time.Hour)
	require.Equal(t, bot.Following, w.state(id))
	require.Less(t, j.polls, 500)
	w.row("vm create").follow = j.follow
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
}

func TestStalledIsSaidOnceAndThatItMovesAgain(t *testing.T) {
	w := newWorld(t)
	id, j := w.begin(10*time.Hour, 0.5) // no step for five hours
	w.skip(16 * time.Minute)
	said := func(what string) (n int) {
		for _, c := range w.slack.thread(ops) {
			if strings.Contains(c.Title, what) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, said("Stalled"))
	require.Contains(t, w.slack.roots(ops)[0].card.Bar.Word, "stalled")
	w.skip(2 * time.Hour)
	require.Equal(t, 1, said("Stalled"))
	require.Equal(t, bot.Following, w.state(id))
	w.skip(3 * time.Hour)
	require.Equal(t, 1, said("moves again"))
	require.Equal(t, 2, said("Stalled"), "it stands still again")
	_ = j
}

func TestLostThreeTimesOverAMinuteIsLostTrack(t *testing.T) {
	lost := bot.Progress{Phase: bot.Lost, Text: "0xc1"}
	for _, tc := range []struct {
		rule   string
		polls  []any // a Progress, an error, or the default
		settle bot.Settled
		state  bot.State
	}{
		{"three times", []any{lost, lost, lost}, bot.Unclear, bot.LostTrack},
		{"three times, and the effect is there", []any{lost, lost, lost}, bot.Done, bot.Succeeded},
		{"three times with errors between", []any{lost, errors.New("502"), lost, errors.New("502"), lost}, bot.Unclear, bot.LostTrack},
		{"twice, then found", []any{lost, lost, nil}, bot.Unclear, bot.Following},
		{"found between", []any{lost, lost, nil, lost, lost, nil}, bot.Unclear, bot.Following},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := newWorld(t)
			w.row("vm create").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: tc.settle, Text: "Read.", VM: 4012}, nil }
			id, j := w.begin(time.Hour, 0.01)
			n := 0
			var first, last time.Time
			w.row("vm create").follow = func(c *bot.Call) (bot.Progress, error) {
				last = w.clock.Now()
				if n == 0 {
					first = last
				}
				if n == len(tc.polls) {
					return j.follow(c)
				}
				n++
				switch p := tc.polls[n-1].(type) {
				case bot.Progress:
					return p, nil
				case error:
					return bot.Progress{}, p
				}
				return j.follow(c)
			}
			w.skip(10 * time.Minute)
			require.Equal(t, tc.state, w.state(id))
			if tc.state == bot.LostTrack {
				require.Equal(t, "0xc1 Read.", w.op(id).Outcome, "what a person should know before he looks")
				require.EqualValues(t, 4012, w.op(id).Probably)
			}
			if tc.state != bot.Following {
				require.GreaterOrEqual(t, last.Sub(first), time.Minute)
				require.Less(t, last.Sub(first), 3*time.Minute)
			}
		})
	}
}

func TestFollowingEndsAtItsDeadline(t *testing.T) {
	w := newWorld(t)
	w.row("vm create").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Unclear}, nil }
	id, _ := w.begin(1000*time.Hour, 0.0001)
	w.skip(5*time.Hour + 50*time.Minute)
	require.Equal(t, bot.Following, w.state(id))
	w.skip(20 * time.Minute)
	require.Equal(t, bot.LostTrack, w.state(id))
	require.Contains(t, w.op(id).Outcome, "No end is visible")
}

func TestWhatHasNoNumberAndDoesNotMoveIsGivenToAPersonAfterAnHour(t *testing.T) {
	w := newWorld(t)
	w.row("backup create").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Accepted, Followed: true} }
	w.row("backup create").follow = func(*bot.Call) (bot.Progress, error) {
		return bot.Progress{Phase: bot.Running, Fraction: -1, Word: "pending"}, nil
	}
	w.say("ana", "backup create 4009")
	w.skip(59 * time.Minute)
	require.Equal(t, bot.Following, w.state(1))
	w.skip(5 * time.Minute)
	require.Equal(t, bot.LostTrack, w.state(1))
}

// An hour in which nothing could be read is no hour without a move.
func TestAnOutageDoesNotLoseTrackOfWhatMoves(t *testing.T) {
	w := newWorld(t)
	down := false
	w.row("backup create").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Accepted, Followed: true} }
	seen := 0.1
	w.row("backup create").follow = func(*bot.Call) (bot.Progress, error) {
		if down {
			return bot.Progress{}, errors.New("down")
		}
		return bot.Progress{Phase: bot.Running, Fraction: seen, Word: "executing"}, nil
	}
	w.say("ana", "backup create 4009")
	w.skip(5 * time.Minute)
	down = true
	w.skip(70 * time.Minute)
	require.Equal(t, bot.Following, w.state(1), "an error never ends following")
	down, seen = false, 0.8
	w.skip(5 * time.Minute)
	require.Equal(t, bot.Following, w.state(1), "it has moved meanwhile")
	w.skip(70 * time.Minute)
	require.Equal(t, bot.LostTrack, w.state(1))
}

func TestAnOrderIsLookedForForADay(t *testing.T) {
	w := newWorld(t)
	w.row("vm create").run = func(*bot.Call) bot.Outcome { return bot.Outcome{Class: bot.Accepted, Followed: true} }
	w.row("vm create").settle = func(*bot.Call) (bot.Verdict, error) { return bot.Verdict{Is: bot.Unclear}, nil }
	w.row("vm create").follow = func(*bot.Call) (bot.Progress, error) {
		return bot.Progress{Phase: bot.Running, Fraction: -1, Word: "not visible yet"}, nil
	}
	id := w.confirmed("ana", "vm create --cores 2")
	w.skip(23 * time.Hour)
	require.Equal(t, bot.Following, w.state(id))
	w.skip(2 * time.Hour)
	require.Equal(t, bot.LostTrack, w.state(id))
	require.Less(t, w.row("vm create").follows, 24*3600/15+200)
}

func TestFollowingGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	id, j := w.begin(600*time.Second, 0.01)
	w.skip(5 * time.Minute)
	polls := j.polls
	w.restart()
	require.Equal(t, polls, j.polls)
	w.skip(10 * time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
	require.LessOrEqual(t, j.polls, 23)
	require.Equal(t, 1, w.row("vm create").ran())
	require.Len(t, w.slack.roots(ops), 1, "the same message")
	require.Len(t, w.slack.thread(ops), 2, "the job's number, and the end")
}

func TestAFollowThatPanicsHoldsUpNoOther(t *testing.T) {
	w := newWorld(t)
	w.row("backup create").follow = func(c *bot.Call) (bot.Progress, error) {
		if c.Target().ID == 4001 {
			panic("oops")
		}
		return bot.Progress{Phase: bot.Finished, Text: "Done."}, nil
	}
	w.say("ana", "backup create 4001")
	w.say("ana", "backup create 4002")
	w.skip(time.Minute)
	require.Equal(t, bot.Following, w.state(1))
	require.Equal(t, bot.Succeeded, w.state(2))
	require.Less(t, w.row("backup create").follows, 10, "tried again after a pause")
}

func TestAStoreThatIsDownIsAskedAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		asked := 0
		w.store.before = func(string) error {
			w.lookMu.Lock()
			defer w.lookMu.Unlock()
			asked++
			return bot.ErrUnavailable
		}
		ctx, stop := contextOf(t)
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		<-time.After(10 * time.Minute)
		stop()
		require.NoError(t, <-done)
		require.Less(t, asked, 2*600+100)
	})
}

func TestAnIdleBotSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		asked := 0
		w.store.before = func(method string) error { w.lookMu.Lock(); defer w.lookMu.Unlock(); asked++; return nil }
		ctx, stop := contextOf(t)
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		<-time.After(time.Hour)
		stop()
		require.NoError(t, <-done)
		require.Less(t, asked, 2*120+60+20)
	})
}

func TestManyJobsAreFollowedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *bot.Config) { c.Clock, c.Serial = nil, false })
		const n = 60
		since := time.Now()
		ended := map[int64]time.Duration{}
		w.row("backup create").follow = func(c *bot.Call) (bot.Progress, error) {
			<-time.After(50 * time.Millisecond) // a round trip
			if passed := time.Since(since); passed > 10*time.Minute {
				w.lookMu.Lock()
				defer w.lookMu.Unlock()
				ended[c.Op.ID] = passed - 10*time.Minute
				return bot.Progress{Phase: bot.Finished, Text: "Done."}, nil
			}
			return bot.Progress{Phase: bot.Running, Word: "executing", Fraction: -1}, nil
		}
		for i := range n {
			op := bot.Operation{
				State: bot.Ready, Command: "backup create", Args: bot.Args{{Name: "vm", Value: fmt.Sprint(5000 + i)}}, Targets: []bot.Target{{Kind: "vm", ID: int64(5000 + i)}},
				Person: "ana", Account: accounts["ana"], Place: ops, Places: []bot.Place{ops}, Silent: true, Created: since, Expires: since.Add(time.Hour), NextAt: since,
			}
			_, err := w.store.Create(w.ctx, since, "", &op, bot.Written{})
			require.NoError(t, err)
		}
		w.looked = -1 << 30 // so many wake the loop as often in a moment
		ctx, stop := contextOf(t)
		done := make(chan error)
		go func() { done <- w.bot.Run(ctx) }()
		<-time.After(11 * time.Minute)
		stop()
		require.NoError(t, <-done)
		require.Len(t, ended, n)
		for id, late := range ended {
			require.Less(t, late, 20*time.Second, id)
		}
	})
}

func TestAnUnknownPhaseIsPolledAtAPace(t *testing.T) {
	w := newWorld(t)
	w.row("vm create").follow = func(*bot.Call) (bot.Progress, error) { return bot.Progress{Phase: "queued", Word: "queued"}, nil }
	w.confirmed("ana", "vm create --cores 2")
	w.clock.move(10 * time.Second)
	_, _ = w.bot.RunDue(w.ctx)
	require.Less(t, w.row("vm create").follows, 10)
}

func TestManyOperationsPutOffHoldUpNoOther(t *testing.T) {
	w := newWorld(t)
	w.row("backup create").follow = func(c *bot.Call) (bot.Progress, error) {
		if c.Target().ID != 4009 {
			panic("oops")
		}
		return bot.Progress{Phase: bot.Finished, Text: "Done."}, nil
	}
	for i := range 257 {
		id := int64(5000 + i)
		if i == 256 {
			id = 4009
		}
		op := bot.Operation{
			State: bot.Following, Command: "backup create", Args: bot.Args{{Name: "vm", Value: fmt.Sprint(id)}}, Targets: []bot.Target{{Kind: "vm", ID: id}},
			Person: "ana", Account: accounts["ana"], Place: ops, Silent: true, Created: noon, NextAt: noon.Add(time.Duration(i) * time.Millisecond),
			Attempts: []bot.Attempt{{At: noon}}, Job: &bot.Job{ID: 15, Since: noon},
		}
		_, err := w.store.Create(w.ctx, noon, "", &op, bot.Written{})
		require.NoError(t, err)
	}
	w.clock.move(time.Second)
	for range 3 {
		_, err := w.bot.RunDue(w.ctx)
		require.NoError(t, err)
		w.clock.move(5 * time.Second)
	}
	require.Equal(t, bot.Succeeded, w.state(257))
}
