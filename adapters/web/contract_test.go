package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"hosterbot/adapters/adaptertest"
	"hosterbot/bot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness looks at the chat through what two windows are told.
type harness struct {
	*site
	windows map[string]*window
}

func TestWebKeepsTheContract(t *testing.T) {
	adaptertest.Run(t, func(tb testing.TB) adaptertest.Harness {
		s := serve(tb, options())
		return &harness{s, map[string]*window{"ana": s.open(tb, "ana", 0), "ben": s.open(tb, "ben", 0)}}
	})
}

func (h *harness) Adapter() bot.Adapter { return h.w }
func (h *harness) Home() bot.Place      { return home() }
func (h *harness) Account(person string) bot.Account {
	return bot.Account{Platform: "demo", User: person}
}
func (h *harness) FindsAgain()                    {}
func (h *harness) Closed() bot.Place              { return place("matrix", "T", "C") }
func (h *harness) Delete(_ testing.TB, r bot.Ref) { h.w.Delete(r) }

// Attacks are what would hide in the text or turn it around. Markup is no
// attack: the page makes text of all it is told, which the browser tests see.
func (h *harness) Attacks() []string {
	return []string{"a\rb", "\u202egnp.exe", "bell\a", "\u009b31m", "two\u200blines\u2028more", "a\x1b[2Jb"}
}

func (h *harness) Harmed(m adaptertest.Message) string {
	for _, r := range m.Raw {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202e\u200b\u2028", r)) {
			return string(r)
		}
	}
	return ""
}

func (h *harness) Type(tb testing.TB, person, line string) {
	tb.Helper()
	h.attached(tb)
	h.say(tb, "command", map[string]any{"as": person, "line": line})
}

func (h *harness) Press(tb testing.TB, person, message, label string) {
	tb.Helper()
	h.attached(tb)
	for _, m := range h.Sees(tb, person) {
		for _, b := range m.Buttons {
			if m.ID == message && b.Label == label {
				h.say(tb, "press", map[string]any{"as": person, "message": message, "code": b.Code})
				return
			}
		}
	}
	tb.Fatalf("%s sees no button %q on %s", person, label, message)
}

func (h *harness) Submit(tb testing.TB, person string, values map[string]string) {
	tb.Helper()
	w := h.window(tb, person)
	require.NotNil(tb, w.form)
	h.say(tb, "submit", map[string]any{"as": person, "form": w.form["id"], "values": values})
}

func (h *harness) Form(tb testing.TB, person string) (adaptertest.Form, bool) {
	tb.Helper()
	w := h.window(tb, person)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.form == nil {
		return adaptertest.Form{}, false
	}
	out := adaptertest.Form{Title: text(w.form["title"])}
	for _, f := range w.form["fields"].([]any) {
		f := f.(map[string]any)
		out.Fields = append(out.Fields, adaptertest.Field{Name: text(f["name"]), Value: text(f["value"]), Error: text(f["error"])})
	}
	return out, true
}

// window is a person's window, told of all that has happened.
func (h *harness) window(tb testing.TB, person string) *window {
	tb.Helper()
	w := h.windows[person]
	w.catchUp(tb, h.w.Seq())
	return w
}

func (h *harness) Sees(tb testing.TB, person string) []adaptertest.Message {
	tb.Helper()
	w := h.window(tb, person)
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []adaptertest.Message
	for _, id := range w.order {
		v, ok := w.messages[id]
		if !ok {
			continue
		}
		m := adaptertest.Message{ID: id, Thread: text(v["root"]), Private: v["to"] != nil, Text: words(v)}
		m.Raw = m.Text
		if card, ok := v["card"].(map[string]any); ok {
			buttons, _ := card["buttons"].([]any)
			for _, b := range buttons {
				b := b.(map[string]any)
				m.Buttons = append(m.Buttons, bot.Button{Label: text(b["label"]), Code: text(b["code"]), Style: bot.Style(text(b["style"]))})
			}
		}
		out = append(out, m)
	}
	return out
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// words is every string of a view that the page shows. Codes and IDs it does
// not.
func words(v any) string {
	switch v := v.(type) {
	case string:
		return v + "\n"
	case []any:
		var out string
		for _, x := range v {
			out += words(x)
		}
		return out
	case map[string]any:
		var out string
		for _, key := range []string{"line", "stage", "card", "file", "note", "title", "lines", "label", "fields", "value", "table", "columns", "name", "rows", "empty", "bar", "percent", "word", "mentions", "notes", "secrets", "buttons", "head", "t", "c"} {
			if n, ok := v[key].(float64); ok {
				out += fmt.Sprintf("%g %%\n", n)
				continue
			}
			if key == "buttons" {
				for _, b := range list(v[key]) {
					out += text(b.(map[string]any)["label"]) + "\n"
				}
				continue
			}
			out += words(v[key])
		}
		return out
	}
	return ""
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
