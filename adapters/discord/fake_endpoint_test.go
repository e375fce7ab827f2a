package discord_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// deliver tells the bot of an interaction: over the Gateway, or at its
// endpoint.
func (f *fake) deliver(in *interaction) {
	if f.hook == nil {
		f.dispatch("INTERACTION_CREATE", in.payload)
		return
	}
	f.ended.Go(func() {
		w := f.callHook(in.payload, 0)
		f.mu.Lock()
		defer f.mu.Unlock()
		defer f.changed()
		if w.Code != http.StatusOK {
			f.hookSaid = append(f.hookSaid, w.Code)
			return
		}
		path := "/interactions/" + in.id + "/TOKEN/callback"
		c := &call{route: "the answer to the request"}
		problems := f.schema.request(http.MethodPost, path, nil, w.Body.Bytes())
		for _, p := range problems {
			f.tb.Errorf("refused by Discord's description: %s", p)
		}
		if len(problems) > 0 || json.Unmarshal(w.Body.Bytes(), &c.body) != nil || f.clock.Now().Sub(in.at) > firstFor {
			return
		}
		f.firstAnswer(in, c)
	})
}

// endpoint is where interactions go in the HTTP mode.
type endpoint struct {
	hook     http.Handler // nil: over the Gateway
	hookSaid []int        // statuses that were no answers
}

// key is the application's.
func key() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a seed for tests, of 32 bytes...")[:ed25519.SeedSize])
}

func (f *fake) verifyKey() string { return hex.EncodeToString(key().Public().(ed25519.PublicKey)) }

// callHook sends a payload to the endpoint, signed, with a timestamp that is
// so old.
func (f *fake) callHook(payload object, old time.Duration) *httptest.ResponseRecorder {
	body := []byte(encoded(payload))
	stamp := strconv.FormatInt(f.clock.Now().Add(-old).Unix(), 10)
	r := httptest.NewRequest(http.MethodPost, "/discord/interactions", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Signature-Timestamp", stamp)
	r.Header.Set("X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(key(), append([]byte(stamp), body...))))
	w := httptest.NewRecorder()
	f.hook.ServeHTTP(w, r)
	return w
}
