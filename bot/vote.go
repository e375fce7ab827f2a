package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hosterbot/bot/fail"
	"hosterbot/bot/policy"
)

// Press implements Handler: a click on a button.
func (b *Bot) Press(ctx context.Context, p Press) {
	b.serve(ctx, p.Answer, p.Later, func(c *course) { b.pressed(ctx, c, p, nil) })
}

// Submit implements Handler: a form that was sent. It takes the same path as
// the button that opened it.
func (b *Bot) Submit(ctx context.Context, s Submission) {
	p := Press{Key: s.Key, Account: s.Account, Place: s.Place, Code: s.Code, Answer: s.Answer}
	b.serve(ctx, s.Answer, s.Later, func(c *course) { b.pressed(ctx, c, p, &s) })
}

// pressed does what a button says; s is the form that came with it, nil if none
// did.
func (b *Bot) pressed(ctx context.Context, to *course, p Press, s *Submission) {
	start, answer := b.clock.Now(), p.Answer
	who := b.asker(ctx, to, p.Account, p.Place)
	if b.refusedAtStop(ctx, answer) {
		return
	}
	c, err := parseCode(p.Code)
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	kind := "button"
	if s != nil {
		kind = "form"
	}
	who.atEnd(func() { b.logged(ctx, kind, c.action, who, start) })
	// A vote is no command, and is never refused as too much; what runs one is.
	runs := c.read || c.action == actAgain || c.action == actBackup || c.action == actShow
	if (who.person == "" || runs) && !b.admitted(ctx, answer, who) {
		return
	}
	if c.read {
		b.pressRead(ctx, p.Key, answer, who, c, s)
		return
	}
	op, err := b.store.Operation(ctx, c.id)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && !same(op.Nonce, c.nonce):
		who.outcome = "invalid"
		b.say(ctx, answer, b.refusal(Errorf(Missing, "That button belongs to no operation of this bot.")))
		return
	case err != nil:
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The store does not answer. Nothing was done.").Because(err)))
		return
	case who.person == "":
		who.outcome, who.op = "stranger", op.ID
		b.record(ctx, opRecord(&op, Record{Kind: "denied", Account: p.Account.String(), Place: p.Place.String(), Decision: "deny", Text: "unknown account pressed " + c.action}))
		b.say(ctx, answer, b.refusal(Errorf(Forbidden, "The policy does not know your account %s, so your click counts for nothing.", Code(p.Account.String())).
			WithHint("%s shows what whoever keeps the policy file has to add.", Code("whoami"))))
		return
	}
	who.op = op.ID
	stands, err := b.lapse(ctx, op)
	if err != nil {
		b.failedChange(ctx, answer, who, op.ID, err)
		return
	}
	b.act(ctx, p.Key, answer, who, *stands, c.action, s)
}

// act does what a button of an operation says. Buttons and the op commands
// take this one path.
func (b *Bot) act(ctx context.Context, key string, answer Responder, who *asker, op Operation, action string, s *Submission) {
	switch action {
	case actConfirm:
		b.confirm(ctx, key, answer, who, op, s)
	case actCancel:
		b.cancel(ctx, key, answer, who, op)
	case actApprove:
		b.vote(ctx, key, answer, who, op, true)
	case actDeny:
		b.vote(ctx, key, answer, who, op, false)
	case actBreakGlass:
		b.breakGlass(ctx, key, answer, who, op, s)
	case actReveal:
		b.reveal(ctx, answer, who, op)
	case actHave:
		b.have(ctx, answer, who, op)
	case actShow:
		b.show(ctx, answer, who, op)
	case actAgain:
		b.again(ctx, key, answer, who, op)
	case actBackup:
		b.backUpFirst(ctx, key, answer, who, op)
	case actSecret:
		b.takeSecret(ctx, key, answer, who, op, s)
	case actResolve:
		b.resolveForm(ctx, key, answer, who, op, s)
	default:
		b.say(ctx, answer, b.refusal(Errorf(Invalid, "That button does nothing here.")))
	}
}

