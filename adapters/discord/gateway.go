package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// How a connection is kept alive.
const (
	helloFor  = 10 * time.Second // for the first frame
	readyFor  = 20 * time.Second // for READY or RESUMED after it
	stableFor = 30 * time.Second // ready for that long, it did not die at once
	writeFor  = 5 * time.Second

	resumeTries = 3 // of connecting to where a session lives
	maxFrame    = 4 << 20
	// A heartbeat comes every 41 s, by documentation; what is far from that is
	// a mistake.
	beatLeast = 100 * time.Millisecond
	beatMost  = 5 * time.Minute
	// Identifies are limited to 1,000 a day: after a session that was refused
	// Discord wants 1 to 5 s, and an empty quota its reset.
	// Source: https://discord.com/developers/docs/events/gateway#session-start-limit
	identifyAfter = time.Second
	identifyMost  = 5 * time.Second
)

// Opcodes of the Gateway.
// Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway
const (
	opDispatch  = 0
	opHeartbeat = 1
	opIdentify  = 2
	opResume    = 6
	opReconnect = 7
	opInvalid   = 9
	opHello     = 10
	opAck       = 11
)

// closing are the close codes that end it: no new connection mends them.
var closing = map[int]string{
	4004: "Discord refuses DISCORD_BOT_TOKEN: it is wrong or was reset (see Discord Developer Portal, Bot, Reset Token)",
	4010: "Discord refuses the connection: invalid shard",
	4011: "Discord refuses the connection: the bot is in too many servers for one connection. Switch Public Bot off and remove it from other servers",
	4012: "Discord no longer takes this version of its Gateway: install a newer hosterbot",
	4013: "Discord refuses the connection: invalid intents",
	4014: "Discord refuses the connection: disallowed intents",
}

// forgetful are the close codes after which the old session is not taken up.
var forgetful = map[int]bool{websocket.CloseNormalClosure: true, websocket.CloseGoingAway: true, 4003: true, 4005: true, 4007: true, 4009: true}

// closeToResume ends a connection from this side and keeps its session; the
// ordinary codes would end that too.
const closeToResume = 4000

// session is what a connection leaves to the next.
type session struct {
	id  string
	url string
	seq int64
}

// payload is a frame.
type payload struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
	Seq  int64           `json:"s"`
	Type string          `json:"t"`
}

// conn is one connection. Its reader alone touches what mu does not guard.
type conn struct {
	a    *Adapter
	ws   *websocket.Conn
	down chan struct{} // closed when it has ended
	// greeted is closed when HELLO has come.
	greeted chan struct{}

	write sync.Mutex

	mu      sync.Mutex
	session session
	beat    time.Duration // 0 before HELLO
	heard   time.Time     // the last heartbeat that was answered
	ready   time.Time     // zero: it is not
	up      chan struct{} // closed when it is
	code    int           // with which Discord closed it
	invalid bool          // Discord does not know the session
}

// hold keeps a connection until ctx ends. Its error is a FatalError.
func (a *Adapter) hold(ctx, alive context.Context, h bot.Handler) error {
	var s session
	held := false
	for failures := 0; ; {
		if a.clock.Sleep(ctx, adapters.Backoff(failures)) != nil {
			return nil
		}
		c, err := a.connect(ctx, alive, h, s)
		var fatal *adapters.FatalError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fatal):
			return err
		case err != nil && c == nil:
			if failures++; failures >= resumeTries {
				s = session{} // where it lived may be gone
			}
			a.log.Warn("discord gateway not opened", "failures", failures, "err", err)
			a.state("cannot connect to Discord")
			continue
		}
		if err == nil {
			if held {
				a.anew.Add(1)
			}
			held = true
		}
		select {
		case <-c.down:
		case <-ctx.Done():
			return nil
		}
		c.mu.Lock()
		s = c.session
		code, invalid, ready := c.code, c.invalid, c.ready
		c.mu.Unlock()
		if why, over := closing[code]; over {
			return &adapters.FatalError{Text: why}
		}
		if invalid || forgetful[code] || s.id == "" {
			s = session{}
			if a.clock.Sleep(ctx, identifyAfter+rand.N(identifyMost-identifyAfter)) != nil {
				return nil
			}
		}
		if !ready.IsZero() && a.clock.Now().Sub(ready) >= stableFor {
			failures = 0
		} else {
			failures++
		}
		a.log.Info("discord gateway ended", "code", code, "resume", s.id != "")
	}
}

