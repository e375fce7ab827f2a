package bot

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Waiting times of following, before scaling.
const (
	firstPoll    = 2 * time.Second
	stalledAfter = 15 * time.Minute
	lostAfter    = time.Minute // and three times in a row
	lostTimes    = 3
	jobDeadline  = 6 * time.Hour
	orderFor     = 24 * time.Hour
	noEndAfter   = 60 * time.Minute // without a job's number and without a move
	pollAfterErr = 15 * time.Second
	maxMoves     = 4
	trackAtOnce  = 64 // operations looked at side by side
)

// lookAfter are the pauses between reads of an accepted operation's effect, and
// patientAfter those of a Patient command.
var (
	lookAfter    = []time.Duration{3 * time.Second}
	patientAfter = []time.Duration{3 * time.Second, 7 * time.Second, 20 * time.Second}
)

// nudge wakes a loop; a second nudge before it woke is the same one.
func (b *Bot) nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Run does the bot's work in the background until ctx ends: it moves
// operations on, follows what the provider works on, sends the messages that
// are owed, anchors the audit log, and watches for incidents. It returns when all of it has stopped.
func (b *Bot) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	for _, loop := range []struct {
		wake chan struct{}
		work func(context.Context) (time.Time, error)
	}{{b.wake, b.trackDue}, {b.tell, b.announceDue}, {b.store.due, b.anchorDue}, {b.watch.wake, b.watchDue}} {
		wait.Go(func() { b.loop(ctx, loop.wake, loop.work) })
	}
	wait.Go(func() { b.housekeep(ctx) })
	<-ctx.Done()
	b.stopping.Store(true)
	wait.Wait()
	b.tracking.wait.Wait()
	b.posting.wait.Wait()
	b.calls.Wait()
	b.lastAnchor(context.WithoutCancel(ctx))
	return nil
}

// Stop makes the bot refuse new commands. What is under way goes on.
func (b *Bot) Stop() { b.stopping.Store(true) }

// UnderWay tells whether something goes on by itself: an operation that waits
// for nobody, or a message that is owed.
func (b *Bot) UnderWay(ctx context.Context) (bool, error) {
	owed, next, err := b.store.Owed(ctx, b.clock.Now(), b.owner, 1)
	if err != nil || len(owed) > 0 || !next.IsZero() {
		return true, err
	}
	open, err := b.store.Open(ctx)
	if err != nil {
		return true, err
	}
	for _, id := range open {
		op, err := b.store.Operation(ctx, id)
		if err != nil {
			return true, err
		}
		switch op.State {
		case Intent, InProgress, Following:
			return true, nil
		case Ready, Checking:
			if op.Waits == "" {
				return true, nil
			}
		}
	}
	return false, nil
}

// Finish waits for the calls that are in flight.
func (b *Bot) Finish() { b.calls.Wait() }

// idleFor bounds how long a loop sleeps: what was missed is found then.
const idleFor = 30 * time.Second

func (b *Bot) loop(ctx context.Context, wake chan struct{}, work func(context.Context) (time.Time, error)) {
	for ctx.Err() == nil {
		next, err := work(ctx)
		pause := idleFor
		if err != nil && ctx.Err() == nil {
			b.log.Error("background work failed", "err", b.scrub.Scrub(err.Error()))
			pause = time.Second
		} else if err == nil && !next.IsZero() {
			pause = min(pause, next.Sub(b.clock.Now()))
		}
		if pause <= 0 {
			continue
		}
		timer := make(chan struct{})
		stop := b.clock.AfterFunc(pause, func() { close(timer) })
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer:
		}
		stop()
	}
}

// housekeep prunes the store now and then, and forgets secrets whose time is
// over.
func (b *Bot) housekeep(ctx context.Context) {
	for b.clock.Sleep(ctx, time.Minute) == nil {
		b.held.clean(b.clock.Now())
		b.given.clean(b.clock.Now())
		if err := b.store.Prune(ctx, b.clock.Now()); err != nil && ctx.Err() == nil {
			b.log.Error("store not pruned", "err", err)
		}
	}
}

