package slack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/slack"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// The workspace that everything happens in.
const (
	team     = "T01TEAM"
	homeID   = "C0OPS"
	botUser  = "U0BOT"
	botToken = "xoxb-1-canary"
	appToken = "xapp-1-canary"
)

// fake is a double of Slack: the Web API, Socket Mode and response URLs, over
// connections in memory or over TCP. It refuses what Slack refuses; what the
// adapter must never do fails the test.
type fake struct {
	tb    testing.TB
	clock bot.Clock
	lis   *adaptertest.Pipes // nil: over TCP
	base  string             // its address, such as http://slack.test
	lean  bool               // it only counts: messages are neither looked at nor kept
	srv   *http.Server

	mu       sync.Mutex
	scopes   []string
	users    map[string]map[string]any
	channels map[string]map[string]any
	groups   map[string][]string
	messages []*message
	views    map[string]*view // open, by user
	triggers map[string]*trigger
	urls     map[string]*replyURL
	uploads  map[string]string // file ID, content
	sockets  []*socket
	acks     map[string]chan map[string]any
	faults   adaptertest.Faults[*http.Request]
	calls    map[string][]time.Time
	used     map[string]bool // scopes that were needed
	serial   int
	news     adaptertest.News
	mute     atomic.Bool // sockets hear, and say nothing
	quiet    bool        // sockets do not say hello
}

type fault = adaptertest.Fault[*http.Request]

type message struct {
	id, channel, thread string
	to                  string // the one person who sees it
	text                string
	blocks              []any
	metadata            map[string]any
	deleted             bool
	made, changed       int // serials of the first and the last change
	buttons             []shownButton
}

// shownButton is a button that a message has, or had.
type shownButton struct {
	label, action, value string
	live                 bool
}

type trigger struct {
	user string
	at   time.Time
	used bool
	view int // serial of the form that it opened
}

type replyURL struct {
	user, channel string
	at            time.Time
	uses          int
	source        *message // the message that was pressed; nil: a command
	last          *message
	shown         int           // answers that were taken
	told          chan<- string // bodies, where the double is lean
}

type socket struct {
	ws      *websocket.Conn
	write   sync.Mutex
	open    bool
	gone    chan struct{} // closed when it is no longer open
	leaving bool          // the bot was told that it will be dropped
	under   int           // commands that were given to it, and are not acknowledged
}

func newFake(tb testing.TB, clock bot.Clock) *fake {
	lis := adaptertest.NewPipes()
	f := newFakeOn(tb, clock, lis, "http://slack.test")
	f.lis = lis
	return f
}

// newFakeOn is a double that serves connections of lis.
func newFakeOn(tb testing.TB, clock bot.Clock, lis net.Listener, base string) *fake {
	f := &fake{
		tb: tb, clock: clock, base: base,
		scopes: slices.Clone(slack.Scopes),
		users: map[string]map[string]any{
			"U07ANA": {"id": "U07ANA", "team_id": team}, "U08BEN": {"id": "U08BEN", "team_id": team},
			"U09GUEST": {"id": "U09GUEST", "team_id": team, "is_restricted": true}, "U10BOT": {"id": "U10BOT", "team_id": team, "is_bot": true},
			"U11CONNECT": {"id": "U11CONNECT", "team_id": "T02OTHER", "is_stranger": true},
		},
		channels: map[string]map[string]any{
			homeID: {"id": homeID, "is_member": true}, "C1CLOSED": {"id": "C1CLOSED"}, "C2OLD": {"id": "C2OLD", "is_member": true, "is_archived": true},
			"C3SHARED": {"id": "C3SHARED", "is_member": true, "is_ext_shared": true}, "C4MORE": {"id": "C4MORE", "is_member": true},
		},
		groups: map[string][]string{"S0ONCALL": {"U08BEN"}},
		views:  make(map[string]*view), triggers: make(map[string]*trigger), urls: make(map[string]*replyURL), uploads: make(map[string]string),
		acks: make(map[string]chan map[string]any), used: make(map[string]bool), calls: make(map[string][]time.Time),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", f.method)
	mux.HandleFunc("/link", f.link)
	mux.HandleFunc("/reply/{id}", f.reply)
	mux.HandleFunc("/upload/{id}", f.upload)
	f.srv = &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() { _ = f.srv.Serve(lis); close(served) }()
	tb.Cleanup(func() {
		_ = f.srv.Close()
		f.mu.Lock()
		for _, s := range f.sockets {
			_ = s.ws.Close()
		}
		f.mu.Unlock()
		<-served
	})
	return f
}

// adapter is one that talks to the double.
func (f *fake) adapter(log *slog.Logger) *slack.Adapter {
	a, err := slack.New(slack.Options{
		BotToken: secret.New(botToken), AppToken: secret.New(appToken), APIURL: f.base + "/api/", Clock: f.clock, Logger: log,
	})
	require.NoError(f.tb, err)
	a.DialWith(f.lis.Dial)
	return a
}

// next makes the next calls of a method go wrong, one after another.
func (f *fake) next(method string, faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults.Next(method, faults...)
}

// await waits until cond, which is called with mu held, is true.
func (f *fake) await(within time.Duration, cond func() bool) bool {
	return f.news.Await(&f.mu, within, cond)
}

func refuse(word string) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"ok": false, "error": word})
		return true
	}
}