// address is where to connect: where the session lives, else where Discord
// says.
func (a *Adapter) address(ctx context.Context, s session) (string, error) {
	if s.url != "" {
		return s.url, nil
	}
	var g discordgo.GatewayBotResponse
	if err := a.get(ctx, discordgo.EndpointGatewayBot, &g); err != nil {
		return "", credentials(fmt.Errorf("gateway/bot: %w", err))
	}
	if left := g.SessionStartLimit; left.Total > 0 && left.Remaining <= 0 {
		wait := min(max(time.Duration(left.ResetAfter)*time.Millisecond, time.Second), 24*time.Hour)
		a.log.Warn("no session may be started now", "wait", wait)
		a.state("Discord lets no new session begin for " + bot.Duration(wait))
		if err := a.clock.Sleep(ctx, wait); err != nil {
			return "", err
		}
	}
	return g.URL, nil
}

// dialable checks an address, to which the token is sent: encrypted, unless
// the API itself is not.
func (a *Adapter) dialable(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "wss" && (u.Scheme != "ws" || a.api.Scheme != "http") {
		return "", errors.New("gateway/bot: the answer names no address")
	}
	q := u.Query()
	q.Set("v", discordgo.APIVersion)
	q.Set("encoding", "json")
	u.RawQuery = q.Encode()
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u.String(), nil
}

// connect opens a connection, and returns when it is ready. A connection that
// ended before that comes with an error, and says why.
func (a *Adapter) connect(ctx, alive context.Context, h bot.Handler, s session) (*conn, error) {
	address, err := a.address(ctx, s)
	if err == nil {
		address, err = a.dialable(address)
	}
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	ws, answer, err := a.dialer.DialContext(dialing, address, nil)
	if answer != nil && answer.Body != nil {
		_ = answer.Body.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("dial: %w", adapters.Quiet(err))
	}
	c := &conn{a: a, ws: ws, session: s, up: make(chan struct{}), down: make(chan struct{}), greeted: make(chan struct{})}
	a.readers.Go(func() { c.read(alive, h) })
	late := make(chan struct{})
	defer a.clock.AfterFunc(helloFor+readyFor, func() { close(late) })()
	select {
	case <-c.up:
		return c, nil
	case <-c.down:
		return c, errors.New("the connection ended before it was ready")
	case <-late:
		c.drop("not ready in time")
	case <-ctx.Done():
		c.end(closeToResume)
	}
	<-c.down
	return c, errors.New("not ready in time")
}

// read takes frames until the connection ends. It never waits for a handler.
func (c *conn) read(alive context.Context, h bot.Handler) {
	beating, cancel := context.WithCancel(alive)
	defer c.gone()
	defer cancel()
	c.a.readers.Go(func() { c.watch(beating) })
	c.ws.SetReadLimit(maxFrame)
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				c.mu.Lock()
				c.code = closed.Code
				c.mu.Unlock()
			}
			return
		}
		if !c.frame(alive, h, data) {
			return
		}
	}
}

// frame does what a frame asks for. It is false when the connection has to
// end.
func (c *conn) frame(alive context.Context, h bot.Handler, data []byte) bool {
	p, err := decode(data)
	if err != nil {
		c.a.log.Warn("discord frame not understood", "err", err)
		return true
	}
	if p.Seq > 0 {
		c.mu.Lock()
		c.session.seq = p.Seq
		c.mu.Unlock()
	}
	switch p.Op {
	case opHello:
		return c.hello(p)
	case opHeartbeat:
		c.heartbeat()
	case opAck:
		c.mu.Lock()
		c.heard = c.a.clock.Now()
		c.mu.Unlock()
	case opReconnect:
		c.drop("Discord asks to reconnect")
		return false
	case opInvalid:
		var resumable bool
		_ = json.Unmarshal(p.Data, &resumable)
		c.mu.Lock()
		c.invalid = !resumable
		c.mu.Unlock()
		c.drop("invalid session")
		return false
	case opDispatch:
		c.dispatch(alive, h, p)
	}
	return true
}

// decode reads a frame.
func decode(data []byte) (payload, error) {
	var p payload
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("frame of %d bytes: %w", len(data), errNoJSON)
	}
	return p, nil
}

// errNoJSON stands for the errors of encoding/json, which quote what they read.
var errNoJSON = errors.New("not what Discord documents")

