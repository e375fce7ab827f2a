package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hosterbot/bot/policy"
)

// How an operation looks, in its root message, to its requester, and at its
// end. What is said here is read at 3 a.m.: short, plain, and what to do next.

// rootCard is the operation as everybody in the channel sees it.
func (b *Bot) rootCard(ctx context.Context, op *Operation, platform string) Card {
	c := b.opCard(op, &asker{})
	if op.State == Pending {
		c.Mentions = b.accounts(b.approvers(ctx, op), platform)
	}
	return c
}

// approvers are up to five people who may approve an operation and have not.
func (b *Bot) approvers(ctx context.Context, op *Operation) []string {
	snap := b.policy.Current()
	var by []string
	for _, a := range op.Requirement.Approve {
		by = append(by, a.By...)
	}
	people := snap.Eligible(by, b.voteQuestion(op), b.memberFunc(ctx, snap))
	voted := op.Voters()
	people = slices.DeleteFunc(people, func(p string) bool { return slices.Contains(voted, p) })
	return people[:min(len(people), maxMentioned)]
}

// accounts are where people are called on a platform.
func (b *Bot) accounts(people []string, platform string) []Account {
	snap := b.policy.Current()
	out := make([]Account, len(people))
	for i, person := range people {
		out[i] = b.account(snap, person, platform)
	}
	return out
}

// account is where a person is called on a platform; on another, by name.
func (b *Bot) account(snap *policy.Snapshot, person, platform string) Account {
	if b.demo {
		return Account{Platform: demoPlatform, User: person}
	}
	for _, a := range snap.Accounts(person) {
		if a.Platform == platform {
			team, user, ok := strings.Cut(a.ID, "/")
			if !ok {
				team, user = "", a.ID
			}
			return Account{Platform: platform, Team: team, User: user}
		}
	}
	return Account{User: person}
}

// opCard is the operation as it stands.
func (b *Bot) opCard(op *Operation, who *asker) Card {
	now := b.clock.Now()
	c := Card{Op: op.ID, Title: op.Title}
	person := Clean(op.Person)
	switch op.State {
	case Confirming:
		c.Tone, c.Title = Warn, op.Title+"?"
		c.Lines = append(c.Lines, person+" has not confirmed it yet. Until "+At(op.Expires)+".")
	case Pending:
		c.Tone, c.Title = Warn, person+" asks: "+op.Title
		c.Lines = append(c.Lines, b.votesNeeded(op))
	case Ready, Checking:
		c.Tone = Busy
		if op.Waits != "" {
			c.Lines = append(c.Lines, sentence("Waits for "+op.Waits))
			if now.After(op.NotBefore) && !op.NeedsBackup && len(op.Attempts) == 0 {
				c.Lines = append(c.Lines, "It expires "+At(op.Expires)+".")
			}
		} else {
			c.Lines = append(c.Lines, "About to be sent.")
		}
	case Intent:
		c.Tone = Busy
		c.Lines = append(c.Lines, "Sent. Waiting for the provider's answer.")
	case InProgress:
		c.Tone = Busy
		c.Lines = append(c.Lines, "The provider has accepted it.")
	case Following:
		c.Tone = Busy
		c.Bar = b.bar(op, now)
		if op.Job.Last.Text != "" {
			c.Lines = append(c.Lines, op.Job.Last.Text)
		}
	case Unknown, NeedsHuman:
		c.Tone, c.Title = Warn, "Outcome unknown: "+op.Title
		c.Lines = append(c.Lines, op.Outcome)
		if op.LaneFreed {
			c.Lines = append(c.Lines, "Its target is free for other operations again.")
		}
		switch until := b.toldBy(op); {
		case until.IsZero():
		case !now.Before(until): // every read has failed so far
			c.Lines = append(c.Lines, "The bot could not read yet whether it was done, and goes on trying. Who knows better presses Resolve.")
		default:
			c.Lines = append(c.Lines, "Nothing to do yet: the bot looks whether it was done, until "+At(until)+", and then asks a person if it cannot tell.")
		}
	case LostTrack:
		c.Tone, c.Title = Warn, "Lost track: "+op.Title
		c.Lines = append(c.Lines, op.Outcome)
	default:
		c.Tone, c.Title = endTone(op), endWord(op)+": "+op.Title
		if op.Outcome != "" {
			c.Lines = append(c.Lines, op.Outcome)
		}
	}
	if op.Hint != "" && !op.State.Waiting() {
		c.Lines = append(c.Lines, op.Hint)
	}
	if op.State.Waiting() {
		c.Fields = append(c.Fields, op.Fields...)
		if op.Loses != "" {
			c.Fields = append(c.Fields, Field{"Is lost", op.Loses})
		}
	}
	c.Fields = append(c.Fields, op.Result...)
	if op.Reason != "" {
		c.Fields = append(c.Fields, Field{"Reason", Clean(op.Reason)})
	}
	if voters := op.Voters(); len(voters) > 0 && op.State != Pending {
		c.Fields = append(c.Fields, Field{"Approved by", Clean(list(voters, "and"))})
	}
	if op.State.Waiting() {
		c.Notes = append(c.Notes, op.Notes...)
	}
	c.Byline = b.byline(op)
	c.Notes = append(c.Notes, c.Byline)
	c.Buttons = b.opButtons(op, who)
	return c
}

