package slack_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands/hoster/hostersim"
)

// patience is how long is waited for what takes no time by itself, but may
// have to wait for the pace of Slack behind everything else.
const patience = 25 * time.Second

const (
	leadsID   = "C0LEADS" // a second channel in which approvals are asked
	auditKey  = "audit-key-canary"
	hosterKey = "hoster-token-canary"
)

// accounts are the people of policies.yaml, as the double knows them.
var accounts = map[string]string{"ana": "U07ANA", "ben": "U09BEN", "cho": "U10CHO", "dia": "U11DIA"}

// root is the folder of the module.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the tests")
		}
		dir = up
	}
}

// binaryDir is where binary builds; TestMain sets and removes it.
var binaryDir string

// binary builds the bot, once for all tests; mortal is one that kills itself
// where HOSTERBOT_FAIL says.
var (
	binary = sync.OnceValues(func() (string, error) { return build("hosterbot", "") })
	mortal = sync.OnceValues(func() (string, error) { return build("mortal", "failpoints") })
)

func build(name, tags string) (string, error) {
	from, err := root()
	if err != nil {
		return "", err
	}
	// The test cache counts the files that a test looks at, and the compiler is
	// another process.
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != from && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look at the sources: %w", err)
	}
	file := filepath.Join(binaryDir, name)
	build := exec.Command("go", "build", "-tags", tags, "-o", file, "./cmd/hosterbot")
	build.Dir = from
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the bot: %w: %s", err, out)
	}
	return file, nil
}

// examplePolicy is policies.yaml as a team with Slack alone has it.
func examplePolicy(tb testing.TB) string {
	tb.Helper()
	from, err := root()
	require.NoError(tb, err)
	text, err := os.ReadFile(filepath.Join(from, "policies.yaml"))
	require.NoError(tb, err)
	return onSlack(string(text))
}

var (
	noAccount = regexp.MustCompile(`(?m)^(  (\w+): \{)(discord: )`)
	asked     = regexp.MustCompile(`(?m)^(\s*ask: \[.*?), discord:[^,\]]*`)
	frozen    = strings.NewReplacer("2026-12-", "2056-12-", "2027-01-", "2057-01-")
)

// onSlack gives everybody of a policy an account of Slack, takes Discord's
// channels from what is asked, and puts its freeze where no test will be run.
func onSlack(policy string) string {
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

// settings are what a world differs in from others.
type settings struct {
	scale  float64 // HOSTERBOT_TIME_SCALE; 0: 0.01
	policy string  // "": the example
	lean   bool
	empty  bool              // nothing is started
	point  string            // where the bot kills itself
	env    map[string]string // on top of the others
}

// world is the built bot between the doubles of Slack and of the provider.
type world struct {
	*fake
	settings
	sim     *hostersim.Sim
	pace    *pacedClock
	api     string
	dir     string
	bot     *process
	journal *journal // what all bots logged
}

// pacedClock is the provider's. Its slow answers come when they are let go.
type pacedClock struct {
	bot.SystemClock
	asleep chan struct{} // somebody waits
	wake   chan struct{} // and may go on
}

// process is one life of the bot.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// journal is what processes print.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.news)
	j.news = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// says waits until something is printed, after what stood there before.
func (j *journal) says(tb testing.TB, from int, words ...string) {
	tb.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		j.mu.Lock()
		text, news := j.text.String()[from:], j.news
		j.mu.Unlock()
		for _, word := range words {
			if strings.Contains(text, word) {
				return
			}
		}
		select {
		case <-news:
		case <-late.C:
			require.Fail(tb, "not printed", "%q in:\n%s", words, text)
		}
	}
}

// newWorld starts the doubles, and the bot unless the world is empty.
func newWorld(tb testing.TB, s settings) *world {
	tb.Helper()
	s.scale = cmp.Or(s.scale, 0.01)
	s.policy = cmp.Or(s.policy, examplePolicy(tb))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	w := &world{
		settings: s, dir: tb.TempDir(), journal: &journal{news: make(chan struct{})},
		pace: &pacedClock{asleep: make(chan struct{}, 16), wake: make(chan struct{})},
		fake: newFakeOn(tb, bot.SystemClock{}, lis, "http://"+lis.Addr().String()),
	}
	w.fake.lean = s.lean
	w.join(accounts)
	w.channels[leadsID] = map[string]any{"id": leadsID, "is_member": true}
	w.groups["S0ONCALL"] = []string{}
	w.sim = hostersim.New(hostersim.Options{Token: hosterKey, Seed: 1, Speed: 1 / s.scale, Clock: w.pace})
	provider := httptest.NewServer(w.sim)
	tb.Cleanup(provider.Close)
	w.api = provider.URL
	w.writePolicy(s.policy)
	tb.Cleanup(func() {
		if w.bot != nil {
			w.kill()
		}
		if tb.Failed() {
			tb.Logf("the bot's log:\n%s", w.journal)
		}
	})
	if !s.empty {
		w.start()
		w.connected()
	}
	return w
}

// join makes people members of the workspace.
func (f *fake) join(people map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range people {
		f.users[id] = map[string]any{"id": id, "team_id": team}
	}
}

func (w *world) writePolicy(text string) {
	require.NoError(w.tb, os.WriteFile(filepath.Join(w.dir, "policies.yaml"), []byte(text), 0o600))
}

