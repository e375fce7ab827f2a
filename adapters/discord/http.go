package discord

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
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
	body, ok := adapters.Body(w, r)
	if !ok {
		return
	}
	if !a.signed(r, body) {
		http.Error(w, "not signed by Discord", http.StatusUnauthorized)
		return
	}
	a.reached.Store(true)
	var kind struct {
		Type discordgo.InteractionType `json:"type"`
	}
	if json.Unmarshal(body, &kind) != nil {
		http.Error(w, "no interaction", http.StatusBadRequest)
		return
	}
	if kind.Type == discordgo.InteractionPing {
		adapters.WriteJSON(w, response{Type: discordgo.InteractionResponsePong})
		return
	}
	s := a.handler.Load()
	if s == nil {
		http.Error(w, "not running", http.StatusServiceUnavailable)
		return
	}
	waiting := adapters.NewWaiting[response]()
	first := func(_ context.Context, r response) error {
		if !waiting.Answer(r) {
			return &apiError{status: http.StatusNotFound, code: codeUnknownInteraction, text: "nobody waits for an answer"}
		}
		return nil
	}
	if !a.interaction(s.ctx, s.h, body, first) {
		http.Error(w, "no interaction for this bot", http.StatusBadRequest)
		return
	}
	answer, ok := waiting.Wait(r.Context(), a.clock)
	if !ok {
		http.Error(w, "too late", http.StatusServiceUnavailable)
		return
	}
	adapters.WriteJSON(w, answer)
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
	return err == nil && a.clock.Now().Sub(time.Unix(at, 0)).Abs() <= adapters.SignedFor
}