// hello answers the first frame with who we are, or which session goes on.
func (c *conn) hello(p payload) bool {
	var hello struct {
		Interval int64 `json:"heartbeat_interval"`
	}
	if json.Unmarshal(p.Data, &hello) != nil || hello.Interval <= 0 {
		c.drop("no heartbeat interval")
		return false
	}
	c.mu.Lock()
	again := c.beat > 0
	c.beat = min(max(time.Duration(hello.Interval)*time.Millisecond, beatLeast), beatMost)
	c.heard = c.a.clock.Now()
	s := c.session
	c.mu.Unlock()
	if again {
		return true
	}
	close(c.greeted)
	token := c.a.opts.Token.Reveal()
	if s.id != "" {
		return c.put(opResume, map[string]any{"token": token, "session_id": s.id, "seq": s.seq}) == nil
	}
	return c.put(opIdentify, map[string]any{
		"token": token, "intents": 0,
		"properties": map[string]string{"os": runtime.GOOS, "browser": "hosterbot", "device": "hosterbot"},
	}) == nil
}

// dispatch takes an event.
func (c *conn) dispatch(alive context.Context, h bot.Handler, p payload) {
	switch p.Type {
	case "READY":
		var ready struct {
			SessionID string `json:"session_id"`
			ResumeURL string `json:"resume_gateway_url"`
		}
		if json.Unmarshal(p.Data, &ready) != nil || ready.SessionID == "" {
			c.a.log.Warn("discord event not understood", "type", p.Type)
			return
		}
		c.mu.Lock()
		c.session.id = ready.SessionID
		if strings.HasPrefix(ready.ResumeURL, "ws") {
			c.session.url = ready.ResumeURL
		}
		c.mu.Unlock()
		c.arrive()
	case "RESUMED":
		c.arrive()
	case "INTERACTION_CREATE":
		c.a.interaction(alive, h, p.Data, nil)
	}
}

// arrive notes that interactions come over this connection.
func (c *conn) arrive() {
	c.mu.Lock()
	first := c.ready.IsZero()
	if first {
		c.ready = c.a.clock.Now()
	}
	c.mu.Unlock()
	if first {
		c.a.arrived(c)
		close(c.up)
	}
}

// watch sends heartbeats, and drops the connection when one is not answered
// within one and a half intervals, or when HELLO does not come.
func (c *conn) watch(ctx context.Context) {
	if greeted, err := adapters.Await(ctx, c.a.clock, c.greeted, helloFor); !greeted {
		if err == nil {
			c.drop("nothing heard")
		}
		return
	}
	c.mu.Lock()
	beat := c.beat
	c.mu.Unlock()
	// The first comes within an interval, so that not all clients beat at once.
	next := c.a.clock.Now().Add(rand.N(beat))
	for {
		c.mu.Lock()
		dead := c.heard.Add(beat + beat/2)
		c.mu.Unlock()
		wake := next
		if dead.Before(wake) {
			wake = dead
		}
		if c.a.clock.Sleep(ctx, wake.Sub(c.a.clock.Now())) != nil {
			return
		}
		now := c.a.clock.Now()
		if !now.Before(next) {
			c.heartbeat()
			next = now.Add(beat)
			continue
		}
		c.mu.Lock()
		heard := c.heard
		c.mu.Unlock()
		if !now.Before(heard.Add(beat + beat/2)) {
			c.drop("no answer to heartbeats")
			return
		}
	}
}

func (c *conn) heartbeat() {
	c.mu.Lock()
	var seq any
	if c.session.seq > 0 {
		seq = c.session.seq
	}
	c.mu.Unlock()
	_ = c.put(opHeartbeat, seq) // a broken connection shows at the next read
}

func (c *conn) put(op int, data any) error {
	c.write.Lock()
	defer c.write.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeFor)) // deadlines of connections go by the machine's clock
	return c.ws.WriteJSON(map[string]any{"op": op, "d": data})
}

// drop ends a connection that is no longer of use, and keeps its session.
func (c *conn) drop(why string) {
	c.a.log.Info("discord gateway dropped", "why", why)
	c.end(closeToResume)
}

// end closes the connection from this side, and waits for nobody.
func (c *conn) end(code int) {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(writeFor))
	_ = c.ws.Close()
}

// gone notes that the connection has ended.
func (c *conn) gone() {
	_ = c.ws.Close()
	c.a.left(c)
	close(c.down)
}