// show shows what an operation acted on or made, where that can be shown, and
// else the operation.
func (b *Bot) show(ctx context.Context, answer Responder, who *asker, op Operation) {
	if t, ok := shownTarget(&op); ok {
		if p, err := b.catalogue.Parse(t.Kind+" show "+t.String(), who.snap.Label); err == nil {
			b.read(ctx, answer, who, p, 0)
			return
		}
	}
	b.ack(ctx, answer)
	b.say(ctx, answer, b.opCard(&op, who))
}

// lapse ends an operation whose time is over: expiry is looked at by every
// touch, not only by a clock.
func (b *Bot) lapse(ctx context.Context, op Operation) (*Operation, error) {
	now := b.clock.Now()
	if !op.State.Waiting() || op.Expires.IsZero() || now.Before(op.Expires) {
		return &op, nil
	}
	text := "Nobody confirmed it in time."
	switch op.State {
	case Pending:
		text = "Not enough approvals came in time."
	case Ready, Checking:
		text = "It could not be sent in time."
		if op.Waits != "" {
			text = "It could not be sent in time: " + sentence("it waited for "+op.Waits)
		}
	}
	stored, err := b.end(ctx, "", &op, Expired, text+" Nothing was done.", Record{Kind: "state", Text: text})
	if errors.Is(err, ErrConflict) { // somebody else touched it first
		op, err := b.store.Operation(ctx, op.ID)
		return &op, err
	}
	return stored, err
}

// voteTries bounds how often a vote is counted again because another came
// between: more people cannot vote on one operation at once.
const voteTries = 20

// vote counts one person's word. Of all votes that come at once, exactly one
// moves the operation on.
func (b *Bot) vote(ctx context.Context, key string, answer Responder, who *asker, op Operation, approve bool) {
	for range voteTries {
		stored, card, err := b.counted(ctx, key, who, op, approve)
		switch {
		case errors.Is(err, ErrConflict):
			if op, err = b.store.Operation(ctx, op.ID); err != nil {
				b.failedChange(ctx, answer, who, op.ID, err)
				return
			}
			continue
		case IsKind(err, Forbidden), IsKind(err, Conflict):
			b.say(ctx, answer, b.refusal(err))
		case err != nil:
			b.failedChange(ctx, answer, who, op.ID, err)
		default:
			fail.Point("after_vote")
			if stored.State == Ready {
				fail.Point("after_approved")
			}
			b.ack(ctx, answer)
			if card.Title != "" {
				b.say(ctx, answer, card)
			}
			if stored.State == Ready {
				b.nudge(b.wake)
			}
		}
		return
	}
	b.answerState(ctx, answer, who, op.ID)
}

// counted is one try at a vote: ErrConflict if the operation changed meanwhile.
func (b *Bot) counted(ctx context.Context, key string, who *asker, op Operation, approve bool) (*Operation, Card, error) {
	for _, v := range op.Votes {
		if v.Person == who.person && v.Digest == op.Digest && v.Approve == approve && op.State.Waiting() {
			return b.countedAgain(ctx, key, who, op)
		}
	}
	open := op.State == Pending || !approve && (op.State == Ready || op.State == Checking)
	if !open {
		return &op, Card{Tone: Warn, Title: fmt.Sprintf("Operation %d: nothing changed by that", op.ID), Lines: []string{b.story(&op)}}, nil
	}
	if why, ok := b.mayVote(ctx, who.snap, who.person, &op); !ok {
		b.record(ctx, opRecord(&op, Record{Kind: "denied", Person: who.person, Account: who.account.String(), Place: who.place.String(), Decision: "deny", Text: why}))
		return &op, Card{}, Errorf(Forbidden, "%s", why).WithHint("Your click counts for nothing.")
	}
	now := b.clock.Now()
	rec := Record{Kind: "vote", Person: who.person, Account: who.account.String(), Place: who.place.String(), Decision: "approve", Policy: who.snap.Hash()}
	op.Votes = append(slices.Clone(op.Votes), Vote{Person: who.person, Account: who.account.String(), Approve: approve, Digest: op.Digest, At: now, Policy: who.snap.Hash()})
	if !approve {
		rec.Decision = "deny"
		op.EndedBy = who.person
		stored, err := b.end(ctx, key, &op, Denied, "Denied by "+Clean(who.person)+". Nothing was done.", rec)
		return stored, Card{}, err
	}
	gone := b.dropVotes(ctx, who.snap, &op)
	voters := b.eligibleVoters(ctx, who.snap, &op)
	if met, _ := who.snap.Met(op.Requirement.Approve, voters, b.memberFunc(ctx, who.snap)); met {
		b.makeReady(&op, now)
	}
	line := Card{Tone: Good, Title: Clean(who.person) + " approved" + voteCount(&op, len(voters))}
	if len(gone) > 0 {
		rec.Text = noLonger(gone)
		line.Lines = append(line.Lines, rec.Text)
	}
	if open := slices.DeleteFunc(op.Voters(), func(p string) bool { return slices.Contains(voters, p) }); len(open) > 0 && op.State == Pending {
		line.Lines = append(line.Lines, "The approval of "+Clean(list(open, "and"))+" does not count while the look-up of a group fails. Press Approve again when it works.")
	}
	owed := append(b.owed(&op, OwedRoot, Card{}), b.owed(&op, OwedLine, line)...)
	stored, err := b.advanceOwing(ctx, key, &op, owed, rec)
	return stored, Card{}, err
}

