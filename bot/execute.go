package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hosterbot/bot/fail"
	"hosterbot/bot/policy"
	"hosterbot/bot/secret"
)

// Waiting times around the call, before scaling.
const (
	sendWithin     = 10 * time.Second // from the intent to the wire
	sendAtLeast    = time.Second      // of that, however short a rehearsal makes its times: the machine is as slow as ever
	retryWithin    = 15 * time.Second // for attempts of which nothing was sent
	retrySends     = 3                // of those, at most
	throttleWithin = 5 * time.Minute  // for attempts that were answered 429
	throttleSends  = 5                // of those, at most
	throttlePause  = 2 * time.Second  // after a 429 that does not say how long
	lookAgain      = 15 * time.Second // until an unreadable target is read again
	laneAgain      = 3 * time.Second  // until a busy lane is tried again
	laneUnknown    = 30 * time.Second // and one that waits for a person
	softLaneFor    = 5 * time.Minute  // an unknown outcome keeps a soft lane
	passwordFor    = time.Hour        // a password that exists only in its answer is kept
)

// requester is who asked for an operation, under the policy of this moment.
func (b *Bot) requester(ctx context.Context, op *Operation) *asker {
	return b.asker(ctx, new(course), op.Account, op.Place)
}

// proceed takes an operation that nobody has to say yes to any more as far as
// it goes: it checks everything again, records the intent, and sends once.
func (b *Bot) proceed(ctx context.Context, op Operation) error {
	now := b.clock.Now()
	if now.Before(op.NotBefore) {
		return b.wait(ctx, op, "the delay that the policy asks for, until "+At(op.NotBefore), op.NotBefore)
	}
	cmd, ok := b.catalogue.Find(op.Command)
	if !ok {
		_, err := b.end(ctx, "", &op, Invalidated, Code(op.Command)+" is no longer a command.", Record{Kind: "state"})
		return err
	}
	if busy := b.holder(ctx, op.Lane, op.ID); busy != 0 { // no need to read the target for that
		return b.waitForLane(ctx, op, busy)
	}
	who := b.requester(ctx, &op)
	checked, done, err := b.check(ctx, who, cmd, op)
	if done || err != nil {
		return err
	}
	op = checked
	value, ok := b.given.get(op.ID)
	if cmd.AskSecret != "" && !ok {
		return b.wait(ctx, op, "the "+cmd.AskSecret+", from "+Clean(op.Person), op.Expires)
	}
	if !cmd.Local {
		if err := b.provider.Acquire(ctx); err != nil {
			return b.wait(ctx, op, plainError(err).Error(), now.Add(b.scaled(lookAgain)))
		}
	}
	b.breakGlassNotice(ctx, who, &op)
	return b.sendOnce(ctx, who, cmd, op, value)
}

// wait stores what an operation waits for, and when it is looked at again.
func (b *Bot) wait(ctx context.Context, op Operation, what string, until time.Time) error {
	op.Unblocks = ""
	return b.waitBlocked(ctx, op, what, until)
}

// waitForLane is wait for another operation, which can be resolved from here
// if nobody knows how it ended.
func (b *Bot) waitForLane(ctx context.Context, op Operation, holder int64) error {
	op.Unblocks = ""
	again := laneAgain
	if h, err := b.store.Operation(ctx, holder); err == nil && (h.State == Unknown || h.State == NeedsHuman || h.State == LostTrack) {
		op.Unblocks, again = opCode(&h, actResolve), laneUnknown
	}
	return b.waitBlocked(ctx, op, b.busyText(ctx, holder), b.clock.Now().Add(b.scaled(again)))
}

func (b *Bot) waitBlocked(ctx context.Context, op Operation, what string, until time.Time) error {
	var owed []Owed
	if op.Waits != what {
		op.Waits = what
		owed = b.owed(&op, OwedRoot, Card{})
	}
	var audit []Record
	if op.State != Ready {
		op.State = Ready
		audit = append(audit, opRecord(&op, Record{Kind: "state", Text: what}))
	}
	op.NextAt = until
	if !op.Expires.IsZero() && until.After(op.Expires) {
		op.NextAt = op.Expires
	}
	_, err := b.store1(ctx, "", &op, Written{Owed: owed, Audit: audit})
	return err
}

