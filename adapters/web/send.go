package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// message is something that stands in the chat: in the channel, in a thread,
// or before one person's eyes.
type message struct {
	ref    bot.Ref
	number int      // in the order in which they came
	root   *message // of a message in a thread
	to     string   // the one person who sees it; empty: all do
	hidden bool     // stands elsewhere, and the same stands in Home
	gone   bool
	key    string // in byKey
	seq    int64  // of its last change
	at     time.Time

	line   string // the command that it answers
	busy   bool   // its answer is being worked on
	note   string // what became of a command that has no card
	stage  string // a line that nobody in the chat said
	card   *bot.Card
	copies []string        // other places in which the same stands
	codes  map[string]bool // of every button that it ever had
	file   *bot.File

	// A secret goes once to each page that its owner has open at that moment.
	// Then it is forgotten.
	secrets []bot.Shown
	owed    map[*stream]bool
}

func (m *message) visible(person string) bool {
	return !m.hidden && (m.to == "" || m.to == person)
}

// CanPost implements bot.Adapter.
func (w *Web) CanPost(_ context.Context, p bot.Place) error {
	return adapters.DemoPlace(p, w.opts.Channel, w.opts.Platforms)
}

// Post implements bot.Adapter. The same key in the same place is the same
// message, also after a restart of the bot.
func (w *Web) Post(ctx context.Context, p bot.Place, key string, card bot.Card) (bot.Ref, error) {
	if err := w.CanPost(ctx, p); err != nil {
		return bot.Ref{}, &bot.PostError{Forbidden: true, Err: err}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m := &message{ref: bot.Ref{Place: p}, key: p.String() + "\x00" + p.Thread + "\x00" + key}
	if key == "" {
		m.key = ""
	}
	if old := w.byKey[m.key]; old != nil && !old.gone {
		return old.ref, nil
	}
	if p.Thread != "" {
		m.root = w.byID[p.Thread]
		if m.root == nil || m.root.gone {
			return bot.Ref{}, &bot.PostError{Gone: true, Err: fmt.Errorf("post in thread %s: no such message", p.Thread)}
		}
		m.hidden = m.root.hidden
	}
	card.Secrets = nil // a channel has too many eyes
	m.card = &card
	if m.root == nil && !w.home(p) {
		m.hidden = true
		if original := w.original(card); original != nil {
			w.copied(original, p)
		} else if card.Op == 0 { // nothing like it stands in Home, and nothing will
			m.hidden = false
		}
	}
	if m.key != "" {
		w.byKey[m.key] = m
	}
	w.keep(m)
	if m.root == nil && !m.hidden { // a copy may have been faster
		for _, other := range w.messages {
			if other.hidden && other.root == nil && other.card.Op != 0 && other.card.Op == card.Op {
				w.copied(m, other.ref.Place)
			}
		}
	}
	return m.ref, nil
}

// copied notes that a message stands in another place too. w.mu is held.
func (w *Web) copied(m *message, p bot.Place) {
	if name := adapters.Printable(p.String()); !slices.Contains(m.copies, name) {
		m.copies = append(m.copies, name)
		m.seq = w.change()
	}
}

// original is the message in Home about the same operation. w.mu is held.
func (w *Web) original(card bot.Card) *message {
	for _, m := range slices.Backward(w.messages) {
		if m.to == "" && m.root == nil && !m.hidden && !m.gone && m.card != nil && w.home(m.ref.Place) &&
			(card.Op != 0 && m.card.Op == card.Op || card.Op == 0 && m.card.Title == card.Title) {
			return m
		}
	}
	return nil
}

// home tells whether a place is where people speak.
func (w *Web) home(p bot.Place) bool {
	h := w.opts.Home
	return p.Platform == h.Platform && p.Team == h.Team && p.Channel == h.Channel
}

// Edit implements bot.Adapter.
func (w *Web) Edit(_ context.Context, r bot.Ref, card bot.Card) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.byID[r.ID]
	if m == nil || m.gone {
		return &bot.PostError{Gone: true, Err: fmt.Errorf("edit message %s: no such message", r.ID)}
	}
	card.Secrets = nil
	w.show(m, card)
	return nil
}