// countedAgain is for a word that was given before. It changes nothing, unless
// the votes are all there and only the look-up of a group stood in the way.
func (b *Bot) countedAgain(ctx context.Context, key string, who *asker, op Operation) (*Operation, Card, error) {
	why, may := b.mayVote(ctx, who.snap, who.person, &op)
	if !may && !b.lookUpFailed(ctx, who.snap, who.person) {
		return &op, Card{}, Errorf(Forbidden, "%s", why).WithHint("Your approval of before counts no longer.")
	}
	met, _ := who.snap.Met(op.Requirement.Approve, b.eligibleVoters(ctx, who.snap, &op), b.memberFunc(ctx, who.snap))
	if op.State == Pending && met {
		b.makeReady(&op, b.clock.Now())
		stored, err := b.advanceOwing(ctx, key, &op, b.owed(&op, OwedRoot, Card{}),
			Record{Kind: "state", Person: who.person, Account: who.account.String(), Place: who.place.String(), Text: "the votes are counted again"})
		return stored, Card{}, err
	}
	return &op, Card{Title: fmt.Sprintf("Operation %d: your word is already counted", op.ID), Tone: Plain, Lines: []string{b.story(&op)}}, nil
}

// dropVotes takes away the approvals that no longer count under the policy, and
// returns whose they were. One of which only the look-up of a group failed
// stays: it may count again.
func (b *Bot) dropVotes(ctx context.Context, snap *policy.Snapshot, op *Operation) (gone []string) {
	voters := b.eligibleVoters(ctx, snap, op)
	op.Votes = slices.DeleteFunc(slices.Clone(op.Votes), func(v Vote) bool {
		if slices.Contains(voters, v.Person) || b.lookUpFailed(ctx, snap, v.Person) {
			return false
		}
		gone = append(gone, v.Person)
		return true
	})
	return gone
}

func (b *Bot) lookUpFailed(ctx context.Context, snap *policy.Snapshot, person string) bool {
	return slices.Contains(slices.Collect(maps.Values(b.memberships(ctx, snap, person))), MemberUnknown)
}

// noLonger says whose approvals fell away.
func noLonger(gone []string) string {
	return "The approval of " + Clean(list(gone, "and")) + " no longer counts under the policy."
}

// voteCount says how many of the votes that are needed are in.
func voteCount(op *Operation, in int) string {
	need := 0
	for _, a := range op.Requirement.Approve {
		need += a.Count
	}
	if need < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", in, need)
}

