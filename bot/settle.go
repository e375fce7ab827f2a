package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hosterbot/bot/policy"
)

// When unknown outcomes are read, before scaling.
const (
	settleFirst = 5 * time.Second   // after the answer did not come
	settleMost  = time.Minute       // between two reads; they double up to that
	landsWithin = 150 * time.Second // a call that was on its way has landed, or never will
)

// settle reads whether the effect of a lost call is there. Presence settles it
// at once. Absence proves something only when the call can no longer land and
// the window of its command is over; what then cannot be told, a person has to.
func (b *Bot) settle(ctx context.Context, op Operation) error {
	cmd, ok := b.catalogue.Find(op.Command)
	if !ok || cmd.Settle == nil {
		return b.needsPerson(ctx, op, "No read tells whether it was done.", 0)
	}
	c := b.call(ctx, b.requester(ctx, &op), cmd, op.Args, op.Targets)
	c.Op = &op
	v, err := cmd.Settle(ctx, c)
	now := b.clock.Now()
	over := !now.Before(b.toldBy(&op))
	switch {
	case err != nil:
		b.log.Info("outcome not readable", "op", op.ID, "err", b.scrub.Scrub(err.Error()))
	case v.Is == Person && v.VM != 0:
		return b.needsPerson(ctx, op, v.Text, v.VM)
	case v.Is == Done:
		op.Hint = ""
		_, err := b.end(ctx, "", &op, SettledDone, unanswered(&op)+", and it is done: "+v.Text, Record{Kind: "settled", Decision: string(v.Is), Text: v.Text})
		return err
	case !over:
	case v.Is == NotDone:
		op.Hint = ""
		_, err := b.end(ctx, "", &op, SettledNotDone, unanswered(&op)+", and it was not done: "+v.Text, Record{Kind: "settled", Decision: string(v.Is), Text: v.Text})
		return err
	default:
		return b.needsPerson(ctx, op, v.Text, 0)
	}
	op.NextAt = now.Add(b.scaled(min(settleFirst<<min(op.Looks, 10), settleMost)))
	op.Looks++
	_, err = b.store1(ctx, "", &op, Written{})
	return err
}

// unanswered says why an outcome is not known: the answer was lost on its way,
// or with the process or the store that waited for it, or tells nothing.
func unanswered(op *Operation) string {
	n := len(op.Attempts)
	if n == 0 || op.Attempts[n-1].Ended.IsZero() || op.Attempts[n-1].Class == Accepted {
		return "No answer is on record"
	}
	if status := op.Attempts[n-1].Status; status != 0 {
		return fmt.Sprintf("The answer, HTTP %d, does not tell what happened", status)
	}
	return "No answer came"
}

// needsPerson leaves it to a person how a lost call ended.
func (b *Bot) needsPerson(ctx context.Context, op Operation, why string, vm int64) error {
	op.Probably = vm
	op.Hint = "Look at the provider's side, then press Resolve, or: " + Code(fmt.Sprintf("op resolve %d done|not-done|unsure --reason ...", op.ID))
	_, err := b.end(ctx, "", &op, NeedsHuman, unanswered(&op)+". "+why, Record{Kind: "settled", Decision: string(Person), Text: why})
	return err
}

// resolveAfter is how long an unknown outcome has to stand before a person may
// settle it: a call that is still on its way could land until then.
const resolveAfter = 160 * time.Second

// Resolution is a person's word on an operation whose outcome is not known.
type Resolution struct {
	Op     int64
	Word   string // "done", "not-done", "unsure"
	Reason string
	VM     int64 // the VM that a create made, 0: not said
}

// resolutions are the states that the words lead to.
var resolutions = map[string]State{"done": ResolvedDone, "not-done": ResolvedUndone, "unsure": ResolvedUnsure}

// CheckResolution tells whether a person may settle an operation now, and
// returns it. Its error is for people.
func (b *Bot) CheckResolution(ctx context.Context, c *Call, r Resolution) (Operation, error) {
	op, err := b.Operation(ctx, r.Op)
	if err != nil {
		return op, err
	}
	switch op.State {
	case Unknown, NeedsHuman, LostTrack:
	default:
		return op, Errorf(Conflict, "Operation %d is not one whose outcome is unknown. %s", op.ID, b.story(&op))
	}
	if _, ok := resolutions[r.Word]; !ok {
		return op, Errorf(Invalid, "Say %s, %s or %s.", Code("done"), Code("not-done"), Code("unsure"))
	}
	if len(op.Attempts) > 0 {
		from := op.Attempts[len(op.Attempts)-1].At.Add(b.scaled(resolveAfter))
		if op.State != LostTrack && b.clock.Now().Before(from) {
			return op, Errorf(Conflict, "Operation %d may still be on its way: it can be resolved from %s on.", op.ID, At(from))
		}
	}
	if c.Person == op.Person && len(op.Requirement.Approve) > 0 && op.BreakGlass == "" {
		return op, Errorf(Forbidden, "You asked for operation %d and it needed approvals, so somebody else has to resolve it.", op.ID)
	}
	if r.VM != 0 && (r.Word != "done" || op.Command != "vm create") {
		return op, Errorf(Invalid, "%s goes with %s of a %s.", Code("--vm"), Code("done"), Code("vm create"))
	}
	return op, nil
}