// RunDue does everything that is due now, one thing at a time, and returns
// when the next thing is due (zero: nothing is). The script of `demo` and the
// tests move their clock with it.
func (b *Bot) RunDue(ctx context.Context) (time.Time, error) {
	for {
		now := b.clock.Now()
		next, err := b.trackDue(ctx)
		if err != nil {
			return next, err
		}
		tell, err := b.announceDue(ctx)
		if err != nil {
			return tell, err
		}
		look, err := b.watchDue(ctx)
		if err != nil {
			return look, err
		}
		next = sooner(sooner(next, tell), look)
		if next.IsZero() || next.After(now) && next.After(b.clock.Now()) {
			return next, nil
		}
	}
}

// trackDue begins to look at every operation that is due, and returns when the
// next one is. One that takes long holds up no other: whoever is done wakes the
// loop again.
func (b *Bot) trackDue(ctx context.Context) (time.Time, error) {
	for {
		now := b.clock.Now()
		due, next, err := b.store.Due(ctx, now, b.owner, 4*trackAtOnce)
		if err != nil {
			return next, err
		}
		began := false
		for _, id := range due {
			key := opKey(id)
			if until, waits := b.later.left(id, now); waits {
				next = sooner(next, until)
				continue
			}
			if !b.busy.take(key) {
				continue
			}
			if !b.tracking.start(ctx, b.serial, func() {
				defer b.nudge(b.wake)
				defer b.busy.free(key)
				b.touch(ctx, id)
			}) {
				b.busy.free(key)
				return next, ctx.Err()
			}
			began = true
		}
		if !began {
			return notNow(next, now), ctx.Err()
		}
		if !b.serial {
			return next, ctx.Err()
		}
	}
}

// pool runs work side by side, up to a bound.
type pool struct {
	slots chan struct{}
	wait  sync.WaitGroup
}

func newPool(most int) *pool { return &pool{slots: make(chan struct{}, most)} }

// start runs work on a goroutine as soon as there is room, or at once on this
// one where work is serial. It returns false if ctx ends first.
func (p *pool) start(ctx context.Context, serial bool, work func()) bool {
	if serial {
		work()
		return true
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	p.wait.Go(func() {
		defer func() { <-p.slots }()
		work()
	})
	return true
}

// opKey names an operation in the set of those that are worked on.
func opKey(id int64) string { return fmt.Sprintf("op/%d", id) }

// Wake makes the background look again at once, after the clock was moved.
func (b *Bot) Wake() {
	b.nudge(b.wake)
	b.nudge(b.tell)
	b.nudge(b.watch.wake)
}

// errPanic is the error of work that panicked.
var errPanic = errors.New("panic")

// survived does a piece of background work. A panic in it is its error: the
// process lives on, and what panics is tried again like all that fails.
func (b *Bot) survived(id int64, work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			text := b.scrub.Scrub(fmt.Sprint(v))
			b.log.Error("panic in the background", "op", id, "value", text, "stack", string(debug.Stack()))
			b.metrics.Panic()
			err = fmt.Errorf("%w: %s", errPanic, text)
		}
	}()
	return work()
}

// touch looks at one operation that is due. What fails is tried again later.
func (b *Bot) touch(ctx context.Context, id int64) {
	err := b.survived(id, func() error {
		op, err := b.store.Operation(ctx, id)
		if err != nil {
			return err
		}
		stands, err := b.lapse(ctx, op)
		if err != nil {
			return err
		}
		return b.step(ctx, *stands)
	})
	if err != nil && !errors.Is(err, ErrConflict) && ctx.Err() == nil {
		b.log.Error("operation put off", "op", id, "err", b.scrub.Scrub(err.Error()))
		b.putOff(ctx, id)
	}
}

// putOff keeps an operation that cannot be worked on from being looked at
// again at once: in the store, or in memory where the store is what fails.
func (b *Bot) putOff(ctx context.Context, id int64) {
	now := b.clock.Now()
	until := now.Add(b.scaled(pollAfterErr))
	op, err := b.store.Operation(ctx, id)
	if err == nil && !op.State.Final() {
		op.NextAt = until
		_, err = b.store.Advance(ctx, now, "", &op, Written{})
	}
	if err != nil {
		b.later.put(id, until)
	}
}

// step does what an operation's state calls for.
func (b *Bot) step(ctx context.Context, op Operation) error {
	switch op.State {
	case Ready, Checking:
		return b.proceed(ctx, op)
	case InProgress:
		return b.lookAtEffect(ctx, op)
	case Following:
		return b.poll(ctx, op)
	case Intent: // nothing of this process waits for its answer
		return b.lostAnswer(ctx, op, "The bot made a mistake while it took the answer", "the answer was not taken")
	case Unknown:
		return b.settle(ctx, op)
	case NeedsHuman:
		return b.freeSoftLane(ctx, op)
	}
	if op.State.Final() || op.NextAt.IsZero() || op.NextAt.After(b.clock.Now()) {
		return nil
	}
	op.NextAt = op.Expires
	_, err := b.store1(ctx, "", &op, Written{})
	return err
}

