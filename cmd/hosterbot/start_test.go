//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// TestAnAPIThatIsDownAtTheStartIsDegraded: the built bot, before anybody has
// asked for anything, and /metrics as well.
func TestAnAPIThatIsDownAtTheStartIsDegraded(t *testing.T) {
	r := newRig(t)
	policy := filepath.Join(r.dir, "policies.yaml")
	require.NoError(t, os.WriteFile(policy, examplePolicy, 0o600))
	r.server.Close() // its port is closed from now on
	p := r.start("", policy)
	p.healthy()
	var answer ready
	require.Eventually(t, func() bool {
		code, body := p.ask("/readyz")
		require.Equal(t, http.StatusServiceUnavailable, code, "the chat cannot be reached")
		answer = ready{}
		require.NoError(t, json.Unmarshal([]byte(body), &answer), body)
		return answer.Degraded["HosterAPI"] != ""
	}, 20*time.Second, 20*time.Millisecond, p.text())
	require.Contains(t, answer.Degraded["HosterAPI"], "does not answer")
	require.Contains(t, answer.Down, "slack")
	require.NotContains(t, answer.Down, "HosterAPI", "it is no reason not to be ready")

	code, text := p.ask("/metrics")
	require.Equal(t, http.StatusOK, code)
	for _, want := range []string{`hosterbot_part_up{part="HosterAPI"} 0`, `hosterbot_part_up{part="slack"} 0`, "hosterbot_ready 0", `hosterbot_chat_reconnects_total{chat="slack"} 0`} {
		require.True(t, strings.Contains(text, want+"\n"), want)
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.wait(), p.text())
	require.NotContains(t, p.text()+text, "canary")
}

// TestAnAnchorIsAlwaysLogged, as an info that is no trouble, however little the
// log is asked to hold.
func TestAnAnchorIsAlwaysLogged(t *testing.T) {
	for format, want := range map[string]string{"text": `level=INFO msg="audit-anchor 1"`, "json": `"level":"INFO","msg":"audit-anchor 1"`} {
		var out strings.Builder
		cfg := config{settings: settings{LogFormat: format}, level: slog.LevelError}
		log := cfg.logger(&program{err: &out})
		log.Info("too little")
		log.Warn("too little")
		log.Log(t.Context(), bot.LevelAlways, "audit-anchor 1")
		require.Contains(t, out.String(), want)
		require.NotContains(t, out.String(), "too little")
	}
}

// TestARequestIsOneLineOfTheLog with the number of its operation, in the form
// that the settings ask for.
func TestARequestIsOneLineOfTheLog(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			var out strings.Builder
			cfg := config{settings: settings{LogFormat: format}}
			log := cfg.logger(&program{err: &out})
			s := newScene(t, "", func(d *demo) { d.parts.log = log })
			s.play("ana: vm list", "ana: vm delete 4009", "ana: press Confirm", `ana: fill reason="canary-reason" target=4009`, "dia: press Approve", "wait 1", "ana: vm lst canary-typed", "eve: vm list")
			var lines []string
			for in := bufio.NewScanner(strings.NewReader(out.String())); in.Scan(); {
				if strings.Contains(in.Text(), "msg=request") || strings.Contains(in.Text(), `"msg":"request"`) {
					lines = append(lines, in.Text())
				}
			}
			require.NotContains(t, out.String(), "canary")
			if format == "text" {
				require.Len(t, lines, 7, out.String())
				require.Regexp(t, `kind=command command="vm list" outcome=handled person=ana platform=demo took=\S+$`, lines[0])
				require.Regexp(t, `command="vm delete" outcome=handled person=ana .* op=1$`, lines[1])
				require.Regexp(t, `kind=button command=confirm .* op=1$`, lines[2])
				require.Regexp(t, `kind=form command=confirm .* op=1$`, lines[3])
				require.Regexp(t, `kind=button command=approve outcome=handled person=dia .* op=1$`, lines[4])
				require.Contains(t, lines[5], "outcome=invalid")
				require.Contains(t, lines[6], "outcome=stranger person=demo:eve")
				return
			}
			for _, line := range lines {
				var fields map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &fields))
				require.Contains(t, fields, "outcome")
			}
			require.Len(t, lines, 7)
		})
	}
}
