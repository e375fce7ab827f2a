package slack

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

const (
	// Nobody waits for longer than a second, and Slack shows an error after 3 s.
	// This is for when the store hangs.
	// Source: https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
	ackAfter = 900 * time.Millisecond
)

// calls are the handlers under way and what they have to acknowledge.
type calls struct {
	*adapters.Workers
	clock bot.Clock
	acked atomic.Int64 // when the last acknowledgement was written

	mu       sync.Mutex
	inFlight map[string]*delivery
}

func newCalls(clock bot.Clock) *calls {
	return &calls{Workers: adapters.NewWorkers(clock), clock: clock, inFlight: make(map[string]*delivery)}
}

// lastAck is when something was last acknowledged.
func (c *calls) lastAck() time.Time { return time.Unix(0, c.acked.Load()) }

// delivery is something that Slack waits to hear of: one envelope, or several
// of the same content.
type delivery struct {
	calls *calls
	key   string
	stop  func() bool

	mu     sync.Mutex
	copies []envelopeOn
	acked  bool
	answer any
	late   any // what is answered where nothing else was in time
}

type envelopeOn struct {
	source source
	id     string
}

// source is where an envelope came from: a socket, or a request.
type source interface {
	// acknowledge answers an envelope; nil is an empty answer.
	acknowledge(id string, answer any) error
}

// begin takes an envelope in. It is false for one that is under way already:
// that one's acknowledgement goes to both. late is the acknowledgement that it
// gets where the handler makes none in time, which is ackAfter since it came.
func (c *calls) begin(key string, on source, id string, since time.Time, late any) (*delivery, bool) {
	c.mu.Lock()
	if d := c.inFlight[key]; d != nil {
		c.mu.Unlock()
		d.join(on, id)
		return d, false
	}
	d := &delivery{calls: c, key: key, copies: []envelopeOn{{on, id}}, late: late}
	c.inFlight[key] = d
	c.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop = c.clock.AfterFunc(max(ackAfter-c.clock.Now().Sub(since), 0), func() { _ = d.ack(late) })
	return d, true
}

// end acknowledges what nobody has, and forgets the delivery.
func (d *delivery) end() {
	_ = d.ack(d.late)
	d.calls.mu.Lock()
	defer d.calls.mu.Unlock()
	delete(d.calls.inFlight, d.key)
}

func (d *delivery) join(on source, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := envelopeOn{on, id}
	d.copies = append(d.copies, e)
	if d.acked {
		_ = d.write(e)
	}
}

// ackFirst acknowledges with an answer; nil is none. Only the first call counts,
// and says so. It fails if the answer reached no socket.
func (d *delivery) ackFirst(answer any) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.acked {
		return false, nil
	}
	d.acked, d.answer = true, answer
	d.stop()
	var failed error
	sent := false
	for _, e := range d.copies {
		if err := d.write(e); err != nil {
			failed = err
			continue
		}
		sent = true
	}
	if sent {
		failed = nil
	}
	return true, failed
}

// ack is ackFirst for those who do not mind being second.
func (d *delivery) ack(answer any) error {
	_, err := d.ackFirst(answer)
	return err
}

func (d *delivery) write(e envelopeOn) error {
	err := e.source.acknowledge(e.id, d.answer)
	d.calls.acked.Store(d.calls.clock.Now().UnixNano())
	return err
}

// ackFrame is an acknowledgement as it is sent.
func ackFrame(id string, answer any) ([]byte, error) {
	frame, err := json.Marshal(struct {
		EnvelopeID string `json:"envelope_id"`
		Payload    any    `json:"payload,omitempty"`
	}{id, answer})
	if err != nil {
		return nil, fmt.Errorf("acknowledge: %w", err)
	}
	if len(frame) >= maxAck {
		return nil, fmt.Errorf("acknowledge: %d bytes, and Slack drops what has more than %d", len(frame), maxAck)
	}
	return frame, nil
}