// mayVote tells whether a person may vote on an operation now, and why not.
func (b *Bot) mayVote(ctx context.Context, snap *policy.Snapshot, person string, op *Operation) (string, bool) {
	switch {
	case person == op.Person:
		return "You asked for this, so somebody else has to decide it.", false
	case len(op.Requirement.Approve) == 0:
		return "Nobody is asked to decide this: " + Clean(op.Person) + " can cancel it.", false
	}
	q := b.voteQuestion(op)
	why := ""
	for _, a := range op.Requirement.Approve {
		ok, no := snap.MayApprove(person, b.memberships(ctx, snap, person), a.By, q)
		if ok {
			return "", true
		}
		why = no
	}
	return Clean(why), false
}

func (b *Bot) voteQuestion(op *Operation) policy.Question {
	return policy.Question{Person: op.Person, Command: op.Command, Targets: op.Targets, Place: op.Place.Place, Time: b.clock.Now()}
}

// eligibleVoters are the people whose approval of the current digest still
// counts under this policy.
func (b *Bot) eligibleVoters(ctx context.Context, snap *policy.Snapshot, op *Operation) []string {
	return slices.DeleteFunc(op.Voters(), func(person string) bool {
		_, ok := b.mayVote(ctx, snap, person, op)
		return !ok
	})
}

// cancel takes an operation back: its requester may, until the call is made.
func (b *Bot) cancel(ctx context.Context, key string, answer Responder, who *asker, op Operation) {
	if who.person != op.Person {
		b.say(ctx, answer, b.refusal(Errorf(Forbidden, "Only %s can cancel this. An approver can deny it.", Clean(op.Person))))
		return
	}
	stored, err := b.change(ctx, op, func(op Operation) (*Operation, error) {
		if !op.State.Waiting() {
			return &op, errRepeated
		}
		op.EndedBy = who.person
		return b.end(ctx, key, &op, Cancelled, "Cancelled by "+Clean(who.person)+". Nothing was done.",
			Record{Kind: "cancelled", Person: who.person, Account: who.account.String(), Place: who.place.String()})
	})
	if err != nil {
		b.failedChange(ctx, answer, who, op.ID, err)
		return
	}
	b.ack(ctx, answer)
	if stored.Silent {
		b.say(ctx, answer, b.withOp(Card{Tone: Plain, Title: "Cancelled", Lines: []string{"Nothing was done."}}, op.ID))
	}
}

// change makes a change to an operation, again on what is stored then if
// another came between.
func (b *Bot) change(ctx context.Context, op Operation, do func(Operation) (*Operation, error)) (*Operation, error) {
	for range voteTries {
		stored, err := do(op)
		if !errors.Is(err, ErrConflict) || errors.Is(err, errRepeated) {
			return stored, err
		}
		if op, err = b.store.Operation(ctx, op.ID); err != nil {
			return &op, err
		}
	}
	return &op, ErrConflict
}

// again begins a new operation with the same arguments, decided and confirmed
// anew, for whoever pressed.
func (b *Bot) again(ctx context.Context, key string, answer Responder, who *asker, op Operation) {
	if !op.State.Final() {
		b.answerState(ctx, answer, who, op.ID)
		return
	}
	p, err := b.catalogue.ParseTyped(op.Command, op.Args, who.snap.Label)
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	b.dispatch(ctx, key, answer, who, p, wish{again: op.ID})
}

// backUpFirst begins the backup that an operation waits for.
func (b *Bot) backUpFirst(ctx context.Context, key string, answer Responder, who *asker, op Operation) {
	if op.State != Ready && op.State != Pending || op.Target().Kind != "vm" {
		b.answerState(ctx, answer, who, op.ID)
		return
	}
	p, err := b.catalogue.Parse("backup create "+op.Target().String(), who.snap.Label)
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	b.dispatch(ctx, key, answer, who, p, wish{forOp: op.ID})
}

