package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// sockets is how many connections are held. Slack gives each command to one of
// them, and drops one whenever it likes. Source:
// https://docs.slack.dev/apis/events-api/using-socket-mode#connections
const sockets = 2

// How a socket is kept alive.
const (
	deadAfter = time.Minute      // nothing heard: it is given up
	pingEvery = 15 * time.Second // and it is asked before that
	helloFor  = 10 * time.Second // for the first frame
	drainFor  = 10 * time.Second // for what is on its way, once another is there
	stableFor = 30 * time.Second // lived that long, it did not die at once
	writeFor  = 5 * time.Second
)

// Sizes of frames.
const (
	maxFrame = 1 << 20
	oneFrame = 32 << 10 // written in one piece: Slack does not join pieces
	maxAck   = 20 << 10 // Slack drops a longer one in silence
)

// conn is one socket.
type conn struct {
	a  *Adapter
	ws *websocket.Conn

	up      chan struct{} // closed when it is heard from
	leaving chan struct{} // closed when Slack says that it drops it
	done    chan struct{} // closed when it has ended
	upOnce  sync.Once
	outOnce sync.Once
	reason  string // why it is dropped; set before leaving is closed

	write sync.Mutex
}

// hold keeps one of the sockets connected until ctx ends. Its error is a
// FatalError.
func (a *Adapter) hold(ctx, serving context.Context, h bot.Handler) error {
	var old *conn // stays until the next is there
	again := false
	for failures := 0; ; {
		if a.clock.Sleep(ctx, adapters.Backoff(failures)) != nil {
			return nil
		}
		c, err := a.connect(ctx, serving, h)
		var fatal *adapters.FatalError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fatal):
			return err
		case err != nil:
			failures++
			a.log.Warn("slack socket not opened", "failures", failures, "err", err)
			a.state("cannot connect to Slack")
			continue
		}
		if again {
			a.opened.Add(1)
		}
		again = true
		if old != nil {
			a.clock.AfterFunc(drainFor, old.end)
			old = nil
		}
		began := a.clock.Now()
		select {
		case <-c.leaving:
			old = c
		case <-c.done:
		case <-ctx.Done():
			return nil
		}
		switch {
		case old != nil && (old.reason == "warning" || old.reason == "refresh_requested"), a.clock.Now().Sub(began) >= stableFor:
			failures = 0
		default:
			failures++
		}
	}
}

// openURL asks Slack where to connect. The address works once.
func (a *Adapter) openURL(ctx context.Context) (string, error) {
	if err := a.limits.enter(ctx, methodOpen, "", result); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	_, address, err := a.api.StartSocketModeContext(ctx)
	if err != nil {
		a.limits.pause(methodOpen, "", retryAfter(err))
		return "", credentials(appSetting, fmt.Errorf("%s: %w", methodOpen, adapters.Quiet(err)))
	}
	return address, nil
}

// connect opens a socket, and returns when Slack has said something on it.
func (a *Adapter) connect(ctx, serving context.Context, h bot.Handler) (*conn, error) {
	address, err := a.openURL(ctx)
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
	c := &conn{a: a, ws: ws, up: make(chan struct{}), leaving: make(chan struct{}), done: make(chan struct{})}
	a.readers.Go(func() { c.read(serving, h) })
	late := make(chan struct{})
	stop := a.clock.AfterFunc(helloFor, func() { close(late) })
	defer stop()
	select {
	case <-c.up:
		return c, nil
	case <-c.done:
		return nil, errors.New("the socket ended before its first frame")
	case <-late:
		err = fmt.Errorf("nothing heard in %s", helloFor)
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.end()
	return nil, err
}

// read takes frames until the socket ends. It never waits for a handler.
func (c *conn) read(serving context.Context, h bot.Handler) {
	alive, cancel := context.WithCancel(serving)
	defer cancel()
	defer c.gone()
	c.a.readers.Go(func() { c.ping(alive) })
	c.ws.SetReadLimit(maxFrame)
	c.hear()
	c.ws.SetPingHandler(func(data string) error {
		c.hear()
		_ = c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeFor)) // a broken socket shows at the next read
		return nil
	})
	c.ws.SetPongHandler(func(string) error {
		c.hear()
		return nil
	})
	var frame bytes.Buffer // its room is used again: nobody keeps a frame
	for {
		frame.Reset()
		_, r, err := c.ws.NextReader()
		if err == nil {
			_, err = frame.ReadFrom(r)
		}
		if err != nil {
			c.a.log.Debug("slack socket ended", "err", err)
			return
		}
		c.hear()
		c.arrive()
		c.a.frame(serving, h, c, frame.Bytes())
	}
}

// hear puts the end of the socket off. Deadlines of connections go by the
// machine's clock.
func (c *conn) hear() { _ = c.ws.SetReadDeadline(time.Now().Add(deadAfter)) }

// ping asks whether Slack is there, until ctx ends.
func (c *conn) ping(ctx context.Context) {
	for c.a.clock.Sleep(ctx, pingEvery) == nil {
		_ = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeFor))
	}
}

// arrive notes that the socket works.
func (c *conn) arrive() {
	c.upOnce.Do(func() {
		c.a.mu.Lock()
		defer c.a.mu.Unlock()
		if len(c.a.conns) == 0 {
			c.a.since = c.a.clock.Now()
		}
		c.a.conns = append(c.a.conns, c)
		close(c.up)
	})
}

// leave notes that Slack is about to drop the socket.
func (c *conn) leave(reason string) {
	c.outOnce.Do(func() {
		c.a.log.Info("slack drops a socket", "reason", bot.Clean(reason))
		c.reason = reason
		close(c.leaving)
	})
}

// gone notes that the socket has ended.
func (c *conn) gone() {
	_ = c.ws.Close()
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if i := slices.Index(c.a.conns, c); i >= 0 {
		c.a.conns = slices.Delete(c.a.conns, i, i+1)
		if len(c.a.conns) == 0 {
			c.a.since, c.a.why = c.a.clock.Now(), "the connection to Slack is lost"
		}
	}
	close(c.done)
}

// end closes the socket from this side. Slack does not answer a close frame,
// so nobody waits for that.
func (c *conn) end() {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(writeFor))
	_ = c.ws.Close()
}

// acknowledge implements source. A frame without an ID wants none.
func (c *conn) acknowledge(id string, answer any) error {
	if id == "" {
		return nil
	}
	frame, err := ackFrame(id, answer)
	if err != nil {
		return err
	}
	return c.send(frame)
}

// send writes a frame. When this socket is broken, another one takes it:
// Slack knows an acknowledgement by its envelope.
func (c *conn) send(frame []byte) error {
	err := c.put(frame)
	if err == nil {
		return nil
	}
	_ = c.ws.Close()
	c.a.mu.Lock()
	others := slices.Clone(c.a.conns)
	c.a.mu.Unlock()
	for _, o := range others {
		if o != c && o.put(frame) == nil {
			return nil
		}
	}
	return fmt.Errorf("acknowledge: %w", err)
}

func (c *conn) put(frame []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeFor))
	return c.ws.WriteMessage(websocket.TextMessage, frame)
}
