package discord_test

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// gateway is the double's other door. All of it is guarded by the double's mu.
type gateway struct {
	beat       time.Duration // heartbeats are wanted so often
	links      []*link
	sessions   map[string]*session
	last       *session      // that the newest interactions belong to
	spent      int           // sessions that were begun today
	resetAfter time.Duration // until they may be begun again
	mute       bool          // heartbeats are not answered
	silent     bool          // nothing is said at all, HELLO neither
	closeWith  int           // IDENTIFY and RESUME are answered with this close code
	first      func(l *link) // what is said instead of READY or RESUMED
	resumes    int
	lagging    bool // RESUMED is told before what was missed
}

// session lives longer than its connections.
type session struct {
	id     string
	seq    int
	events []event // all that was said in it
	link   *link   // nil: cut off
	over   bool    // it cannot be resumed
}

type event struct {
	seq   int
	frame object
}

// link is one connection.
type link struct {
	f       *fake
	ws      *websocket.Conn
	session *session
	beats   int
	open    bool
	told    int // the close code that the bot sent; 0: none
	outMu   sync.Mutex
	out     []outgoing
	more    chan struct{}
}

// outgoing is a frame on its way, or the end.
type outgoing struct {
	data   []byte
	packed bool
	code   int // not 0: a close frame
	cut    bool
}

func (f *fake) gatewayURL(path string) string {
	return "ws" + strings.TrimPrefix(f.base, "http") + "/" + path
}

// link serves a connection.
func (f *fake) link(w http.ResponseWriter, r *http.Request) {
	if v := r.URL.Query().Get("v"); v != "9" && v != "10" || r.URL.Query().Get("encoding") != "json" {
		f.tb.Errorf("the gateway is asked for %s", r.URL.RawQuery)
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	l := &link{f: f, ws: ws, open: true, more: make(chan struct{}, 1)}
	ws.SetCloseHandler(func(code int, _ string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		l.told = code
		return nil
	})
	var writing sync.WaitGroup
	gone := make(chan struct{})
	writing.Go(func() { l.writes(gone) })
	f.mu.Lock()
	f.links = append(f.links, l)
	if !f.silent {
		l.say(object{"op": 10, "d": object{"heartbeat_interval": f.beat.Milliseconds()}, "s": nil, "t": nil})
	}
	stop := f.deadline(l)
	f.news.Tell()
	f.mu.Unlock()
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			break
		}
		f.mu.Lock()
		f.hears(l, data, strings.HasPrefix(r.URL.Path, "/resume"))
		f.news.Tell()
		f.mu.Unlock()
	}
	_ = ws.Close()
	close(gone)
	writing.Wait()
	f.mu.Lock()
	stop()
	f.ends(l)
	f.news.Tell()
	f.mu.Unlock()
}

// deadline closes a connection on which no heartbeats come. The caller holds
// mu, also when it stops that.
func (f *fake) deadline(l *link) (stop func()) {
	stopped := false
	var cancel func() bool
	var arm func(beats int)
	arm = func(beats int) {
		cancel = f.clock.AfterFunc(2*f.beat, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			switch {
			case stopped:
			case l.beats == beats && !f.silent:
				f.shut(l, 4009)
			default:
				arm(l.beats)
			}
		})
	}
	arm(0)
	return func() { stopped = true; cancel() }
}

// writes sends what is said, in order.
func (l *link) writes(gone <-chan struct{}) {
	for {
		l.outMu.Lock()
		var next *outgoing
		if len(l.out) > 0 {
			next = &l.out[0]
			l.out = l.out[1:]
		}
		l.outMu.Unlock()
		if next == nil {
			select {
			case <-l.more:
				continue
			case <-gone:
				return
			}
		}
		kind := websocket.TextMessage
		switch {
		case next.cut:
			_ = l.ws.UnderlyingConn().Close()
			return
		case next.code != 0:
			_ = l.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(next.code, ""), time.Now().Add(time.Second))
			_ = l.ws.UnderlyingConn().Close()
			return
		case next.packed:
			kind = websocket.BinaryMessage
		}
		if l.ws.WriteMessage(kind, next.data) != nil {
			return
		}
	}
}