// breakGlass is Break glass on a confirmation card: the form takes the reason,
// and the policy decides anew, under that rule.
func (b *Bot) breakGlass(ctx context.Context, key string, answer Responder, who *asker, op Operation, s *Submission) {
	cmd, ok := b.catalogue.Find(op.Command)
	if who.person != op.Person || op.State != Confirming || op.Digest == "" || !ok {
		b.answerState(ctx, answer, who, op.ID)
		return
	}
	a, err := b.decide(ctx, who, cmd, op.Targets, Facts{}, false, true)
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	if !a.Allowed {
		b.deny(ctx, key, answer, who, Parsed{Command: cmd, Args: op.Args, Targets: op.Targets}, a)
		return
	}
	op.Requirement, op.Rules, op.Policy = a.Requirement, a.Rules, who.snap.Hash()
	form, _ := b.confirmForm(&op, actBreakGlass)
	form.Title, form.Submit = "Break glass", "Break glass"
	if s == nil {
		b.openForm(ctx, answer, form)
		return
	}
	if checkForm(&form, &op, s.Values) {
		b.openForm(ctx, answer, form)
		return
	}
	op.Reason, op.BreakGlass = CleanMax(s.Values["reason"], 500), a.Rules[0].ID
	op.Digest = op.Sum()
	stored, err := b.confirmed(ctx, key, who, op)
	if err != nil {
		b.failedChange(ctx, answer, who, op.ID, err)
		return
	}
	b.ack(ctx, answer)
	b.say(ctx, answer, b.confirmedCard(stored))
}

// breakGlassRefused is Break glass below a refusal.
func (b *Bot) breakGlassRefused(ctx context.Context, key string, answer Responder, who *asker, p Parsed, r Read, s *Submission) {
	form := Form{Code: readCode(r, actBreakGlass), Title: "Break glass", Submit: "Break glass",
		Text:   "Runs " + p.Command.Words + " " + argText(p.Command, p.Args) + " without approvals, and tells everybody.",
		Fields: []FormField{{Name: "reason", Label: "Reason", Hint: "Why, or the ticket's number", Required: true, MaxLen: 500}}}
	if s == nil {
		b.openForm(ctx, answer, form)
		return
	}
	reason := CleanMax(s.Values["reason"], 500)
	if reason == "" {
		form.Fields[0].Error = "This is needed."
		b.openForm(ctx, answer, form)
		return
	}
	b.dispatch(ctx, key, answer, who, p, wish{breakGlass: true, reason: reason})
}

// errGone is the ErrConflict of an operation that no longer waits for it.
var errGone = fmt.Errorf("no longer waits for that: %w", ErrConflict)

// secretFor is how long a typed password waits in memory for its call.
const secretFor = 10 * time.Minute

// takeSecret takes the password that a command needs as its last step. It goes
// straight into the call, and lives in memory only.
func (b *Bot) takeSecret(ctx context.Context, key string, answer Responder, who *asker, op Operation, s *Submission) {
	cmd, ok := b.catalogue.Find(op.Command)
	switch {
	case !ok || cmd.AskSecret == "" || op.State != Ready && op.State != Checking:
		b.answerState(ctx, answer, who, op.ID)
		return
	case who.person != op.Person:
		b.say(ctx, answer, b.refusal(Errorf(Forbidden, "Only %s can type this password: it is %s who asked.", Clean(op.Person), Clean(op.Person))))
		return
	}
	form := Form{Code: opCode(&op, actSecret), Title: "Password", Submit: "Send",
		Text:   "It goes straight into the call, and is kept nowhere.",
		Fields: []FormField{{Name: "password", Label: CleanMax(cmd.AskSecret, 45), Required: true, Secret: true, MaxLen: 200}}}
	if s == nil {
		b.openForm(ctx, answer, form)
		return
	}
	value := s.Secrets["password"]
	if value.IsZero() {
		form.Fields[0].Error = "This is needed."
		b.openForm(ctx, answer, form)
		return
	}
	now := b.clock.Now()
	b.given.put(op.ID, value, now.Add(b.scaled(secretFor)))
	_, err := b.change(ctx, op, func(op Operation) (*Operation, error) {
		if op.State != Ready && op.State != Checking {
			return &op, errGone
		}
		op.NextAt, op.Waits = now, ""
		return b.advance(ctx, key, &op, Record{Kind: "state", Person: who.person, Account: who.account.String(), Text: "password typed"})
	})
	if err != nil && !errors.Is(err, errRepeated) {
		b.given.drop(op.ID)
		b.failedChange(ctx, answer, who, op.ID, err)
		return
	}
	b.ack(ctx, answer)
	b.nudge(b.wake)
}
