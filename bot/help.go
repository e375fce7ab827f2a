package bot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot/policy"
)

// Help lists what the caller may run, or explains one command.
func (b *Bot) Help(ctx context.Context, c *Call, words string) (Card, error) {
	if words != "" {
		return b.helpFor(ctx, c, words)
	}
	card := Card{Title: "What you may run here", Table: &Table{Columns: []Column{{Name: "Command"}, {Name: "Effect"}, {Name: "What it does"}}}}
	for _, cmd := range b.catalogue.All() {
		if b.mayRun(ctx, c.who, cmd) {
			card.Table.Rows = append(card.Table.Rows, []string{Code(cmd.Words), string(cmd.Effect), cmd.Summary})
		}
	}
	card.Notes = append(card.Notes, Code("help COMMAND")+" explains one, with what it takes. "+Code("can COMMAND")+" says whether you may, and what would be asked.")
	if c.who.person == "" {
		card.Lines = append(card.Lines, "The policy does not know your account, so this is all you may run. "+Code("whoami")+" shows what to paste into it.")
	}
	return card, nil
}

func (b *Bot) helpFor(ctx context.Context, c *Call, words string) (Card, error) {
	words = strings.ToLower(strings.Join(strings.Fields(words), " "))
	cmd, ok := b.catalogue.Find(words)
	if !ok {
		if verbs := b.catalogue.verbs[words]; len(verbs) > 0 {
			card := Card{Title: Code(words) + " has these commands", Table: &Table{Columns: []Column{{Name: "Command"}, {Name: "What it does"}}}}
			for _, v := range verbs {
				row, _ := b.catalogue.Find(words + " " + v)
				if b.mayRun(ctx, c.who, row) {
					card.Table.Rows = append(card.Table.Rows, []string{Code(row.Usage()), row.Summary})
				}
			}
			return card, nil
		}
		_, _, err := b.catalogue.find(strings.Fields(words))
		if err == nil {
			err = Errorf(Invalid, "There is no such command.")
		}
		return Card{}, err
	}
	card := Card{Title: Code(cmd.Usage()), Lines: []string{cmd.Summary + "."}}
	if cmd.Details != "" {
		card.Lines = append(card.Lines, cmd.Details)
	}
	for i := range cmd.Params {
		p := &cmd.Params[i]
		if p.Secret {
			continue
		}
		text := p.Summary
		if p.Kind.Type != Flag {
			text += ": " + p.Kind.Expects
		}
		if p.Required {
			text += " (needed)"
		}
		name := "--" + p.Name
		if p.Positional {
			name = p.Placeholder()
		}
		card.Fields = append(card.Fields, Field{name, text})
	}
	if cmd.Example != "" {
		card.Fields = append(card.Fields, Field{"Example", Code(cmd.Example)})
	}
	card.Fields = append(card.Fields, Field{"Effect", string(cmd.Effect)})
	if !b.mayRun(ctx, c.who, cmd) {
		card.Notes = append(card.Notes, "You may not run it here: "+Code("can "+cmd.Words)+" says why.")
	}
	return card, nil
}

// WhoAmI tells who the caller is here, and what to paste into the policy.
func (b *Bot) WhoAmI(ctx context.Context, c *Call) (Card, error) {
	card := Card{Fields: []Field{{"Account", Code(c.Account.String())}, {"Place", Code(c.Place.String())}}}
	paste := c.Account.ID()
	if c.Account.Platform == "discord" {
		paste = `"` + paste + `"` // a bare number is no ID in YAML
	}
	if c.who.person == "" {
		card.Tone, card.Title = Warn, "The policy does not know your account"
		card.Lines = []string{"Whoever keeps the policy file has to add, under " + Code("people") + ": " + Code("NAME: {"+c.Account.Platform+": "+paste+"}")}
		return card, nil
	}
	card.Title = "You are " + Clean(c.who.person)
	var groups []string
	for _, g := range c.Policy.Groups(c.who.person, c.who.member) {
		groups = append(groups, Clean(g))
	}
	if len(groups) > 0 {
		card.Fields = append(card.Fields, Field{"Groups", strings.Join(groups, ", ")})
	}
	for _, a := range c.Policy.Accounts(c.who.person) {
		if a.Platform+":"+a.ID != c.Account.String() {
			card.Fields = append(card.Fields, Field{"Also", Code(a.Platform + ":" + a.ID)})
		}
	}
	return card, nil
}