// lookAtEffect reads whether an accepted change is there, a few times, and
// ends the operation with what it saw.
func (b *Bot) lookAtEffect(ctx context.Context, op Operation) error {
	cmd, ok := b.catalogue.Find(op.Command)
	if !ok || cmd.Settle == nil {
		_, err := b.end(ctx, "", &op, Succeeded, op.Outcome, Record{Kind: "state"})
		return err
	}
	c := b.call(ctx, b.requester(ctx, &op), cmd, op.Args, op.Targets)
	c.Op = &op
	pauses := lookAfter
	if cmd.Patient {
		pauses = patientAfter
	}
	v, err := cmd.Settle(ctx, c)
	switch {
	case err == nil && v.Is == Done:
		_, err := b.end(ctx, "", &op, Succeeded, op.Outcome, Record{Kind: "state", Text: v.Text})
		return err
	case err == nil && v.Is == Person:
		op.Hint = "Look at it yourself, then say how it ended: " + Code(fmt.Sprintf("op resolve %d done|not-done|unsure --reason ...", op.ID))
		_, err := b.end(ctx, "", &op, LostTrack, "Accepted, but what is there now is not what was asked for: "+v.Text, Record{Kind: "state", Text: v.Text})
		return err
	case op.Looks >= len(pauses):
		text := "What came of it could not be read."
		if err == nil {
			text = v.Text
		}
		op.Unseen = true
		op.Hint = "The provider said yes, and may need longer. Look again in a few minutes, before you ask for it again"
		if t, ok := shownTarget(&op); ok {
			op.Hint += ": " + Code(fmt.Sprintf("%s show %d", t.Kind, t.ID))
		}
		op.Hint += "."
		_, err := b.end(ctx, "", &op, Succeeded, text, Record{Kind: "state", Text: lower(unseen) + ": " + text})
		return err
	}
	op.NextAt = b.clock.Now().Add(b.scaled(pauses[op.Looks]))
	op.Looks++
	_, err = b.store1(ctx, "", &op, Written{})
	return err
}

// poll looks once at what the provider works on.
func (b *Bot) poll(ctx context.Context, op Operation) error {
	cmd, ok := b.catalogue.Find(op.Command)
	if !ok || cmd.Follow == nil || op.Job == nil {
		return b.loseTrack(ctx, op, nil, "Nothing here knows how to follow it any more.")
	}
	c := b.call(ctx, b.requester(ctx, &op), cmd, op.Args, op.Targets)
	c.Op = &op
	p, err := cmd.Follow(ctx, c)
	if p.Phase != Finished && p.Phase != Broken && p.Phase != Lost {
		p.Phase = Running
	}
	now := b.clock.Now()
	job := *op.Job
	job.Moves = slices.Clone(job.Moves)
	job.Polls++
	op.Job = &job
	deadline := jobDeadline
	if job.ID == 0 && cmd.Whole {
		deadline = orderFor
	}
	switch {
	case err != nil: // an error never ends following
		b.log.Info("poll failed", "op", op.ID, "err", b.scrub.Scrub(err.Error()))
		job.Next = now.Add(b.scaled(pollAfterErr))
	case p.Phase == Finished:
		return b.finished(ctx, op, p)
	case p.Phase == Broken:
		op.Code = p.Code
		_, err := b.end(ctx, "", &op, Failed, p.Text, Record{Kind: "state", Code: p.Code, Text: b.scrub.Scrub(p.Text)})
		return err
	case p.Phase == Lost:
		if job.Lost++; job.Lost == 1 {
			job.LostSince = now
		}
		if job.Lost >= lostTimes && now.Sub(job.LostSince) >= b.scaled(lostAfter) {
			why := p.Text
			if why == "" {
				why = "The provider no longer knows it."
			}
			return b.loseTrack(ctx, op, cmd, why)
		}
		job.Next = now.Add(b.scaled(lostAfter / 2))
	default:
		job.Lost, job.LostSince = 0, time.Time{}
	}
	// Only a look that saw nothing new tells that nothing moves.
	still := err == nil && p.Word == job.Last.Word && p.Text == job.Last.Text && p.Fraction == job.Last.Fraction
	quiet := still && job.ID == 0 && !cmd.Whole && now.Sub(job.MovedAt) > b.scaled(noEndAfter)
	if now.Sub(job.Since) > b.scaled(deadline) || quiet {
		return b.loseTrack(ctx, op, cmd, strings.TrimSpace("No end is visible after "+Duration(now.Sub(job.Since))+". "+p.Text))
	}
	var owed []Owed
	if err == nil && p.Phase == Running {
		owed = b.moved(ctx, &op, p, now)
	}
	op.NextAt = job.Next
	_, err = b.store1(ctx, "", &op, Written{Owed: owed})
	return err
}

