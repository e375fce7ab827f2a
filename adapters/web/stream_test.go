package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/web"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// TestStreamGoesOnWhereItWas: after a reconnect a page is told what changed,
// and nothing twice.
func TestStreamGoesOnWhereItWas(t *testing.T) {
	s := serve(t, options())
	first, err := s.w.Post(t.Context(), home(), "a", bot.Card{Title: "First"})
	require.NoError(t, err)
	w := s.open(t, "ana", 0)
	w.catchUp(t, s.w.Seq())
	require.True(t, w.fresh)
	w.close()
	_, err = s.w.Post(t.Context(), home(), "b", bot.Card{Title: "Second"})
	require.NoError(t, err)
	require.NoError(t, s.w.Edit(t.Context(), first, bot.Card{Title: "First, edited"}))
	require.NoError(t, s.w.Edit(t.Context(), first, bot.Card{Title: "First, edited again"}))

	again := s.open(t, "ana", w.last)
	again.catchUp(t, s.w.Seq())
	again.close()
	require.False(t, again.fresh)
	require.Len(t, again.messages, 2)
	require.NotContains(t, again.all(), "edited\"", "a state that is over is passed over")
	require.Contains(t, again.all(), "First, edited again")

	third := s.open(t, "ana", again.last)
	third.catchUp(t, s.w.Seq())
	third.close()
	require.Empty(t, third.messages)
}

// TestPrivateIsTold to the one window, also after a reconnect.
func TestPrivateIsToldToOnePerson(t *testing.T) {
	s := serve(t, options())
	s.run(t, &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Reply(ctx, bot.Card{Title: "canary"})
	}})
	ben := s.open(t, "ben", 0)
	s.say(t, "command", map[string]any{"as": "ana", "line": "vm list"})
	for _, w := range []*window{ben, s.open(t, "ben", 0), s.open(t, "eve", 0)} {
		w.catchUp(t, s.w.Seq())
		require.NotContains(t, w.all(), "canary")
		require.NotContains(t, w.all(), "vm list")
	}
	ana := s.open(t, "ana", 0)
	ana.catchUp(t, s.w.Seq())
	require.Contains(t, ana.all(), "canary")
}

// TestSecretIsShownOnce: to every page that its owner has open, and then it is
// nowhere.
func TestSecretIsShownOnce(t *testing.T) {
	s := serve(t, options())
	s.run(t, &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Password", Secrets: []bot.Shown{{Label: "root", Value: secret.New("canary-hunter2")}}})
	}})
	one, two, ben := s.open(t, "ana", 0), s.open(t, "ana", 0), s.open(t, "ben", 0)
	s.say(t, "command", map[string]any{"as": "ana", "line": "vm password 4001"})
	for _, w := range []*window{one, two} {
		w.catchUp(t, s.w.Seq())
		require.Contains(t, w.all(), "canary-hunter2")
	}
	ben.catchUp(t, s.w.Seq())
	require.NotContains(t, ben.all(), "canary")
	require.False(t, s.w.Held(), "nothing keeps it")
	again := s.open(t, "ana", 0)
	again.catchUp(t, s.w.Seq())
	require.Contains(t, again.all(), "Password")
	require.NotContains(t, again.all(), "canary")
}

func TestSecretWithoutAPageIsForgotten(t *testing.T) {
	s := serve(t, options())
	s.run(t, &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		_ = r.Answer.Reply(ctx, bot.Card{Title: "Password", Secrets: []bot.Shown{{Label: "root", Value: secret.New("canary")}}})
	}})
	s.say(t, "command", map[string]any{"as": "ana", "line": "vm password 4001"})
	require.False(t, s.w.Held())
}

