package bot

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hosterbot/bot/policy"
)

// Actions of buttons and forms. They are words of the code that a button
// carries, and the store decides what they do.
const (
	actConfirm    = "confirm"
	actCancel     = "cancel"
	actApprove    = "approve"
	actDeny       = "deny"
	actReveal     = "reveal"
	actHave       = "have"
	actShow       = "show"
	actAgain      = "again"
	actBreakGlass = "break-glass"
	actResolve    = "resolve"
	actBackup     = "backup"
	actSecret     = "secret"
	actShare      = "share"
	actNext       = "next"
	actFile       = "file"
	actArgs       = "args"
)

// readFor is how long the buttons of a reading command work.
const readFor = 15 * time.Minute

// consoleFor is how long the provider's console links live.
const consoleFor = 10 * time.Second

// slowAfter is when an answer that takes its time shows that it is at work.
const slowAfter = time.Second

// opCode is what a button of an operation carries.
func opCode(o *Operation, action string) string {
	return "v1:" + strconv.FormatInt(o.ID, 10) + ":" + action + ":" + o.Nonce
}

// readCode is what a button of a reading command carries.
func readCode(r Read, action string) string {
	return "v1:r" + strconv.FormatInt(r.ID, 10) + ":" + action + ":" + r.Nonce
}

// code is a button's code, taken apart.
type code struct {
	id     int64
	read   bool // of a Read, not of an Operation
	action string
	nonce  string
}

// maxCode is the longest code that a chat carries: Discord's custom_id.
const maxCode = 100

// parseCode takes a code apart. Its error is for people.
func parseCode(text string) (code, error) {
	bad := Errorf(Invalid, "That button is not one of this bot's, or of an older version of it.").WithHint("Type the command again.")
	if len(text) > maxCode {
		return code{}, bad
	}
	parts := strings.Split(text, ":")
	if len(parts) != 4 || parts[0] != "v1" || parts[2] == "" || parts[3] == "" {
		return code{}, bad
	}
	number, read := strings.CutPrefix(parts[1], "r")
	if number == "" || number[0] < '1' || number[0] > '9' {
		return code{}, bad
	}
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return code{}, bad
	}
	return code{id: id, read: read, action: parts[2], nonce: parts[3]}, nil
}

// same compares nonces in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newRead is what has to be known when a button of a reading command is
// pressed.
func (b *Bot) newRead(who *asker, p Parsed, page int) Read {
	return Read{
		Person: who.person, Account: who.account, Place: who.place, Command: p.Command.Words, Args: p.Args,
		Targets: p.Targets, Page: page, Nonce: b.nonce(), Expires: b.clock.Now().Add(readFor),
	}
}

// call is what a row's functions get.
func (b *Bot) call(ctx context.Context, who *asker, cmd *Command, args Args, targets []Target) *Call {
	c := &Call{
		Bot: b, Command: cmd, Args: args, Targets: targets, Person: who.person, Account: who.account,
		Place: who.place, Policy: who.snap, Now: b.clock.Now(), who: who,
	}
	asked := new(struct {
		once     sync.Once
		question *policy.Question // nil: it could not be asked
	})
	c.Allows = func(t Target) bool {
		asked.once.Do(func() {
			if q, err := b.question(ctx, c.who, cmd, nil, Facts{}); err == nil {
				asked.question = &q
			}
		})
		return asked.question != nil && c.who.snap.Covers(*asked.question, t)
	}
	return c
}

// read answers a command that changes nothing, privately.
func (b *Bot) read(ctx context.Context, answer Responder, who *asker, p Parsed, page int) {
	b.ack(ctx, answer)
	stop := b.showWork(ctx, answer, Code(p.Command.Words))
	who.left(Rest{Asks: p.asks(), Run: func() { b.answerRead(ctx, answer, who, p, page, stop) }})
}