// moved takes over what a poll saw, and says whether it is worth a message.
func (b *Bot) moved(ctx context.Context, op *Operation, p Progress, now time.Time) []Owed {
	job := op.Job
	last := job.Last
	changed := p.Word != last.Word || p.Text != last.Text || p.Fraction != last.Fraction
	if p.Fraction > last.Fraction && p.Fraction > 0 {
		job.Moves = append(job.Moves, Move{now, p.Fraction})
		job.Moves = job.Moves[max(0, len(job.Moves)-maxMoves):]
	}
	var owed []Owed
	if changed {
		job.MovedAt = now
	}
	if job.Stalled && changed {
		job.Stalled = false
		owed = b.owed(op, OwedLine, Card{Tone: Busy, Title: "It moves again"})
	}
	took, err := b.store.Took(ctx, op.Command)
	if err != nil {
		b.log.Warn("lengths of jobs not read", "err", err)
	}
	job.Last = p
	job.Next = now.Add(b.scaled(b.jitter(job.wait(now, median(took), b.scale))))
	if !job.Stalled && now.Sub(job.MovedAt) > b.scaled(stalledAfter) {
		job.Stalled = true
		owed = b.owed(op, OwedLine, Card{Tone: Warn, Title: "Stalled: no change for " + Duration(now.Sub(job.MovedAt)), Lines: []string{"The bot keeps looking."}})
		owed = append(owed, b.owed(op, OwedRoot, Card{})...)
	}
	if p.Word != last.Word || p.Text != last.Text || math.Abs(p.Fraction-job.Shown) >= 0.05 {
		job.Shown = p.Fraction
		owed = append(owed, b.owed(op, OwedRoot, Card{})...)
	}
	return owed
}

// jitter spreads a pause by a tenth, so that many jobs are not polled at once.
func (b *Bot) jitter(d time.Duration) time.Duration {
	var raw [1]byte
	_, _ = b.random.Read(raw[:]) // without it there is no spread, which does no harm
	return d * time.Duration(90+int(raw[0])%21) / 100
}

// finished ends an operation whose job, backup or order has ended well.
func (b *Bot) finished(ctx context.Context, op Operation, p Progress) error {
	op.Result, op.Secret = append(slices.Clone(op.Result), p.Result...), op.Secret || p.Secret
	op.Job.Last = p
	if len(p.Targets) > 0 {
		op.Made = p.Targets
	}
	took := b.clock.Now().Sub(op.Job.Since)
	_, err := b.endTook(ctx, "", &op, Succeeded, p.Text, Record{Kind: "state", Text: b.scrub.Scrub(p.Text)}, took)
	return err
}

// loseTrack ends following after one last read of the effect.
func (b *Bot) loseTrack(ctx context.Context, op Operation, cmd *Command, why string) error {
	if cmd != nil && cmd.Settle != nil {
		c := b.call(ctx, b.requester(ctx, &op), cmd, op.Args, op.Targets)
		c.Op = &op
		v, err := cmd.Settle(ctx, c)
		if err == nil && v.Is == Done {
			_, err := b.end(ctx, "", &op, Succeeded, v.Text, Record{Kind: "state", Text: why})
			return err
		}
		if err == nil { // what a person should know before he looks
			op.Probably = v.VM
			why = strings.TrimSpace(why + " " + v.Text)
		}
	}
	op.Hint = "Look at it yourself, then say how it ended: " + Code(fmt.Sprintf("op resolve %d done|not-done|unsure --reason ...", op.ID))
	_, err := b.end(ctx, "", &op, LostTrack, why, Record{Kind: "state", Text: why})
	return err
}