// keep gives a message its ID. The ID of an earlier session names nothing
// here: its message is gone. w.mu is held.
func (w *Web) keep(m *message) {
	w.made++
	m.number, m.at = w.made, w.opts.Clock.Now()
	m.ref.ID = "w" + w.opts.Session + "m" + strconv.Itoa(w.made)
	w.messages = append(w.messages, m)
	w.byID[m.ref.ID] = m
	if len(w.messages) > maxMessages {
		for _, old := range w.messages[:maxMessages/10] {
			delete(w.byID, old.ref.ID)
			delete(w.byKey, old.key)
			old.gone = true
		}
		w.messages = slices.Delete(w.messages, 0, maxMessages/10)
	}
	if m.card != nil {
		w.show(m, *m.card)
	}
	m.seq = w.change()
}

// show makes card what a message shows. w.mu is held.
func (w *Web) show(m *message, card bot.Card) {
	m.secrets, m.owed = card.Secrets, nil
	if len(card.Secrets) > 0 {
		m.owed = make(map[*stream]bool)
		for s := range w.streams {
			if s.person == m.to {
				m.owed[s] = true
			}
		}
	}
	if len(m.owed) == 0 {
		m.secrets = nil
	}
	card.Secrets = nil
	m.card = &card
	if m.codes == nil {
		m.codes = make(map[string]bool)
	}
	for _, b := range card.Buttons {
		m.codes[b.Code] = true
	}
	m.seq = w.change()
}

// answer answers one request of one person.
type answer struct {
	w      *Web
	person string

	// Guarded by w.mu.
	acked   bool
	form    bool
	replied bool
	fresh   bool     // m was made for this request
	m       *message // where the answer stands; nil: nowhere yet
}

var (
	_ bot.Responder = (*answer)(nil)

	errFormLate = errors.New("open a form: it has to be the first answer")
)

// said shows a command to the person who typed it.
func (a *answer) said(line string) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.m, a.fresh = &message{to: a.person, ref: bot.Ref{Place: a.w.opts.Home}, line: line, busy: true}, true
	a.w.keep(a.m)
}

// on makes the answer take the place of a message.
func (a *answer) on(m *message) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.m = m
	m.busy = true
	m.seq = a.w.change()
}

// drop takes back what said or on showed.
func (a *answer) drop() {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if a.m != nil {
		a.m.busy, a.m.gone = false, a.fresh
		a.m.seq = a.w.change()
	}
}

// done ends the wait for an answer.
func (a *answer) done() {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if a.m == nil || !a.m.busy {
		return
	}
	a.m.busy = false
	if a.fresh && !a.replied {
		a.m.note = "Answered in " + adapters.Printable(a.w.opts.Channel) + "."
		if a.form {
			a.m.note = "Asks for more in a form."
		}
	}
	a.m.seq = a.w.change()
}

// Ack implements bot.Responder.
func (a *answer) Ack(context.Context) error {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.acked = true
	return nil
}

// Form implements bot.Responder.
func (a *answer) Form(_ context.Context, f bot.Form) error {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if a.acked || a.form || a.replied {
		return errFormLate
	}
	a.form = true
	a.w.open(a.person, f, a.m)
	return nil
}

// Reply implements bot.Responder.
func (a *answer) Reply(_ context.Context, card bot.Card) error {
	w := a.w
	w.mu.Lock()
	defer w.mu.Unlock()
	a.replied = true
	if a.m == nil || a.m.gone {
		a.m, a.fresh = &message{to: a.person, ref: bot.Ref{Place: w.opts.Home}, card: &card}, true
		w.keep(a.m)
		return nil
	}
	a.m.busy, a.m.note = false, ""
	w.show(a.m, card)
	return nil
}

// File implements bot.Responder.
func (a *answer) File(_ context.Context, f bot.File) error {
	if len(f.Data) > maxFile {
		return bot.Errorf(bot.Invalid, "The file is larger than fits here.")
	}
	w := a.w
	w.mu.Lock()
	defer w.mu.Unlock()
	f.Data = slices.Clone(f.Data)
	m := &message{to: a.person, ref: bot.Ref{Place: w.opts.Home}, file: &f}
	w.keep(m)
	if w.files = append(w.files, m); len(w.files) > maxFiles {
		w.files[0].file.Data = nil
		w.files[0].gone, w.files[0].file = true, nil
		w.files[0].seq = w.change()
		w.files = slices.Delete(w.files, 0, 1)
	}
	return nil
}