// TestClickOnAnOldCardRuns: with the code that it had; one that was never
// shown, or to somebody else, does not.
func TestClickOnAnOldCardRuns(t *testing.T) {
	s := serve(t, options())
	pressed := make(chan string, 9)
	s.run(t, &stub{
		OnPress: func(_ context.Context, p bot.Press) { pressed <- p.Code },
		OnHandle: func(ctx context.Context, r bot.Request) {
			_ = r.Answer.Reply(ctx, bot.Card{Title: "For ana", Buttons: []bot.Button{{Label: "Confirm", Code: "private"}}})
		},
	})
	r, err := s.w.Post(t.Context(), home(), "a", bot.Card{Title: "Vote", Buttons: []bot.Button{{Label: "Approve", Code: "then"}}})
	require.NoError(t, err)
	require.NoError(t, s.w.Edit(t.Context(), r, bot.Card{Title: "Decided"}))
	s.say(t, "press", map[string]any{"as": "ben", "message": r.ID, "code": "then"})
	require.Equal(t, "then", <-pressed)
	s.say(t, "command", map[string]any{"as": "ana", "line": "x"})
	ana := s.open(t, "ana", 0)
	ana.catchUp(t, s.w.Seq())
	private := ana.order[len(ana.order)-1]
	for _, body := range []map[string]string{
		{"as": "ben", "message": r.ID, "code": "never"}, {"as": "ben", "message": private, "code": "private"}, {"as": "ben", "message": "m99", "code": "then"},
	} {
		status, _ := s.post(t, "press", body)
		require.Equal(t, http.StatusNotFound, status)
	}
	require.Empty(t, pressed)
}

// TestPageOutlivesTheBot: a restart of the bot closes no page, and meanwhile a
// command says that nothing was done.
func TestPageOutlivesTheBot(t *testing.T) {
	s := serve(t, options())
	stop := s.run(t, &stub{})
	w := s.open(t, "ana", 0)
	stop()
	status, text := s.post(t, "command", map[string]string{"as": "ana", "line": "vm list"})
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "Nothing was done")
	s.run(t, &stub{OnHandle: func(ctx context.Context, r bot.Request) { _ = r.Answer.Reply(ctx, bot.Card{Title: "Back again"}) }})
	s.say(t, "command", map[string]any{"as": "ana", "line": "vm list"})
	w.catchUp(t, s.w.Seq())
	require.Contains(t, w.all(), "Back again")
}

// TestFormIsChecked as the page checks it, and stays open.
func TestFormIsChecked(t *testing.T) {
	s := serve(t, options())
	sent := make(chan bot.Submission, 1)
	s.run(t, &stub{
		OnHandle: func(ctx context.Context, r bot.Request) {
			_ = r.Answer.Form(ctx, bot.Form{Code: "v1:1:confirm:n", Title: "Confirm", Fields: []bot.FormField{
				{Name: "reason", Label: "Reason", Required: true, MaxLen: 5}, {Name: "how", Label: "How", Choices: []bot.Choice{{Value: "soft"}}},
			}})
		},
		OnSubmit: func(_ context.Context, s bot.Submission) { sent <- s },
	})
	s.say(t, "command", map[string]any{"as": "ana", "line": "vm delete 4001"})
	ana := s.open(t, "ana", 0)
	ana.catchUp(t, s.w.Seq())
	id := text(ana.form["id"])
	for _, values := range []map[string]string{{"reason": ""}, {"reason": "much too long"}, {"reason": "ok", "how": "hard"}, {"reason": "ok", "other": "x"}} {
		status, _ := s.post(t, "submit", map[string]any{"as": "ana", "form": id, "values": values})
		require.Equal(t, http.StatusBadRequest, status, values)
	}
	status, _ := s.post(t, "submit", map[string]any{"as": "ben", "form": id, "values": map[string]string{"reason": "ok"}})
	require.Equal(t, http.StatusConflict, status, "it is before ana")
	s.say(t, "submit", map[string]any{"as": "ana", "form": id, "values": map[string]string{"reason": "ok"}})
	require.Equal(t, "ok", (<-sent).Values["reason"])
	status, _ = s.post(t, "submit", map[string]any{"as": "ana", "form": id, "values": map[string]string{"reason": "ok"}})
	require.Equal(t, http.StatusConflict, status, "once")
}

