package adaptertest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The keys of the bot that are in none of its outputs.
const (
	auditKey  = "audit-key-canary"
	hosterKey = "hoster-token-canary"
)

// Provider is HosterAPI's double.
type Provider interface {
	http.Handler
	Fault(kind, fault string) error
	Secrets() []string
	Done() []string // the kinds of the changes that it carried out
}

// NewProvider makes HosterAPI's double: with a token, so many times as fast as
// the real one, by a clock.
type NewProvider func(token string, speed float64, clock *Pace) Provider

// Settings are what a World differs in from others.
type Settings struct {
	Scale  float64           // HOSTERBOT_TIME_SCALE; 0: 0.01
	Policy string            // as it is; empty: the example, as the first chat adapts it
	Empty  bool              // nothing is started
	Point  string            // where the bot kills itself; may be changed between two starts
	Env    map[string]string // on top of the others; a setting that is empty is left out
}

// World is the built bot between doubles of chats and of the provider.
type World struct {
	Settings
	Sim     Provider
	Dir     string   // policy and store are in it
	Journal *Journal // what all bots printed

	tb      testing.TB
	chats   []Double
	pace    *Pace
	api     string
	calls   *atomic.Int64 // of the provider's API
	bot     *process
	asked   map[string]bool // users who asked to see a secret
	secrets []string        // that somebody typed
}

// NewWorld starts the provider, and the bot unless the world is to be empty.
// People act in the first chat.
func NewWorld(tb testing.TB, s Settings, provider NewProvider, chats ...Double) *World {
	tb.Helper()
	s.Scale = cmp.Or(s.Scale, 0.01)
	w := &World{
		Settings: s, Dir: tb.TempDir(), Journal: &Journal{}, tb: tb, chats: chats, asked: make(map[string]bool), calls: new(atomic.Int64),
		pace: &Pace{asleep: make(chan struct{}, 16), wake: make(chan struct{})},
	}
	w.Sim = provider(hosterKey, 1/s.Scale, w.pace)
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		w.Sim.ServeHTTP(rw, r)
	}))
	tb.Cleanup(api.Close)
	w.api = api.URL
	if s.Policy == "" {
		s.Policy = chats[0].Adapt(Example(tb))
	}
	w.WritePolicy(s.Policy)
	tb.Cleanup(func() {
		if w.bot != nil {
			w.Kill()
		}
		switch {
		case tb.Failed():
			tb.Logf("the bot's log:\n%s", w.Journal)
		case testing.Verbose():
			tb.Logf("what was said:\n%s", w.Conversation())
		}
	})
	if !s.Empty {
		w.Start()
		w.Connected()
	}
	return w
}

// In is the world as it is for who acts in another of its chats.
func (w *World) In(chat int) *World {
	there := *w
	there.chats = append([]Double{w.chats[chat]}, slices.Delete(slices.Clone(w.chats), chat, chat+1)...)
	return &there
}

// Example is the example policy.
func Example(tb testing.TB) string {
	tb.Helper()
	from, err := Root()
	require.NoError(tb, err)
	text, err := os.ReadFile(filepath.Join(from, "policies.yaml"))
	require.NoError(tb, err)
	return string(text)
}

// WritePolicy puts another policy in the place of the one before. The bot is
// not told.
func (w *World) WritePolicy(text string) {
	w.tb.Helper()
	require.NoError(w.tb, os.WriteFile(filepath.Join(w.Dir, "policies.yaml"), []byte(text), 0o600))
}

