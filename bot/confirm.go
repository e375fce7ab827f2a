package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hosterbot/bot/fail"
	"hosterbot/bot/policy"
)

// Waiting times of an operation that has not been sent, before scaling.
const (
	confirmFor = 10 * time.Minute // for the requester to confirm
	pendingFor = 30 * time.Minute // for votes, where the policy does not say
	readyFor   = 10 * time.Minute // to be sent, once nothing stands in the way
	backupFor  = 24 * time.Hour   // for the backup that the policy wants
	recordFor  = time.Second      // to store a command before its acknowledgement
	sameWithin = time.Minute      // in which the same order is asked about
)

// begin makes an operation of a command that changes something: it decides,
// stores it, acknowledges, and only then reads the target.
func (b *Bot) begin(ctx context.Context, key string, answer Responder, who *asker, p Parsed, w wish) {
	if p.Ambiguous == "" {
		b.create(ctx, key, answer, who, p, w)
		return
	}
	b.ack(ctx, answer) // it takes reads to know what this is about
	stop := b.showWork(ctx, answer, Code(p.Command.Words))
	resolved := p
	who.left(Rest{Asks: true, Run: func() {
		defer stop()
		err := b.resolveTarget(ctx, who, &resolved)
		stop()
		if err != nil {
			b.refuse(ctx, answer, who, err)
			return
		}
		b.create(ctx, key, answer, who, resolved, w)
	}})
}

// goOn takes a new operation as far as it goes without anybody's word.
func (b *Bot) goOn(ctx context.Context, answer Responder, who *asker, cmd *Command, op *Operation) {
	switch {
	case op.State == Ready && op.Silent:
		who.left(Rest{Asks: !cmd.Local, Run: func() { b.runQuiet(ctx, answer, who, op) }})
	case op.State == Ready:
		b.nudge(b.wake)
		b.nudge(b.tell)
	default:
		stop := b.showWork(ctx, answer, op.Title)
		who.left(Rest{Asks: !cmd.Local, Run: func() { b.prepare(ctx, answer, who, op, stop) }})
	}
}

// create stores a new operation, acknowledges it, and goes on with it.
func (b *Bot) create(ctx context.Context, key string, answer Responder, who *asker, p Parsed, w wish) {
	cmd := p.Command
	if b.unsaved.Load() > 0 {
		b.refuse(ctx, answer, who, Errorf(Unavailable, "The store does not take the results of calls that were made, so nothing new is begun. Reading works."))
		return
	}
	a, err := b.decideOwn(ctx, who, cmd, p.Args, p.Targets, p.Facts, false, w.breakGlass)
	if err != nil {
		b.refuse(ctx, answer, who, err)
		return
	}
	if !a.Allowed {
		b.deny(ctx, key, answer, who, p, a)
		return
	}
	places, notes, err := b.places(ctx, who, a.Requirement)
	if err != nil {
		b.refuse(ctx, answer, who, err)
		return
	}
	now := b.clock.Now()
	op, written := b.made(now, who, p, w, a)
	op.Key, op.Places, op.Notes = key, places, notes
	if op.State == Ready && !op.Silent {
		written.Owed = b.owed(&op, OwedRoot, Card{})
	}
	bounded, cancel := context.WithTimeout(ctx, recordFor)
	defer cancel()
	stored, err := b.store.Create(bounded, now, key, &op, written)
	if err != nil {
		b.refuse(ctx, answer, who, Errorf(Unavailable, "The command could not be recorded, so nothing was done. Try again in a minute.").Because(err))
		return
	}
	who.op = stored.ID
	fail.Point("after_dedupe")
	b.ack(ctx, answer)
	fail.Point("after_request")
	if stored.Repeated {
		b.say(ctx, answer, b.repeatedCard(ctx, who, stored.Operation))
		return
	}
	b.metrics.State(stored.State)
	b.goOn(ctx, answer, who, cmd, stored.Operation)
}

