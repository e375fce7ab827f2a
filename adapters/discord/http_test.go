package discord_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

// atEndpoint runs a test with an adapter that Discord calls.
func atEndpoint(t *testing.T, h bot.Handler, test func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, h, func(f *fake, o *discord.Options) {
			f.endpointURL = "https://bot.example/discord/interactions"
			o.PublicKey = key().Public().(ed25519.PublicKey)
		})
		s.mu.Lock()
		s.hook = s.a.Handler()
		s.mu.Unlock()
		require.True(t, s.await(patience, func() bool { return len(s.guilds[guildID].commands) > 0 }))
		synctest.Wait()
		require.True(t, s.a.Health().OK)
		test(s)
		s.end()
		require.NoError(t, <-s.ended)
	})
}

func TestDiscordCallsTheBot(t *testing.T) {
	atEndpoint(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
		require.Contains(s.t, s.says("ana", "vm list"), "Heard")
		require.Zero(s.t, s.count("POST /interactions/{interaction_id}/{interaction_token}/callback"), "the first answer is the answer to the request")
	})
}

func TestASlowAnswerIsAcknowledgedInTheRequest(t *testing.T) {
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = bot.SystemClock{}.Sleep(ctx, 10*time.Second)
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	atEndpoint(t, h, func(s *scene) {
		d := s.command("ana", homeID, "vm list")
		require.True(s.t, d.acked(time.Second))
		require.Contains(s.t, d.text(), "thinking")
		s.pass(11 * time.Second)
		require.Contains(s.t, d.text(), "Heard")
	})
}

func TestTheEndpointTakesWhatDiscordSigned(t *testing.T) {
	atEndpoint(t, replies(bot.Card{Title: "Heard"}), func(s *scene) {
		ping := object{"type": 1, "id": "700000000000000001", "application_id": appID, "token": "t", "version": 1}
		w := s.callHook(ping, 0)
		require.Equal(s.t, http.StatusOK, w.Code)
		require.JSONEq(s.t, `{"type":1}`, w.Body.String())
		require.Equal(s.t, http.StatusOK, s.callHook(ping, 4*time.Minute).Code)
		require.Equal(s.t, http.StatusUnauthorized, s.callHook(ping, 6*time.Minute).Code, "an old timestamp")
		require.Equal(s.t, http.StatusUnauthorized, s.callHook(ping, -6*time.Minute).Code, "one of the future")
		body := []byte(encoded(ping))
		stamp := strconv.FormatInt(s.clock.Now().Unix(), 10)
		good := hex.EncodeToString(ed25519.Sign(key(), append([]byte(stamp), body...)))
		for name, c := range map[string]struct {
			body, signature, stamp string
			code                   int
		}{
			"as signed":            {string(body), good, stamp, http.StatusOK},
			"another body":         {strings.Replace(string(body), `"t"`, `"u"`, 1), good, stamp, http.StatusUnauthorized},
			"another timestamp":    {string(body), good, stamp + "0", http.StatusUnauthorized},
			"no signature":         {string(body), "", stamp, http.StatusUnauthorized},
			"no timestamp":         {string(body), good, "", http.StatusUnauthorized},
			"half a signature":     {string(body), good[:64], stamp, http.StatusUnauthorized},
			"no hexadecimal digit": {string(body), "x" + good[1:], stamp, http.StatusUnauthorized},
			"too long":             {strings.Repeat(" ", 1<<20+1), good, stamp, http.StatusRequestEntityTooLarge},
		} {
			r := httptest.NewRequest(http.MethodPost, "/discord/interactions", bytes.NewReader([]byte(c.body)))
			r.Header.Set("X-Signature-Ed25519", c.signature)
			r.Header.Set("X-Signature-Timestamp", c.stamp)
			w := httptest.NewRecorder()
			s.hook.ServeHTTP(w, r)
			require.Equal(s.t, c.code, w.Code, name)
		}
	})
}

func TestARequestThatComesTwiceRunsOnce(t *testing.T) {
	ran := make(chan string, 4)
	h := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		ran <- r.Key
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Heard"})
	}}
	atEndpoint(t, h, func(s *scene) {
		d := s.command("ana", homeID, "vm list")
		require.True(s.t, d.answered(patience))
		d.again()
		s.pass(time.Second)
		require.Len(s.t, ran, 1)
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Equal(s.t, []int{http.StatusBadRequest}, s.hookSaid)
	})
}

// TestWithoutAnAddressItSaysSoAndWaits: until Discord calls, which it does when
// somebody enters the address.
func TestWithoutAnAddressItSaysSoAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, replies(bot.Card{Title: "Heard"}), func(_ *fake, o *discord.Options) { o.PublicKey = key().Public().(ed25519.PublicKey) })
		require.True(t, s.await(patience, func() bool { return len(s.guilds[guildID].commands) > 0 }))
		synctest.Wait()
		require.True(t, s.a.Health().OK)
		require.Equal(t, "waits to be called as hosterbot: the application has no Interactions Endpoint URL", s.a.Health().Text)
		require.Contains(t, s.log.String(), "the application has no Interactions Endpoint URL: set it")
		s.mu.Lock()
		s.hook = s.a.Handler()
		s.mu.Unlock()
		ping := object{"type": 1, "id": "700000000000000001", "application_id": appID, "token": "t", "version": 1}
		require.Equal(t, http.StatusUnauthorized, s.callHook(ping, time.Hour).Code)
		require.Contains(t, s.a.Health().Text, "waits", "that was not Discord")
		require.Equal(t, http.StatusOK, s.callHook(ping, 0).Code)
		require.Equal(t, "connected as hosterbot", s.a.Health().Text)
		s.end()
		require.NoError(t, <-s.ended)
	})
}