func (b *Bot) answerRead(ctx context.Context, answer Responder, who *asker, p Parsed, page int, stop func() bool) {
	defer stop()
	err := b.resolveTarget(ctx, who, &p)
	var card Card
	var rec Record
	if err == nil {
		card, rec, err = b.look(ctx, who, p, page)
	}
	stop()
	var no *denied
	switch {
	case errors.As(err, &no):
		b.deny(ctx, "", answer, who, no.parsed, no.answer)
		return
	case err != nil:
		if rec.Kind != "" {
			rec.Decision = "error"
			b.record(ctx, rec)
		}
		b.refuse(ctx, answer, who, err)
		return
	}
	card, more := b.page(who.place.Platform, card, page)
	if p.Command.Effect == EffectOpen && !more {
		b.record(ctx, rec)
		b.say(ctx, answer, card)
		return
	}
	saved, err := b.store.SaveRead(ctx, b.clock.Now(), b.newRead(who, p, page), Written{Audit: []Record{rec}})
	if err != nil {
		b.log.Error("read not recorded", "err", err)
		if p.Command.Effect == EffectSecrets { // no audit, no secret
			b.refuse(ctx, answer, who, Errorf(Unavailable, "The store does not take writes, so no secret is shown.").Because(err))
			return
		}
	} else {
		card.Buttons = append(card.Buttons, readButtons(p.Command, saved, card, more)...)
	}
	b.say(ctx, answer, card)
}

// showWork shows that the bot is at work, if that takes more than a moment.
// After stop it shows nothing any more, and stop may be called again; it tells
// whether it did.
func (b *Bot) showWork(ctx context.Context, answer Responder, title string) (stop func() (shown bool)) {
	showed := false
	turn := make(chan bool, 1) // holds whether there is still something to wait for
	turn <- true
	cancel := b.clock.AfterFunc(slowAfter, func() {
		waiting := <-turn
		if waiting && ctx.Err() == nil {
			showed = true
			_ = b.survived(0, func() error { // it is logged
				b.say(ctx, answer, Card{Tone: Busy, Title: "Working on " + title + " …"})
				return nil
			})
		}
		turn <- waiting
	})
	return func() bool {
		cancel()
		<-turn
		shown := showed
		turn <- false
		return shown
	}
}

// denied is the error of a decision that says no.
type denied struct {
	parsed Parsed
	answer policy.Answer
}

func (d *denied) Error() string { return "denied: " + d.answer.Why }

// look decides about a reading command and runs it.
func (b *Bot) look(ctx context.Context, who *asker, p Parsed, page int) (Card, Record, error) {
	rec := Record{Kind: "read", Person: who.person, Account: who.account.String(), Place: who.place.String(), Command: p.Command.Words, Decision: "allow"}
	a, err := b.decide(ctx, who, p.Command, p.Targets, p.Facts, true, false)
	if err != nil {
		return Card{}, rec, err
	}
	if !a.Allowed {
		return Card{}, rec, &denied{p, a}
	}
	if p.Command.Effect != EffectOpen {
		rec = commandRecord("read", who, p.Command, p.Args, p.Targets, a)
	}
	c := b.call(ctx, who, p.Command, p.Args, p.Targets)
	c.Page = page
	card, err := p.Command.Read(ctx, c)
	return card, rec, err
}

// page cuts a table to what one message of the chat holds.
func (b *Bot) page(platform string, card Card, page int) (Card, bool) {
	if card.Table == nil {
		return card, false
	}
	rows := 0
	if a, ok := b.adapters[platform]; ok {
		rows = a.Limits().Rows
	}
	all := len(card.Table.Rows)
	if rows == 0 || all <= rows {
		return card, false
	}
	from := min(page*rows, all)
	to := min(from+rows, all)
	t := *card.Table
	t.Rows = t.Rows[from:to]
	card.Table = &t
	card.Notes = append(card.Notes, fmt.Sprintf("Rows %d to %d of %d.", from+1, to, all))
	return card, to < all
}

// readButtons are what one can do with an answer.
func readButtons(cmd *Command, r Read, card Card, more bool) []Button {
	if cmd.Reveal != nil {
		label := "Reveal"
		if cmd.Opens {
			label = "Open console"
		}
		return []Button{{Label: label, Style: Primary, Code: readCode(r, actReveal)}}
	}
	var out []Button
	switch {
	case cmd.Effect == EffectSecrets:
		return nil
	case cmd.Effect == EffectControls: // it is for these eyes alone
		if more {
			out = append(out, Button{Label: "Next", Code: readCode(r, actNext)})
		}
		return out
	}
	if cmd.Effect == EffectReads {
		out = append(out, Button{Label: "Share", Code: readCode(r, actShare)})
	}
	if more {
		out = append(out, Button{Label: "Next", Code: readCode(r, actNext)})
	}
	if card.Table != nil && len(card.Table.Rows) > 0 {
		out = append(out, Button{Label: "As a file", Code: readCode(r, actFile)})
	}
	return out
}