// start starts the bot over the world's store.
func (w *world) start() {
	w.tb.Helper()
	made := binary
	if w.point != "" {
		made = mortal
	}
	file, err := made()
	require.NoError(w.tb, err)
	cmd := exec.Command(file, "run")
	env := map[string]string{
		"HOSTERAPI_URL": w.api, "HOSTERAPI_TOKEN": hosterKey, "HOSTERBOT_API_RATE": "100000",
		"SLACK_BOT_TOKEN": botToken, "SLACK_APP_TOKEN": appToken, "SLACK_API_URL": w.base + "/api/",
		"HOSTERBOT_AUDIT_KEY": auditKey, "HOSTERBOT_POLICY": filepath.Join(w.dir, "policies.yaml"),
		"HOSTERBOT_STORE": "bolt:" + filepath.Join(w.dir, "bot.db"), "HOSTERBOT_LISTEN": "off", "HOSTERBOT_TIME_SCALE": fmt.Sprint(w.scale), "HOSTERBOT_FAIL": w.point,
		"PATH": os.Getenv("PATH"), "HOME": w.dir,
	}
	for name, value := range w.env {
		env[name] = value
	}
	cmd.Env = []string{}
	for name, value := range env {
		if value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, w.journal, w.journal
	require.NoError(w.tb, cmd.Start())
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its code is asked for later
		close(p.ended)
	}()
	w.bot = p
}

// connected waits until both sockets are there.
func (w *world) connected() {
	w.tb.Helper()
	require.True(w.tb, w.await(patience, func() bool { return w.openNow() >= 2 }), "the bot is not connected")
}

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

// signal sends a signal to the bot.
func (w *world) signal(s os.Signal) { require.NoError(w.tb, w.bot.cmd.Process.Signal(s)) }

// kill ends the bot as a power failure does, and returns when Slack has seen
// that.
func (w *world) kill() {
	_ = w.bot.cmd.Process.Kill()
	<-w.bot.ended
	w.await(patience, func() bool { return w.openNow() == 0 })
}

// exits waits for the end of the bot and returns its exit code.
func (w *world) exits(within time.Duration) int {
	w.tb.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-w.bot.ended:
	case <-late.C:
		require.Fail(w.tb, "the bot has not ended", "%s", w.journal)
	}
	return w.bot.cmd.ProcessState.ExitCode()
}

// stop ends the bot as an operator does.
func (w *world) stop() {
	w.tb.Helper()
	w.signal(syscall.SIGTERM)
	require.Zero(w.tb, w.exits(patience), "%s", w.journal)
}

// Sleep waits until a slow call is let go.
func (c *pacedClock) Sleep(ctx context.Context, _ time.Duration) error {
	select {
	case c.asleep <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slowCall waits until a slow call is under way.
func (w *world) slowCall() {
	w.tb.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-w.pace.asleep:
	case <-late.C:
		require.Fail(w.tb, "no slow call came", "%s", w.conversation())
	}
}

var (
	operationCode = regexp.MustCompile(`^v1:(\d+):`)
	rootKey       = regexp.MustCompile(`^root/(\d+)/`)
	operationText = regexp.MustCompile(`[Oo]peration (\d+)`)
)

// operation is the number of the operation that a message is about: as root, or
// in its thread. 0: of none. The caller holds mu.
func (f *fake) operation(m *message) int64 {
	if m.thread != "" {
		for _, o := range f.messages {
			if o.id == m.thread {
				return rootOf(o)
			}
		}
	}
	return rootOf(m)
}

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

// roots are the root messages of an operation. The caller holds mu.
func (f *fake) roots(op int64) []*message {
	var out []*message
	for _, m := range f.messages {
		if rootOf(m) == op && !m.deleted {
			out = append(out, m)
		}
	}
	return out
}

// ends are the end messages in a root's thread: they call its requester, and
// tell no one that a person has to look. The caller holds mu.
func (f *fake) ends(r *message) []*message {
	var out []*message
	for _, m := range f.messages {
		text, raw := m.reading()
		if m.thread == r.id && m.to == "" && !m.deleted && strings.Contains(raw, "<@") && !asksPerson.MatchString(text) {
			out = append(out, m)
		}
	}
	return out
}

var asksPerson = regexp.MustCompile(`A person has to look|Lost track|no longer counts`)

var endTitle = regexp.MustCompile(`^(?:✅ |❌ |⚠️ )?(Done|Failed|Done after all|Not done|Resolved as done|Resolved as not done|Resolved as unsure|Denied|Cancelled|Expired|Invalidated): `)

// title is the first line of a message, without marks.
func (m *message) title() string {
	text, _ := m.reading()
	first, _, _ := strings.Cut(text, "\n")
	return strings.NewReplacer("*", "", "`", "").Replace(first)
}

// ended waits until an operation has ended: in each of its threads there is an
// end message, and the root says so.
func (w *world) ended(op int64) {
	w.tb.Helper()
	ok := w.await(patience, func() bool {
		roots := w.roots(op)
		for _, r := range roots {
			if !endTitle.MatchString(r.title()) || len(w.ends(r)) == 0 {
				return false
			}
		}
		return len(roots) > 0
	})
	require.True(w.tb, ok, "operation %d has not ended\n%s", op, w.conversation())
}

// conversation is all that was said, for who reads a failure.
func (w *world) conversation() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, m := range w.messages {
		text, _ := m.reading()
		fmt.Fprintf(&b, "--- %s in %s", m.id, m.channel)
		if m.thread != "" {
			fmt.Fprintf(&b, ", thread %s", m.thread)
		}
		if m.to != "" {
			fmt.Fprintf(&b, ", only %s", m.to)
		}
		fmt.Fprintf(&b, "\n%s", text)
		for _, shown := range m.buttons {
			fmt.Fprintf(&b, "[%s]%s ", shown.label, map[bool]string{false: "(gone)"}[shown.live])
		}
		b.WriteString("\n")
	}
	return b.String()
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
