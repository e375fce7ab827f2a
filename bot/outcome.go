package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// conclude records what came of an attempt, before anything is said in chat.
func (b *Bot) conclude(ctx context.Context, who *asker, cmd *Command, op Operation, out Outcome) error {
	now := b.clock.Now()
	last := &op.Attempts[len(op.Attempts)-1]
	last.Ended, last.Class, last.Status, last.Code = now, out.Class, out.Status, out.Code
	last.Text = CleanMax(b.scrub.Scrub(out.Text), 500)
	op.Code, op.Hint = out.Code, out.Means
	rec := Record{Kind: "outcome", Person: op.Person, Decision: string(out.Class), Attempt: len(op.Attempts), Status: out.Status, Code: out.Code, Text: last.Text}
	switch out.Class {
	case Accepted:
		return b.accepted(ctx, cmd, op, out, rec)
	case Refused:
		text := last.Text
		if !cmd.Local && !strings.HasPrefix(text, "The provider") { // its words, and none of ours
			text = "The provider refused: " + text
		}
		return b.keep(ctx, &op, func() error {
			_, err := b.end(ctx, "", &op, Failed, text, rec)
			return err
		})
	case NotSent, Throttled:
		return b.keep(ctx, &op, func() error { return b.tryAgain(ctx, op, out, rec) })
	}
	op.State = Unknown
	op.Outcome = unanswered(&op) + ", so nobody knows whether it was done. It is not sent again."
	op.NextAt = now.Add(b.scaled(settleFirst))
	owed := b.owedUnknown(&op, last.Text)
	if out.Settle {
		op.Outcome = "The provider says that it failed. One read tells whether that is so."
		op.Hint = "" // what to do is said when that is known
		owed = b.owed(&op, OwedRoot, Card{})
	}
	var stored *Operation
	err := b.keep(ctx, &op, func() (err error) {
		stored, err = b.advanceOwing(ctx, "", &op, owed, rec)
		return err
	})
	if err == nil && out.Settle {
		return b.settleSignal(ctx, who, cmd, *stored, last.Text, out.Means)
	}
	return err
}

// settleSignal is the one settling read after a 0xa1, which says that the
// provider itself saw it fail. What it does not tell stays unknown.
func (b *Bot) settleSignal(ctx context.Context, who *asker, cmd *Command, op Operation, text, means string) error {
	if cmd.Settle != nil {
		c := b.call(ctx, who, cmd, op.Args, op.Targets)
		c.Op = &op
		v, err := cmd.Settle(ctx, c)
		if err != nil || v.Is == Person {
			op.Outcome = "The provider says that it failed, and one read did not tell whether that is so. It is not sent again."
			_, e := b.advanceOwing(ctx, "", &op, b.owedUnknown(&op, text), Record{Kind: "state", Code: op.Code, Text: "0xa1, and not to be told by one read"})
			return errors.Join(err, e)
		}
		if v.Is == Done {
			op.Hint = ""
			_, err := b.end(ctx, "", &op, SettledDone, "The provider said that it failed ("+Code(text)+"), and yet it is done: "+v.Text, Record{Kind: "state", Text: v.Text})
			return err
		}
	}
	op.Hint = means
	_, err := b.end(ctx, "", &op, Failed, "The provider failed: "+text, Record{Kind: "state", Code: op.Code, Text: text})
	return err
}