func status(code int) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "2")
		}
		http.Error(w, "<html>", code)
		return true
	}
}

// doneButLost does what is asked, and loses the answer.
func (f *fake) doneButLost(method string) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		f.answer(method, r)
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return true
	}
}

func (f *fake) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls[method])
}

// method is the Web API.
func (f *fake) method(w http.ResponseWriter, r *http.Request) {
	method := r.PathValue("method")
	_ = r.ParseForm()
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.news.Tell()
	f.calls[method] = append(f.calls[method], f.clock.Now())
	if wrong := f.faults.Take(method); wrong != nil && wrong(w, r) {
		return
	}
	want := botToken
	if method == "apps.connections.open" {
		want = appToken
	}
	given := r.PostForm.Get("token")
	if given == "" {
		given = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	answer := map[string]any{"ok": false, "error": "invalid_auth"}
	if scope := f.scope(method, r); given == want && scope != "" && !slices.Contains(f.scopes, scope) {
		answer = map[string]any{"ok": false, "error": "missing_scope", "needed": scope}
	} else if given == want {
		f.used[scope] = true
		answer = f.answer(method, r)
	}
	w.Header().Set("X-OAuth-Scopes", strings.Join(f.scopes, ","))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func no(word string) map[string]any { return map[string]any{"ok": false, "error": word} }

// answer does what a method does. The caller holds mu.
func (f *fake) answer(method string, r *http.Request) map[string]any {
	form := r.PostForm
	if len(form) == 0 {
		form = r.URL.Query()
	}
	switch method {
	case "auth.test":
		return map[string]any{"ok": true, "team": "Team", "team_id": team, "user": "hosterbot", "user_id": botUser, "bot_id": "B0BOT"}
	case "apps.connections.open":
		return map[string]any{"ok": true, "url": "ws" + strings.TrimPrefix(f.base, "http") + "/link"}
	case "users.info":
		if u := f.users[form.Get("user")]; u != nil {
			return map[string]any{"ok": true, "user": u}
		}
		return no("user_not_found")
	case "conversations.info":
		if c := f.channels[form.Get("channel")]; c != nil {
			return map[string]any{"ok": true, "channel": c}
		}
		return no("channel_not_found")
	case "conversations.open":
		return map[string]any{"ok": true, "channel": map[string]any{"id": "D" + form.Get("users")}}
	case "usergroups.users.list":
		f.pace(method, time.Minute, 20)
		if g, ok := f.groups[form.Get("usergroup")]; ok {
			return map[string]any{"ok": true, "users": g}
		}
		return no("no_such_subteam")
	case "chat.postMessage", "chat.postEphemeral":
		return f.post(method, form.Get)
	case "chat.update":
		return f.update(form.Get)
	case "conversations.history", "conversations.replies":
		return f.history(form.Get("channel"), form.Get("ts"))
	case "views.open":
		return f.openView(r)
	case "files.getUploadURLExternal":
		f.serial++
		id := fmt.Sprintf("F%d", f.serial)
		return map[string]any{"ok": true, "upload_url": f.base + "/upload/" + id, "file_id": id}
	case "files.completeUploadExternal":
		var files []struct{ ID, Title string }
		_ = json.Unmarshal([]byte(form.Get("files")), &files)
		f.keep(&message{channel: form.Get("channel_id"), to: strings.TrimPrefix(form.Get("channel_id"), "D"), text: files[0].Title + "\n" + f.uploads[files[0].ID]})
		return map[string]any{"ok": true, "files": []any{}}
	}
	f.tb.Errorf("method %s is not known here", method)
	return no("unknown_method")
}

func (f *fake) blocks(text string) []any {
	var blocks []any
	if text != "" {
		_ = json.Unmarshal([]byte(text), &blocks)
	}
	return blocks
}

// valid fails the test for a message that Slack refuses.
func (f *fake) valid(text string, blocks []any, most int) bool {
	problems := checkBlocks(blocks)
	k := kit{}
	k.escapes(text, true)
	problems = append(problems, k.problems...)
	if text == "" || chars(text) > most {
		problems = append(problems, fmt.Sprintf("text of %d characters", chars(text)))
	}
	for _, p := range problems {
		f.tb.Errorf("message refused: %s", p)
	}
	return len(problems) == 0
}

func (f *fake) keep(m *message) *message {
	f.serial++
	m.id = fmt.Sprintf("%d.%06d", f.clock.Now().Unix(), f.serial)
	f.messages = append(f.messages, m)
	f.touched(m)
	m.made = m.changed
	return m
}

// touched notes that a message is new or was edited, and which buttons it has
// now.
func (f *fake) touched(m *message) {
	f.serial++
	m.changed = f.serial
	for i := range m.buttons {
		m.buttons[i].live = false
	}
	for _, b := range m.blocks {
		elements, _ := b.(map[string]any)["elements"].([]any)
		for _, e := range elements {
			e, _ := e.(map[string]any)
			if e["type"] != "button" || e["value"] == nil {
				continue
			}
			now := shownButton{unescaped(str(e["text"].(map[string]any)["text"])), str(e["action_id"]), str(e["value"]), true}
			m.buttons = append(slices.DeleteFunc(m.buttons, func(b shownButton) bool { return b.value == now.value && b.label == now.label }), now)
		}
	}
}

func (f *fake) post(method string, get func(string) string) map[string]any {
	channel := get("channel")
	info, ok := f.channels[channel]
	private := strings.HasPrefix(channel, "D")
	switch {
	case !ok && !private:
		return no("channel_not_found")
	case info["is_archived"] == true:
		return no("is_archived")
	case !private && info["is_member"] != true:
		return no("not_in_channel")
	case !f.valid(get("text"), f.blocks(get("blocks")), 4000):
		return no("invalid_blocks")
	case method == "chat.postMessage" && (get("unfurl_links") != "false" || get("unfurl_media") != "false"):
		f.tb.Errorf("%s unfurls", method)
	case method != "chat.postMessage" && get("unfurl_links")+get("unfurl_media") != "":
		f.tb.Errorf("%s takes no unfurl", method)
	}
	m := &message{channel: channel, thread: get("thread_ts"), text: get("text"), blocks: f.blocks(get("blocks")), to: get("user")}
	if private {
		m.to = strings.TrimPrefix(channel, "D")
	}
	if method == "chat.postMessage" {
		f.pacePosts(channel)
	}
	if m.thread != "" && !slices.ContainsFunc(f.messages, func(o *message) bool { return o.id == m.thread && !o.deleted }) {
		return no("thread_not_found")
	}
	_ = json.Unmarshal([]byte(get("metadata")), &m.metadata)
	f.keep(m)
	return map[string]any{"ok": true, "channel": channel, "ts": m.id, "message_ts": m.id}
}

func (f *fake) update(get func(string) string) map[string]any {
	f.pace("chat.update", time.Minute, 50)
	for _, m := range f.messages {
		if m.id != get("ts") || m.channel != get("channel") || m.deleted || m.to != "" && !strings.HasPrefix(m.channel, "D") {
			continue
		}
		if f.channels[m.channel]["is_archived"] == true {
			return no("is_archived")
		}
		if !f.valid(get("text"), f.blocks(get("blocks")), 4000) {
			return no("invalid_blocks")
		}
		m.text, m.blocks = get("text"), f.blocks(get("blocks"))
		f.touched(m)
		return map[string]any{"ok": true, "ts": m.id}
	}
	return no("message_not_found")
}

func (f *fake) history(channel, thread string) map[string]any {
	if !slices.Contains(f.scopes, "channels:history") {
		f.tb.Errorf("history read without the scope")
		return no("missing_scope")
	}
	var out []any
	for _, m := range f.messages {
		if m.channel == channel && m.thread == thread && m.to == "" && !m.deleted {
			out = append(out, map[string]any{"ts": m.id, "text": m.text, "metadata": m.metadata})
		}
	}
	return map[string]any{"ok": true, "messages": out}
}

func (f *fake) upload(w http.ResponseWriter, r *http.Request) {
	file, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	data, _ := io.ReadAll(file)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uploads[r.PathValue("id")] = string(data)
}