func (l *link) put(o outgoing) {
	l.outMu.Lock()
	l.out = append(l.out, o)
	l.outMu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *link) say(frame object) { l.put(outgoing{data: []byte(encoded(frame))}) }

// cut ends the connection without a word.
func (l *link) cut() { l.put(outgoing{cut: true}) }

// shut closes a connection with a code. Some end the session too. The caller
// holds mu.
// Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
func (f *fake) shut(l *link, code int) {
	if s := l.session; s != nil && slices.Contains([]int{4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014}, code) {
		s.over = true
	}
	l.put(outgoing{code: code})
}

// ends notes that a connection is gone. A client that closes with 1000 or 1001
// gives its session up.
func (f *fake) ends(l *link) {
	l.open = false
	if s := l.session; s != nil && s.link == l {
		s.link = nil
		s.over = s.over || l.told == websocket.CloseNormalClosure || l.told == websocket.CloseGoingAway
	}
}

// hears takes a frame of the bot.
func (f *fake) hears(l *link, data []byte, resuming bool) {
	var p struct {
		Op   int             `json:"op"`
		Data json.RawMessage `json:"d"`
	}
	switch {
	case len(data) > 4096, json.Unmarshal(data, &p) != nil:
		f.tb.Errorf("a frame of %d bytes that Discord does not take", len(data))
		f.shut(l, 4002)
	case f.silent:
	case p.Op == 1:
		var seq *int
		if json.Unmarshal(p.Data, &seq) != nil || seq != nil && (l.session == nil || *seq > l.session.seq) {
			f.tb.Errorf("a heartbeat with the sequence number %s", p.Data)
		}
		l.beats++
		if !f.mute {
			l.say(object{"op": 11, "d": nil, "s": nil, "t": nil})
		}
	case p.Op == 2 || p.Op == 6:
		switch {
		case l.session != nil:
			f.tb.Errorf("identified twice on one connection")
			f.shut(l, 4005)
		case f.closeWith != 0:
			f.shut(l, f.closeWith)
		case p.Op == 2:
			f.identify(l, p.Data)
		default:
			if !resuming {
				f.tb.Errorf("a session is resumed elsewhere than at its resume_gateway_url")
			}
			f.resume(l, p.Data)
		}
	case l.session == nil:
		f.tb.Errorf("op %d before IDENTIFY", p.Op)
		f.shut(l, 4003)
	default:
		f.tb.Errorf("op %d is nothing that the bot needs", p.Op)
		f.shut(l, 4001)
	}
}

func tokenFits(given string) bool { return strings.TrimPrefix(given, "Bot ") == botToken }

// identify begins a session.
func (f *fake) identify(l *link, data json.RawMessage) {
	var d struct {
		Token      string            `json:"token"`
		Intents    *int              `json:"intents"`
		Properties map[string]string `json:"properties"`
		Compress   bool              `json:"compress"`
	}
	now := f.clock.Now()
	switch {
	case json.Unmarshal(data, &d) != nil, d.Intents == nil:
		f.tb.Errorf("an IDENTIFY that Discord does not take")
		f.shut(l, 4002)
		return
	case !tokenFits(d.Token):
		f.shut(l, 4004)
		return
	case *d.Intents != 0:
		f.tb.Errorf("intents %d: the bot needs none", *d.Intents)
		f.shut(l, 4014)
		return
	case len(f.identifies) > 0 && now.Sub(f.identifies[len(f.identifies)-1]) < 5*time.Second && !f.unpaced:
		// one session may begin in five seconds
		l.say(object{"op": 9, "d": false, "s": nil, "t": nil})
		return
	}
	f.identifies = append(f.identifies, now)
	f.spent++
	s := &session{id: fmt.Sprintf("session-%s", f.id())}
	f.sessions[s.id] = s
	l.session, s.link = s, l
	if f.last != nil {
		f.last.over = true
	}
	f.last = s
	if f.first != nil {
		f.first(l)
		f.first = nil
		return
	}
	var guilds []any
	for id, g := range f.guilds {
		if !g.absent {
			guilds = append(guilds, object{"id": id, "unavailable": true})
		}
	}
	ready := s.event("READY", object{
		"v": 10, "user": f.people[botUser].json(), "guilds": guilds, "session_id": s.id, "resume_gateway_url": f.gatewayURL("resume"),
		"shard": []any{0, 1}, "application": object{"id": appID, "flags": 0}, "session_type": "normal",
	})
	if !d.Compress {
		l.say(ready)
		return
	}
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(encoded(ready)))
	_ = z.Close()
	l.put(outgoing{data: b.Bytes(), packed: true})
}