// Can explains what the policy says of a command line, without running it.
func (b *Bot) Can(ctx context.Context, c *Call, line string) (Card, error) {
	price, words, err := cutPrice(line)
	if err != nil {
		return Card{}, err
	}
	p, err := b.catalogue.Parse(words, c.Policy.Label)
	var missing *MissingError
	if err != nil && !errors.As(err, &missing) {
		return Card{}, err
	}
	if price >= 0 {
		p.Facts.Price, p.Facts.Known = price, p.Facts.Known|FactPrice
	}
	q, err := b.question(ctx, c.who, p.Command, p.Targets, p.Facts)
	if err != nil {
		return Card{}, err
	}
	a := c.Policy.Decide(q)
	asked := Code(strings.TrimSpace(p.Command.Words + " " + argText(p.Command, p.Command.recorded(p.Args))))
	card := Card{Tone: Good, Title: "Yes: " + asked}
	switch {
	case c.who.person == "":
		card.Tone, card.Title = Bad, "No: "+asked
		card.Lines = append(card.Lines, "The policy does not know your account.")
	case !a.Allowed:
		card.Tone, card.Title = Bad, "No: "+asked
	case asks(a.Requirement) || p.Command.Confirmed():
		card.Title = "Yes, after what is asked: " + asked
	}
	for _, line := range c.Policy.Explain(q) {
		card.Lines = append(card.Lines, Clean(line))
	}
	return card, nil
}

// HealthCard shows how every part of the bot is doing.
func (b *Bot) HealthCard(ctx context.Context) Card {
	c := Card{Tone: Good, Title: "Everything works", Table: &Table{Columns: []Column{{Name: "Part"}, {Name: "State"}, {Name: "What"}}}}
	for _, h := range b.Health(ctx) {
		word := "ok"
		if !h.OK {
			word = "degraded"
			if h.Fatal {
				word = "down"
			}
			c.Tone, c.Title = Warn, "Something does not work"
		}
		text := Clean(h.Text)
		if !h.Since.IsZero() {
			text += ", since " + At(h.Since)
		}
		c.Table.Rows = append(c.Table.Rows, []string{Clean(h.Name), word, text})
	}
	c.Notes = append(c.Notes, "Running for "+Duration(b.clock.Now().Sub(b.started))+".")
	return c
}

// Health is how every part is doing: the store, the policy, the API, and every
// chat.
func (b *Bot) Health(ctx context.Context) []Health {
	now := b.clock.Now()
	store := Health{Name: "store", OK: true, Text: "takes writes", Fatal: true}
	if err := b.store.Ping(ctx, now); err != nil {
		store.OK, store.Text = false, "does not take writes: "+b.scrub.Scrub(err.Error())
	} else if n := b.unsaved.Load(); n > 0 {
		store.OK, store.Text = false, fmt.Sprintf("%d results are kept in memory until it takes them", n)
	}
	st := b.policy.State()
	pol := Health{Name: "policy", OK: st.LastErr == nil, Text: "in force: " + st.Hash[:min(12, len(st.Hash))], Since: st.LoadedAt}
	if st.LastErr != nil {
		pol.Text, pol.Since = "the last reload failed, the one before stays in force", st.LastErrAt
	}
	out := []Health{store, pol, b.provider.Health()}
	for _, a := range b.chats {
		out = append(out, a.Health())
	}
	return out
}

// PolicyCard shows the policy in force, and what was wrong with the last
// reload.
func (b *Bot) PolicyCard(ctx context.Context) Card {
	snap, st := b.policy.Current(), b.policy.State()
	c := Card{Tone: Good, Title: "The policy in force", Fields: []Field{
		{"File", Code(baseName(snap.File()))}, {"Hash", Code(snap.Hash())}, {"Loaded", At(st.LoadedAt)},
	}}
	for _, w := range snap.Warnings() {
		c.Notes = append(c.Notes, "Warning: "+Clean(w.String()))
	}
	if st.LastErr != nil {
		c.Tone = Warn
		c.Lines = append(c.Lines, "The last reload failed "+At(st.LastErrAt)+". The policy before it stays in force.")
		for _, line := range strings.Split(st.LastErr.Error(), "\n") {
			c.Lines = append(c.Lines, Clean(line))
		}
	}
	return c
}