// byline says whose operation it is, and its number.
func (b *Bot) byline(op *Operation) string {
	text := fmt.Sprintf("Operation %d, asked by %s", op.ID, Clean(op.Person))
	if op.BreakGlass != "" {
		text += ", breaking glass by " + Code(op.BreakGlass)
	}
	if op.Again != 0 {
		text += fmt.Sprintf(", again after operation %d", op.Again)
	}
	if op.For != 0 {
		text += fmt.Sprintf(", for operation %d", op.For)
	}
	return text + "."
}

func (b *Bot) bar(op *Operation, now time.Time) *Bar {
	bar := &Bar{Fraction: op.Job.Last.Fraction, Word: op.Job.Last.Word, Elapsed: now.Sub(op.Job.Since), Expected: op.Expected}
	if end, agreed := op.Job.estimate(); agreed {
		bar.Expected = end.Sub(op.Job.Since)
	}
	if op.Job.Stalled {
		bar.Word = strings.TrimSpace(bar.Word + " (stalled)")
	}
	return bar
}

// votesNeeded says what is still missing: "Needs 2 approvals of leads; cho has
// approved. Until 14:32 UTC (in 30 min)."
func (b *Bot) votesNeeded(op *Operation) string {
	var needs []string
	for _, a := range op.Requirement.Approve {
		word := "approvals"
		if a.Count == 1 {
			word = "approval"
		}
		needs = append(needs, fmt.Sprintf("%d %s of %s", a.Count, word, Clean(list(a.By, "or"))))
	}
	text := "Needs " + list(needs, "and")
	switch voters := op.Voters(); len(voters) {
	case 0:
	case 1:
		text += "; " + Clean(voters[0]) + " has approved"
	default:
		text += "; " + Clean(list(voters, "and")) + " have approved"
	}
	return text + ". Until " + At(op.Expires) + "."
}

// opButtons are what can be pressed now. Who may press what is asked then.
func (b *Bot) opButtons(op *Operation, who *asker) []Button {
	var out []Button
	add := func(label string, style Style, action string) {
		out = append(out, Button{Label: label, Style: style, Code: opCode(op, action)})
	}
	cmd, known := b.catalogue.Find(op.Command)
	switch op.State {
	case Confirming:
		if op.Digest != "" && who.person == op.Person {
			add("Confirm", confirmStyle(cmd), actConfirm)
		}
		add("Cancel", Default, actCancel)
	case Pending:
		add("Approve", Primary, actApprove)
		add("Deny", Danger, actDeny)
		if b.lacksBackup(op) {
			add("Back up first", Default, actBackup)
		}
		add("Cancel", Default, actCancel)
	case Ready, Checking:
		if known && cmd.AskSecret != "" {
			add("Enter password", Primary, actSecret)
		}
		if op.NeedsBackup {
			add("Back up first", Primary, actBackup)
		}
		if len(op.Requirement.Approve) > 0 {
			add("Deny", Danger, actDeny)
		}
		if op.Unblocks != "" {
			out = append(out, Button{Label: "Resolve", Code: op.Unblocks})
		}
		add("Cancel", Default, actCancel)
	case Unknown, NeedsHuman, LostTrack:
		add("Resolve", Default, actResolve)
	case Succeeded, SettledDone:
		if op.Secret {
			add("Reveal", Primary, actReveal)
			if _, held := b.held.get(op.ID); held {
				add("I have it", Default, actHave)
			}
		}
		if _, ok := shownTarget(op); ok {
			add("Show", Default, actShow)
		}
	case Failed, Cancelled, Expired, Invalidated, SettledNotDone, ResolvedUndone:
		add("Try again", Default, actAgain)
	}
	return out
}