// event is the next event of a session.
func (s *session) event(name string, d any) object {
	s.seq++
	frame := object{"op": 0, "t": name, "s": s.seq, "d": d}
	s.events = append(s.events, event{s.seq, frame})
	return frame
}

// resume goes on with a session: what was missed is told again.
func (f *fake) resume(l *link, data json.RawMessage) {
	var d struct {
		Token     string `json:"token"`
		SessionID string `json:"session_id"`
		Seq       int    `json:"seq"`
	}
	if json.Unmarshal(data, &d) != nil {
		f.tb.Errorf("a RESUME that Discord does not take")
		f.shut(l, 4002)
		return
	}
	s := f.sessions[d.SessionID]
	switch {
	case !tokenFits(d.Token):
		f.shut(l, 4004)
		return
	case s == nil || s.over:
		l.say(object{"op": 9, "d": false, "s": nil, "t": nil})
		return
	case d.Seq > s.seq:
		f.tb.Errorf("resumed at %d, and %d is the last event", d.Seq, s.seq)
		s.over = true
		f.shut(l, 4007)
		return
	}
	f.resumes++
	if s.link != nil {
		s.link.cut()
	}
	l.session, s.link = s, l
	if f.first != nil {
		f.first(l)
		f.first = nil
		return
	}
	missed := slices.DeleteFunc(slices.Clone(s.events), func(e event) bool { return e.seq <= d.Seq })
	if f.lagging {
		l.say(s.event("RESUMED", object{}))
	}
	for _, e := range missed {
		l.say(e.frame)
	}
	if !f.lagging {
		l.say(s.event("RESUMED", object{}))
	}
}

// live is the connection that is ready and was opened last; nil: none. The
// caller holds mu.
func (f *fake) live() *link {
	for _, l := range slices.Backward(f.links) {
		if l.open && l.session != nil && l.session.link == l {
			return l
		}
	}
	return nil
}

// connected counts the connections that are ready. The caller holds mu.
func (f *fake) connected() int {
	n := 0
	for _, l := range f.links {
		if l.open && l.session != nil && l.session.link == l {
			n++
		}
	}
	return n
}

// dispatch tells the bot of an event, or keeps it for who resumes. It is false
// if nobody will ever hear of it. The caller holds mu.
func (f *fake) dispatch(name string, d any) bool {
	s := f.last
	if s == nil || s.over {
		return false
	}
	frame := s.event(name, d)
	if s.link != nil && s.link.open {
		s.link.say(frame)
	}
	return true
}

// onLive does something with the live connection.
func (f *fake) onLive(do func(l *link)) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.live()
	if l != nil {
		do(l)
	}
	return l != nil
}

// cutOff ends the live connection without a word; hangUp with a close code.
func (f *fake) cutOff() bool         { return f.onLive((*link).cut) }
func (f *fake) hangUp(code int) bool { return f.onLive(func(l *link) { f.shut(l, code) }) }

// reconnect asks the bot to open a new connection.
func (f *fake) reconnect() bool {
	return f.onLive(func(l *link) { l.say(object{"op": 7, "d": nil, "s": nil, "t": nil}) })
}

// invalidate tells the bot that its session is not valid.
func (f *fake) invalidate(resumable bool) bool {
	return f.onLive(func(l *link) {
		l.session.over = !resumable
		l.say(object{"op": 9, "d": resumable, "s": nil, "t": nil})
	})
}

// wantsBeat asks for a heartbeat at once.
func (f *fake) wantsBeat() bool {
	return f.onLive(func(l *link) { l.say(object{"op": 1, "d": nil, "s": nil, "t": nil}) })
}

// raw sends bytes as a frame.
func (f *fake) raw(data string) bool {
	return f.onLive(func(l *link) { l.put(outgoing{data: []byte(data)}) })
}

// deaf makes the double answer no heartbeats, or answer them again.
func (f *fake) deaf(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = on
}
