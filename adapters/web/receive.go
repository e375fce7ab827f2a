package web

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// The page. It is served as it stands.
var (
	//go:embed page.html
	pageHTML []byte
	//go:embed page.css
	pageCSS []byte
	//go:embed page.js
	pageJS []byte
	//go:embed show.js
	showJS []byte
	//go:embed icon.svg
	iconSVG []byte
)

func (w *Web) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", static("text/html; charset=utf-8", pageHTML))
	mux.HandleFunc("GET /page.css", static("text/css; charset=utf-8", pageCSS))
	mux.HandleFunc("GET /page.js", static("text/javascript; charset=utf-8", pageJS))
	mux.HandleFunc("GET /show.js", static("text/javascript; charset=utf-8", showJS))
	mux.HandleFunc("GET /icon.svg", static("image/svg+xml", iconSVG))
	mux.HandleFunc("GET /api/events", w.guarded(w.events))
	for name, do := range map[string]func(*Web, context.Context, *asked) (any, error){
		"command": (*Web).command, "press": (*Web).press, "submit": (*Web).submit, "dismiss": (*Web).dismiss,
		"guide": (*Web).guide, "choices": (*Web).choices, "stage": (*Web).stage, "file": (*Web).file, "people": (*Web).people,
	} {
		mux.HandleFunc("POST /api/"+name, w.guarded(w.post(do)))
	}
	return mux
}

func static(kind string, data []byte) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", kind)
		_, _ = rw.Write(data) // who asked has gone
	}
}

// asked is what the page sends. Each request uses some of it.
type asked struct {
	As      string            `json:"as"`
	Line    string            `json:"line"`
	Message string            `json:"message"`
	Code    string            `json:"code"`
	Form    string            `json:"form"`
	Field   string            `json:"field"`
	Values  map[string]string `json:"values"`
}

// refusal is why a request is not done, for people.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refused(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// post reads a request, and answers with what comes of it. The bot's own
// answers come by the stream.
func (w *Web) post(do func(*Web, context.Context, *asked) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
			fail(rw, refused(http.StatusUnsupportedMediaType, "Expected JSON."))
			return
		}
		var q asked
		d := json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				fail(rw, refused(http.StatusRequestEntityTooLarge, "That is more than fits here."))
				return
			}
			fail(rw, refused(http.StatusBadRequest, "This request cannot be read."))
			return
		}
		if _, err := d.Token(); err != io.EOF { // something stands behind it
			fail(rw, refused(http.StatusBadRequest, "This request cannot be read."))
			return
		}
		if r.URL.Path != "/api/people" && !slices.Contains(w.opts.People, q.As) {
			fail(rw, refused(http.StatusBadRequest, "There is no %s here.", strconv.Quote(bot.CleanMax(q.As, 40))))
			return
		}
		answer, err := do(w, r.Context(), &q)
		if err != nil {
			fail(rw, err)
			return
		}
		if doc, ok := answer.(*bot.File); ok {
			rw.Header().Set("Content-Type", "application/octet-stream")
			_, _ = rw.Write(doc.Data)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(answer)
	}
}

// none is the answer where there is nothing to say.
var none = struct{}{}

// begin gives the bot something to do on a goroutine of its own, which Run
// waits for.
func (w *Web) begin(f func(context.Context, bot.Handler)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.attached
	if a == nil {
		return refused(http.StatusServiceUnavailable, "The bot is not running at this moment. Nothing was done: try again.")
	}
	if w.running >= maxRunning {
		return refused(http.StatusTooManyRequests, "The bot has too much to do. Nothing was done: wait a moment.")
	}
	w.running++
	a.calls.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		defer a.atEnd(cancel)()
		f(ctx, a.handler)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running--
	})
	return nil
}

// people are those who may speak.
func (w *Web) people(context.Context, *asked) (any, error) {
	return map[string][]string{"people": w.opts.People, "strangers": w.opts.Strangers}, nil
}

// command is a line that a person typed.
func (w *Web) command(_ context.Context, q *asked) (any, error) {
	line := strings.TrimSpace(q.Line)
	switch {
	case line == "":
		return nil, refused(http.StatusBadRequest, "Type a command, such as vm list.")
	case utf8.RuneCountInString(line) > maxLine:
		return nil, refused(http.StatusRequestEntityTooLarge, "A command has at most %d characters.", maxLine)
	}
	a := &answer{w: w, person: q.As}
	r := bot.Request{Key: w.key(), Account: account(q.As), Place: w.opts.Home, Line: line, Answer: a}
	a.said(bot.CleanMax(line, 400))
	err := w.begin(func(ctx context.Context, h bot.Handler) {
		defer a.done()
		h.Handle(ctx, r)
	})
	if err != nil {
		a.drop()
		return nil, err
	}
	return none, nil
}