func confirmStyle(cmd *Command) Style {
	if cmd != nil && cmd.Effect == EffectDestroys {
		return Danger
	}
	return Primary
}

func (b *Bot) lacksBackup(op *Operation) bool {
	want := op.Requirement.Backup
	return want > 0 && op.Backed && op.BreakGlass == "" && (op.LastBackup.IsZero() || b.clock.Now().Sub(op.LastBackup) > want)
}

// shownTarget is what Show shows after an operation: what it made, or what it
// acted on and is still there.
func shownTarget(op *Operation) (Target, bool) {
	t := op.Target()
	if len(op.Made) > 0 {
		t = op.Made[0]
	}
	gone := strings.HasSuffix(op.Command, " delete") || strings.HasSuffix(op.Command, " terminate")
	return t, (t.Kind == "vm" || t.Kind == "dedicated") && (!gone || op.Unseen)
}

// confirmCard asks the requester, privately: what will happen, to what, what
// is lost, and what the policy asks next.
func (b *Bot) confirmCard(ctx context.Context, who *asker, op *Operation, a policy.Answer) Card {
	cmd, _ := b.catalogue.Find(op.Command)
	c := Card{Op: op.ID, Tone: Warn, Title: op.Title + "?", Fields: slices.Clone(op.Fields)}
	if op.Loses != "" {
		c.Fields = append(c.Fields, Field{"Is lost", op.Loses})
	}
	if next := b.asksNext(op); next != "" {
		c.Lines = append(c.Lines, next)
	}
	if same := b.sameAsked(ctx, op, cmd); same != 0 {
		c.Lines = append(c.Lines, fmt.Sprintf("You asked for exactly this less than a minute ago: operation %d. Confirm only if you want it twice.", same))
	}
	if busy := b.holder(ctx, op.Lane, op.ID); busy != 0 {
		c.Lines = append(c.Lines, sentence("It will wait for "+b.busyText(ctx, busy)))
	}
	if op.Requirement.Backup > 0 && op.Target().Kind == "dedicated" && op.BreakGlass == "" {
		c.Lines = append(c.Lines, "The policy wants a young backup, and the provider makes none of this: that asks nothing.")
	}
	c.Notes = append(slices.Clone(op.Notes), fmt.Sprintf("Operation %d. Nothing happens unless you confirm, until %s.", op.ID, At(op.Expires)))
	c.Buttons = []Button{
		{Label: "Confirm", Style: confirmStyle(cmd), Code: opCode(op, actConfirm)},
		{Label: "Cancel", Code: opCode(op, actCancel)},
	}
	if a.Unsure != "" && op.BreakGlass == "" && len(op.Requirement.Approve) > 0 {
		c.Notes = append(c.Notes, unsureGlass(a.Unsure))
	}
	if a.BreakGlass != nil && op.BreakGlass == "" {
		c.Buttons = append(c.Buttons, Button{Label: "Break glass", Style: Danger, Code: opCode(op, actBreakGlass)})
	}
	return c
}

// asksNext says what follows on Confirm.
func (b *Bot) asksNext(op *Operation) string {
	r := op.Requirement
	var next []string
	if r.Confirm == policy.ConfirmTypeTarget {
		next = append(next, "asks you to type "+Code(typedTarget(op)))
	}
	if r.Reason && op.Reason == "" {
		next = append(next, "asks for a reason")
	}
	if op.BreakGlass == "" {
		for _, a := range r.Approve {
			next = append(next, fmt.Sprintf("needs %d approval%s of %s", a.Count, plural(a.Count), Clean(list(a.By, "or"))))
		}
		if r.Delay > 0 {
			next = append(next, "waits "+Duration(r.Delay)+" in which it can be taken back")
		}
		if b.lacksBackup(op) {
			next = append(next, "waits for a backup younger than "+Duration(r.Backup))
		}
	}
	if len(next) == 0 {
		return ""
	}
	return "After Confirm it " + list(next, "and") + "."
}

// sentence ends a text with one full stop.
func sentence(text string) string { return strings.TrimRight(text, ". ") + "." }

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// sameAsked finds the operation by which the same person asked for the same
// new thing a moment ago; 0 for none.
func (b *Bot) sameAsked(ctx context.Context, op *Operation, cmd *Command) int64 {
	if cmd == nil || !cmd.Whole {
		return 0
	}
	since := b.clock.Now().Add(-b.scaled(sameWithin))
	others, err := b.store.Operations(ctx, OperationFilter{Person: op.Person, Command: op.Command, Since: since, Before: op.ID, Limit: 20})
	if err != nil {
		return 0
	}
	for _, o := range others {
		if slices.Equal(o.Args, op.Args) && !o.Silent {
			return o.ID
		}
	}
	return 0
}