// check reads the target and asks the policy again. done says that the
// operation does not go on now, and that this is stored.
func (b *Bot) check(ctx context.Context, who *asker, cmd *Command, op Operation) (Operation, bool, error) {
	pv, err := b.preview(ctx, who, cmd, &op)
	if err != nil {
		return op, true, b.unreadable(ctx, who, op, err)
	}
	if op.Digest != "" {
		if changed := differences(op.Fingerprint, pv.Fingerprint); len(changed) > 0 {
			return op, true, b.invalidate(ctx, op, "The target is no longer what it was when it was asked for: "+list(changed, "and")+".")
		}
	}
	fresh := op
	fresh.apply(pv)
	if op.Digest != "" && fresh.Sum() != op.Digest {
		return op, true, b.invalidate(ctx, op, "What would run now is not what was asked for: "+Code(argText(cmd, cmd.recorded(op.Args)))+" has become "+Code(argText(cmd, cmd.recorded(fresh.Args)))+".")
	}
	a, err := b.decideOwn(ctx, who, cmd, fresh.Args, fresh.Targets, pv.Facts, true, op.BreakGlass != "")
	switch {
	case err != nil:
		return op, true, b.wait(ctx, op, plainError(err).Error(), b.clock.Now().Add(b.scaled(lookAgain)))
	case who.person != op.Person:
		return op, true, b.invalidate(ctx, op, Clean(op.Person)+" is no longer who asked: the policy knows that account otherwise now.")
	case !a.Allowed && op.Digest == "":
		_, err := b.end(ctx, "", &fresh, Denied, Clean(a.Why), commandRecord("denied", who, cmd, fresh.Args, fresh.Targets, a))
		return op, true, err
	case !a.Allowed:
		return op, true, b.invalidate(ctx, op, "The policy no longer allows "+Clean(op.Person)+" this: “"+Clean(a.Why)+"”")
	case a.Requirement.StricterThan(op.Requirement):
		return op, true, b.invalidate(ctx, op, "The policy now asks more than when it was asked for.")
	}
	if op.BreakGlass == "" {
		if done, err := b.recount(ctx, who, fresh); done || err != nil {
			return op, true, err
		}
		if done, err := b.backedUp(ctx, &fresh); done || err != nil {
			return op, true, err
		}
	}
	return fresh, false, nil
}

// unreadable is for a preview that did not succeed before the call: what
// cannot be read is not "unchanged", so it waits; what says no ends it.
func (b *Bot) unreadable(ctx context.Context, who *asker, op Operation, err error) error {
	if ctx.Err() != nil { // the bot stops, which says nothing about the target
		return ctx.Err()
	}
	var own *Error
	if !errors.As(err, &own) || own.Kind == Unavailable {
		b.log.Warn("target not readable", "op", op.ID, "err", b.scrub.Scrub(err.Error()))
		said := ""
		if own != nil { // without its hint to try again: that is what waiting does
			said = ": " + own.Text
		}
		return b.wait(ctx, op, "the target, which cannot be read"+said, b.clock.Now().Add(b.scaled(lookAgain)))
	}
	cmd, known := b.catalogue.Find(op.Command)
	if busy := b.holder(ctx, op.Target().String(), op.ID); busy != 0 && known && !cmd.Local {
		return b.waitForLane(ctx, op, busy)
	}
	if op.Digest == "" { // nobody was asked about it, so nothing is invalidated
		op.Hint = own.Hint
		text := own.Text + " Nothing was done."
		if known && cmd.Local { // what is told of another operation was done
			text = own.Text + " This command changed nothing."
		}
		_, err := b.end(ctx, "", &op, Cancelled, text, Record{Kind: "state", Person: who.person, Text: b.scrub.Scrub(own.Text)})
		return err
	}
	op.Hint = own.Hint
	return b.invalidate(ctx, op, own.Text)
}

func (b *Bot) invalidate(ctx context.Context, op Operation, why string) error {
	_, err := b.end(ctx, "", &op, Invalidated, why+" Nothing was done.", Record{Kind: "state", Text: b.scrub.Scrub(why)})
	return err
}

