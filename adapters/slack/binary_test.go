package slack_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/bot"
	"hosterbot/commands/hoster/hostersim"
)

const (
	patience = adaptertest.Patience
	leadsID  = "C0LEADS" // a second channel in which approvals are asked
)

// accounts are the people of policies.yaml, as the double knows them.
var accounts = map[string]string{"ana": "U07ANA", "ben": "U09BEN", "cho": "U10CHO", "dia": "U11DIA"}

func TestChatsThroughSlack(t *testing.T) {
	t.Parallel()
	adaptertest.RunChats(t, openWorld, nil)
}

func TestTheBuiltBotInSlackEndsWell(t *testing.T) {
	t.Parallel()
	adaptertest.RunHard(t, openWorld)
}

func openWorld(tb testing.TB, s adaptertest.Settings) *adaptertest.World {
	return newWorld(tb, s).World
}

// world is the built bot between the doubles of Slack and of the provider.
type world struct {
	*adaptertest.World
	*fake
	sim *hostersim.Sim
}

// newWorld starts the doubles, and the bot unless the world is empty.
func newWorld(tb testing.TB, s adaptertest.Settings) *world {
	tb.Helper()
	w := &world{fake: overTCP(tb)}
	w.World = adaptertest.NewWorld(tb, s, func(token string, speed float64, clock *adaptertest.Pace) adaptertest.Provider {
		w.sim = hostersim.New(hostersim.Options{Token: token, Seed: 1, Speed: speed, Clock: clock})
		return w.sim
	}, w.fake)
	return w
}

// overTCP is a double that another process can reach. Nobody is on call yet.
func overTCP(tb testing.TB) *fake {
	tb.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	f := newFakeOn(tb, bot.SystemClock{}, lis, "http://"+lis.Addr().String())
	f.join(accounts)
	f.channels[leadsID] = map[string]any{"id": leadsID, "is_member": true}
	f.groups["S0ONCALL"] = []string{}
	return f
}

// join makes people members of the workspace.
func (f *fake) join(people map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range people {
		f.users[id] = map[string]any{"id": id, "team_id": team}
	}
}

var _ adaptertest.Double = (*fake)(nil)

func (f *fake) Env() map[string]string {
	return map[string]string{"SLACK_BOT_TOKEN": botToken, "SLACK_APP_TOKEN": appToken, "SLACK_API_URL": f.base + "/api/"}
}

func (f *fake) Secrets() []string { return []string{botToken, appToken} }

// User is the ID of a person; who is not of the example goes by his ID.
func (f *fake) User(person string) string { return cmp.Or(accounts[person], person) }

var (
	noAccount = regexp.MustCompile(`(?m)^(  (\w+): \{)(discord: )`)
	asked     = regexp.MustCompile(`(?m)^(\s*ask: \[.*?), discord:[^,\]]*`)
	frozen    = strings.NewReplacer("2026-12-", "2056-12-", "2027-01-", "2057-01-")
)

// Adapt gives everybody of a policy an account of Slack, takes Discord's
// channels from what is asked, and puts its freeze where no test will be run.
func (f *fake) Adapt(policy string) string {
	policy = noAccount.ReplaceAllStringFunc(policy, func(line string) string {
		m := noAccount.FindStringSubmatch(line)
		return m[1] + "slack: " + team + "/" + accounts[m[2]] + ", " + m[3]
	})
	first := true // costs are asked in both channels, losses in one
	policy = asked.ReplaceAllStringFunc(policy, func(line string) string {
		line = asked.FindStringSubmatch(line)[1]
		if first {
			line += ", slack:" + team + "/" + leadsID
		}
		first = false
		return line
	})
	return frozen.Replace(policy)
}

func (f *fake) Join(person, group string) error {
	if group != "oncall" {
		return fmt.Errorf("there is no group %s", group)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups["S0ONCALL"] = append(f.groups["S0ONCALL"], accounts[person])
	return nil
}

func (f *fake) Await(cond func() bool) bool { return f.await(patience, cond) }

// Links are the open sockets. The caller holds mu.
func (f *fake) Links() (now, most int) { return f.openNow(), 2 }

// openNow is open for who holds mu.
func (f *fake) openNow() int {
	n := 0
	for _, s := range f.sockets {
		if s.open {
			n++
		}
	}
	return n
}

// Said is everything that was said. The caller holds mu.
func (f *fake) Said() []adaptertest.Said {
	out := make([]adaptertest.Said, len(f.messages))
	for i, m := range f.messages {
		text, raw := m.reading()
		out[i] = adaptertest.Said{
			ID: m.id, Channel: m.channel, Thread: m.thread, To: m.to, Direct: strings.HasPrefix(m.channel, "D"),
			Text: text, Raw: raw + unescaped(raw), Root: rootOf(m), Deleted: m.deleted, Made: uint64(m.made), Changed: uint64(m.changed),
		}
		for _, b := range m.buttons {
			out[i].Buttons = append(out[i].Buttons, adaptertest.Shown{Label: b.label, Code: b.value, Live: b.live})
		}
	}
	return out
}

var rootKey = regexp.MustCompile(`^root/(\d+)/`)

// rootOf is the operation whose root message it is; 0: of none.
func rootOf(m *message) int64 {
	payload, _ := m.metadata["event_payload"].(map[string]any)
	if found := rootKey.FindStringSubmatch(str(payload["key"])); found != nil {
		return number(found[1])
	}
	return 0
}

func number(text string) int64 {
	var n int64
	_, _ = fmt.Sscan(text, &n)
	return n
}

func (f *fake) Type(person, line string) (adaptertest.Deed, error) {
	return f.deed(accounts[person], "slash_commands", f.slash(accounts[person], line)), nil
}

func (f *fake) Click(person string, s adaptertest.Said, b adaptertest.Shown) adaptertest.Deed {
	return f.deed(accounts[person], "interactive", f.clicked(accounts[person], s, b))
}

// clicked is a press on a button as Slack tells of it.
func (f *fake) clicked(user string, s adaptertest.Said, b adaptertest.Shown) (payload map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		for _, shown := range m.buttons {
			if m.id == s.ID && shown.value == b.Code && shown.label == b.Label {
				payload = f.pressed(user, m, shown)
			}
		}
	}
	return payload
}

// Opened is the form before a person. The caller holds mu.
func (f *fake) Opened(person string) (adaptertest.Opened, bool) {
	v := f.views[accounts[person]]
	if v == nil {
		return adaptertest.Opened{}, false
	}
	form := adaptertest.Opened{Code: str(v.body["callback_id"]), Fields: make(map[string]bool)}
	for _, b := range v.inputs() {
		form.Fields[str(b["block_id"])] = strings.HasPrefix(str(b["element"].(map[string]any)["action_id"]), "secret-")
	}
	return form, true
}

func (f *fake) Submit(person string, values map[string]string) (adaptertest.Deed, error) {
	f.mu.Lock()
	v := f.views[accounts[person]]
	for name, value := range values {
		v.typed[name] = value
	}
	f.mu.Unlock()
	d := f.deed(accounts[person], "interactive", f.sent(v))
	d.form = v
	return d, nil
}

func (f *fake) Delete(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.id == id {
			m.deleted = true
			f.touched(m)
		}
	}
	f.news.Tell()
}

// ready asks /readyz, and returns its status and text; 0: nobody answers.
func ready(address string) (int, string) {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	var body json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return resp.StatusCode, err.Error()
	}
	return resp.StatusCode, string(body)
}