// tryAgain goes back to checking after an attempt of which nothing can have
// happened, or ends the operation when it was tried enough.
func (b *Bot) tryAgain(ctx context.Context, op Operation, out Outcome, rec Record) error {
	now := b.clock.Now()
	sends, since := 0, now
	for i := len(op.Attempts) - 1; i >= 0; i-- { // the classes may take turns
		if op.Attempts[i].Class == out.Class {
			sends, since = sends+1, op.Attempts[i].At
		}
	}
	most, within, pause := retrySends, retryWithin, time.Duration(0)
	if out.Class == Throttled {
		most, within, pause = throttleSends, throttleWithin, max(out.RetryAfter, b.scaled(throttlePause))
	} else {
		pause = b.scaled(time.Duration(sends) * time.Second)
	}
	if sends >= most || now.Add(pause).Sub(since) > b.scaled(within) {
		op.Hint = out.Means
		what := "Nothing was sent"
		if out.Class == Throttled { // it was sent, and turned away
			what = "Nothing was done"
			if out.RetryAfter > b.scaled(within) {
				op.Hint = "The provider asks to wait. Try again in " + Duration(out.RetryAfter) + "."
			}
		}
		_, err := b.end(ctx, "", &op, Cancelled, fmt.Sprintf("%s, after %s: %s", what, tries(sends), op.Attempts[len(op.Attempts)-1].Text), rec)
		return err
	}
	op.State, op.NextAt = Checking, now.Add(pause)
	op.Expires = now.Add(b.scaled(throttleWithin) + pause)
	op.Waits = "the next try: " + op.Attempts[len(op.Attempts)-1].Text
	_, err := b.advanceOwing(ctx, "", &op, b.owed(&op, OwedRoot, Card{}), rec)
	b.nudge(b.wake)
	return err
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// accepted records that the provider said yes, and what is to be followed.
func (b *Bot) accepted(ctx context.Context, cmd *Command, op Operation, out Outcome, rec Record) error {
	now := b.clock.Now()
	op.Result, op.Outcome = out.Result, out.Done
	if !out.Secret.IsZero() {
		b.held.put(op.ID, out.Secret, now.Add(b.scaled(passwordFor)))
		op.Secret = true
	}
	if out.Followed && cmd.Follow != nil {
		op.State = Following
		op.NextAt = now.Add(b.scaled(firstPoll))
		op.Job = &Job{ID: out.Job, Since: now, Next: op.NextAt, MovedAt: now, Last: Progress{Phase: Running, Word: "accepted", Fraction: -1}}
		owed := b.owed(&op, OwedRoot, Card{})
		if out.Job != 0 {
			owed = append(owed, b.owed(&op, OwedLine, Card{Tone: Busy, Title: fmt.Sprintf("The provider runs it as job %s", Code(fmt.Sprint(out.Job)))})...)
		}
		return b.keep(ctx, &op, func() error {
			_, err := b.advanceOwing(ctx, "", &op, owed, rec)
			b.nudge(b.wake)
			return err
		})
	}
	if cmd.Settle == nil {
		return b.keep(ctx, &op, func() error {
			_, err := b.end(ctx, "", &op, Succeeded, out.Done, rec)
			return err
		})
	}
	op.State, op.NextAt = InProgress, now
	return b.keep(ctx, &op, func() error {
		_, err := b.advance(ctx, "", &op, rec)
		b.nudge(b.wake)
		return err
	})
}

// keep stores a result. Where the store does not take it, it is kept here and
// tried again, and new changes are refused meanwhile.
func (b *Bot) keep(ctx context.Context, op *Operation, write func() error) error {
	err := write()
	if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return err
	}
	b.unsaved.Add(1)
	defer b.unsaved.Add(-1)
	// The line is what is left of the result if the process ends before the
	// store takes it.
	var last Attempt
	if n := len(op.Attempts); n > 0 {
		last = op.Attempts[n-1]
	}
	job := int64(0)
	if op.Job != nil {
		job = op.Job.ID
	}
	b.log.Error("a result cannot be stored: it is kept in memory and tried again", "op", op.ID, "command", op.Command,
		"target", targetText(op.Targets), "class", string(last.Class), "status", last.Status, "code", last.Code, "job", job, "err", err)
	for err != nil && !errors.Is(err, ErrConflict) && !b.stopping.Load() {
		if e := b.clock.Sleep(ctx, time.Second); e != nil {
			return e
		}
		err = write()
	}
	return err
}