// Resolve ends an operation by a person's word, and frees its lane.
func (b *Bot) Resolve(ctx context.Context, c *Call, r Resolution) Outcome {
	op, err := b.CheckResolution(ctx, c, r)
	if err != nil {
		return Outcome{Class: Refused, Text: plainError(err).Error()}
	}
	if r.VM != 0 {
		op.Made = []Target{{Kind: "vm", ID: r.VM}}
		op.Result = append(op.Result, Field{"VM", Code(fmt.Sprint(r.VM))})
	}
	op.EndedBy, op.Hint = c.Person, ""
	if r.VM != 0 {
		op.Hint = "Its first password is lost. A new one: " + Code(fmt.Sprintf("vm reset-password %d", r.VM))
	}
	text := fmt.Sprintf("%s looked and says: %s. “%s”", Clean(c.Person), r.Word, CleanMax(r.Reason, 300))
	key := ""
	if c.Op != nil {
		key = fmt.Sprintf("resolve/%d", c.Op.ID)
	}
	rec := Record{Kind: "resolve", Person: c.Person, Account: c.Account.String(), Place: c.Place.String(), Decision: r.Word}
	switch _, err := b.end(ctx, key, &op, resolutions[r.Word], text, rec); {
	case errors.Is(err, errRepeated):
	case errors.Is(err, ErrConflict):
		return Outcome{Class: Refused, Text: "Somebody else was faster: look at the operation again."}
	case err != nil:
		return Outcome{Class: NotSent, Text: "The store did not take it."}
	}
	return Outcome{Class: Accepted, Done: fmt.Sprintf("Operation %d is resolved as %s.", r.Op, r.Word)}
}

// resolveForm is the Resolve button: it asks for the word and the reason, and
// runs `op resolve`.
func (b *Bot) resolveForm(ctx context.Context, key string, answer Responder, who *asker, op Operation, s *Submission) {
	if op.State != Unknown && op.State != NeedsHuman && op.State != LostTrack {
		b.answerState(ctx, answer, who, op.ID)
		return
	}
	f := Form{Code: opCode(&op, actResolve), Title: "Resolve", Text: "Look at the provider's side first: " + Flat(op.Title, b.clock.Now()), Submit: "Resolve", Fields: []FormField{
		{Name: "outcome", Label: "What you found", Required: true, Choices: []Choice{{"done", "It was done"}, {"not-done", "It was not done"}, {"unsure", "I cannot tell"}}},
		{Name: "reason", Label: "How you know", Required: true, MaxLen: 300},
	}}
	if op.Command == "vm create" {
		field := FormField{Name: "vm", Label: "The VM that it made, if it was done", MaxLen: 20}
		if op.Probably != 0 {
			field.Value = fmt.Sprint(op.Probably)
		}
		f.Fields = append(f.Fields, field)
	}
	if s == nil {
		b.openForm(ctx, answer, f)
		return
	}
	bad := false
	for i := range f.Fields {
		f.Fields[i].Value = CleanMax(s.Values[f.Fields[i].Name], 300)
		if f.Fields[i].Value == "" && f.Fields[i].Required {
			f.Fields[i].Error, bad = "This is needed.", true
		}
	}
	if bad {
		b.openForm(ctx, answer, f)
		return
	}
	args := []Arg{{"op", fmt.Sprint(op.ID)}, {"outcome", f.Fields[0].Value}, {"reason", f.Fields[1].Value}}
	if len(f.Fields) > 2 && f.Fields[2].Value != "" && f.Fields[0].Value == "done" {
		args = append(args, Arg{"vm", f.Fields[2].Value})
	}
	p, err := b.catalogue.ParseTyped("op resolve", args, who.snap.Label)
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	b.dispatch(ctx, key, answer, who, p, wish{})
}