// confirmedCard replaces the confirmation after Confirm.
func (b *Bot) confirmedCard(op *Operation) Card {
	c := Card{Op: op.ID, Tone: Good, Title: "Confirmed: " + op.Title}
	if op.State == Pending {
		c.Lines = append(c.Lines, b.votesNeeded(op))
	}
	c.Notes = append(c.Notes, fmt.Sprintf("Operation %d goes on in the channel.", op.ID))
	return c
}

// endCard is the one message in the thread that ends it.
func (b *Bot) endCard(op *Operation) Card {
	c := Card{Op: op.ID, Tone: endTone(op), Title: Clean(op.Person) + ": " + lower(endWord(op)) + ". " + op.Outcome}
	if !op.State.Final() {
		c.Title = endWord(op) + ". " + op.Outcome
	}
	if len(op.Attempts) > 0 && op.State.Final() {
		if took := b.clock.Now().Sub(op.Attempts[0].At); took >= time.Second {
			c.Notes = append(c.Notes, "Took "+Duration(took)+".")
		}
	}
	if op.Hint != "" {
		c.Lines = append(c.Lines, op.Hint)
	}
	if op.Secret {
		line := "Reveal shows the password to " + Clean(op.Person) + ", and to whoever may run " + Code("job reveal") + " on its target."
		if cmd, ok := b.catalogue.Find(op.Command); ok && cmd.Reveal == nil {
			line = "Only " + Clean(op.Person) + " can press Reveal for the password."
		}
		c.Lines = append(c.Lines, line)
		if _, held := b.held.get(op.ID); held {
			c.Lines = append(c.Lines, "It exists nowhere else: take it before "+At(b.clock.Now().Add(b.scaled(passwordFor)))+".")
		}
	}
	return c
}

func lower(word string) string { return strings.ToLower(word[:1]) + word[1:] }

// unseen is the headline of what was accepted and never seen: a yes of the
// provider's is not yet the thing itself, so nobody is told that it is done.
const unseen = "Accepted, but still not seen"

// endWord is the state of an operation that has ended, as a headline.
func endWord(op *Operation) string {
	switch op.State {
	case Succeeded:
		if op.Unseen {
			return unseen
		}
		return "Done"
	case SettledDone:
		return "Done after all"
	case SettledNotDone:
		return "Not done"
	case ResolvedDone:
		return "Resolved as done"
	case ResolvedUndone:
		return "Resolved as not done"
	case ResolvedUnsure:
		return "Resolved as unsure"
	case LostTrack:
		return "Lost track"
	case NeedsHuman:
		return "A person has to look"
	}
	word := string(op.State)
	return strings.ToUpper(word[:1]) + word[1:]
}

func endTone(op *Operation) Tone {
	switch op.State {
	case Succeeded:
		if op.Unseen {
			return Warn
		}
		return Good
	case SettledDone, ResolvedDone:
		return Good
	case Failed, SettledNotDone:
		return Bad
	case Cancelled, Expired:
		return Plain
	}
	return Warn
}

// story tells in a sentence or two how an operation stands, for the answer to
// a press that changes nothing.
func (b *Bot) story(op *Operation) string {
	switch op.State {
	case Confirming:
		return "It waits for " + Clean(op.Person) + " to confirm, until " + At(op.Expires) + "."
	case Pending:
		return b.votesNeeded(op)
	case Ready, Checking:
		if op.Waits != "" {
			return sentence("It has all it needs, and waits for " + op.Waits)
		}
		return "It is about to be sent."
	case Intent, InProgress, Following:
		return "It is under way since " + At(op.Attempts[len(op.Attempts)-1].At) + "."
	case Unknown, NeedsHuman, LostTrack:
		return op.Outcome
	}
	text := "It ended " + At(op.Ended) + ": " + op.Outcome
	if op.Unseen {
		text = "It ended " + At(op.Ended) + ". " + unseen + ": " + op.Outcome
	}
	if voters := op.Voters(); len(voters) > 0 {
		text += " It was approved by " + Clean(list(voters, "and")) + "."
	}
	return text
}
