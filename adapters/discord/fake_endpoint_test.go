package discord_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// deliver tells the bot of an interaction: over the Gateway, or at its
// endpoint.
func (f *fake) deliver(in *interaction) {
	switch {
	case f.at != "":
		f.ended.Go(func() { f.hookAnswer(in, f.throughBalancer(in)) })
	case f.hook != nil:
		f.ended.Go(func() { f.hookAnswer(in, f.callHook(in.payload, 0)) })
	default:
		f.dispatch("INTERACTION_CREATE", in.payload)
	}
}

// hookAnswer takes the answer to a request as the first answer to its
// interaction.
func (f *fake) hookAnswer(in *interaction, w *httptest.ResponseRecorder) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.news.Tell()
	if w.Code != http.StatusOK {
		f.hookSaid = append(f.hookSaid, w.Code)
		in.unheard = true
		return
	}
	path := "/interactions/" + in.id + "/TOKEN/callback"
	c := &call{route: "the answer to the request"}
	problems := f.schema.request(http.MethodPost, path, nil, w.Body.Bytes())
	for _, p := range problems {
		f.tb.Errorf("refused by Discord's description: %s", p)
	}
	if len(problems) > 0 || json.Unmarshal(w.Body.Bytes(), &c.body) != nil || f.clock.Now().Sub(in.at) > firstFor {
		in.unheard = true
		return
	}
	f.firstAnswer(in, c)
}

// endpoint is where interactions go in the HTTP mode.
type endpoint struct {
	hook     http.Handler // nil: over the Gateway, or at
	at       string       // the address of a bot in another process, behind a balancer
	hookSaid []int        // statuses that were no answers
}

// throughBalancer sends an interaction to the bot as Discord does through a
// balancer, which sends it again while nobody is there; after 3 s Discord hears
// no answer any more.
func (f *fake) throughBalancer(in *interaction) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for w.Code = http.StatusServiceUnavailable; f.clock.Now().Sub(in.at) < firstFor; <-tick.C {
		q, err := http.NewRequest(http.MethodPost, "http://"+f.at+"/discord/interactions", nil)
		if err != nil {
			f.tb.Errorf("%v", err)
			return w
		}
		f.sign(q, in.payload, f.clock.Now().Sub(in.at))
		resp, err := callers.Do(q)
		if err != nil {
			continue
		}
		_, err = io.Copy(w.Body, resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode != http.StatusServiceUnavailable {
			w.Code = resp.StatusCode
			return w
		}
		w.Body.Reset()
	}
	return w
}

// callers keep no connection: a balancer asks whoever is there now.
var callers = &http.Client{Timeout: firstFor, Transport: &http.Transport{DisableKeepAlives: true}}

// key is the application's.
func key() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a seed for tests, of 32 bytes...")[:ed25519.SeedSize])
}

func (f *fake) verifyKey() string { return hex.EncodeToString(key().Public().(ed25519.PublicKey)) }

// callHook sends a payload to the endpoint, signed, with a timestamp that is
// so old.
func (f *fake) callHook(payload object, old time.Duration) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/discord/interactions", nil)
	f.sign(r, payload, old)
	w := httptest.NewRecorder()
	f.hook.ServeHTTP(w, r)
	return w
}

// sign gives a request its body, signed so long ago.
func (f *fake) sign(r *http.Request, payload object, old time.Duration) {
	body := []byte(encoded(payload))
	stamp := strconv.FormatInt(f.clock.Now().Add(-old).Unix(), 10)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Signature-Timestamp", stamp)
	r.Header.Set("X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(key(), append([]byte(stamp), body...))))
}