// softLaneUntil is how long an unknown outcome keeps a soft lane; zero where
// its lane is none, or is free already.
func (b *Bot) softLaneUntil(op *Operation) time.Time {
	if cmd, ok := b.catalogue.Find(op.Command); !ok || !cmd.SoftLane || op.LaneFreed {
		return time.Time{}
	}
	return op.Attempts[len(op.Attempts)-1].At.Add(b.scaled(softLaneFor))
}

// freeSoftLane lets go of a lane that an unknown outcome does not need to keep.
func (b *Bot) freeSoftLane(ctx context.Context, op Operation) error {
	op.NextAt = b.softLaneUntil(&op)
	if op.NextAt.IsZero() || b.clock.Now().Before(op.NextAt) {
		_, err := b.store1(ctx, "", &op, Written{})
		return err
	}
	op.NextAt, op.LaneFreed = time.Time{}, true
	stored, err := b.advanceOwing(ctx, "", &op, b.owed(&op, OwedRoot, Card{}), Record{Kind: "state", Text: "lane freed"})
	if err == nil {
		b.free.add(stored)
	}
	return err
}

// reveal shows the secret of a finished operation to the presser alone, if he
// asked for it or has the grant.
func (b *Bot) reveal(ctx context.Context, answer Responder, who *asker, op Operation) {
	cmd, ok := b.catalogue.Find(op.Command)
	if !ok || !op.Secret {
		b.answerState(ctx, answer, who, op.ID)
		return
	}
	// A password that exists only in its answer is its requester's alone: who
	// has the grant can read what the provider still tells, and asks it.
	if own := cmd.Reveal == nil; who.person != op.Person && (own || !b.mayReveal(ctx, who, &op)) {
		b.record(ctx, opRecord(&op, Record{Kind: "denied", Person: who.person, Account: who.account.String(), Place: who.place.String(), Decision: "deny", Text: "reveal"}))
		e := Errorf(Forbidden, "Only %s can see this password, and whoever may run %s on its target.", Clean(op.Person), Code("job reveal"))
		if own {
			e = Errorf(Forbidden, "Only %s can see this password.", Clean(op.Person))
		}
		b.say(ctx, answer, b.refusal(e))
		return
	}
	b.ack(ctx, answer)
	_, held := b.held.get(op.ID) // may be gone soon
	who.left(Rest{Asks: !held && cmd.Reveal != nil, Run: func() { b.revealOp(ctx, answer, who, cmd, op) }})
}

func (b *Bot) revealOp(ctx context.Context, answer Responder, who *asker, cmd *Command, op Operation) {
	rec := opRecord(&op, Record{Kind: "secret", Person: who.person, Account: who.account.String(), Place: who.place.String(), Decision: "allow"})
	value, held := b.held.get(op.ID)
	card, ok := b.uncover(ctx, answer, rec, func() (Card, error) {
		if held {
			return Card{Tone: Good, Title: "The new password", Secrets: []Shown{{Label: "password", Value: value}},
				Notes: []string{"It exists nowhere else. Press I have it when you have stored it."}}, nil
		}
		if cmd.Reveal == nil {
			return Card{}, Errorf(Conflict, "The password is no longer here: it was in memory only, and it was taken, its time is over, or the bot was restarted.").
				WithHint("Run %s again for a new one.", Code(op.Command))
		}
		c := b.call(ctx, who, cmd, op.Args, op.Targets)
		c.Op = &op
		return cmd.Reveal(ctx, c)
	})
	if !ok {
		return
	}
	if held {
		card.Buttons = append(card.Buttons, Button{Label: "I have it", Style: Primary, Code: opCode(&op, actHave)})
	}
	b.say(ctx, answer, b.withOp(card, op.ID))
}

// mayReveal tells whether a person who did not ask may see an operation's
// secret.
func (b *Bot) mayReveal(ctx context.Context, who *asker, op *Operation) bool {
	cmd, ok := b.catalogue.Find("job reveal")
	if !ok {
		return false
	}
	targets := op.Targets
	if len(op.Made) > 0 {
		targets = op.Made
	}
	a, err := b.decide(ctx, who, cmd, targets, Facts{}, true, false)
	return err == nil && a.Allowed
}

// have forgets a password whose owner has it.
func (b *Bot) have(ctx context.Context, answer Responder, who *asker, op Operation) {
	if who.person != op.Person {
		b.say(ctx, answer, b.refusal(Errorf(Forbidden, "Only %s can say that.", Clean(op.Person))))
		return
	}
	b.ack(ctx, answer)
	b.held.drop(op.ID)
	b.record(ctx, opRecord(&op, Record{Kind: "secret", Person: who.person, Account: who.account.String(), Place: who.place.String(), Text: "taken, and forgotten here"}))
	b.say(ctx, answer, b.withOp(Card{Tone: Good, Title: "Forgotten here", Lines: []string{"The password is now only with you."}}, op.ID))
}