// differences names what differs between two fingerprints, old and new.
func differences(was, is []Field) []string {
	var out []string
	for _, w := range was {
		i := slices.IndexFunc(is, func(f Field) bool { return f.Label == w.Label })
		switch {
		case i < 0:
			out = append(out, w.Label+" is gone (was "+w.Value+")")
		case is[i].Value != w.Value:
			out = append(out, w.Label+" was "+w.Value+", is "+is[i].Value)
		}
	}
	for _, f := range is {
		if !slices.ContainsFunc(was, func(w Field) bool { return w.Label == f.Label }) {
			out = append(out, f.Label+" is new: "+f.Value)
		}
	}
	return out
}

// recount asks whether every approver may still approve. A vote that no longer
// counts falls away, and the operation collects votes again.
func (b *Bot) recount(ctx context.Context, who *asker, op Operation) (bool, error) {
	if len(op.Requirement.Approve) == 0 {
		return false, nil
	}
	voters := b.eligibleVoters(ctx, who.snap, &op)
	if ok, _ := who.snap.Met(op.Requirement.Approve, voters, b.memberFunc(ctx, who.snap)); ok {
		return false, nil
	}
	for _, person := range op.Voters() {
		if !slices.Contains(voters, person) && b.lookUpFailed(ctx, who.snap, person) {
			return true, b.wait(ctx, op, "the look-up of a group, which failed", b.clock.Now().Add(b.scaled(lookAgain)))
		}
	}
	gone := b.dropVotes(ctx, who.snap, &op)
	now := b.clock.Now()
	op.State, op.Waits = Pending, ""
	op.Expires = now.Add(b.scaled(votesWithin(op.Requirement)))
	op.NextAt = op.Expires
	text := noLonger(gone) + " It needs another."
	line := b.pinging(b.owed(&op, OwedLine, Card{Tone: Warn, Title: text}), b.approvers(ctx, &op))
	owed := append(b.owed(&op, OwedRoot, Card{}), line...)
	_, err := b.advanceOwing(ctx, "", &op, owed, Record{Kind: "state", Text: text})
	return true, err
}

// backedUp asks whether the backup that the policy wants is there. Where it is
// not, the operation waits for it, and its ten minutes start afterwards.
func (b *Bot) backedUp(ctx context.Context, op *Operation) (bool, error) {
	want := op.Requirement.Backup
	if want == 0 || !op.Backed {
		return false, nil
	}
	now := b.clock.Now()
	if !op.LastBackup.IsZero() && now.Sub(op.LastBackup) <= want {
		if op.NeedsBackup {
			op.NeedsBackup, op.Expires = false, now.Add(b.scaled(readyFor))
		}
		return false, nil
	}
	if !op.NeedsBackup {
		op.NeedsBackup, op.Expires = true, now.Add(b.scaled(backupFor))
	}
	return true, b.wait(ctx, *op, "a backup younger than "+Duration(want), now.Add(b.scaled(lookAgain)))
}

// breakGlassNotice tells the place that the rule names, before the call; where
// that fails, the thread.
func (b *Bot) breakGlassNotice(ctx context.Context, who *asker, op *Operation) {
	if op.BreakGlass == "" || op.Told {
		return
	}
	op.Told = true
	card := Card{Tone: Warn, Title: Clean(op.Person) + " breaks glass: " + op.Title, Lines: []string{"Reason: " + Clean(op.Reason)},
		Notes: []string{fmt.Sprintf("Operation %d, by rule %s. Approvals, delay, backup, freezes and locks are skipped.", op.ID, Code(op.BreakGlass))}}
	place := b.tellPlace(who, op)
	if a, ok := b.adapters[place.Platform]; ok {
		_, err := a.Post(ctx, place, fmt.Sprintf("glass/%d", op.ID), card)
		if err == nil {
			return
		}
		b.log.Warn("break-glass notice not posted", "place", place.String(), "err", err)
	}
	if err := b.store.Append(ctx, b.clock.Now(), fmt.Sprintf("glass/%d", op.ID), Written{Owed: b.owed(op, OwedLine, card)}); err != nil {
		b.log.Error("break-glass notice not owed", "op", op.ID, "err", err)
	}
	b.nudge(b.tell)
}

func (b *Bot) tellPlace(who *asker, op *Operation) Place {
	q := policy.Question{Person: who.person, Member: who.member, Place: op.Place.Place, Command: op.Command, Targets: op.Targets, Time: b.clock.Now()}
	q.BreakGlass = true
	return Place{Place: who.snap.Decide(q).Tell}
}