// made is a new operation that the policy allows, in its first state, and what
// is recorded of that.
func (b *Bot) made(now time.Time, who *asker, p Parsed, w wish, a policy.Answer) (Operation, Written) {
	cmd := p.Command
	op := Operation{
		State: Confirming, Silent: true, Command: cmd.Words, Args: p.Args, Targets: p.Targets,
		Person: who.person, Account: who.account, Place: who.place,
		Title: cmd.Words + " " + Code(argText(cmd, cmd.recorded(p.Args))), Requirement: a.Requirement, Rules: a.Rules, Policy: who.snap.Hash(), Nonce: b.nonce(),
		Created: now, Expires: now.Add(b.scaled(confirmFor)), Again: w.again, For: w.forOp, Reason: w.reason,
	}
	if len(cmd.recorded(p.Args)) == 0 {
		op.Title = cmd.Words
	}
	if w.breakGlass {
		op.BreakGlass = a.Rules[0].ID
	}
	rec := commandRecord("command", who, cmd, p.Args, p.Targets, a)
	rec.BreakGlass = w.breakGlass
	op.NextAt = op.Expires
	if !asks(a.Requirement) {
		b.makeReady(&op, now)
		op.Silent = cmd.Quiet
		if cmd.Quiet { // it runs here; the background has it only after a crash
			op.NextAt = now.Add(time.Minute)
		}
	}
	return op, Written{Audit: []Record{rec}}
}

// repeatedCard answers a delivery that came before.
func (b *Bot) repeatedCard(ctx context.Context, who *asker, op *Operation) Card {
	switch {
	case op.ID == 0: // the policy has changed since
		return Card{Tone: Warn, Title: "Already received, and refused then", Lines: []string{"Nothing was done. Type the command again."}}
	case op.State == Confirming && op.Digest != "" && op.Person == who.person:
		return b.confirmCard(ctx, who, op, policy.Answer{})
	}
	return Card{Title: fmt.Sprintf("Already received as operation %d", op.ID), Lines: []string{b.story(op)}}
}

// runQuiet runs an operation that stays out of the channel, and answers with
// what came of it.
func (b *Bot) runQuiet(ctx context.Context, answer Responder, who *asker, op *Operation) {
	if err := b.proceedAlone(ctx, op); err != nil && !errors.Is(err, ErrConflict) {
		b.failedChange(ctx, answer, who, op.ID, err)
		return
	}
	ended, err := b.store.Operation(ctx, op.ID)
	if err != nil {
		b.failedChange(ctx, answer, who, op.ID, err)
		return
	}
	b.say(ctx, answer, b.opCard(&ended, who))
}

// proceedAlone is proceed, unless the background works on the operation.
func (b *Bot) proceedAlone(ctx context.Context, op *Operation) error {
	key := opKey(op.ID)
	if !b.busy.take(key) {
		return nil
	}
	defer b.busy.free(key) // also after a panic, or nobody would ever go on with it
	return b.proceed(ctx, *op)
}

// argText shows arguments as they are typed.
func argText(cmd *Command, args Args) string {
	var words []string
	for _, a := range args {
		p, ok := cmd.Param(a.Name)
		switch {
		case ok && !p.Positional && p.Kind.Type == Flag:
			words = append(words, "--"+a.Name)
			continue
		case ok && !p.Positional:
			words = append(words, "--"+a.Name)
		}
		words = append(words, quoted(a.Value))
	}
	return strings.Join(words, " ")
}

// asks tells whether anybody has to say yes before the command runs.
func asks(r policy.Requirement) bool {
	return r.Confirm != policy.ConfirmNone || r.Reason || len(r.Approve) > 0
}

// resolveTarget asks the provider what an ambiguous argument means, if there
// is one.
func (b *Bot) resolveTarget(ctx context.Context, who *asker, p *Parsed) error {
	if p.Ambiguous == "" {
		return nil
	}
	param, ok := p.Command.Param(p.Ambiguous)
	if !ok || param.Kind.Resolve == nil {
		return Errorf(Invalid, "%s is not clear: write %s or %s.", Code(p.Args.Text(p.Ambiguous)), Code("vm/ID"), Code("dedicated/ID"))
	}
	t, err := param.Kind.Resolve(ctx, b.call(ctx, who, p.Command, p.Args, p.Targets), p.Args.Text(p.Ambiguous))
	if err != nil {
		return err
	}
	p.Targets = nil
	if t != (Target{}) {
		p.Targets = []Target{t}
	}
	return nil
}

