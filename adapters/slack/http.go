package slack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"hosterbot/bot"
)

// Bounds of the HTTP mode.
const (
	maxBody      = 1 << 20
	signedFor    = 5 * time.Minute         // how far a signed timestamp may be from now
	answerWithin = 2800 * time.Millisecond // Slack shows an error after 3 s
	seenMost     = 1 << 16
)

// Path is below what Slack has to call Handler: commands, interactions, events.
func (a *Adapter) Path() string { return "/slack/" }

// Handler takes what Slack sends in the HTTP mode; nil in Socket Mode. It
// checks Slack's signature before it looks at anything else, and takes the same
// request once. The acknowledgement is the answer to the request.
// Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
func (a *Adapter) Handler() http.Handler {
	if !a.overHTTP() {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /slack/commands", a.signed(a.commanded))
	mux.HandleFunc("POST /slack/interactions", a.signed(a.interacted))
	mux.HandleFunc("POST /slack/events", a.signed(a.happened))
	return mux
}

// overHTTP tells whether Slack calls the bot, rather than the bot Slack.
func (a *Adapter) overHTTP() bool { return a.opts.AppToken.IsZero() }

// signed lets through what Slack signed, a short while ago.
func (a *Adapter) signed(next func(http.ResponseWriter, *http.Request, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var long *http.MaxBytesError
		switch {
		case errors.As(err, &long):
			http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		case err != nil:
			http.Error(w, "not read", http.StatusBadRequest)
		case !a.bySlack(r.Header, body):
			http.Error(w, "not signed by Slack", http.StatusUnauthorized)
		default:
			next(w, r, body)
		}
	}
}

func (a *Adapter) bySlack(h http.Header, body []byte) bool {
	stamp, given := h.Get("X-Slack-Request-Timestamp"), h.Get("X-Slack-Signature")
	if len(stamp) > 20 || len(given) > 80 {
		return false
	}
	mac := hmac.New(sha256.New, []byte(a.opts.SigningSecret.Reveal()))
	_, _ = mac.Write([]byte("v0:" + stamp + ":")) // a hash takes everything
	_, _ = mac.Write(body)
	if !hmac.Equal([]byte("v0="+hex.EncodeToString(mac.Sum(nil))), []byte(given)) {
		return false
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	return err == nil && a.clock.Now().Sub(time.Unix(at, 0)).Abs() <= signedFor
}

// commanded takes a typed command.
func (a *Adapter) commanded(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil:
		http.Error(w, "no form", http.StatusBadRequest)
	case form.Get("ssl_check") == "1": // nobody typed anything
	default:
		var p slashPayload
		p.take(form)
		a.called(w, r, "slash_commands", p)
	}
}

// take takes the payload from a form.
func (p *slashPayload) take(form url.Values) {
	*p = slashPayload{
		TeamID: form.Get("team_id"), ChannelID: form.Get("channel_id"), ChannelName: form.Get("channel_name"), UserID: form.Get("user_id"),
		Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
	}
}

// interacted takes a click, a form that was sent, or a question for choices.
func (a *Adapter) interacted(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	payload := form.Get("payload")
	if err != nil || !json.Valid([]byte(payload)) {
		http.Error(w, "no payload", http.StatusBadRequest)
		return
	}
	a.called(w, r, "interactive", json.RawMessage(payload))
}

// happened answers Slack's question whether the address is the bot's. The bot
// asks for no events.
func (a *Adapter) happened(w http.ResponseWriter, _ *http.Request, body []byte) {
	var e struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
	}
	if json.Unmarshal(body, &e) != nil {
		http.Error(w, "no event", http.StatusBadRequest)
		return
	}
	if e.Type == "url_verification" && len(e.Challenge) <= 1000 {
		writeJSON(w, map[string]string{"challenge": e.Challenge})
	}
}

// called does what a request asks for, as frame does it for a frame.
func (a *Adapter) called(w http.ResponseWriter, r *http.Request, kind string, payload any) {
	raw, err := json.Marshal(payload)
	if err != nil {
		http.Error(w, "no payload", http.StatusBadRequest)
		return
	}
	h := a.handler.Load()
	if h == nil {
		http.Error(w, "not running", http.StatusServiceUnavailable)
		return
	}
	e := envelope{Type: kind, EnvelopeID: r.Header.Get("X-Slack-Signature"), Payload: raw}
	if !a.replays.first(seenKey(raw, e.EnvelopeID), a.clock.Now()) {
		a.log.Warn("slack request came twice: refused")
		http.Error(w, "seen before", http.StatusConflict)
		return
	}
	on := &request{answers: make(chan any, 1)}
	if !a.calls.Start(a.calls.slots, func() { a.take(h.serving, h.Handler, on, e) }) {
		a.overloaded(h.serving, on, e)
	}
	late := make(chan struct{})
	defer a.clock.AfterFunc(answerWithin, func() { close(late) })()
	select {
	case answer := <-on.answers:
		if answer != nil {
			writeJSON(w, answer)
		}
	case <-late:
		on.shut()
		http.Error(w, "too late", http.StatusServiceUnavailable)
	case <-r.Context().Done():
		on.shut()
	}
}

// seenKey names a request for ever: by its trigger, or where Slack gave none by
// its signature.
func seenKey(payload []byte, signature string) string {
	var p struct {
		TriggerID string `json:"trigger_id"`
	}
	if json.Unmarshal(payload, &p) == nil && p.TriggerID != "" {
		return "trigger/" + p.TriggerID
	}
	return signature
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(b) // who asked has gone
}

// request is one that waits for its acknowledgement.
type request struct {
	mu      sync.Mutex
	over    bool
	answers chan any
}

// acknowledge implements source.
func (r *request) acknowledge(_ string, answer any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return errors.New("acknowledge: nobody waits any more")
	}
	r.over = true
	r.answers <- answer
	return nil
}

func (r *request) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// serving is what requests are handed to while Run runs.
type serving struct {
	bot.Handler
	serving context.Context
}

// replays remembers what came for as long as its signature is good.
type replays struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// first tells whether a key has not come yet. When there are too many to
// remember, it is false.
func (s *replays) first(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen[key]; ok {
		return false
	}
	if len(s.seen) >= seenMost {
		for k, at := range s.seen {
			if now.Sub(at) > 2*signedFor {
				delete(s.seen, k)
			}
		}
		if len(s.seen) >= seenMost {
			return false
		}
	}
	if s.seen == nil {
		s.seen = make(map[string]time.Time)
	}
	s.seen[key] = now
	return true
}
