package slack_test

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/slack"
	"hosterbot/bot"
)

func TestMain(m *testing.M) {
	if os.Getenv(echoEnv) != "" {
		echo()
		return
	}
	adaptertest.Main(m, func(tb testing.TB) adaptertest.Double { return overTCP(tb) })
}

// harness is the adapter between the double and a bot.
type harness struct {
	*fake
	a *watched
}

// watched tells when a handler has returned.
type watched struct {
	*slack.Adapter
	returned chan string
}

func (w *watched) Run(ctx context.Context, h bot.Handler) error {
	return w.Adapter.Run(ctx, &adaptertest.Watched{Handler: h, Returned: w.returned})
}

func open(tb testing.TB, clock bot.Clock) *harness {
	f := newFake(tb, clock)
	return &harness{f, &watched{f.adapter(slog.New(slog.NewTextHandler(tb.Output(), nil))), make(chan string, 16)}}
}

func TestSlackKeepsTheContract(t *testing.T) {
	adaptertest.Run(t, func(tb testing.TB) adaptertest.Harness { return open(tb, &adaptertest.Hasty{}) })
}

func (h *harness) Adapter() bot.Adapter { return h.a }
func (h *harness) Home() bot.Place      { return place(homeID) }
func (h *harness) Closed() bot.Place    { return place("C1CLOSED") }
func (h *harness) FindsAgain()          {}

func place(channel string) bot.Place {
	var p bot.Place
	p.Platform, p.Team, p.Channel = "slack", team, channel
	return p
}

func (h *harness) Account(person string) bot.Account {
	return bot.Account{Platform: "slack", Team: team, User: userID(person)}
}

func userID(person string) string {
	return map[string]string{"ana": "U07ANA", "ben": "U08BEN"}[person]
}

// connected waits until a socket is there.
func (h *harness) connected(tb testing.TB) *socket {
	tb.Helper()
	for range 10_000 {
		if s := h.newest(0); s != nil && h.a.Health().OK {
			return s
		}
		require.NoError(tb, bot.SystemClock{}.Sleep(tb.Context(), time.Millisecond))
	}
	tb.Fatal("no socket")
	return nil
}

// does sends an envelope and returns its acknowledgement, when the handler has
// returned.
func (h *harness) does(tb testing.TB, kind string, payload any) map[string]any {
	tb.Helper()
	frame, acked := h.envelope(kind, payload)
	require.True(tb, h.connected(tb).send(frame))
	<-h.a.returned
	return <-acked
}

func (h *harness) Type(tb testing.TB, person, line string) {
	tb.Helper()
	h.does(tb, "slash_commands", h.slash(userID(person), line))
}

func (h *harness) Press(tb testing.TB, person, id, label string) {
	tb.Helper()
	h.does(tb, "interactive", h.click(userID(person), h.find(tb, id), label))
}

func (h *harness) find(tb testing.TB, id string) *message {
	tb.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.messages, func(m *message) bool { return m.id == id })
	require.GreaterOrEqual(tb, i, 0, "message %s", id)
	return h.messages[i]
}

func (h *harness) Submit(tb testing.TB, person string, values map[string]string) {
	tb.Helper()
	h.mu.Lock()
	v := h.views[userID(person)]
	for name, value := range values {
		v.typed[name] = value
	}
	h.mu.Unlock()
	h.settle(v, h.does(tb, "interactive", h.sent(v)))
}

func (h *harness) Form(_ testing.TB, person string) (adaptertest.Form, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[userID(person)]
	if v == nil {
		return adaptertest.Form{}, false
	}
	f := adaptertest.Form{Title: unescaped(str(v.body["title"].(map[string]any)["text"]))}
	for _, b := range v.inputs() {
		name := str(b["block_id"])
		f.Fields = append(f.Fields, adaptertest.Field{Name: name, Value: v.value(b), Error: v.errors[name]})
	}
	return f, true
}

func (h *harness) Sees(_ testing.TB, person string) []adaptertest.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []adaptertest.Message
	for _, m := range h.messages {
		if m.deleted || m.to != "" && m.to != userID(person) {
			continue
		}
		seen := adaptertest.Message{ID: m.id, Thread: m.thread, Private: m.to != ""}
		seen.Text, seen.Raw = m.reading()
		for _, b := range m.blocks {
			elements, _ := b.(map[string]any)["elements"].([]any)
			for _, e := range elements {
				if e, _ := e.(map[string]any); e["type"] == "button" && e["value"] != nil {
					seen.Buttons = append(seen.Buttons, bot.Button{
						Label: unescaped(str(e["text"].(map[string]any)["text"])), Style: bot.Style(str(e["style"])), Code: str(e["value"]),
					})
				}
			}
		}
		out = append(out, seen)
	}
	return out
}

func (h *harness) Delete(tb testing.TB, r bot.Ref) {
	m := h.find(tb, r.ID)
	h.mu.Lock()
	defer h.mu.Unlock()
	m.deleted = true
}

func (h *harness) Attacks() []string {
	return []string{
		"<!here> look", "<!channel|x>", "<@U07ANA>", "<#C0OPS>", "<https://evil.example|good.example>", "&lt;!here&gt;", "<!subteam^S0ONCALL>",
		"*starry*", "_slanted_", "~struck~", ":tada:", "> quoted", "a `tick` b", "```fence```", "<!date^1^{ago}|x>", "@here", "x\x01<!here>\x01",
	}
}

// Harmed tells what of an attack works in a message: in its markup, and in its
// text, which the blocks stand in for.
func (h *harness) Harmed(m adaptertest.Message) string {
	for _, works := range []string{"<!here", "<!channel", "<@", "<#", "<http", "<!subteam", "*starry*", "_slanted_", "~struck~", ":tada:", "\n&gt;", "<!date^1^"} {
		if strings.Contains("\n"+stripCode(m.Raw), works) {
			return works
		}
	}
	return ""
}

// stripCode leaves out what stands in code, where nothing is formatted.
func stripCode(raw string) string {
	out := ""
	for i, part := range strings.Split(strings.ReplaceAll(raw, "```", "`"), "`") {
		if i%2 == 0 {
			out += part
		} else if strings.ContainsAny(part, "<>") {
			out += part // that would end it
		}
	}
	return out
}
