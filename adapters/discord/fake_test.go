package discord_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/bot"
)

// The two guilds of the double, and who and what is in them. The first guild
// and its people are those of policies.yaml.
const (
	guildID      = "300000000000000001"
	otherGuild   = "300000000000000002"
	appID        = "500000000000000001"
	botUser      = "500000000000000002"
	botToken     = "discord-token-canary.1.2"
	homeID       = "400000000000000001"
	leadsID      = "400000000000000002" // a second channel in which approvals are asked
	closedID     = "400000000000000003" // the bot sees it, and may not post
	hiddenID     = "400000000000000004" // the bot does not see it
	threadless   = "400000000000000005" // the bot may post, and begin no thread
	archivedID   = "400000000000000006" // a thread of home that is archived
	lockedID     = "400000000000000007" // one that is archived and locked
	openThread   = "400000000000000008" // one that is open
	elsewhereID  = "400000000000000009" // a channel of the other guild
	plainID      = "400000000000000010" // the bot may not embed there
	forumID      = "400000000000000011" // holds threads alone
	forumThread  = "400000000000000012"
	besideThread = "400000000000000013" // one of threadless, which somebody else began
	leadsRole    = "600000000000000001"
	oncallRole   = "600000000000000002"
	botRole      = "600000000000000003"
	leadsThere   = "600000000000000011" // of the same name, in the other guild
	oncallThere  = "600000000000000012"
)

// accounts are the people of policies.yaml, and some more.
func userID(person string) string {
	return map[string]string{
		"ana": "118200000000000077", "ben": "118200000000000088", "cho": "991100000000000003", "dia": "991100000000000004",
		"eve": "991100000000000005", // only in the other guild
		"shy": "991100000000000006", // takes no direct messages
		"rob": "991100000000000007", // a bot
	}[person]
}

// fake is a double of Discord: its HTTP API and its Gateway, over connections
// in memory or over TCP. It refuses what Discord refuses; what the adapter must
// never do, and what Discord's own description does not allow, fails the test.
type fake struct {
	tb     testing.TB
	clock  bot.Clock
	lis    *adaptertest.Pipes // nil: over TCP
	base   string             // its address, such as http://discord.test
	schema *schema
	srv    *http.Server
	ended  sync.WaitGroup

	mu           sync.Mutex
	people       map[string]*user
	guilds       map[string]*guild
	channels     map[string]*channel
	messages     []*message
	interactions map[string]*interaction
	modals       map[string]*modal // open, by user
	buckets      map[string]*bucket
	faults       adaptertest.Faults[*call]
	calls        map[string][]time.Time
	bodies       map[string][]object
	unpaced      bool // nobody counts calls
	limited      int  // calls that were refused because there were too many
	edits        map[string]int
	identifies   []time.Time
	endpointURL  string // the application's Interactions Endpoint URL
	public       bool   // anybody may add the bot
	serial       uint64
	news         adaptertest.News
	gateway
	endpoint
}

type fault = adaptertest.Fault[*call]

// call is one request on its way.
type call struct {
	*http.Request
	route  string // "POST /channels/{channel_id}/messages"
	ids    map[string]string
	body   object
	items  []any // the body, if it is a list
	files  []file
	tokens bool // it has a token of its own in the path
}

type file struct{ name, data string }

// answer is what the API says.
type answer struct {
	status int
	body   any
}

// bubble is the clock of a synctest bubble, where it is 2000 and Discord, whose
// IDs hold times, does not exist yet: there it is 26 years later.
type bubble struct{ bot.SystemClock }

func (bubble) Now() time.Time { return time.Now().AddDate(26, 0, 0) }

func newFake(tb testing.TB, clock bot.Clock) *fake {
	lis := adaptertest.NewPipes()
	f := newFakeOn(tb, clock, lis, "http://discord.test")
	f.lis = lis
	return f
}

