package discord_test

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/discord"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

func TestMain(m *testing.M) {
	adaptertest.Main(m, func(tb testing.TB) adaptertest.Double { return overTCP(tb) })
}

// patience is how long a test waits for what has to come.
const patience = adaptertest.Patience

// options are those of an adapter for a double.
func (f *fake) options(log *slog.Logger) discord.Options {
	catalogue, err := bot.NewCatalogue(rowsOf())
	require.NoError(f.tb, err)
	return discord.Options{
		Token: secret.New(botToken), Guilds: []string{guildID}, APIURL: f.base + "/", Catalogue: catalogue, Clock: f.clock, Logger: log,
	}
}

// adapter is one that talks to the double.
func (f *fake) adapter(o discord.Options) *discord.Adapter {
	a, err := discord.New(o)
	require.NoError(f.tb, err)
	if f.lis != nil {
		a.DialWith(f.lis.Dial)
	}
	return a
}

// harness is the adapter between the double and a bot.
type harness struct {
	*fake
	a *watched
}

// watched tells when a handler has returned.
type watched struct {
	*discord.Adapter
	returned chan string
}

func (w *watched) Run(ctx context.Context, h bot.Handler) error {
	return w.Adapter.Run(ctx, &adaptertest.Watched{Handler: h, Returned: w.returned})
}

func testLog(tb testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(tb.Output(), nil)) }

func open(tb testing.TB, clock bot.Clock) *harness {
	f := newFake(tb, clock)
	f.unpaced = true // what it is about here is not the pace
	return &harness{f, &watched{f.adapter(f.options(testLog(tb))), make(chan string, 16)}}
}

func TestDiscordKeepsTheContract(t *testing.T) {
	adaptertest.Run(t, func(tb testing.TB) adaptertest.Harness { return open(tb, &adaptertest.Hasty{}) })
}

func (h *harness) Adapter() bot.Adapter { return h.a }
func (h *harness) Home() bot.Place      { return place(homeID) }
func (h *harness) Closed() bot.Place    { return place(closedID) }
func (h *harness) FindsAgain()          {}

func place(channel string) bot.Place {
	var p bot.Place
	p.Platform, p.Team, p.Channel = "discord", guildID, channel
	return p
}

func (h *harness) Account(person string) bot.Account { return discordAccount(userID(person)) }

// joined waits until the bot hears, and has its command.
func (f *fake) joined(a *discord.Adapter) bool {
	return f.await(patience, func() bool { return f.live() != nil && len(f.guilds[guildID].commands) > 0 }) && eventually(a.Health().OK, func() bool { return a.Health().OK })
}

// eventually looks again and again at what nobody tells of.
func eventually(is bool, look func() bool) bool {
	for range 10_000 {
		if is {
			return true
		}
		if (bot.SystemClock{}).Sleep(context.Background(), time.Millisecond) != nil {
			return false
		}
		is = look()
	}
	return false
}

// over waits until all of a deed is done; handled says whether the bot hears
// of it.
func (h *harness) over(tb testing.TB, d *deed, err error, handled bool) {
	tb.Helper()
	require.NoError(tb, err)
	if handled {
		<-h.a.returned
	}
	require.True(tb, d.acked(patience), "not answered")
	// The deferral that nothing came of is taken away when the handler has returned.
	require.True(tb, h.await(patience, func() bool {
		return !slices.ContainsFunc(h.messages, func(m *message) bool { return m.thinking && !m.deleted })
	}))
}

func (h *harness) Type(tb testing.TB, person, line string) {
	tb.Helper()
	require.True(tb, h.joined(h.a.Adapter))
	d, err := h.typesLine(userID(person), homeID, line)
	h.over(tb, d, err, true)
}

func (h *harness) Press(tb testing.TB, person, id, label string) {
	tb.Helper()
	require.True(tb, h.joined(h.a.Adapter))
	own := false
	h.mu.Lock()
	for _, m := range h.messages {
		for _, b := range m.buttons {
			own = own || m.id == id && b.label == label && strings.HasPrefix(b.code, "form:")
		}
	}
	h.mu.Unlock()
	d, err := h.presses(userID(person), id, label)
	h.over(tb, d, err, !own)
}

// input finds the custom_id of a field.
func (m *modal) input(name string) string {
	for _, in := range m.inputs() {
		if id := str(in["custom_id"]); id == "value-"+name || id == "secret-"+name {
			return id
		}
	}
	return name
}

func (h *harness) Submit(tb testing.TB, person string, values map[string]string) {
	tb.Helper()
	m := h.form(userID(person))
	require.NotNil(tb, m)
	typed := make(map[string]string)
	for name, v := range values {
		typed[m.input(name)] = v
	}
	d, err := h.submits(userID(person), typed)
	h.over(tb, d, err, true)
}

func (h *harness) Form(_ testing.TB, person string) (adaptertest.Form, bool) {
	m := h.form(userID(person))
	if m == nil {
		return adaptertest.Form{}, false
	}
	f := adaptertest.Form{Title: str(m.body["title"])}
	for _, want := range []string{"reason", "mode", "password"} { // Discord's order is another
		if id := m.input(want); id != want {
			f.Fields = append(f.Fields, adaptertest.Field{Name: want, Value: m.values[id]})
		}
	}
	return f, true
}

func (h *harness) Sees(_ testing.TB, person string) []adaptertest.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []adaptertest.Message
	for _, m := range h.messages {
		if !h.visible(m, userID(person)) {
			continue
		}
		seen := adaptertest.Message{ID: m.id, Private: m.to != "", Raw: m.reading(), Text: unescape.Replace(m.reading())}
		if h.channels[m.channel].kind == threadChannel {
			seen.Thread = m.channel
		}
		for _, b := range m.buttons {
			if b.live && b.code != "" {
				seen.Buttons = append(seen.Buttons, bot.Button{Label: b.label, Code: b.code})
			}
		}
		out = append(out, seen)
	}
	return out
}

func (h *harness) Delete(tb testing.TB, r bot.Ref) { require.True(tb, h.deletes(r.ID)) }

func (h *harness) Attacks() []string {
	return []string{
		"@everyone look", "@here", "<@118200000000000077>", "<@&600000000000000001>", "<#400000000000000001>", "[good](https://evil.example)", "https://evil.example",
		"**starry** *starry*", "_slanted_ __under__", "~~struck~~", "||hidden||", ":tada:", "> quoted", ">>> all", "# head", "-# small", "- item", "a `tick` b", "```fence```", "<t:1:R>",
		"</hoster:1>", "<a:wave:1>", `\`, `\*a\*`, "x\x01<@118200000000000077>\x01",
	}
}

// Harmed tells what of an attack works in a message. Code is left out: nothing
// is read in it. The titles are bold by themselves.
func (h *harness) Harmed(m adaptertest.Message) string {
	text := code.ReplaceAllString(strings.ReplaceAll(m.Raw, "\\`", ""), "")
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimPrefix(line, "-# ")
		if strings.HasPrefix(line, "**") && strings.HasSuffix(line, "**") && len(line) >= 4 {
			line = line[2 : len(line)-2]
		}
		if found := works.FindString(line); found != "" {
			return found
		}
	}
	return ""
}

var (
	code = regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	// works finds what Discord would read in a line: an angle bracket, a pair
	// of marks, a link, a list, that no backslash stands before.
	works = regexp.MustCompile(`(^|[^\\])(<[@#at/:&]|[*_~|]|\]\(|https?://|@everyone|@here|:\w+:)|^(#|-|>|\+) `)
)
