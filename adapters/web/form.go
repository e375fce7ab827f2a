package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hosterbot/adapters"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// openForm is a form that a person has before him.
type openForm struct {
	bot.Form
	id   string
	from *message // whose place the answer takes; nil: none
	seq  int64
	shut bool
}

var errNoForm = refused(http.StatusConflict, "That form is no longer open.")

// open shows a form to a person; it stays until it is sent, closed, or another
// opens. w.mu is held.
func (w *Web) open(person string, f bot.Form, from *message) {
	seq := w.change()
	w.forms[person] = &openForm{Form: f, id: "f" + strconv.FormatInt(seq, 10), from: from, seq: seq}
}

// close takes the person's open form away, if it is this one.
func (w *Web) close(person, id string) (*openForm, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.forms[person]
	if f == nil || f.shut || f.id != id {
		return nil, errNoForm
	}
	shut := *f
	shut.shut, shut.seq = true, w.change()
	w.forms[person] = &shut
	return f, nil
}

// dismiss closes a form that is not sent.
func (w *Web) dismiss(_ context.Context, q *asked) (any, error) {
	f, err := w.close(q.As, q.Form)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.from != nil && f.from.note != "" {
		f.from.note = "The form was not sent. Nothing was done."
		f.from.seq = w.change()
	}
	return none, nil
}

// submit sends a form. What the page itself can check is checked here too, and
// the form stays open then.
func (w *Web) submit(_ context.Context, q *asked) (any, error) {
	w.mu.Lock()
	f := w.forms[q.As]
	w.mu.Unlock()
	if f == nil || f.shut || f.id != q.Form {
		return nil, errNoForm
	}
	values := make(map[string]string, len(f.Fields))
	for _, field := range f.Fields {
		values[field.Name] = field.Value
	}
	for name, value := range q.Values {
		i := slices.IndexFunc(f.Fields, func(field bot.FormField) bool { return field.Name == name })
		if i < 0 {
			return nil, refused(http.StatusBadRequest, "The form has no field %s.", strconv.Quote(bot.CleanMax(name, 40)))
		}
		if err := acceptable(&f.Fields[i], value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	if _, err := w.close(q.As, q.Form); err != nil {
		return nil, err
	}
	a := &answer{w: w, person: q.As}
	if f.from != nil {
		a.on(f.from)
	}
	s := bot.Submission{
		Key: w.key(), Account: account(q.As), Place: w.opts.Home, Code: f.Code,
		Values: make(map[string]string), Secrets: make(map[string]secret.Secret), Answer: a,
	}
	for _, field := range f.Fields {
		if field.Secret {
			s.Secrets[field.Name] = secret.New(values[field.Name])
			continue
		}
		s.Values[field.Name] = values[field.Name]
	}
	err := w.begin(func(ctx context.Context, h bot.Handler) {
		defer a.done()
		h.Submit(ctx, s)
	})
	if err != nil {
		a.drop()
		return nil, err
	}
	return none, nil
}

// acceptable checks what a chat itself checks before it sends a form.
func acceptable(f *bot.FormField, value string) error {
	most := f.MaxLen
	if most <= 0 {
		most = 4000
	}
	if utf8.RuneCountInString(value) > most {
		return refused(http.StatusBadRequest, "%s has at most %d characters.", adapters.Printable(f.Label), most)
	}
	if f.Required && strings.TrimSpace(value) == "" {
		return refused(http.StatusBadRequest, "%s is needed.", adapters.Printable(f.Label))
	}
	if len(f.Choices) == 0 || f.Lookup || value == "" {
		return nil
	}
	if !slices.ContainsFunc(f.Choices, func(c bot.Choice) bool { return c.Value == value }) {
		return refused(http.StatusBadRequest, "%s is one of the choices.", adapters.Printable(f.Label))
	}
	return nil
}
