package console_test

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/console"
	"hosterbot/bot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness looks at the console through what it printed: every block is one
// Write, and what is private says so.
type harness struct {
	c   *console.Console
	out *blocks
}

type blocks struct {
	mu  sync.Mutex
	all []string
}

func (b *blocks) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, string(p))
	return len(p), nil
}

// newest is the last block with all of these in it.
func (b *blocks) newest(parts ...string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, block := range slices.Backward(b.all) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(block, p) }) {
			return block
		}
	}
	return ""
}

func TestConsoleKeepsTheContract(t *testing.T) {
	adaptertest.Run(t, func(testing.TB) adaptertest.Harness {
		out := &blocks{}
		return &harness{console.New(options(out)), out}
	})
}

func (h *harness) Adapter() bot.Adapter { return h.c }
func (h *harness) Home() bot.Place      { return home() }
func (h *harness) Account(person string) bot.Account {
	return bot.Account{Platform: "demo", User: person}
}
func (h *harness) FindsAgain()                    {}
func (h *harness) Closed() bot.Place              { return place("matrix", "T", "C") }
func (h *harness) Delete(_ testing.TB, r bot.Ref) { h.c.Delete(r) }

func (h *harness) Attacks() []string {
	return []string{"\x1b[31mred", "a\rb", "up\x1b[2Aand over", "\u202egnp.exe", "bell\a", "\u009b31m", "two\u200blines\u2028more"}
}

func (h *harness) Harmed(m adaptertest.Message) string {
	for _, r := range m.Raw {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202e\u200b\u2028", r)) {
			return string(r)
		}
	}
	return ""
}

func (h *harness) say(tb testing.TB, line string) {
	tb.Helper()
	require.NoError(tb, h.c.Script(tb.Context(), "test", strings.NewReader(line)))
}

func (h *harness) Type(tb testing.TB, person, line string) { h.say(tb, person+": "+line) }

func (h *harness) Press(tb testing.TB, person, message, label string) {
	tb.Helper()
	for _, m := range h.c.Seen(person) {
		for _, b := range m.Buttons {
			if m.Ref.ID == message && b.Label == label {
				h.say(tb, person+": press "+strconv.Itoa(b.Number))
				return
			}
		}
	}
	tb.Fatalf("%s sees no button %q on %s", person, label, message)
}

func (h *harness) Submit(tb testing.TB, person string, values map[string]string) {
	tb.Helper()
	line := person + ": fill"
	for _, name := range slices.Sorted(maps.Keys(values)) {
		line += " " + name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(values[name]) + `"`
	}
	h.say(tb, line)
}

func (h *harness) Form(tb testing.TB, person string) (adaptertest.Form, bool) {
	tb.Helper()
	f, ok := h.c.Open(person)
	if !ok {
		return adaptertest.Form{}, false
	}
	require.NotEmpty(tb, h.out.newest(only(person), f.Title), "the form is printed")
	out := adaptertest.Form{Title: f.Title}
	for _, field := range f.Fields {
		out.Fields = append(out.Fields, adaptertest.Field{Name: field.Name, Value: field.Value, Error: field.Error})
	}
	return out, true
}

func (h *harness) Sees(tb testing.TB, person string) []adaptertest.Message {
	tb.Helper()
	var out []adaptertest.Message
	for _, m := range h.c.Seen(person) {
		title, _, _ := strings.Cut(m.Text, "\n")
		seen := adaptertest.Message{ID: m.Ref.ID, Thread: m.Root, Private: m.To != "", Text: m.Text, Raw: m.Text}
		if seen.Private {
			seen.Text = h.out.newest(only(person), title)
			require.NotEmpty(tb, seen.Text, "what is private is printed so")
		} else {
			printed := h.out.newest(title)
			require.NotEmpty(tb, printed)
			require.NotContains(tb, printed, " sees this)")
			seen.Raw += printed
		}
		for _, b := range m.Buttons {
			seen.Buttons = append(seen.Buttons, b.Button)
		}
		out = append(out, seen)
	}
	return out
}

func only(person string) string { return "(only " + person + " sees this)" }

func home() bot.Place { return place("slack", "T01TEAM", "C0OPS") }

func place(platform, team, channel string) bot.Place {
	var p bot.Place
	p.Platform, p.Team, p.Channel = platform, team, channel
	return p
}

// noon is when all tests happen.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// still is a clock on which nothing comes due.
type still struct{ bot.SystemClock }

func (still) Now() time.Time { return noon }

func (still) AfterFunc(time.Duration, func()) func() bool { return func() bool { return true } }

func options(out interface{ Write([]byte) (int, error) }) console.Options {
	return console.Options{
		Out: out, Home: home(), Channel: "#ops", Platforms: []string{"slack", "discord"},
		People: []string{"ana", "ben", "cho", "dia"}, Clock: still{},
	}
}

// TestACopyThatIsFasterStandsBelow: the card in the channel people speak in
// comes first, whichever place the bot reaches first.
func TestACopyThatIsFasterStandsBelow(t *testing.T) {
	var out bytes.Buffer
	c := console.New(options(&out))
	card := bot.Card{Op: 7, Title: "Delete VM"}
	_, err := c.Post(t.Context(), place("discord", "300", "400"), "root/7", card)
	require.NoError(t, err)
	require.Empty(t, out.String())
	_, err = c.Post(t.Context(), home(), "root/7", card)
	require.NoError(t, err)
	require.Equal(t, "#ops · operation 7\n  Delete VM\n  (copied to discord:300/400)\n", out.String())
}