// Start starts the bot over the world's store.
func (w *World) Start() {
	w.tb.Helper()
	made := Binary
	if w.Point != "" {
		made = mortal
	}
	file, err := made()
	require.NoError(w.tb, err)
	env := map[string]string{
		"HOSTERAPI_URL": w.api, "HOSTERAPI_TOKEN": hosterKey, "HOSTERBOT_API_RATE": "100000",
		"HOSTERBOT_AUDIT_KEY": auditKey, "HOSTERBOT_POLICY": filepath.Join(w.Dir, "policies.yaml"),
		"HOSTERBOT_STORE": "bolt:" + filepath.Join(w.Dir, "bot.db"), "HOSTERBOT_LISTEN": "off", "HOSTERBOT_TIME_SCALE": fmt.Sprint(w.Scale),
		"HOSTERBOT_FAIL": w.Point,
		"PATH":           os.Getenv("PATH"), "HOME": w.Dir,
	}
	for _, d := range w.chats {
		maps.Copy(env, d.Env())
	}
	maps.Copy(env, w.Env)
	cmd := exec.Command(file, "run")
	cmd.Env = []string{}
	for name, value := range env {
		if value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	w.Spawn(cmd)
}

// Connected waits until the bot hears in every chat.
func (w *World) Connected() {
	w.tb.Helper()
	for _, d := range w.chats {
		require.True(w.tb, d.Await(func() bool { now, most := d.Links(); return now >= most }), "the bot is not connected")
	}
}

// Restart ends the bot as a power failure does, and starts it again.
func (w *World) Restart() {
	w.tb.Helper()
	w.Kill()
	w.Start()
	w.Connected()
}

// Stop ends the bot as an operator does.
func (w *World) Stop() {
	w.tb.Helper()
	w.Signal(syscall.SIGTERM)
	require.Zero(w.tb, w.Exits(Patience), "%s", w.Journal)
}

// Until waits until cond is true of what was said.
func (w *World) Until(cond func(Talk) bool) bool {
	d := w.chats[0]
	return d.Await(func() bool { return cond(d.Said()) })
}

// Talk is all that was said until now.
func (w *World) Talk() (all Talk) {
	w.Until(func(c Talk) bool { all = c; return true })
	return all
}

// Conversation is all that was said, in all chats, for who reads a failure.
func (w *World) Conversation() string {
	var all []string
	for _, d := range w.chats {
		d.Await(func() bool { all = append(all, Talk(d.Said()).String()); return true })
	}
	return strings.Join(all, "=====\n")
}

// Newest is the highest number of an operation that anybody was told.
func (w *World) Newest() int64 { return w.Talk().Newest() }

// Root waits for the root message of an operation, and returns it with what
// stands in its thread. There is one in each channel; this is the first.
func (w *World) Root(op int64) (root Said, thread []Said) {
	w.tb.Helper()
	require.True(w.tb, w.Until(func(c Talk) bool { return len(c.Roots(op)) > 0 }), "operation %d is nowhere\n%s", op, w.Conversation())
	all := w.Talk()
	root = all.Roots(op)[0]
	return root, all.Thread(&root)
}

// Shows waits until the root message of an operation shows some words.
func (w *World) Shows(op int64, words string) {
	w.tb.Helper()
	require.True(w.tb, w.Until(func(c Talk) bool {
		return slices.ContainsFunc(c.Roots(op), func(s Said) bool {
			return strings.Contains(strings.NewReplacer("`", "", "*", "").Replace(s.Text), words)
		})
	}), "operation %d does not show %q\n%s", op, words, w.Conversation())
}

// Ended waits until an operation has ended: in each of its threads there is an
// end message, and the root says so.
func (w *World) Ended(op int64) {
	w.tb.Helper()
	require.True(w.tb, w.Until(func(c Talk) bool { return c.Over(op) }), "operation %d has not ended\n%s", op, w.Conversation())
}

// Once fails where an operation has more than one root message in a channel, or
// more than one end message in a thread.
func (w *World) Once(op int64) {
	w.tb.Helper()
	all := w.Talk()
	places := make(map[string]int)
	for _, r := range all.Roots(op) {
		places[r.Channel]++
		require.LessOrEqual(w.tb, len(all.Ends(&r)), 1, "end messages of operation %d, %s\n%s", op, r.Title(), all)
	}
	for channel, n := range places {
		require.Equal(w.tb, 1, n, "root messages of operation %d in %s\n%s", op, channel, all)
	}
}

// nothingNewer is for what begins no operation.
const nothingNewer = math.MaxInt64

// answered waits until a person can see what became of a deed: an answer, a
// form, or what everybody sees: a change of an operation, or, where a command
// was typed, one that is newer than another.
func (w *World) answered(person string, d Deed, op, newer int64) {
	w.tb.Helper()
	user, mark, typed := w.chats[0].User(person), d.Mark(), newer != nothingNewer
	ok := w.Until(func(c Talk) bool {
		if d.Shown() {
			return true
		}
		return slices.ContainsFunc(c, func(s Said) bool {
			since := s.Changed
			if typed { // what he was told before may still be on its way
				since = s.Made
			}
			return since > mark && s.To == user || s.Root > newer || op != 0 && s.Changed > mark && s.To == "" && c.Operation(&s) == op
		})
	})
	require.True(w.tb, ok, "%s was never answered\n%s", person, w.Conversation())
}

// Told waits until something that a person alone sees holds some words.
func (w *World) Told(person, words string) {
	w.tb.Helper()
	user := w.chats[0].User(person)
	require.True(w.tb, w.Until(func(c Talk) bool {
		return slices.ContainsFunc(c, func(s Said) bool { return s.To == user && strings.Contains(s.Text, words) })
	}), "nobody told %s %q\n%s", person, words, w.Conversation())
}

// Hears waits until a person is shown a word, in answer to a deed or by what
// everybody sees.
func (w *World) Hears(person string, d Deed, word string) {
	w.tb.Helper()
	user, mark := w.chats[0].User(person), d.Mark()
	ok := w.Until(func(c Talk) bool {
		return slices.ContainsFunc(c, func(s Said) bool {
			return s.Changed > mark && (s.To == "" || s.To == user) && strings.Contains(strings.ReplaceAll(s.Text, "`", ""), word)
		})
	})
	require.True(w.tb, ok, "nobody told %s %q\n%s", person, word, w.Conversation())
}

// Types makes a person type a command. It returns when it is acknowledged and
// answered.
func (w *World) Types(person, line string) Deed {
	w.tb.Helper()
	d, err := w.types(person, line)
	require.NoError(w.tb, err, line)
	return d
}

func (w *World) types(person, line string) (Deed, error) {
	w.tb.Helper()
	newest := w.Newest()
	d, err := w.chats[0].Type(person, line)
	if err != nil {
		return nil, err
	}
	d.Acked()
	w.answered(person, d, 0, newest)
	return d, nil
}

// Press makes a person press a button, which may take a moment to be there: the
// newest one of the operation that was last begun, or of the one that is named:
// "Approve 17".
func (w *World) Press(person, what string) error {
	w.tb.Helper()
	chat, label, op := w.chats[0], what, int64(0)
	if found := endsInNumber.FindStringSubmatch(what); found != nil {
		label, op = strings.TrimSuffix(what, found[0]), number(found)
	}
	var s Said
	var b Shown
	user := chat.User(person)
	if !w.Until(func(c Talk) (ok bool) {
		of := op
		if of == 0 {
			of = c.Newest()
		}
		s, b, ok = c.Find(user, label, of)
		return ok
	}) {
		return fmt.Errorf("%s sees no button %q", person, label)
	}
	if label == "Reveal" || label == "Open console" {
		w.asked[user] = true
	}
	d := chat.Click(person, s, b)
	d.Acked()
	w.answered(person, d, number(operationCode.FindStringSubmatch(b.Code)), nothingNewer)
	return nil
}

var (
	endsInNumber = regexp.MustCompile(` (\d+)$`)
	pair         = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)
)

