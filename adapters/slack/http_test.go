package slack_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/slack"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

const signingKey = "8f742231b10e8888abcd99yyyzzz85a5"

// caller is Slack in the HTTP mode.
type caller struct {
	*fake
	a *slack.Adapter
}

// overHTTP runs a test with an adapter that Slack calls.
func overHTTP(t *testing.T, h bot.Handler, test func(t *testing.T, c *caller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, bot.SystemClock{})
		a, err := slack.New(slack.Options{BotToken: secret.New(botToken), SigningSecret: secret.New(signingKey), APIURL: f.base + "/api/", Clock: f.clock})
		require.NoError(t, err)
		a.DialWith(f.lis.Dial)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx, h) }()
		defer func() {
			cancel()
			require.NoError(t, <-ended)
			require.False(t, a.Health().OK)
		}()
		synctest.Wait()
		require.True(t, a.Health().OK, a.Health().Text)
		require.Zero(t, f.count("apps.connections.open"))
		test(t, &caller{f, a})
	})
}

// signature is what Slack signs a body with.
func signature(key, stamp, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// sends sends a body as Slack does, with some headers in the place of its own.
func (c *caller) sends(path, body string, headers ...string) *httptest.ResponseRecorder {
	stamp := fmt.Sprint(c.clock.Now().Unix())
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", signature(signingKey, stamp, body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.a.Handler().ServeHTTP(w, r)
	return w
}

// typed is a typed command as the body of a request.
func (c *caller) typed(user, line string) string {
	form := url.Values{}
	for name, value := range c.slash(user, line) {
		form.Set(name, str(value))
	}
	return form.Encode()
}

func payload(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return url.Values{"payload": {string(text)}}.Encode()
}

func TestACommandOverHTTP(t *testing.T) {
	var got bot.Request
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		got = r
		require.NoError(t, r.Answer.Ack(ctx))
		require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "Heard"}))
	}}
	overHTTP(t, b, func(t *testing.T, c *caller) {
		w := c.sends("/slack/commands", c.typed("U07ANA", "vm list --state running"))
		require.Equal(t, http.StatusOK, w.Code)
		require.Empty(t, w.Body.String(), "an answer in the body would stand there for good")
		synctest.Wait()
		require.Equal(t, "vm list --state running", got.Line)
		require.Equal(t, bot.Account{Platform: "slack", Team: team, User: "U07ANA"}, got.Account)
		require.Equal(t, place(homeID), got.Place)
		require.True(t, strings.HasPrefix(got.Key, "slack/"+team+"/"), got.Key)
		h := &harness{fake: c.fake}
		require.Equal(t, []string{"Heard\n"}, plainTexts(h.sees(t, "ana")))
	})
}

