package discord

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"
)

// Bounds of the HTTP mode.
const (
	maxBody      = 1 << 20
	freshFor     = 5 * time.Minute // how far a signed timestamp may be from now
	answerWithin = 2800 * time.Millisecond
)

// Path is where Discord has to call Handler.
func (a *Adapter) Path() string { return "/discord/interactions" }

// Handler takes interactions of the HTTP mode; nil in the other. It checks
// Discord's signature before it looks at anything else. The first answer to an
// interaction is the answer to the request.
// Source: https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint
func (a *Adapter) Handler() http.Handler {
	if a.opts.PublicKey == nil {
		return nil
	}
	return http.HandlerFunc(a.called)
}

func (a *Adapter) called(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	if !a.signed(r, body) {
		http.Error(w, "not signed by Discord", http.StatusUnauthorized)
		return
	}
	var kind struct {
		Type discordgo.InteractionType `json:"type"`
	}
	if json.Unmarshal(body, &kind) != nil {
		http.Error(w, "no interaction", http.StatusBadRequest)
		return
	}
	if kind.Type == discordgo.InteractionPing {
		respond(w, response{Type: discordgo.InteractionResponsePong})
		return
	}
	s := a.handler.Load()
	if s == nil {
		http.Error(w, "not running", http.StatusServiceUnavailable)
		return
	}
	once := &onceAnswer{answers: make(chan response, 1)}
	if !a.interaction(s.ctx, s.h, body, once.put) {
		http.Error(w, "no interaction for this bot", http.StatusBadRequest)
		return
	}
	late := make(chan struct{})
	defer a.clock.AfterFunc(answerWithin, func() { close(late) })()
	select {
	case answer := <-once.answers:
		respond(w, answer)
	case <-late:
		once.close()
		http.Error(w, "too late", http.StatusServiceUnavailable)
	case <-r.Context().Done():
		once.close()
	}
}

// signed tells whether Discord signed a request, a short while ago. Which
// requests came before is known by their interactions.
func (a *Adapter) signed(r *http.Request, body []byte) bool {
	signature, err := hex.DecodeString(r.Header.Get("X-Signature-Ed25519"))
	stamp := r.Header.Get("X-Signature-Timestamp")
	if err != nil || len(signature) != ed25519.SignatureSize || len(stamp) > 20 {
		return false
	}
	if !ed25519.Verify(a.opts.PublicKey, append([]byte(stamp), body...), signature) {
		return false
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	return err == nil && a.clock.Now().Sub(time.Unix(at, 0)).Abs() <= freshFor
}

func respond(w http.ResponseWriter, r response) {
	var b bytes.Buffer
	if json.NewEncoder(&b).Encode(r) != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.Bytes()) // who asked has gone
}

// onceAnswer hands the first answer to the request that waits for it.
type onceAnswer struct {
	mu      sync.Mutex
	shut    bool
	answers chan response
}

func (o *onceAnswer) put(_ context.Context, r response) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut {
		return &apiError{status: http.StatusNotFound, code: codeUnknownInteraction, text: "nobody waits for an answer"}
	}
	o.shut = true
	o.answers <- r
	return nil
}

func (o *onceAnswer) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut = true
}