// PolicyLooked takes note of a look at the policy file: a change, or a reload
// that failed, is logged and put into the audit once.
func (b *Bot) PolicyLooked(ctx context.Context, changed bool, err error) {
	st := b.policy.State()
	switch {
	case err != nil && (b.policyErr == nil || b.policyErr.Error() != err.Error()):
		b.log.Error("policy reload failed: the one before stays in force", "err", err)
		w := Written{Audit: []Record{{Kind: "policy", Decision: "refused", Policy: st.Hash, Text: CleanMax(err.Error(), 1000)}}}
		w.Owed = b.toHome(Card{
			Tone: Bad, Title: "The policy was not reloaded: the one before stays in force",
			Lines: []string{Clean(err.Error())}, Notes: []string{"All that is wrong: " + Code("policy") + "."},
		})
		b.write(ctx, w)
	case changed:
		b.log.Info("policy reloaded", "hash", st.Hash)
		b.ForgetMembers()
		b.nudge(b.watch.wake)
		b.record(ctx, Record{Kind: "policy", Decision: "loaded", Policy: st.Hash})
	}
	b.policyErr = err
}

// Locks are the locks in force.
func (b *Bot) Locks(ctx context.Context) ([]Lock, error) {
	locks, err := b.store.Locks(ctx, b.clock.Now())
	if err != nil {
		return nil, Errorf(Unavailable, "The store does not answer.").Because(err)
	}
	return locks, nil
}

// SetLock sets a lock for a row's Run.
func (b *Bot) SetLock(ctx context.Context, c *Call, target, reason string, length time.Duration) Outcome {
	now := b.clock.Now()
	l := Lock{Target: target, By: c.Person, Account: c.Account.String(), Reason: CleanMax(reason, 300), Since: now, Until: now.Add(length)}
	rec := Record{Kind: "lock", Op: c.Op.ID, Person: c.Person, Account: c.Account.String(), Place: c.Place.String(), Command: c.Command.Words, Target: target, Decision: "allow"}
	if err := b.store.SetLock(ctx, now, fmt.Sprintf("lock/%d", c.Op.ID), l, Written{Audit: []Record{rec}}); err != nil {
		return Outcome{Class: NotSent, Text: "The store did not take it."}
	}
	return Outcome{Class: Accepted, Done: Code(target) + " is locked until " + At(l.Until) + ": “" + Clean(l.Reason) + "”"}
}

// ClearLock removes a lock for a row's Run.
func (b *Bot) ClearLock(ctx context.Context, c *Call, target string) Outcome {
	rec := Record{Kind: "lock", Op: c.Op.ID, Person: c.Person, Account: c.Account.String(), Place: c.Place.String(), Command: c.Command.Words, Target: target, Decision: "allow"}
	if err := b.store.ClearLock(ctx, b.clock.Now(), fmt.Sprintf("lock/%d", c.Op.ID), target, Written{Audit: []Record{rec}}); errors.Is(err, ErrNotFound) {
		return Outcome{Class: Refused, Text: "There is no lock on " + target + "."}
	} else if err != nil {
		return Outcome{Class: NotSent, Text: "The store did not take it."}
	}
	return Outcome{Class: Accepted, Done: Code(target) + " is no longer locked."}
}

// AuditLog lists audit records for a row.
func (b *Bot) AuditLog(ctx context.Context, f AuditFilter) ([]Record, error) {
	records, err := b.store.Audit(ctx, f)
	if err != nil {
		return nil, Errorf(Unavailable, "The store does not answer.").Because(err)
	}
	return records, nil
}

// cutPrice takes "--price N" off a line that `can` explains: a fact that is not
// in the line. A negative price means that there was none.
func cutPrice(line string) (float64, string, error) {
	words := strings.Fields(line)
	for i, w := range words {
		text, inline := strings.CutPrefix(w, "--price=")
		end := i + 1
		if w == "--price" && i+1 < len(words) {
			text, inline, end = words[i+1], true, i+2
		}
		if !inline {
			continue
		}
		price, err := strconv.ParseFloat(text, 64)
		if err != nil || !(price >= 0 && price <= 1e9) {
			return 0, "", Errorf(Invalid, "%s takes a price such as 39 or 39.90.", Code("--price"))
		}
		return price, strings.Join(append(words[:i:i], words[end:]...), " "), nil
	}
	return -1, line, nil
}

var _ PolicySource = (*policy.Watcher)(nil)