// press is a click on a button, with the code that it had when it was shown.
func (w *Web) press(_ context.Context, q *asked) (any, error) {
	w.mu.Lock()
	m := w.byID[q.Message]
	if m == nil || m.gone || !m.visible(q.As) || !m.codes[q.Code] {
		w.mu.Unlock()
		return nil, refused(http.StatusNotFound, "%s sees no such button any more.", q.As)
	}
	place := m.ref.Place
	w.mu.Unlock()
	a := &answer{w: w, person: q.As}
	if m.to != "" { // what answers a click on a private card takes its place
		a.on(m)
	}
	p := bot.Press{Key: w.key(), Account: account(q.As), Place: place, Code: q.Code, Answer: a}
	err := w.begin(func(ctx context.Context, h bot.Handler) {
		defer a.done()
		h.Press(ctx, p)
	})
	if err != nil {
		a.drop()
		return nil, err
	}
	return none, nil
}

// guide says what can be typed next, and what the policy makes of the line.
func (w *Web) guide(ctx context.Context, q *asked) (any, error) {
	if utf8.RuneCountInString(q.Line) > maxLine {
		return nil, refused(http.StatusRequestEntityTooLarge, "A command has at most %d characters.", maxLine)
	}
	out := struct {
		Choices []choice `json:"choices"`
		Guide   Guide    `json:"guide"`
	}{Choices: w.complete(ctx, bot.Completion{Account: account(q.As), Place: w.opts.Home, Line: q.Line})}
	if w.opts.Guide != nil {
		out.Guide = w.opts.Guide(ctx, q.As, q.Line)
	}
	return out, nil
}

// choices are the values that a field of the person's open form can have.
func (w *Web) choices(ctx context.Context, q *asked) (any, error) {
	w.mu.Lock()
	f := w.forms[q.As]
	w.mu.Unlock()
	if f == nil || f.id != q.Form {
		return nil, errNoForm
	}
	var args []bot.Arg
	for name, value := range q.Values {
		if name != q.Field && value != "" {
			args = append(args, bot.Arg{Name: name, Value: bot.CleanMax(value, 1000)})
		}
	}
	slices.SortFunc(args, func(a, b bot.Arg) int { return strings.Compare(a.Name, b.Name) })
	return map[string][]choice{"choices": w.complete(ctx, bot.Completion{
		Account: account(q.As), Place: w.opts.Home, Code: f.Code, Param: q.Field, Prefix: bot.CleanMax(q.Values[q.Field], 200), Args: args,
	})}, nil
}

type choice struct {
	Value string `json:"value"`
	Label string `json:"label,omitempty"`
}

func (w *Web) complete(ctx context.Context, c bot.Completion) []choice {
	w.mu.Lock()
	a := w.attached
	if a != nil {
		a.calls.Add(1)
	}
	w.mu.Unlock()
	if a == nil {
		return nil
	}
	defer a.calls.Done()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	defer a.atEnd(cancel)()
	found := a.handler.Complete(ctx, c)
	out := make([]choice, len(found))
	for i, one := range found {
		out[i] = choice{adapters.Printable(one.Value), adapters.Printable(one.Label)}
	}
	return out
}

// stage runs a line that nobody in the chat says.
func (w *Web) stage(ctx context.Context, q *asked) (any, error) {
	line := bot.CleanMax(q.Line, 200)
	if w.opts.Stage == nil || !strings.HasPrefix(line, ":") {
		return nil, refused(http.StatusBadRequest, "Nothing here can do that.")
	}
	if err := w.opts.Stage(ctx, line); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep(&message{ref: bot.Ref{Place: w.opts.Home}, stage: line})
	return none, nil
}

// file is a document that a person got.
func (w *Web) file(_ context.Context, q *asked) (any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.byID[q.Message]
	if m == nil || !m.visible(q.As) || m.file == nil {
		return nil, refused(http.StatusNotFound, "That file is no longer here: ask for it again.")
	}
	return m.file, nil
}

// key names a request for ever.
func (w *Web) key() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	return "web/" + w.opts.Session + "/" + strconv.Itoa(w.requests)
}