// sendOnce records the intent, takes the lane, and makes the call. Nothing
// leaves before the intent is on disk.
func (b *Bot) sendOnce(ctx context.Context, who *asker, cmd *Command, op Operation, value secret.Secret) error {
	now := b.clock.Now()
	sendBy := now.Add(max(b.scaled(sendWithin), sendAtLeast))
	op.State, op.Waits, op.Unblocks = Intent, "", ""
	op.Code, op.Hint = "", "" // of an attempt before
	expires := op.Expires
	op.Expires, op.NextAt = time.Time{}, time.Time{}
	op.Attempts = append(slices.Clone(op.Attempts), Attempt{At: now, SendBy: sendBy})
	rec := opRecord(&op, Record{Kind: "intent", Person: op.Person, Attempt: len(op.Attempts)})
	stored, err := b.store1(ctx, "", &op, Written{Audit: []Record{rec}})
	var busy *BusyError
	switch {
	case errors.As(err, &busy):
		op.Attempts, op.Expires = op.Attempts[:len(op.Attempts)-1], expires
		return b.waitForLane(ctx, op, busy.Holder)
	case errors.Is(err, ErrConflict):
		return err
	case err != nil:
		return b.unsent(ctx, who, cmd, op.ID, err)
	}
	fail.Point("after_intent")
	b.calls.Add(1)
	defer b.calls.Done()
	// The call is the operation's, not the chat's: it goes on when the
	// request that began it is over.
	ctx = context.WithoutCancel(ctx)
	c := b.call(ctx, who, cmd, stored.Args, stored.Targets)
	c.Op = stored
	if !value.IsZero() {
		c.Secrets = map[string]secret.Secret{"password": value}
		b.scrub.Know(value)
		defer b.scrub.Forget(value)
	}
	out := b.runOne(b.provider.SendBy(ctx, sendBy), cmd, c)
	fail.Point("after_response")
	if out.Class != NotSent && out.Class != Throttled { // else it is for the next try
		b.given.drop(stored.ID)
	}
	err = b.conclude(ctx, who, cmd, *stored, out)
	fail.Point("after_result")
	return err
}

// unsent is for an intent whose storing failed: nothing was sent. The store may
// have taken it all the same, and then the operation goes back to checking.
func (b *Bot) unsent(ctx context.Context, who *asker, cmd *Command, id int64, cause error) error {
	ctx = context.WithoutCancel(ctx)
	var stands *Operation
	if err := b.keep(ctx, &Operation{ID: id, Command: cmd.Words}, func() error {
		op, err := b.store.Operation(ctx, id)
		if err == nil && op.State == Intent {
			stands = &op
		}
		return err
	}); err != nil {
		return err
	}
	if stands == nil {
		return cause
	}
	return b.conclude(ctx, who, cmd, *stands, Outcome{Class: NotSent, Text: "The store did not say that it had recorded the intent."})
}

// runOne makes the call. A panic in it leaves the outcome unknown.
func (b *Bot) runOne(ctx context.Context, cmd *Command, c *Call) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			b.log.Error("panic in a call", "op", c.Op.ID, "value", b.scrub.Scrub(fmt.Sprint(v)))
			b.metrics.Panic()
			out = Outcome{Class: NoAnswer, Text: "The bot made a mistake while it waited for the answer."}
		}
	}()
	return cmd.Run(ctx, c)
}

// holder is the other operation that holds a lane, 0 if none does.
func (b *Bot) holder(ctx context.Context, lane string, self int64) int64 {
	if lane == "" {
		return 0
	}
	id, err := b.store.Holder(ctx, lane)
	if err != nil || id == self {
		return 0
	}
	return id
}

// busyText says who holds a lane: "operation 17, outcome unknown since 14:02".
func (b *Bot) busyText(ctx context.Context, holder int64) string {
	text := fmt.Sprintf("operation %d, which has to end first", holder)
	if h, err := b.store.Operation(ctx, holder); err == nil && (h.State == Unknown || h.State == NeedsHuman || h.State == LostTrack) && len(h.Attempts) > 0 {
		text = fmt.Sprintf("operation %d, whose outcome is unknown since %s", holder, At(h.Attempts[len(h.Attempts)-1].At))
	}
	return text
}
