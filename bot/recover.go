package bot

import (
	"cmp"
	"context"
	"fmt"
)

// recoverAtOnce is how many operations are put right at once, so that they
// share commits: a restart in a busy hour may find thousands.
const recoverAtOnce = 64

// Recover puts right what a crash left behind: an intent without an outcome is
// unknown. It is called once, before Run.
func (b *Bot) Recover(ctx context.Context) error {
	open, err := b.store.Open(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(open))
	all := newPool(recoverAtOnce)
	for i, id := range open {
		if !all.start(ctx, b.serial, func() { errs[i] = b.recoverNumber(ctx, id) }) {
			errs[i] = ctx.Err()
			break
		}
	}
	all.wait.Wait()
	return cmp.Or(errs...)
}

func (b *Bot) recoverNumber(ctx context.Context, id int64) error {
	op, err := b.store.Operation(ctx, id)
	if err != nil {
		return err
	}
	return b.recoverOne(ctx, op)
}

// recoverOne puts one open operation right. A confirmation is private, and the
// way to its requester ended with the process that asked for it, so what waits
// for one is told where it was typed.
func (b *Bot) recoverOne(ctx context.Context, op Operation) error {
	now := b.clock.Now()
	if op.LaneFreed {
		b.free.add(&op)
	}
	switch {
	case op.State == Confirming && op.Digest == "":
		// Told first, and once whatever happens in between: what has ended is
		// not looked at again.
		text := "The bot stopped before it could show what would be hit. Nothing was done: type it again."
		if err := b.tellRequester(ctx, &op, Card{Tone: Warn, Title: "Not done: " + Code(op.Command), Lines: []string{text}}); err != nil {
			return err
		}
		_, err := b.end(ctx, "", &op, Cancelled, text, Record{Kind: "state", Text: text})
		return err
	case op.State == Confirming && now.Before(op.Expires):
		return b.tellRequester(ctx, &op, Card{Title: "The bot was restarted. This still waits to be confirmed: " + op.Title,
			Lines: []string{fmt.Sprintf("%s shows it with its buttons, until %s.", Code(fmt.Sprintf("op show %d", op.ID)), At(op.Expires))}})
	case op.State == Intent:
		return b.lostAnswer(ctx, op, "The bot stopped while the call was under way", "restart after an intent")
	}
	return nil
}

// lostAnswer makes unknown what was sent, and has no outcome on record.
func (b *Bot) lostAnswer(ctx context.Context, op Operation, why, text string) error {
	op.State = Unknown
	op.Outcome = why + ", so nobody knows whether it was done. It is not sent again."
	op.NextAt = b.clock.Now().Add(b.scaled(settleFirst))
	_, err := b.advanceOwing(ctx, "", &op, b.owedUnknown(&op), Record{Kind: "state", Text: text})
	return err
}

// tellRequester owes a requester one message where the command was typed, once
// for each operation.
func (b *Bot) tellRequester(ctx context.Context, op *Operation, c Card) error {
	c.Mentions = []Account{op.Account}
	now := b.clock.Now()
	o := Owed{Place: op.Place, Kind: OwedLine, Card: c, At: now}
	return b.store.Append(ctx, now, fmt.Sprintf("told/%d", op.ID), Written{Owed: []Owed{o}})
}
