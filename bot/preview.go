package bot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"hosterbot/bot/policy"
)

// prepare reads the target, decides with what it found, and shows the
// requester what will be hit.
func (b *Bot) prepare(ctx context.Context, answer Responder, who *asker, op *Operation, stop func() bool) {
	defer stop()
	cmd, _ := b.catalogue.Find(op.Command)
	pv, err := b.preview(ctx, who, cmd, op)
	var card Card
	if err != nil {
		err = b.unprepared(ctx, who, op, err)
	} else {
		card, err = b.asked(ctx, who, cmd, *op, pv)
	}
	stop()
	switch {
	case errors.Is(err, ErrConflict): // somebody was faster: the store knows
		b.answerState(ctx, answer, who, op.ID)
	case err != nil:
		who.failed(err)
		b.say(ctx, answer, b.withOp(undone(b.refusal(err)), op.ID))
	default:
		b.say(ctx, answer, card)
	}
}

// undone says below a refusal that nothing was done, unless it says so itself.
func undone(c Card) Card {
	says := func(text string) bool { return strings.Contains(strings.ToLower(text), "nothing was done") }
	if !says(c.Title) && !slices.ContainsFunc(c.Lines, says) {
		c.Notes = append(c.Notes, "Nothing was done.")
	}
	return c
}

// unprepared ends an operation whose target could not be read.
func (b *Bot) unprepared(ctx context.Context, who *asker, op *Operation, err error) error {
	var own *Error
	if busy := b.holder(ctx, op.Target().String(), op.ID); busy != 0 && errors.As(err, &own) {
		own.Hint = strings.TrimSpace(own.Hint + " " + sentence("It may be because of "+b.busyText(ctx, busy)))
	}
	return b.giveUp(ctx, *op, who, Cancelled, err)
}

// asked decides with what was read, and returns what its requester is asked, or
// told.
func (b *Bot) asked(ctx context.Context, who *asker, cmd *Command, op Operation, pv Preview) (Card, error) {
	op.apply(pv)
	a, err := b.decideOwn(ctx, who, cmd, op.Args, op.Targets, pv.Facts, true, op.BreakGlass != "")
	if err != nil {
		return Card{}, b.giveUp(ctx, op, who, Cancelled, err)
	}
	if !a.Allowed {
		card := denial(who.snap, cmd, a)
		op.EndedBy = ""
		_, err := b.end(ctx, "", &op, Denied, a.Why, commandRecord("denied", who, cmd, op.Args, op.Targets, a))
		return b.withOp(card, op.ID), err
	}
	if warning := b.freed(ctx, &op); warning != "" {
		op.Notes = append(slices.Clone(op.Notes), warning)
	}
	now := b.clock.Now()
	op.Requirement, op.Rules, op.Policy = a.Requirement, a.Rules, who.snap.Hash()
	op.Digest = op.Sum()
	op.Expires = now.Add(b.scaled(confirmFor))
	op.NextAt = op.Expires
	if a.Requirement.Confirm == policy.ConfirmNone && !a.Requirement.Reason {
		stored, err := b.confirmed(ctx, "", who, op)
		return b.opCard(stored, who), err
	}
	stored, err := b.advance(ctx, "", &op, Record{Kind: "preview", Person: who.person, Digest: op.Digest})
	if err != nil {
		return Card{}, err
	}
	return b.confirmCard(ctx, who, stored, a), nil
}

// preview reads the target for an operation.
func (b *Bot) preview(ctx context.Context, who *asker, cmd *Command, op *Operation) (Preview, error) {
	if cmd.Preview == nil {
		return Preview{Title: op.Title, Facts: Facts{}}, nil
	}
	c := b.call(ctx, who, cmd, op.Args, op.Targets)
	c.Op = op
	return cmd.Preview(ctx, c)
}

// apply takes over what the preview read.
func (o *Operation) apply(pv Preview) {
	if pv.Args != nil {
		o.Args = pv.Args
	}
	if pv.Targets != nil {
		o.Targets = pv.Targets
	}
	if pv.Title != "" {
		o.Title = pv.Title
	}
	o.Fields, o.Loses, o.Fingerprint = pv.Fields, pv.Loses, pv.Fingerprint
	o.Baseline, o.Lane, o.Expected = pv.Baseline, pv.Lane, pv.Expected
	for _, n := range pv.Notes {
		if !slices.Contains(o.Notes, n) {
			o.Notes = append(o.Notes, n)
		}
	}
	o.Backed, o.LastBackup = pv.Backed, pv.LastBackup
}

// giveUp ends an operation of which nothing was sent, and passes the error on.
func (b *Bot) giveUp(ctx context.Context, op Operation, who *asker, to State, cause error) error {
	text := plainError(cause).Error()
	var own *Error
	if !errors.As(cause, &own) {
		text = "Something went wrong."
	}
	if _, err := b.end(ctx, "", &op, to, text, Record{Kind: "state", Person: who.person, Text: b.scrub.Scrub(text)}); err != nil {
		b.log.Warn("operation not ended", "op", op.ID, "err", err)
	}
	return cause
}