func TestAFormOverHTTPIsAnsweredAtItsFields(t *testing.T) {
	b := opensThen(func(ctx context.Context, s bot.Submission) {
		require.NoError(t, s.Answer.Form(ctx, form(bot.FormField{Name: "reason", Label: "Why", Required: true, Error: "Say more."})))
	})
	overHTTP(t, b, func(t *testing.T, c *caller) {
		require.Equal(t, http.StatusOK, c.sends("/slack/commands", c.typed("U07ANA", "vm delete")).Code)
		synctest.Wait()
		c.mu.Lock()
		v := c.views["U07ANA"]
		c.mu.Unlock()
		require.NotNil(t, v, "the form opens")
		w := c.sends("/slack/interactions", payload(c.sent(v)))
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		var answer struct {
			Action string            `json:"response_action"`
			Errors map[string]string `json:"errors"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body.String())
		require.Equal(t, "errors", answer.Action)
		require.Equal(t, map[string]string{"reason": "Say more."}, answer.Errors)
	})
}

func TestWhatSlackDidNotSignIsNotLookedAt(t *testing.T) {
	calls := 0
	b := &stub{OnHandle: func(context.Context, bot.Request) { calls++ }}
	overHTTP(t, b, func(t *testing.T, c *caller) {
		now := c.clock.Now()
		body := c.typed("U07ANA", "vm list")
		at := func(age time.Duration) []string {
			stamp := fmt.Sprint(now.Add(-age).Unix())
			return []string{"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", signature(signingKey, stamp, body)}
		}
		for rule, headers := range map[string][]string{
			"no signature":      {"X-Slack-Signature", ""},
			"another's":         {"X-Slack-Signature", signature("another", fmt.Sprint(now.Unix()), body)},
			"of another body":   {"X-Slack-Signature", signature(signingKey, fmt.Sprint(now.Unix()), body+"x")},
			"of another time":   {"X-Slack-Request-Timestamp", fmt.Sprint(now.Unix() + 1)},
			"no time":           {"X-Slack-Request-Timestamp", ""},
			"no number":         {"X-Slack-Request-Timestamp", "soon", "X-Slack-Signature", signature(signingKey, "soon", body)},
			"too old":           at(5*time.Minute + time.Second),
			"too far ahead":     at(-5*time.Minute - time.Second),
			"of another scheme": {"X-Slack-Signature", strings.Replace(signature(signingKey, fmt.Sprint(now.Unix()), body), "v0=", "v1=", 1)},
		} {
			for _, path := range []string{"/slack/commands", "/slack/interactions", "/slack/events"} {
				require.Equal(t, http.StatusUnauthorized, c.sends(path, body, headers...).Code, "%s: %s", rule, path)
			}
		}
		for _, junk := range []string{"%zz", "ssl_check=1", `{"type":"url_verification","challenge":"c"}`, "payload=no"} {
			require.Equal(t, http.StatusUnauthorized, c.sends("/slack/commands", junk, "X-Slack-Signature", "v0=00").Code, "the signature comes first")
		}
		synctest.Wait()
		require.Zero(t, calls)
		require.Equal(t, http.StatusOK, c.sends("/slack/commands", body, at(5*time.Minute-time.Second)...).Code, "a near miss")
		synctest.Wait()
		require.Equal(t, 1, calls)
		require.Equal(t, http.StatusConflict, c.sends("/slack/commands", body).Code, "the same trigger, signed anew")
		synctest.Wait()
		require.Equal(t, 1, calls, "it came twice")
	})
}

func TestWhatSlackAsksOfTheAddress(t *testing.T) {
	overHTTP(t, &stub{}, func(t *testing.T, c *caller) {
		w := c.sends("/slack/commands", "ssl_check=1&token=x")
		require.Equal(t, http.StatusOK, w.Code)
		require.Empty(t, w.Body.String())
		w = c.sends("/slack/events", `{"type":"url_verification","challenge":"3eZbrw1a","token":"x"}`)
		require.Equal(t, http.StatusOK, w.Code)
		require.JSONEq(t, `{"challenge":"3eZbrw1a"}`, w.Body.String())
		w = c.sends("/slack/events", `{"type":"event_callback"}`)
		require.Equal(t, http.StatusOK, w.Code)
		require.Empty(t, w.Body.String())
		require.Equal(t, http.StatusBadRequest, c.sends("/slack/events", "no event").Code)
		require.Equal(t, http.StatusBadRequest, c.sends("/slack/interactions", "payload={").Code)
		require.Equal(t, http.StatusBadRequest, c.sends("/slack/commands", "%zz").Code)
		require.Equal(t, http.StatusRequestEntityTooLarge, c.sends("/slack/commands", strings.Repeat("x", 1<<20+1)).Code)
		require.Equal(t, http.StatusNotFound, c.sends("/slack/else", "").Code)
		r := httptest.NewRecorder()
		c.a.Handler().ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/slack/commands", nil))
		require.Equal(t, http.StatusMethodNotAllowed, r.Code)
	})
}

func TestARequestIsAnsweredInTimeThoughTheHandlerHangs(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) { <-time.After(10 * time.Second) }}
	overHTTP(t, b, func(t *testing.T, c *caller) {
		began := time.Now()
		require.Equal(t, http.StatusOK, c.sends("/slack/commands", c.typed("U07ANA", "vm list")).Code)
		require.Less(t, time.Since(began), 3*time.Second)
	})
}

func TestChoicesOverHTTP(t *testing.T) {
	b := &stub{OnComplete: func(bot.Completion) []bot.Choice { return []bot.Choice{{Value: "4001", Label: "web-1"}} }}
	overHTTP(t, b, func(t *testing.T, c *caller) {
		w := c.sends("/slack/interactions", payload(map[string]any{
			"type": "block_suggestion", "team": map[string]any{"id": team}, "user": map[string]any{"id": "U07ANA", "team_id": team},
			"block_id": "vm", "action_id": "x", "value": "we", "view": map[string]any{"id": "V1", "callback_id": "code", "private_metadata": "{}"},
		}))
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), `"web-1"`)
	})
}

func TestBeforeRunNothingIsTaken(t *testing.T) {
	f := newFake(t, &adaptertest.Hasty{})
	a, err := slack.New(slack.Options{BotToken: secret.New(botToken), SigningSecret: secret.New(signingKey), APIURL: f.base + "/api/", Clock: f.clock})
	require.NoError(t, err)
	c := &caller{f, a}
	require.Equal(t, http.StatusServiceUnavailable, c.sends("/slack/commands", c.typed("U07ANA", "vm list")).Code)
	_, err = slack.New(slack.Options{BotToken: secret.New(botToken)})
	require.ErrorContains(t, err, "SLACK_APP_TOKEN")
	require.Nil(t, f.adapter(nil).Handler(), "in Socket Mode nobody calls")
}

// The built bot, called by Slack: from a command to what the person sees.
func TestTheBotRunsOverHTTP(t *testing.T) {
	t.Parallel()
	at, health := adaptertest.Vacant(t), adaptertest.Vacant(t)
	w := newWorld(t, adaptertest.Settings{Empty: true, Env: map[string]string{
		"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": signingKey, "HOSTERBOT_CHAT_LISTEN": at, "HOSTERBOT_LISTEN": health,
	}})
	w.Start()
	w.Journal.Says(t, 0, "chats are served")
	post := func(user, line string) int {
		body := (&caller{fake: w.fake}).typed(user, line)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/slack/commands", strings.NewReader(body))
		require.NoError(t, err)
		stamp := fmt.Sprint(time.Now().Unix())
		r.Header.Set("X-Slack-Request-Timestamp", stamp)
		r.Header.Set("X-Slack-Signature", signature(signingKey, stamp, body))
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	shown := func(text string) func() bool {
		return func() bool {
			return slices.ContainsFunc(w.messages, func(m *message) bool { return strings.Contains(m.text, text) })
		}
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C { // until Slack has said who the bot is
		if code, text := ready(health); code == http.StatusOK {
			break
		} else {
			require.True(t, time.Now().Before(end), text)
		}
	}
	require.Equal(t, http.StatusOK, post("U07ANA", "vm list"))
	require.True(t, w.await(patience, shown("4001")))
	require.Zero(t, w.count("apps.connections.open"))

	// Told to stop in a slow call, it says so to who asks, and ends the call.
	require.NoError(t, w.sim.Fault("start", "slow"))
	require.Equal(t, http.StatusOK, post("U07ANA", "vm start 4009"))
	w.SlowCall()
	w.Signal(syscall.SIGTERM)
	for end := time.Now().Add(patience); ; <-tick.C { // the signal takes a moment
		require.True(t, time.Now().Before(end), "%s", w.Journal)
		require.Equal(t, http.StatusOK, post("U08BEN", "vm list"))
		if w.await(time.Second, shown("shutting down")) {
			break
		}
	}
	http.DefaultClient.CloseIdleConnections()
	w.LetGo()
	require.Zero(t, w.Exits(patience), "%s", w.Journal)
	require.Equal(t, []string{"start"}, w.Sim.Done())
}
