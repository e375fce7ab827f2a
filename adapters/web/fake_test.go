package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/web"
	"hosterbot/bot"
)

// noon is when all tests happen.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// still is a clock on which nothing comes due.
type still struct{ bot.SystemClock }

func (still) Now() time.Time { return noon }

func (still) AfterFunc(time.Duration, func()) func() bool { return func() bool { return true } }

func place(platform, team, channel string) bot.Place {
	var p bot.Place
	p.Platform, p.Team, p.Channel = platform, team, channel
	return p
}

func home() bot.Place { return place("slack", "T01TEAM", "C0OPS") }

func options() web.Options {
	return web.Options{
		Home: home(), Channel: "#ops", Platforms: []string{"slack", "discord"}, People: []string{"ana", "ben", "eve"}, Strangers: []string{"eve"},
		Clock: still{}, Session: "s",
	}
}

// site is a web chat that is served.
type site struct {
	w      *web.Web
	server *httptest.Server
	ctx    context.Context
}

func serve(tb testing.TB, o web.Options) *site {
	w := web.New(o)
	server := httptest.NewServer(w)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	tb.Cleanup(func() {
		cancel()
		server.Close()
	})
	return &site{w: w, server: server, ctx: ctx}
}

// request is a request as the page makes it; change spoils it.
func (s *site) request(tb testing.TB, method, path string, body any, change func(*http.Request)) *http.Response {
	tb.Helper()
	var data []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		data = b
	default:
		var err error
		data, err = json.Marshal(b)
		require.NoError(tb, err)
	}
	r, err := http.NewRequestWithContext(s.ctx, method, s.server.URL+path, bytes.NewReader(data))
	require.NoError(tb, err)
	r.Header.Set("X-Hosterbot-Token", s.w.Token())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Origin", s.server.URL)
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	answer, err := s.server.Client().Do(r)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// post sends what the page sends, and returns the status and the answer.
func (s *site) post(tb testing.TB, what string, body any) (int, string) {
	tb.Helper()
	answer := s.request(tb, http.MethodPost, "/api/"+what, body, nil)
	text, err := io.ReadAll(answer.Body)
	require.NoError(tb, err)
	return answer.StatusCode, string(text)
}

// say is post that has to succeed, and returns when the bot has answered.
func (s *site) say(tb testing.TB, what string, body map[string]any) {
	tb.Helper()
	status, text := s.post(tb, what, body)
	require.Equal(tb, http.StatusOK, status, text)
	s.w.Quiet()
}

// run attaches a bot for the length of a test.
func (s *site) run(tb testing.TB, h bot.Handler) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.w.Run(ctx, h) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(tb, <-ended)
		})
	}
	tb.Cleanup(stop)
	s.attached(tb)
	return stop
}

// attached waits until the bot listens.
func (s *site) attached(tb testing.TB) {
	tb.Helper()
	require.Eventually(tb, func() bool { return s.w.Health().OK }, time.Minute, time.Millisecond)
}

// window is a page that listens for one person, and what it was told.
type window struct {
	mu       sync.Mutex
	told     *sync.Cond
	last     int64
	order    []string
	messages map[string]map[string]any
	form     map[string]any
	calls    []map[string]any
	raw      strings.Builder
	fresh    bool
	ended    bool
	close    func()
}

// open makes a window listen, from an event on.
func (s *site) open(tb testing.TB, person string, from int64) *window {
	tb.Helper()
	w := &window{messages: make(map[string]map[string]any)}
	w.told = sync.NewCond(&w.mu)
	ctx, cancel := context.WithCancel(s.ctx)
	answer := s.request(tb, http.MethodGet, "/api/events?calls=1&as="+person, nil, func(r *http.Request) {
		*r = *r.WithContext(ctx)
		if from > 0 {
			r.Header.Set("Last-Event-ID", strconv.FormatInt(from, 10))
		}
	})
	require.Equal(tb, http.StatusOK, answer.StatusCode)
	require.Equal(tb, "text/event-stream", answer.Header.Get("Content-Type"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.listen(answer.Body)
	}()
	w.close = func() {
		cancel()
		_ = answer.Body.Close()
		<-done
	}
	tb.Cleanup(w.close)
	return w
}

func (w *window) listen(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	var id int64
	var name string
	for lines.Scan() {
		w.mu.Lock()
		w.raw.WriteString(lines.Text() + "\n")
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			id, _ = strconv.ParseInt(value, 10, 64)
		case "event":
			name = value
		case "data":
			w.event(name, value)
			w.last = id
		}
		w.told.Broadcast()
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.told.Broadcast()
}

func (w *window) event(name, data string) {
	var v map[string]any
	if json.Unmarshal([]byte(data), &v) != nil {
		return
	}
	switch name {
	case "hello":
		w.fresh = v["fresh"] == true
	case "message":
		id := v["id"].(string)
		if _, known := w.messages[id]; !known {
			w.order = append(w.order, id)
		}
		w.messages[id] = v
		if v["gone"] == true {
			delete(w.messages, id)
		}
	case "form":
		w.form = v
		if v["shut"] == true {
			w.form = nil
		}
	case "call":
		w.calls = append(w.calls, v)
	}
}

// catchUp returns when the window was told of a change.
func (w *window) catchUp(tb testing.TB, seq int64) {
	tb.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.last < seq && !w.ended {
		w.told.Wait()
	}
	require.GreaterOrEqual(tb, w.last, seq, "the stream has ended")
}

// all is everything that the window was ever told.
func (w *window) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.raw.String()
}

// stub answers as each test wants.
type stub = adaptertest.Stub