// wayBack is the label of a button that leads back to a form that was not
// accepted, where the platform has closed it.
const wayBack = "Open it again"

// Fill types into the form that is open before somebody, such as
// `reason="old" target=4009`, and sends it.
func (w *World) Fill(person, what string) error {
	w.tb.Helper()
	chat := w.chats[0]
	user := chat.User(person)
	var form Opened
	var back Said
	var button Shown
	open := false
	if !w.Until(func(c Talk) (ok bool) {
		if form, open = chat.Opened(person); open {
			return true
		}
		back, button, ok = c.Find(user, wayBack, 0)
		return ok && button.Live
	}) {
		return fmt.Errorf("no form is open before %s", person)
	}
	if !open {
		chat.Click(person, back, button).Acked()
		if !w.Until(func(Talk) bool { form, open = chat.Opened(person); return open }) {
			return errors.New("the form does not open again")
		}
	}
	values := make(map[string]string)
	for _, found := range pair.FindAllStringSubmatch(what, -1) {
		name, value := found[1], strings.Trim(found[2], `"`)
		secret, there := form.Fields[name]
		if !there {
			return fmt.Errorf("the form has no field %q", name)
		}
		if secret {
			w.secrets = append(w.secrets, value)
		}
		values[name] = value
	}
	d, err := chat.Submit(person, values)
	if err != nil {
		return err
	}
	d.Acked()
	w.answered(person, d, number(operationCode.FindStringSubmatch(form.Code)), nothingNewer)
	return nil
}

// Deletes asks for, confirms and explains the deletion of a VM that is halted.
func (w *World) Deletes(person, vm string) {
	w.tb.Helper()
	w.Types(person, "vm delete "+vm)
	require.NoError(w.tb, w.Press(person, "Confirm"))
	require.NoError(w.tb, w.Fill(person, `reason="old" target=`+vm))
}

// NoSecrets hunts every secret of the provider and of the settings: one of the
// provider's is only in a private answer, to somebody who asked and may.
func (w *World) NoSecrets() {
	w.tb.Helper()
	logged := w.Journal.String()
	store, err := os.ReadFile(filepath.Join(w.Dir, "bot.db"))
	require.NoError(w.tb, err)
	never := append(slices.Clone(w.secrets), "hunter2", auditKey, hosterKey)
	for _, d := range w.chats {
		never = append(never, d.Secrets()...)
	}
	all := w.Talk()
	for _, secret := range append(w.Sim.Secrets(), never...) {
		require.NotContains(w.tb, logged, secret, "the log")
		require.NotContains(w.tb, string(store), secret, "the store")
		for _, s := range all {
			if !strings.Contains(s.Text+s.Raw, secret) {
				continue
			}
			require.NotContains(w.tb, never, secret, "%s", s.Text)
			require.True(w.tb, s.To != "" && !s.Direct, "a secret before everybody: %s", s.Text)
			require.True(w.tb, w.asked[s.To], "a secret for %s, who did not ask: %s", s.To, s.Text)
			require.NotEqual(w.tb, w.chats[0].User(Ben), s.To, "ben may see no secret: %s", s.Text)
		}
	}
}