// newFakeOn is a double that serves connections of lis.
func newFakeOn(tb testing.TB, clock bot.Clock, lis net.Listener, base string) *fake {
	f := &fake{
		tb: tb, clock: clock, base: base, schema: newSchema(tb),
		interactions: make(map[string]*interaction), modals: make(map[string]*modal), buckets: make(map[string]*bucket),
		calls: make(map[string][]time.Time), bodies: make(map[string][]object),
		edits:   make(map[string]int),
		gateway: gateway{beat: 41250 * time.Millisecond, sessions: make(map[string]*session)},
	}
	require.True(tb, clock.Now().After(epoch), "Discord does not exist yet: in a bubble, the clock is bubble{}")
	f.furnish()
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{version}/", f.api)
	mux.HandleFunc("/gateway/{$}", f.link)
	mux.HandleFunc("/resume/{$}", f.link)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f.tb.Errorf("%s is no address of Discord", r.URL.Path)
		http.NotFound(w, r)
	})
	f.srv = &http.Server{Handler: mux}
	f.ended.Go(func() { _ = f.srv.Serve(lis) })
	tb.Cleanup(f.close)
	return f
}

// close ends the double and waits for all that it began.
func (f *fake) close() {
	_ = f.srv.Close()
	f.mu.Lock()
	for _, l := range f.links {
		_ = l.ws.UnderlyingConn().Close() // a frame may be on its way to somebody who does not read
	}
	f.mu.Unlock()
	f.ended.Wait()
}

// next makes the next calls of a route, such as
// "POST /channels/{channel_id}/messages", go wrong, one after another.
func (f *fake) next(route string, faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults.Next(route, faults...)
}

// stays makes all calls of a route go wrong; nil: no longer.
func (f *fake) stays(route string, wrong fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults.Stays(route, wrong)
}

// await waits until cond, which is called with mu held, is true.
func (f *fake) await(within time.Duration, cond func() bool) bool {
	return f.news.Await(&f.mu, within, cond)
}

// refuse answers with a code of Discord's.
func refuse(status, code int) fault {
	return func(w http.ResponseWriter, _ *call) bool {
		reply(w, no(status, code, "refused"))
		return true
	}
}

// status answers as what stands before Discord does: with a page.
func status(code int) fault {
	return func(w http.ResponseWriter, _ *call) bool {
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "2")
		}
		http.Error(w, "<html>", code)
		return true
	}
}

// tooMany is a 429 of Discord's own.
func tooMany(wait float64, global bool) fault {
	return func(w http.ResponseWriter, _ *call) bool {
		slowDown(w, time.Duration(wait*float64(time.Second)), global)
		return true
	}
}

// doneButLost does what is asked, and loses the answer.
func (f *fake) doneButLost() fault {
	return func(w http.ResponseWriter, r *call) bool {
		f.answer(r)
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return true
	}
}

// swallows does what is asked, and never answers.
func (f *fake) swallows(done chan<- struct{}) fault {
	return func(_ http.ResponseWriter, r *call) bool {
		f.answer(r)
		f.mu.Unlock()
		defer f.mu.Lock()
		close(done)
		<-r.Context().Done()
		return true
	}
}

// forgets makes as if all posts were some minutes old: the same nonce is the
// same message no more.
func (f *fake) forgets() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		m.nonce = ""
	}
}

// slow holds the call until it is let go, then does it.
func (f *fake) slow() (wrong fault, arrived <-chan struct{}, let func()) {
	came, gate := make(chan struct{}), make(chan struct{})
	return func(_ http.ResponseWriter, r *call) bool {
		f.mu.Unlock()
		defer f.mu.Lock()
		close(came)
		select {
		case <-gate:
		case <-r.Context().Done():
		}
		return false
	}, came, sync.OnceFunc(func() { close(gate) })
}

// count is how often a route was called.
func (f *fake) count(route string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls[route])
}

