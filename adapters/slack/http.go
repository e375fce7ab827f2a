package slack

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// seenMost is how many requests are remembered, so that none runs twice.
const seenMost = 1 << 16

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
		body, ok := adapters.Body(w, r)
		switch {
		case !ok:
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
	return err == nil && a.clock.Now().Sub(time.Unix(at, 0)).Abs() <= adapters.SignedFor
}

// commanded takes a typed command.
func (a *Adapter) commanded(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil:
		http.Error(w, "no form", http.StatusBadRequest)
	case form.Get("ssl_check") == "1": // nobody typed anything
	default:
		p := payload{
			TeamID: form.Get("team_id"), ChannelID: form.Get("channel_id"), ChannelName: form.Get("channel_name"), UserID: form.Get("user_id"),
			Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
		}
		a.called(w, r, p.typed(signatureOf(r)))
	}
}

// interacted takes a click, a form that was sent, or a question for choices.
func (a *Adapter) interacted(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	e := envelope{Type: "interactive", EnvelopeID: signatureOf(r), Payload: new(payload)}
	err = json.Unmarshal([]byte(form.Get("payload")), e.Payload)
	var broken *json.SyntaxError
	switch {
	case errors.As(err, &broken):
		http.Error(w, "no payload", http.StatusBadRequest)
		return
	case err != nil:
		a.log.Warn("slack payload not understood", "err", errNoJSON)
		e.Payload = nil
	}
	a.called(w, r, e.call())
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
		adapters.WriteJSON(w, map[string]string{"challenge": e.Challenge})
	}
}

// signatureOf names a request to which Slack gave no trigger.
func signatureOf(r *http.Request) string { return r.Header.Get("X-Slack-Signature") }

// called does what a request asks for, as frame does it for a frame.
func (a *Adapter) called(w http.ResponseWriter, r *http.Request, c call) {
	to := a.handler.Load()
	if to == nil {
		http.Error(w, "not running", http.StatusServiceUnavailable)
		return
	}
	id := signatureOf(r)
	if !a.replays.first(cmp.Or(c.trigger, id), a.clock.Now()) {
		a.log.Warn("slack request came twice: refused")
		http.Error(w, "seen before", http.StatusConflict)
		return
	}
	on := request{adapters.NewWaiting[any]()}
	if !a.calls.Call(c.sort != command, func(since time.Time) bot.Rest { return a.take(to.ctx, to.h, on, id, since, c) }) {
		a.overloaded(to.ctx, on, id, c)
	}
	switch answer, ok := on.Wait(r.Context(), a.clock); {
	case !ok:
		http.Error(w, "too late", http.StatusServiceUnavailable)
	case answer != nil:
		adapters.WriteJSON(w, answer)
	}
}

// request is one that waits for its acknowledgement.
type request struct{ *adapters.Waiting[any] }

// acknowledge implements source.
func (r request) acknowledge(_ string, answer any) error {
	if !r.Answer(answer) {
		return errors.New("acknowledge: nobody waits any more")
	}
	return nil
}

// serving is what requests are handed to while Run runs.
type serving struct {
	ctx context.Context
	h   bot.Handler
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
			if now.Sub(at) > 2*adapters.SignedFor {
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