// places are where an operation's root message will stand: where it was typed
// and where the policy asks. Whether the bot may post there is found out now,
// not after the confirmation.
func (b *Bot) places(ctx context.Context, who *asker, r policy.Requirement) ([]Place, []string, error) {
	here := who.place
	if here.Direct && len(r.Approve) > 0 && len(r.Ask) == 0 {
		return nil, nil, Errorf(Conflict, "This needs an approval, and the policy names no channel to ask in.").WithHint("Type it in the team's channel.")
	}
	wanted := make([]Place, 0, 1+len(r.Ask))
	if !here.Direct || len(r.Ask) == 0 || len(r.Approve) == 0 {
		wanted = append(wanted, here)
	}
	for _, p := range r.Ask {
		if !slices.ContainsFunc(wanted, func(w Place) bool { return w.Place.String() == p.String() }) {
			wanted = append(wanted, Place{Place: p})
		}
	}
	var out []Place
	var notes []string
	var first error
	for i, p := range wanted {
		a, ok := b.adapters[p.Platform]
		err := error(Errorf(Unavailable, "The bot is not connected to %s.", Clean(p.Platform)))
		if ok {
			err = a.CanPost(ctx, p)
		}
		switch {
		case err == nil:
			out = append(out, p)
		case i == 0 && !here.Direct:
			return nil, nil, err
		default:
			first = err
			notes = append(notes, fmt.Sprintf("Not posted in %s: %s", Code(p.String()), plainError(err)))
		}
	}
	if len(out) == 0 {
		return nil, nil, first
	}
	return out, notes, nil
}

// makeReady puts an operation into Ready: nobody has to say yes any more. What
// it waited for when it was ready before is found out again.
func (b *Bot) makeReady(op *Operation, now time.Time) {
	op.State, op.Waits, op.Unblocks, op.NeedsBackup = Ready, "", "", false
	op.NotBefore = time.Time{}
	if op.Requirement.Delay > 0 && op.BreakGlass == "" {
		op.NotBefore = now.Add(b.scaled(op.Requirement.Delay))
	}
	op.Expires = now.Add(b.scaled(readyFor))
	if !op.NotBefore.IsZero() {
		op.Expires = op.NotBefore.Add(b.scaled(readyFor))
	}
	op.NextAt = now
}

// votesWithin is how long votes are collected.
func votesWithin(r policy.Requirement) time.Duration {
	if r.Within == 0 {
		return pendingFor
	}
	return r.Within
}

// confirmed moves an operation on that its requester wants: to the votes, or
// to be sent.
func (b *Bot) confirmed(ctx context.Context, key string, who *asker, op Operation) (*Operation, error) {
	now := b.clock.Now()
	op.Silent = false
	rec := Record{Kind: "confirmed", Person: who.person, Account: who.account.String(), Place: who.place.String(), Digest: op.Digest}
	if len(op.Requirement.Approve) > 0 {
		op.State = Pending
		op.Expires = now.Add(b.scaled(votesWithin(op.Requirement)))
		op.NextAt = op.Expires
	} else {
		b.makeReady(&op, now)
	}
	if op.BreakGlass != "" {
		rec.BreakGlass = true
	}
	stored, err := b.advanceOwing(ctx, key, &op, b.owed(&op, OwedRoot, Card{}), rec)
	if err == nil && stored.State == Ready {
		b.nudge(b.wake)
	}
	return stored, err
}

// confirm is the requester's Confirm: at once, or by the form that the policy
// wants.
func (b *Bot) confirm(ctx context.Context, key string, answer Responder, who *asker, op Operation, s *Submission) {
	if who.person != op.Person {
		b.say(ctx, answer, b.refusal(Errorf(Forbidden, "Only %s can confirm this: it is %s who asked.", Clean(op.Person), Clean(op.Person))))
		return
	}
	if op.State != Confirming || op.Digest == "" {
		b.answerState(ctx, answer, who, op.ID)
		return
	}
	form, needs := b.confirmForm(&op, actConfirm)
	if needs {
		if s == nil {
			b.openForm(ctx, answer, form)
			return
		}
		if bad := checkForm(&form, &op, s.Values); bad {
			b.openForm(ctx, answer, form)
			return
		}
		if reason := CleanMax(s.Values["reason"], 500); reason != "" {
			op.Reason = reason
		}
	}
	stored, err := b.confirmed(ctx, key, who, op)
	if err != nil {
		b.failedChange(ctx, answer, who, op.ID, err)
		return
	}
	b.ack(ctx, answer)
	b.say(ctx, answer, b.confirmedCard(stored))
}