// TestCopiesAreNamedOnce: what stands in several places is shown in one.
func TestCopiesAreNamedOnce(t *testing.T) {
	s := serve(t, options())
	card := bot.Card{Op: 17, Title: "Delete VM 4001"}
	away := place("discord", "G", "C")
	copied, err := s.w.Post(t.Context(), away, "root/17/b", card)
	require.NoError(t, err)
	_, err = s.w.Post(t.Context(), home(), "root/17/a", card)
	require.NoError(t, err)
	away.Thread = copied.ID
	_, err = s.w.Post(t.Context(), away, "line", bot.Card{Title: "ben approved"})
	require.NoError(t, err)
	w := s.open(t, "ana", 0)
	w.catchUp(t, s.w.Seq())
	require.Len(t, w.messages, 1)
	require.Equal(t, []any{"discord:G/C"}, w.messages[w.order[0]]["copies"])
}

// TestCallsAreShown without what could be secret: a Call has no room for it.
func TestCallsAreShown(t *testing.T) {
	s := serve(t, options())
	s.w.Saw(web.Call{Kind: "delete", Method: "POST", Path: "/api/v1/datacenter/server/4001/delete", Mutating: true, Note: "carried out, and never answered", At: noon, Took: time.Second})
	w := s.open(t, "ana", 0)
	w.catchUp(t, s.w.Seq())
	require.Len(t, w.calls, 1)
	require.Equal(t, float64(0), w.calls[0]["status"])
	require.Equal(t, "carried out, and never answered", w.calls[0]["note"])
}

// TestGuide passes on what can be typed and what the policy says.
func TestGuide(t *testing.T) {
	o := options()
	o.Guide = func(_ context.Context, person, line string) web.Guide {
		return web.Guide{Usage: person + " " + line, Verdict: "deny"}
	}
	var staged string
	o.Stage = func(_ context.Context, line string) error { staged = line; return nil }
	s := serve(t, o)
	s.run(t, &stub{OnComplete: func(c bot.Completion) []bot.Choice {
		return []bot.Choice{{Value: c.Line + "!", Label: c.Account.User}}
	}})
	status, text := s.post(t, "guide", map[string]string{"as": "ben", "line": "vm del"})
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"choices": [{"value": "vm del!", "label": "ben"}], "guide": {"usage": "ben vm del", "verdict": "deny"}}`, text)
	status, _ = s.post(t, "stage", map[string]string{"as": "ben", "line": ":skip 10m"})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, ":skip 10m", staged)
	status, _ = s.post(t, "stage", map[string]string{"as": "ben", "line": "vm delete 4001"})
	require.Equal(t, http.StatusBadRequest, status)
}

// TestWhatThePageIsTold is a golden file of a card with every part.
func TestWhatThePageIsTold(t *testing.T) {
	s := serve(t, options())
	_, err := s.w.Post(t.Context(), home(), "a", bot.Card{
		Op: 17, Title: "Delete VM " + bot.Code("4001"), Tone: bot.Warn, Lines: []string{"Needs one approval.\nUntil " + bot.At(noon.Add(time.Hour)) + "."},
		Fields: []bot.Field{{Label: "Size", Value: "2 cores"}},
		Table:  &bot.Table{Columns: []bot.Column{{Name: "VM"}, {Name: "Memory", Right: true}}, Rows: [][]string{{bot.Code("4001"), "2 GiB"}, {"short"}}},
		Bar:    &bot.Bar{Fraction: 0.6, Word: "executing", Elapsed: 54 * time.Second, Expected: 90 * time.Second},
		Notes:  []string{"Small print with <b>no</b> markup."}, Mentions: []bot.Account{{Platform: "demo", User: "dia"}, {Platform: "slack", Team: "T", User: "U"}},
		Buttons: []bot.Button{{Label: "Approve", Style: bot.Primary, Code: "v1:17:approve:n"}, {Label: "Deny", Style: bot.Danger, Code: "v1:17:deny:n"}},
		Secrets: []bot.Shown{{Label: "Password", Value: secret.New("canary")}},
	})
	require.NoError(t, err)
	w := s.open(t, "ana", 0)
	w.catchUp(t, s.w.Seq())
	got, err := json.MarshalIndent(w.messages[w.order[0]], "", "  ")
	require.NoError(t, err)
	adaptertest.Golden(t, "card", string(got)+"\n")
}
