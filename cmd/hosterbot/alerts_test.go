//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// series are what a scrape shows of the bot: their values by name and labels.
func series(t *testing.T, text string) map[string]float64 {
	t.Helper()
	out := map[string]float64{`up{job="hosterbot",instance="a"}`: 1}
	for _, m := range regexp.MustCompile(`(?m)^(hosterbot_\w+)(?:\{(.*)\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(m[3], 64)
		require.NoError(t, err)
		out[m[1]+`{job="hosterbot",instance="a",`+m[2]+"}"] = value
	}
	return out
}

var counted = regexp.MustCompile(`^\w+_(total|bucket|count|sum|audit_head)\{`)

// played are the series of ten quiet minutes, as before shows them, and of
// those after a fault; where that goes on, what is counted grows each minute
// by what it grew.
func played(before, after map[string]float64, goesOn bool) (out []map[string]string) {
	for name, is := range after {
		was, known := before[name]
		values := fmt.Sprintf("%gx9", was)
		if !known {
			values = "_x9"
		}
		if goesOn && counted.MatchString(name) {
			values += fmt.Sprintf(" %g+%gx60", is, is-was)
		} else {
			values += fmt.Sprintf(" %gx60", is)
		}
		out = append(out, map[string]string{"series": strings.Replace(name, ",}", "}", 1), "values": values})
	}
	return out
}

// fires asks promtool which alerts fire on what was scraped before a fault and
// after it. Where promtool is not installed, the series are only read.
func fires(t *testing.T, before, after map[string]float64, goesOn bool, alerts ...string) {
	t.Helper()
	require.Greater(t, len(before), 20)
	require.Greater(t, len(after), 20)
	rules, err := filepath.Abs("observe/alerts.yaml")
	require.NoError(t, err)
	firing := []map[string]any{}
	for _, name := range alerts {
		firing = append(firing, map[string]any{"labels": `{alertname="` + name + `"}`, "value": 1})
	}
	const expr = `group by (alertname) (ALERTS{alertstate="firing"})`
	text, err := json.Marshal(map[string]any{
		"rule_files": []string{rules}, "evaluation_interval": "1m",
		"tests": []map[string]any{{"interval": "1m", "input_series": played(before, after, goesOn), "promql_expr_test": []map[string]any{
			{"expr": expr, "eval_time": "9m", "exp_samples": []int{}}, {"expr": expr, "eval_time": "55m", "exp_samples": firing},
		}}},
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "test.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	if tool, err := exec.LookPath("promtool"); err == nil {
		out, err := exec.CommandContext(t.Context(), tool, "test", "rules", file).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestAlertsFireOnWhatTheBotShows: each alert, and no other, fires on what
// /metrics shows once its fault is there, and none before.
func TestAlertsFireOnWhatTheBotShows(t *testing.T) {
	for name, c := range map[string]struct {
		fault  func(s *scene)
		goesOn bool
		alerts []string
	}{
		"the store is closed": {func(s *scene) { require.NoError(s.t, s.now().store.Close()) }, false, []string{"HosterbotStoreDown", "HosterbotNotReady"}},
		"the store is read-only": {func(s *scene) {
			path := filepath.Join(s.dir, "s.db")
			s.t.Cleanup(replaced(s.t, path, path, os.O_RDONLY))
			s.play("ana: vm start 4009")
		}, false, []string{"HosterbotStoreDown", "HosterbotNotReady"}},
		"the API is down": {func(s *scene) {
			s.sim.SetDown(true)
			s.play("ana: vm list")
		}, true, []string{"HosterbotAPIUnreachable", "HosterbotAPIAnswersLost"}},
		"the token is refused": {func(s *scene) { s.play(":fault any unauthorized", "ana: vm list") }, false, []string{"HosterbotAPITokenRefused"}},
		"too many calls": {func(s *scene) {
			s.play(":fault list 429-twice", "ana: vm list")
		}, true, []string{"HosterbotAPIThrottled"}},
		"answers are lost": {func(s *scene) { s.play(":fault list html-502", "ana: vm list") }, true, []string{"HosterbotAPIAnswersLost"}},
		"nobody knows":     {func(s *scene) { s.play(":fault stop hang-before", "ana: vm stop 4003", confirms, "ana: vm show 4001") }, false, []string{"HosterbotOutcomeUnknown"}},
		"a person is asked": {func(s *scene) {
			s.play(":fault rdns answer-lost", "ana: vm set-rdns 4003 203.0.113.7 a.example.com", ":skip 2h", "ana: vm show 4001")
		}, false, []string{"HosterbotNeedsHuman"}},
		"a broken policy": {func(s *scene) { s.play(":policy testdata/chats/broken.yaml") }, false, []string{"HosterbotPolicyReloadFailed"}},
		"a panic":         {func(s *scene) { s.demo.parts.meter.Panic() }, true, []string{"HosterbotPanic"}},
		"a long wait": {func(s *scene) {
			for range 100 {
				s.demo.parts.meter.waited(hoster.People, 10*time.Second)
			}
		}, true, []string{"HosterbotRateWait"}},
		"a slow disk": {func(s *scene) {
			slow := handlerFunc(func(ctx context.Context, r bot.Responder) {
				s.demo.clock.Jump(2 * time.Second)
				_ = r.Ack(ctx)
			})
			measured{Handler: slow, m: s.demo.parts.meter, clock: s.demo.clock}.Handle(s.t.Context(), bot.Request{Answer: mute{}})
		}, true, []string{"HosterbotSlowAcknowledgements"}},
		"an audit log that stands": {func(s *scene) { s.demo.parts.meter.Command("vm list", "handled", 0) }, true, []string{"HosterbotAuditStands"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, look := measuredScene(t)
			s.play("ana: vm list", "ana: vm show 4003")
			before := series(t, look())
			s.demo.clock.Jump(10 * time.Minute) // what was read is no longer fresh
			c.fault(s)
			fires(t, before, series(t, look()), c.goesOn, c.alerts...)
		})
	}
}

// handlerFunc is a door that only answers commands.
type handlerFunc func(context.Context, bot.Responder)

func (f handlerFunc) Handle(ctx context.Context, r bot.Request)           { f(ctx, r.Answer) }
func (handlerFunc) Press(context.Context, bot.Press)                      {}
func (handlerFunc) Submit(context.Context, bot.Submission)                {}
func (handlerFunc) Complete(context.Context, bot.Completion) []bot.Choice { return nil }

// TestAlertsFireOnTheRunningBinary: neither Slack nor the provider can be
// reached, what a process that was killed owes is stuck, and the policy is
// spoilt meanwhile.
func TestAlertsFireOnTheRunningBinary(t *testing.T) {
	r := newRig(t)
	require.True(t, r.run("after_intent", "ana: vm start 4009"))
	policy := filepath.Join(r.dir, "policies.yaml")
	require.NoError(t, os.WriteFile(policy, examplePolicy, 0o600))
	r.sim.SetDown(true) // nor can the operation be settled
	p := r.start("", policy)
	p.healthy()
	require.NoError(t, os.WriteFile(policy, []byte("version: 1\npeople: 7\n"), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	var after map[string]float64
	require.Eventually(t, func() bool {
		code, text := p.ask("/metrics")
		if code != http.StatusOK {
			return false
		}
		after = series(t, text)
		return after[`hosterbot_policy_last_reload_successful{job="hosterbot",instance="a",}`] == 0 && after[`hosterbot_part_up{job="hosterbot",instance="a",part="HosterAPI"}`] == 0
	}, 20*time.Second, 10*time.Millisecond)
	before := make(map[string]float64)
	for name, is := range after {
		switch {
		case strings.HasPrefix(name, "hosterbot_part_up"), strings.HasPrefix(name, "hosterbot_ready"), strings.HasPrefix(name, "hosterbot_policy_last_reload_successful"):
			is = 1
		case strings.HasPrefix(name, "hosterbot_operations{"), strings.HasPrefix(name, "hosterbot_message_oldest_seconds"):
			is = 0
		}
		before[name] = is
	}
	oldest := `hosterbot_message_oldest_seconds{job="hosterbot",instance="a",}`
	require.Positive(t, after[oldest])
	after[oldest] += 600 // time goes by
	fires(t, before, after, false, "HosterbotAPIUnreachable", "HosterbotChatDown", "HosterbotNotReady", "HosterbotMessagesStuck", "HosterbotPolicyReloadFailed", "HosterbotOutcomeUnknown")

	after[`up{job="hosterbot",instance="a"}`] = 0
	reconnects := `hosterbot_chat_reconnects_total{job="hosterbot",instance="a",chat="slack"}`
	require.Contains(t, after, reconnects)
	after[reconnects] += 2
	fires(t, before, after, true, "HosterbotDown", "HosterbotAPIUnreachable", "HosterbotChatFlapping",
		"HosterbotChatDown", "HosterbotNotReady", "HosterbotMessagesStuck", "HosterbotPolicyReloadFailed", "HosterbotOutcomeUnknown")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.wait(), p.text())
}