// failedChange answers for a change that the store did not take.
func (b *Bot) failedChange(ctx context.Context, answer Responder, who *asker, op int64, err error) {
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrBusy) {
		b.answerState(ctx, answer, who, op)
		return
	}
	b.say(ctx, answer, b.withOp(b.refusal(Errorf(Unavailable, "The store did not take that, so nothing was done. Try again in a minute.").Because(err)), op))
}

// answerState tells privately how an operation stands: the answer to a press
// that comes too late.
func (b *Bot) answerState(ctx context.Context, answer Responder, who *asker, id int64) {
	op, err := b.store.Operation(ctx, id)
	if err != nil {
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The store does not answer. Nothing was done.").Because(err)))
		return
	}
	b.say(ctx, answer, Card{Tone: Warn, Title: fmt.Sprintf("Operation %d: nothing changed by that", op.ID), Lines: []string{b.story(&op)}})
}

// withOp adds the operation's number to a card.
func (b *Bot) withOp(c Card, id int64) Card {
	if id != 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("Operation %d.", id))
	}
	return c
}

// advance stores an operation's next state with its audit record.
func (b *Bot) advance(ctx context.Context, key string, op *Operation, rec Record) (*Operation, error) {
	return b.advanceOwing(ctx, key, op, nil, rec)
}

func (b *Bot) advanceOwing(ctx context.Context, key string, op *Operation, owed []Owed, rec Record) (*Operation, error) {
	return b.store1(ctx, key, op, Written{Owed: owed, Audit: []Record{opRecord(op, rec)}})
}

// store1 is the one place where an operation's next state is stored. It returns
// what is stored now, or op as it was given.
func (b *Bot) store1(ctx context.Context, key string, op *Operation, w Written) (*Operation, error) {
	stored, err := b.store.Advance(ctx, b.clock.Now(), key, op, w)
	if err != nil {
		return op, err
	}
	if stored.Repeated {
		return stored.Operation, errRepeated
	}
	b.metrics.State(stored.Operation.State)
	if len(w.Owed) > 0 {
		b.nudge(b.tell)
	}
	return stored.Operation, nil
}

// errRepeated is the ErrConflict of a delivery that came before.
var errRepeated = fmt.Errorf("delivered before: %w", ErrConflict)

// opRecord fills in what an audit record of an operation always has.
func opRecord(op *Operation, rec Record) Record {
	rec.Op, rec.State, rec.Command, rec.Target, rec.Policy = op.ID, op.State, op.Command, targetText(op.Targets), op.Policy
	if rec.Digest == "" {
		rec.Digest = op.Digest
	}
	rec.BreakGlass = rec.BreakGlass || op.BreakGlass != ""
	return rec
}

// end puts an operation into one of its last states, and owes its end message
// if it has a root.
func (b *Bot) end(ctx context.Context, key string, op *Operation, to State, outcome string, rec Record) (*Operation, error) {
	return b.endTook(ctx, key, op, to, outcome, rec, 0)
}

func (b *Bot) endTook(ctx context.Context, key string, before *Operation, to State, outcome string, rec Record, took time.Duration) (*Operation, error) {
	now := b.clock.Now()
	op := new(*before)
	op.State, op.Outcome, op.Waits = to, outcome, ""
	op.Expires, op.NextAt = time.Time{}, time.Time{}
	switch {
	case to.Final():
		op.Ended = now
	case to == NeedsHuman:
		op.NextAt = b.softLaneUntil(op)
	}
	w := Written{Audit: []Record{opRecord(op, rec)}, Took: took}
	if !op.Silent {
		last := b.owed(op, OwedEnd, b.endCard(op))
		if !to.Final() {
			// A person will end it, and that is the end of its thread. What
			// needed approvals is not for its requester to settle.
			last = b.pinging(b.owed(op, OwedLine, b.endCard(op)), append([]string{op.Person}, op.Voters()...))
		}
		w.Owed = append(b.owed(op, OwedRoot, Card{}), last...)
	}
	stored, err := b.store1(ctx, key, op, w)
	if err == nil {
		b.given.drop(op.ID)
		b.nudge(b.wake) // whoever waits for its lane
	}
	return stored, err
}