// Operation reads an operation for a row. Its error is for people.
func (b *Bot) Operation(ctx context.Context, id int64) (Operation, error) {
	op, err := b.store.Operation(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return op, Errorf(Missing, "There is no operation %d.", id).WithHint("%s shows them.", Code("op list"))
	case err != nil:
		return op, Errorf(Unavailable, "The store does not answer.").Because(err)
	}
	return op, nil
}

// Operations lists operations for a row, newest first.
func (b *Bot) Operations(ctx context.Context, f OperationFilter) ([]Operation, error) {
	ops, err := b.store.Operations(ctx, f)
	if err != nil {
		return nil, Errorf(Unavailable, "The store does not answer.").Because(err)
	}
	return ops, nil
}

// OperationOfJob finds the operation that a provider's job belongs to;
// ErrNotFound if none here does.
func (b *Bot) OperationOfJob(ctx context.Context, job int64) (Operation, error) {
	f := OperationFilter{Jobs: true, Limit: 200}
	for range 50 { // the newest 10,000
		ops, err := b.Operations(ctx, f)
		if err != nil {
			return Operation{}, err
		}
		for _, op := range ops {
			if op.Job != nil && op.Job.ID == job {
				return op, nil
			}
		}
		if len(ops) < f.Limit {
			break
		}
		f.Before = ops[len(ops)-1].ID
	}
	return Operation{}, ErrNotFound
}

// OperationCard is an operation's whole story, with the buttons that its caller
// could press.
func (b *Bot) OperationCard(call *Call, op *Operation) Card {
	c := b.opCard(op, call.who)
	c.Fields = append(c.Fields, Field{"State", Code(string(op.State))}, Field{"Asked", At(op.Created)})
	if was := InLine(op.Fields, " · "); was != "" && !op.State.Waiting() {
		c.Fields = append(c.Fields, Field{"When asked", was}) // of a machine that is gone it is all there is
	}
	if !op.Ended.IsZero() {
		c.Fields = append(c.Fields, Field{"Ended", At(op.Ended)})
	}
	for _, v := range op.Votes {
		word := "approved"
		if !v.Approve {
			word = "denied"
		}
		c.Fields = append(c.Fields, Field{"Vote", Clean(v.Person) + " " + word + " " + At(v.At)})
	}
	for i, a := range op.Attempts {
		text := "sent " + At(a.At) + ": " + string(a.Class)
		if a.Class == "" {
			text = "sent " + At(a.At) + ": no outcome recorded"
		}
		if a.Status != 0 {
			text += fmt.Sprintf(", HTTP %d", a.Status)
		}
		if a.Text != "" {
			text += ", " + Clean(a.Text)
		}
		c.Fields = append(c.Fields, Field{fmt.Sprintf("Call %d", i+1), text})
	}
	if op.Job != nil && op.Job.ID != 0 {
		c.Fields = append(c.Fields, Field{"Job", Code(fmt.Sprint(op.Job.ID))})
	}
	for _, r := range op.Rules {
		c.Notes = append(c.Notes, "Decided by "+ruleOrDefault(b.policy.Current(), r)+".")
	}
	return c
}

// Concerns tells whether an operation is the caller's, or one that the caller
// may vote on.
func (b *Bot) Concerns(ctx context.Context, c *Call, op *Operation) bool {
	if c.who.person == "" {
		return false
	}
	_, may := b.mayVote(ctx, c.Policy, c.who.person, op)
	return may || c.who.person == op.Person
}

// VoteCard is an operation with its buttons, for somebody whom it concerns.
func (b *Bot) VoteCard(c *Call, op *Operation) Card { return b.opCard(op, c.who) }

func ruleOrDefault(snap *policy.Snapshot, r policy.Rule) string {
	if text := ruleText(snap, r); text != "" {
		return text
	}
	return r.Kind + " " + Code(r.ID)
}

// toldBy is until when an unknown outcome is looked at before a person is
// asked; zero where no read tells, and a person is asked at once.
func (b *Bot) toldBy(op *Operation) time.Time {
	cmd, ok := b.catalogue.Find(op.Command)
	if op.State != Unknown || !ok || cmd.Settle == nil || len(op.Attempts) == 0 {
		return time.Time{}
	}
	return op.Attempts[len(op.Attempts)-1].SendBy.Add(b.scaled(landsWithin + cmd.Window))
}