// pressRead is a click on a button of a reading command.
func (b *Bot) pressRead(ctx context.Context, key string, answer Responder, who *asker, c code, s *Submission) {
	r, err := b.store.Read(ctx, b.clock.Now(), c.id)
	if errors.Is(err, ErrNotFound) || err == nil && !same(r.Nonce, c.nonce) {
		b.say(ctx, answer, b.refusal(Errorf(Conflict, "That answer is older than %s: its buttons have ended.", Duration(readFor)).WithHint("Type the command again.")))
		return
	}
	if err != nil {
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The store does not answer. Nothing was done.").Because(err)))
		return
	}
	if r.Person != who.person || r.Person == "" && r.Account.String() != who.account.String() {
		b.say(ctx, answer, b.refusal(Errorf(Forbidden, "That answer is not yours: only who asked can press its buttons.")))
		return
	}
	cmd, ok := b.catalogue.Find(r.Command)
	if !ok {
		b.say(ctx, answer, b.refusal(Errorf(Conflict, "%s is no longer a command.", Code(r.Command))))
		return
	}
	p := Parsed{Command: cmd, Args: r.Args, Targets: r.Targets}
	switch c.action {
	case actNext:
		b.read(ctx, answer, who, p, r.Page+1)
	case actShare:
		b.share(ctx, key, answer, who, p, r)
	case actFile:
		b.file(ctx, answer, who, p, r)
	case actReveal:
		b.revealRead(ctx, answer, who, p, r)
	case actArgs:
		b.submitArgs(ctx, key, answer, who, r, s)
	case actBreakGlass:
		b.breakGlassRefused(ctx, key, answer, who, p, r, s)
	default:
		b.say(ctx, answer, b.refusal(Errorf(Invalid, "That button does nothing here.").WithHint("Type the command again.")))
	}
}

// share posts the answer in the channel. What is posted is decided and read
// again, as the person and in the place that it is for.
func (b *Bot) share(ctx context.Context, key string, answer Responder, who *asker, p Parsed, r Read) {
	b.ack(ctx, answer)
	a, ok := b.adapters[who.place.Platform]
	if !ok || p.Command.Effect != EffectReads {
		b.say(ctx, answer, b.refusal(Errorf(Conflict, "This answer cannot be shared here.")))
		return
	}
	if err := a.CanPost(ctx, who.place); err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	stop := b.showWork(ctx, answer, Code(p.Command.Words))
	who.left(Rest{Asks: p.asks(), Run: func() { b.shared(ctx, key, answer, who, p, r, stop) }})
}

func (b *Bot) shared(ctx context.Context, key string, answer Responder, who *asker, p Parsed, r Read, stop func() bool) {
	defer stop()
	card, rec, err := b.look(ctx, who, p, r.Page)
	stop()
	var no *denied
	switch {
	case errors.As(err, &no):
		b.deny(ctx, key, answer, who, no.parsed, no.answer)
		return
	case err != nil:
		b.say(ctx, answer, b.refusal(err))
		return
	}
	card, more := b.page(who.place.Platform, card, r.Page)
	card.Secrets = nil
	posted := card
	posted.Notes = append(slices.Clone(card.Notes), "Shared by "+Clean(who.name())+".")
	rec.Text = "shared"
	now := b.clock.Now()
	if err := b.store.Append(ctx, now, fmt.Sprintf("share/%d", r.ID), Written{Audit: []Record{rec}, Owed: []Owed{{Place: who.place, Kind: OwedLine, Card: posted, At: now}}}); err != nil {
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The store does not take writes, so it was not shared.").Because(err)))
		return
	}
	b.nudge(b.tell)
	card.Notes = append(card.Notes, "Shared in the channel.")
	card.Buttons = slices.DeleteFunc(readButtons(p.Command, r, card, more), func(to Button) bool { return to.Label == "Share" })
	b.say(ctx, answer, card)
}

// file sends an answer's whole table as CSV.
func (b *Bot) file(ctx context.Context, answer Responder, who *asker, p Parsed, r Read) {
	b.ack(ctx, answer)
	stop := b.showWork(ctx, answer, Code(p.Command.Words))
	who.left(Rest{Asks: p.asks(), Run: func() { b.sendFile(ctx, answer, who, p, r, stop) }})
}

