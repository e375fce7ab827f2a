package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// scrape reads /metrics of a life.
func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

// measuredScene is a demo that is measured, and what it shows at a moment. Each
// scrape counts anew.
func measuredScene(t *testing.T) (*scene, func() string) {
	t.Helper()
	m := newMeter()
	s := newScene(t, "", func(d *demo) { d.parts.meter = m })
	st := &standing{of: s.demo.now()}
	m.registry.MustRegister(st)
	h := m.serve()
	return s, func() string {
		st.mu.Lock()
		st.tally = tally{}
		st.mu.Unlock()
		return scrape(t, h)
	}
}

func TestMetricsShowWhatHappens(t *testing.T) {
	s, look := measuredScene(t)
	before := look()
	require.Contains(t, before, `hosterbot_operations{state="unknown"} 0`)
	require.Contains(t, before, `hosterbot_operations{state="needs-human"} 0`)
	require.Contains(t, before, "hosterbot_ready 1")
	s.play("ana: vm list", "ana: vm lst", "ben: vm delete 4003", "eve: vm list", ":fault start 429-once", "ana: vm start 4009", "wait 1")
	text := look()
	for _, want := range []string{
		`hosterbot_commands_total{command="vm list",outcome="handled"} 1`,
		`hosterbot_commands_total{command="(not understood)",outcome="invalid"} 1`,
		`hosterbot_commands_total{command="vm delete",outcome="denied"} 1`,
		`hosterbot_commands_total{command="vm list",outcome="stranger"} 1`,
		`hosterbot_commands_total{command="vm start",outcome="handled"} 1`,
		`hosterbot_operation_states_total{state="succeeded"} 1`,
		`hosterbot_api_retries_total{kind="change"} 1`,
		`hosterbot_part_up{part="store"} 1`,
		`hosterbot_part_up{part="HosterAPI"} 1`,
		`hosterbot_decision_seconds_count{allowed="no"} 1`,
		`hosterbot_messages_total{kind="end",result="sent"} 1`,
		`hosterbot_messages_owed 0`,
		`hosterbot_policy_last_reload_successful 1`,
		`hosterbot_jobs_followed 0`,
	} {
		require.Contains(t, text, want+"\n")
	}
	require.Regexp(t, `hosterbot_api_calls_total\{class="accepted",endpoint="[a-z-]+"\} \d+`, text)
	require.Regexp(t, `hosterbot_api_calls_total\{class="throttled",endpoint="[a-z-]+"\} 1`, text)
	require.Regexp(t, `hosterbot_api_calls_total\{class="no answer",endpoint="[a-z-]+"\} 0`, text)
	require.Regexp(t, `hosterbot_api_rate_wait_seconds_count\{for="changes"\} [12]`, text)
	require.Regexp(t, `hosterbot_policy_info\{hash="[0-9a-f]{12}"\} 1`, text)
	require.Regexp(t, `hosterbot_audit_head [1-9]\d*`, text)
	require.Regexp(t, `hosterbot_ack_seconds_count\{kind="command"\} 5`, text)
	for _, label := range regexp.MustCompile(`="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		for _, id := range []string{"4009", "4003", "U07ANA", "T01TEAM", simToken, "ana", "eve"} {
			require.NotContains(t, label[1], id, "no label holds an ID, a person or a secret")
		}
	}
}

func TestMetricsShowTheFaultsThatAlertsName(t *testing.T) {
	s, look := measuredScene(t)
	s.play(":fault stop hang-before", "ana: vm stop 4003", confirms)
	require.True(t, strings.Contains(look(), `hosterbot_operations{state="unknown"} 1`), "the lost answer is not settled yet")
	s.play(":fault rdns answer-lost", "ana: vm set-rdns 4003 203.0.113.7 a.example.com", ":skip 2h")
	text := look()
	for _, want := range []string{
		`hosterbot_operations{state="unknown"} 0`, `hosterbot_operations{state="needs-human"} 1`, `hosterbot_api_calls_total{class="no answer",endpoint=`,
	} {
		require.True(t, strings.Contains(text, want), want)
	}

	s.play(":policy testdata/chats/broken.yaml")
	require.True(t, strings.Contains(look(), "hosterbot_policy_last_reload_successful 0"))

	s.play(":fault any unauthorized", "ana: vm list")
	text = look()
	require.True(t, strings.Contains(text, "hosterbot_api_token_refused 1"))
	require.True(t, strings.Contains(text, `hosterbot_part_up{part="HosterAPI"} 0`))

	require.NoError(t, s.now().store.Close())
	text = look()
	require.True(t, strings.Contains(text, `hosterbot_part_up{part="store"} 0`), "a store that is down hides nothing")
	require.True(t, strings.Contains(text, "hosterbot_ready 0"))
}

// TestObservedMetricsExist: each metric that an alert or the dashboard asks for
// is one that the bot shows, and each label value that an alert names as well.
func TestObservedMetricsExist(t *testing.T) {
	s, look := measuredScene(t)
	s.play("ana: vm list", "ana: vm start 4009", "wait 1")
	text := look()
	names := regexp.MustCompile(`hosterbot_[a-z_]+|process_[a-z_]+`)
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		data, err := os.ReadFile(filepath.Join("observe", file))
		require.NoError(t, err)
		found := names.FindAllString(string(data), -1)
		require.NotEmpty(t, found)
		for _, name := range found {
			name = strings.TrimSuffix(name, "_bucket")
			if name == "hosterbot_chat_reconnects_total" { // of chats that connect
				continue
			}
			require.True(t, strings.Contains(text, "# TYPE "+name+" "), "%s asks for %s", file, name)
		}
	}
	data, err := os.ReadFile("observe/dashboard.json")
	require.NoError(t, err)
	require.True(t, json.Valid(data))
	for _, label := range []string{`state="unknown"`, `state="needs-human"`, `state="lost-track"`, `part="store"`, `part="HosterAPI"`, `part="policy"`} {
		require.Contains(t, text, label)
	}
}

// TestAlertsNameEveryRuleInTheirTests also runs those tests where promtool is
// installed, as make check does.
func TestAlertsNameEveryRuleInTheirTests(t *testing.T) {
	rules, err := os.ReadFile("observe/alerts.yaml")
	require.NoError(t, err)
	tests, err := os.ReadFile("observe/alerts_test.yaml")
	require.NoError(t, err)
	names := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
	require.Greater(t, len(names), 10)
	for _, n := range names {
		require.Contains(t, string(tests), "  - name: "+n[1]+"\n", "an alert without a test that it fires")
	}
	if tool, err := exec.LookPath("promtool"); err == nil {
		out, err := exec.CommandContext(t.Context(), tool, "test", "rules", "observe/alerts_test.yaml").CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

func TestTheFirstAnswerIsMeasuredOnce(t *testing.T) {
	m := newMeter()
	h := measured{Handler: answering{}, m: m, clock: bot.SystemClock{}}
	h.Handle(t.Context(), bot.Request{Answer: mute{}})
	h.Press(t.Context(), bot.Press{Answer: mute{}})
	h.Submit(t.Context(), bot.Submission{Answer: mute{}})
	text := scrape(t, m.serve())
	for _, kind := range []string{"command", "button", "form"} {
		require.Contains(t, text, `hosterbot_ack_seconds_count{kind="`+kind+`"} 1`)
	}
}

// What waited in the chat's line counts from when it came.
func TestTheFirstAnswerIsMeasuredFromTheArrival(t *testing.T) {
	m, now := newMeter(), time.Now()
	h := measured{Handler: answering{}, m: m, clock: bot.SystemClock{}}
	h.Handle(t.Context(), bot.Request{Came: now.Add(-time.Hour), Answer: mute{}})
	require.Regexp(t, `hosterbot_ack_seconds_sum\{kind="command"\} 360\d`, scrape(t, m.serve()))
}

// answering acknowledges and answers, twice.
type answering struct{}

func (answering) answer(ctx context.Context, r bot.Responder) {
	_ = r.Ack(ctx)
	_ = r.Reply(ctx, bot.Card{})
	_ = r.Reply(ctx, bot.Card{})
}
func (a answering) Handle(ctx context.Context, r bot.Request)           { a.answer(ctx, r.Answer) }
func (a answering) Press(ctx context.Context, p bot.Press)              { a.answer(ctx, p.Answer) }
func (a answering) Submit(ctx context.Context, s bot.Submission)        { a.answer(ctx, s.Answer) }
func (answering) Complete(context.Context, bot.Completion) []bot.Choice { return nil }

// mute is a Responder that hears everything.
type mute struct{}

func (mute) Ack(context.Context) error             { return nil }
func (mute) Form(context.Context, bot.Form) error  { return nil }
func (mute) Reply(context.Context, bot.Card) error { return nil }
func (mute) File(context.Context, bot.File) error  { return nil }

func TestAScrapeAsksTheStoreNowAndThen(t *testing.T) {
	m := newMeter()
	s := newScene(t, "", func(d *demo) { d.parts.meter = m })
	st := &standing{of: s.demo.now()}
	m.registry.MustRegister(st)
	h := m.serve()
	require.Contains(t, scrape(t, h), "hosterbot_audit_head")
	first := st.counted
	require.Contains(t, scrape(t, h), "hosterbot_audit_head")
	require.Equal(t, first, st.counted)
	s.demo.clock.Jump(countEvery + time.Second)
	require.Contains(t, scrape(t, h), "hosterbot_audit_head")
	require.NotEqual(t, first, st.counted)
}