// api is the HTTP API. Everything is checked in Discord's order: the path, the
// token, the pace, the form of the body, what it asks for.
func (f *fake) api(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", f.clock.Now().UTC().Format(http.TimeFormat))
	if v := r.PathValue("version"); v != "v9" && v != "v10" {
		f.tb.Errorf("version %s of the API", v)
		reply(w, no(http.StatusBadRequest, 50041, "Invalid API version"))
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/"+r.PathValue("version"))
	template, _, _, ids := f.schema.operation(r.Method, path)
	c := &call{Request: r, route: r.Method + " " + template, ids: ids}
	c.tokens = strings.HasPrefix(template, "/interactions/") || strings.HasPrefix(template, "/webhooks/")
	raw, err := c.read()
	if errors.Is(err, errKilled) {
		return
	}
	if err != nil {
		f.tb.Errorf("%s %s: %v", r.Method, path, err)
		reply(w, no(http.StatusBadRequest, 50109, "The request body contains invalid JSON."))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.news.Tell()
	f.calls[c.route] = append(f.calls[c.route], f.clock.Now())
	f.bodies[c.route] = append(f.bodies[c.route], c.body)
	if problems := f.schema.request(r.Method, path, r.URL.Query(), raw); len(problems) > 0 {
		for _, p := range problems {
			f.tb.Errorf("refused by Discord's description: %s", hideTokens(p, c))
		}
		reply(w, invalid(problems))
		return
	}
	if !f.authorised(c) {
		reply(w, answer{http.StatusUnauthorized, object{"message": "401: Unauthorized", "code": 0}})
		return
	}
	if wrong := f.faults.Take(c.route); wrong != nil && wrong(w, c) {
		return
	}
	if !f.pace(w, c) {
		return
	}
	reply(w, f.answer(c))
}

func hideTokens(text string, c *call) string {
	for _, name := range []string{"interaction_token", "webhook_token"} {
		if t := c.ids[name]; t != "" {
			text = strings.ReplaceAll(text, t, "TOKEN")
		}
	}
	return text
}

// errKilled is a body that ends before its length: whoever sent it was killed.
var errKilled = errors.New("the caller is gone")

// read takes the body: JSON, or a form with a JSON part and files.
func (c *call) read() ([]byte, error) {
	data, err := io.ReadAll(c.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errKilled
	}
	if err != nil || len(data) == 0 {
		return nil, err
	}
	kind := c.Header.Get("Content-Type")
	if strings.HasPrefix(kind, "multipart/form-data") {
		c.Body = io.NopCloser(bytes.NewReader(data))
		if err := c.ParseMultipartForm(32 << 20); err != nil {
			return nil, err
		}
		data = []byte(c.FormValue("payload_json"))
		for i := range 10 {
			for _, h := range c.MultipartForm.File["files["+strconv.Itoa(i)+"]"] {
				part, err := h.Open()
				if err != nil {
					return nil, err
				}
				text, err := io.ReadAll(part)
				if err != nil {
					return nil, err
				}
				c.files = append(c.files, file{h.Filename, string(text)})
			}
		}
		if n := len(c.MultipartForm.File); n != len(c.files) {
			return nil, fmt.Errorf("%d files, of which %d are named files[n]", n, len(c.files))
		}
	} else if !strings.HasPrefix(kind, "application/json") {
		return nil, fmt.Errorf("a body of type %q", kind)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	c.body, _ = v.(object)
	c.items, _ = v.([]any)
	return data, nil
}

// authorised checks the bot's token. A path with a token of its own needs none,
// and the bot's has no business there.
func (f *fake) authorised(c *call) bool {
	given := c.Header.Get("Authorization")
	if c.tokens {
		if given != "" {
			f.tb.Errorf("%s: the bot's token is sent where none is needed", c.route)
		}
		return true
	}
	return given == "Bot "+botToken
}

func reply(w http.ResponseWriter, a answer) {
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body)
}

func yes(body any) answer { return answer{http.StatusOK, body} }

func no(status, code int, text string) answer {
	return answer{status, object{"message": text, "code": code}}
}

// invalid is the answer to a body that breaks a rule.
func invalid(problems []string) answer {
	return answer{http.StatusBadRequest, object{"message": "Invalid Form Body", "code": 50035, "errors": object{"_errors": []any{object{"code": "INVALID", "message": problems[0]}}}}}
}

// epoch is the first moment of Discord.
var epoch = time.UnixMilli(1420070400000)

// id makes an ID, which holds the time. The caller holds mu.
func (f *fake) id() string { return f.idAt(f.clock.Now()) }

func (f *fake) idAt(at time.Time) string {
	f.serial++
	return strconv.FormatUint(uint64(at.Sub(epoch).Milliseconds())<<22|f.serial&(1<<22-1), 10)
}

func (f *fake) stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000+00:00") }