func (b *Bot) sendFile(ctx context.Context, answer Responder, who *asker, p Parsed, r Read, stop func() bool) {
	defer stop()
	card, rec, err := b.look(ctx, who, p, 0)
	shown := stop()
	var no *denied
	switch {
	case errors.As(err, &no):
		b.deny(ctx, "", answer, who, no.parsed, no.answer)
		return
	case err != nil:
		b.say(ctx, answer, b.refusal(err))
		return
	case card.Table == nil:
		b.say(ctx, answer, b.refusal(Errorf(Conflict, "There is no table in this answer.")))
		return
	}
	rec.Text = "as a file"
	b.record(ctx, rec)
	name := strings.ReplaceAll(p.Command.Words, " ", "-") + ".csv"
	if err := answer.File(ctx, File{Name: name, Title: Flat(card.Title, b.clock.Now()), Data: tableCSV(card.Table, b.clock.Now())}); err != nil {
		var own *Error
		if !errors.As(err, &own) {
			own = Errorf(Unavailable, "The file could not be sent.").Because(err)
		}
		b.say(ctx, answer, b.refusal(own))
	} else if shown { // that it was at work stands where the list stood
		card, more := b.page(who.place.Platform, card, r.Page)
		card.Buttons = readButtons(p.Command, r, card, more)
		b.say(ctx, answer, card)
	}
}

// tableCSV writes a table as CSV. A cell that a spreadsheet would run as a
// formula gets a quote before it.
func tableCSV(t *Table, now time.Time) []byte {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	write := func(cells []string) {
		out := make([]string, len(cells))
		for i, cell := range cells {
			cell = Flat(cell, now)
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				cell = "'" + cell
			}
			out[i] = cell
		}
		_ = w.Write(out) // a bytes.Buffer takes everything
	}
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = c.Name
	}
	write(head)
	for _, row := range t.Rows {
		write(row)
	}
	w.Flush()
	return buf.Bytes()
}

// revealRead shows the secret of a reading command to the one who pressed.
func (b *Bot) revealRead(ctx context.Context, answer Responder, who *asker, p Parsed, r Read) {
	b.ack(ctx, answer)
	if p.Command.Reveal == nil {
		b.say(ctx, answer, b.refusal(Errorf(Conflict, "There is nothing to reveal.")))
		return
	}
	who.left(Rest{Asks: true, Run: func() { b.revealed(ctx, answer, who, p, r) }})
}

func (b *Bot) revealed(ctx context.Context, answer Responder, who *asker, p Parsed, r Read) {
	a, err := b.decide(ctx, who, p.Command, p.Targets, p.Facts, true, false)
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return
	}
	if !a.Allowed {
		b.deny(ctx, "", answer, who, p, a)
		return
	}
	rec := commandRecord("secret", who, p.Command, p.Args, p.Targets, a)
	card, ok := b.uncover(ctx, answer, rec, func() (Card, error) {
		return p.Command.Reveal(ctx, b.call(ctx, who, p.Command, p.Args, p.Targets))
	})
	if !ok {
		return
	}
	b.say(ctx, answer, card)
	if p.Command.Opens {
		again := Card{Title: "The console link has expired", Lines: []string{"Press again for a new one: each lives 10 s."},
			Buttons: []Button{{Label: "Open console", Style: Primary, Code: readCode(r, actReveal)}}}
		late := context.WithoutCancel(ctx) // the press is over by then
		b.clock.AfterFunc(consoleFor, func() {
			_ = b.survived(0, func() error { b.say(late, answer, again); return nil }) // it is logged
		})
	}
}

// uncover writes down that a secret is asked for, gets it, and writes down
// that it is shown; the value is in neither record. It answers itself where it
// cannot.
func (b *Bot) uncover(ctx context.Context, answer Responder, rec Record, get func() (Card, error)) (Card, bool) {
	rec.Text = "asked"
	if err := b.store.Append(ctx, b.clock.Now(), "", Written{Audit: []Record{rec}}); err != nil {
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The store does not take writes, so no secret is shown.").Because(err)))
		return Card{}, false
	}
	stop := b.showWork(ctx, answer, Code(rec.Command))
	defer stop()
	card, err := get()
	stop()
	if err != nil {
		b.say(ctx, answer, b.refusal(err))
		return Card{}, false
	}
	rec.Text = "shown to " + rec.Person
	if err := b.store.Append(ctx, b.clock.Now(), "", Written{Audit: []Record{rec}}); err != nil {
		b.say(ctx, answer, b.refusal(Errorf(Unavailable, "The store does not take writes, so no secret is shown.").Because(err)))
		return Card{}, false
	}
	return card, true
}
