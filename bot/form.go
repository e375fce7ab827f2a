package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hosterbot/bot/policy"
)

// confirmForm asks for what the policy wants to be typed. needs is false where
// a press is enough.
func (b *Bot) confirmForm(op *Operation, action string) (Form, bool) {
	f := Form{Code: opCode(op, action), Title: "Confirm", Text: Flat(op.Title, b.clock.Now()), Submit: "Confirm"}
	if op.Requirement.Reason && op.Reason == "" || action == actBreakGlass {
		f.Fields = append(f.Fields, FormField{Name: "reason", Label: "Reason", Hint: "Why, or the ticket's number", Required: true, Value: op.Reason, MaxLen: 500})
	}
	if op.Requirement.Confirm == policy.ConfirmTypeTarget {
		word := typedTarget(op)
		f.Fields = append(f.Fields, FormField{Name: "target", Label: "Type " + word + " to go on", Required: true, MaxLen: 100})
	}
	return f, len(f.Fields) > 0
}

// typedTarget is what has to be typed to confirm: the target's number, or the
// command's words where there is none.
func typedTarget(op *Operation) string {
	t := op.Target()
	switch {
	case t.Kind == "ip":
		return t.Addr
	case t.Kind != "":
		return fmt.Sprint(t.ID)
	}
	return op.Command
}

// checkForm marks the fields that are not right, and keeps what was typed.
func checkForm(f *Form, op *Operation, values map[string]string) bool {
	bad := false
	for i := range f.Fields {
		field := &f.Fields[i]
		field.Value = CleanMax(values[field.Name], 4000)
		switch {
		case field.Value == "":
			field.Error = "This is needed."
		case field.MaxLen > 0 && len([]rune(field.Value)) > field.MaxLen:
			field.Error = fmt.Sprintf("At most %d characters.", field.MaxLen)
		case field.Name == "target" && field.Value != typedTarget(op) && field.Value != op.Target().String():
			field.Error = "That is not " + typedTarget(op) + ". Look again at what you are about to do."
		}
		bad = bad || field.Error != ""
	}
	return bad
}

// openForm opens a form, and says so where the chat cannot.
func (b *Bot) openForm(ctx context.Context, answer Responder, f Form) {
	if err := answer.Form(ctx, f); err != nil {
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The form could not be opened. Nothing was done: press again.").Because(err)))
	}
}

// askForRest opens a form for the arguments that were not typed.
func (b *Bot) askForRest(ctx context.Context, answer Responder, who *asker, m *MissingError) {
	cmd := m.Parsed.Command
	if who.person == "" && cmd.Effect != EffectOpen {
		b.refuseStranger(ctx, answer, who, cmd)
		return
	}
	if !b.mayRun(ctx, who, cmd) { // no form leads around a refusal
		a, err := b.decide(ctx, who, cmd, m.Parsed.Targets, m.Parsed.Facts, false, false)
		if err != nil {
			b.say(ctx, answer, b.refusal(err))
			return
		}
		if !a.Allowed && a.BreakGlass == nil {
			b.deny(ctx, "", answer, who, m.Parsed, a)
			return
		}
	}
	names := make([]string, len(m.Missing))
	for i, p := range m.Missing {
		names[i] = p.Placeholder() + " (" + p.Kind.Expects + ")"
	}
	missing := usage(cmd, "%s needs %s.", Code(cmd.Words), list(names, "and"))
	r, err := b.store.SaveRead(ctx, b.clock.Now(), b.newRead(who, m.Parsed, 0), Written{})
	if err != nil {
		b.say(ctx, answer, b.refusal(missing))
		return
	}
	if err := answer.Form(ctx, b.argsForm(ctx, who, r, cmd, nil)); err != nil {
		c := b.refusal(missing)
		c.Notes = append(c.Notes, "The form for that could not be opened.")
		b.say(ctx, answer, c)
	}
}

// argsForm asks for every argument of a command that was not typed.
func (b *Bot) argsForm(ctx context.Context, who *asker, r Read, cmd *Command, s *Submission) Form {
	ctx, cancel := context.WithTimeout(ctx, completeFor) // a form opens within 3 s, or never
	defer cancel()
	f := Form{Code: readCode(r, actArgs), Title: CleanMax(cmd.Words, 24), Text: cmd.Summary, Submit: "Run"}
	for i := range cmd.Params {
		p := &cmd.Params[i]
		first := func(f FormField) bool { return f.Name == p.Kind.After }
		if p.Secret || r.Args.Has(p.Name) || slices.ContainsFunc(f.Fields, first) {
			continue
		}
		field := FormField{Name: p.Name, Label: CleanMax(p.Summary, 45), Hint: p.Kind.Expects, Required: p.Required, Choices: p.Kind.Choices, MaxLen: max(p.Kind.MaxLen, 100)}
		if p.Kind.Type == Flag {
			field.Choices, field.Hint = []Choice{{"false", "no"}, {"true", "yes"}}, ""
		}
		if p.Kind.Complete != nil && len(field.Choices) == 0 {
			field.Lookup, field.More = true, p.Kind.Any
			field.Choices = b.completeValue(ctx, who, cmd, p, r.Args, "") // without choices it is typed
		}
		if s != nil {
			field.Value = strings.TrimSpace(s.Values[p.Name])
			switch {
			case field.Value == "" && p.Required:
				field.Error = "This is needed: " + p.Kind.Expects + "."
			case field.Value != "":
				if _, err := p.value(field.Value, who.snap.Label); err != nil {
					field.Error = "Expected " + p.Kind.Expects + "."
				}
			}
		}
		f.Fields = append(f.Fields, field)
	}
	return f
}

// submitArgs runs a command whose missing arguments came by form. What is
// wrong is said at its field, and what was typed stays.
func (b *Bot) submitArgs(ctx context.Context, key string, answer Responder, who *asker, r Read, s *Submission) {
	cmd, _ := b.catalogue.Find(r.Command)
	form := b.argsForm(ctx, who, r, cmd, s)
	bad := s == nil
	for _, f := range form.Fields {
		bad = bad || f.Error != ""
	}
	if bad {
		b.openForm(ctx, answer, form)
		return
	}
	args := slices.Clone(r.Args)
	for _, f := range form.Fields {
		if f.Value != "" {
			args = append(args, Arg{f.Name, f.Value})
		}
	}
	p, err := b.catalogue.ParseTyped(r.Command, args, who.snap.Label)
	var missing *MissingError
	if errors.As(err, &missing) { // what has other choices now
		b.askForRest(ctx, answer, who, missing)
		return
	}
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	b.dispatch(ctx, key, answer, who, p, wish{})
}
