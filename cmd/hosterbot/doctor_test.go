package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands/hoster/hostersim"
	"hosterbot/store"
)

// healthyEnv are settings with which everything works but for Slack, which
// cannot be reached.
func healthyEnv(t *testing.T) map[string]string {
	t.Helper()
	sim := httptest.NewServer(hostersim.New(hostersim.Options{Token: simToken, Seed: 1}))
	t.Cleanup(sim.Close)
	return map[string]string{
		"HOSTERAPI_URL": sim.URL, "HOSTERAPI_TOKEN": simToken, "HOSTERBOT_AUDIT_KEY": "key-canary",
		"HOSTERBOT_STORE": "bolt:" + filepath.Join(t.TempDir(), "s.db"), "HOSTERBOT_POLICY": "../../policies.yaml",
		"SLACK_BOT_TOKEN": "xoxb-canary", "SLACK_APP_TOKEN": "xapp-canary", "SLACK_API_URL": "http://127.0.0.1:1/",
	}
}

func TestDoctorSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string
		want []string
	}{
		"all but Slack": {nil, []string{
			"ok   settings: ", "ok   policy: ../../policies.yaml: 4 people, ", "ok   store: ", "ok   clock: ", "ok   HOSTERAPI_TOKEN: HosterAPI takes it, 5 VMs",
			"FAIL SLACK_BOT_TOKEN: Slack cannot be asked (", "look at the network, a proxy and SLACK_API_URL",
			"FAIL channel slack:T01TEAM/C0OPS: ", "FAIL group oncall: ", "ok   other chats: the policy also names discord:",
		}},
		"Discord": {map[string]string{
			"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": "", "DISCORD_BOT_TOKEN": "discord-canary", "DISCORD_GUILD_ID": "300000000000000001", "DISCORD_API_URL": "http://127.0.0.1:1/",
		}, []string{
			"ok   settings: ", "FAIL DISCORD_BOT_TOKEN: no answer from Discord (", "look at the network, a proxy and DISCORD_API_URL", "FAIL Discord application: ",
			"FAIL Discord server 300000000000000001: ", "FAIL channel discord:300000000000000001/400000000000000001: ", "ok   other chats: the policy also names slack:",
		}},
		"settings":        {map[string]string{"HOSTERBOT_LOG": "loud", "HOSTERBOT_LISTEN": "x"}, []string{`FAIL HOSTERBOT_LOG: is "loud": expected debug`, `FAIL HOSTERBOT_LISTEN: is "x"`}},
		"refused token":   {map[string]string{"HOSTERAPI_TOKEN": "token-canary"}, []string{"FAIL HOSTERAPI_TOKEN: HosterAPI refuses it: make a new one"}},
		"no API":          {map[string]string{"HOSTERAPI_URL": "http://127.0.0.1:1"}, []string{"FAIL HOSTERAPI_TOKEN: HosterAPI does not answer at http://127.0.0.1:1", "FAIL clock: cannot be compared"}},
		"bad policy":      {map[string]string{"HOSTERBOT_POLICY": "testdata/chats/broken.yaml"}, []string{"FAIL policy: testdata/chats/broken.yaml:5:14: ", "2 problems more: hosterbot policy check testdata/chats/broken.yaml"}},
		"no policy":       {map[string]string{"HOSTERBOT_POLICY": "none.yaml"}, []string{"FAIL policy: "}},
		"no folder":       {map[string]string{"HOSTERBOT_STORE": "bolt:/nonesuch/s.db"}, []string{"FAIL store: no file can be made in /nonesuch", "make the folder"}},
		"no chat":         {map[string]string{"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""}, []string{"FAIL chats: no chat is set: set SLACK_BOT_TOKEN"}},
		"wrong tokens":    {map[string]string{"SLACK_BOT_TOKEN": "xoxp-canary"}, []string{"FAIL chats: SLACK_BOT_TOKEN: expected a bot token, xoxb-..."}},
		"audit elsewhere": {map[string]string{"HOSTERBOT_AUDIT_CHANNEL": "discord:12345/67890"}, []string{`FAIL HOSTERBOT_AUDIT_CHANNEL: `}},
	} {
		t.Run(name, func(t *testing.T) {
			env := healthyEnv(t)
			for k, v := range c.set {
				env[k] = v
			}
			out, code := command(t, env, "doctor")
			require.Equal(t, exitFailed, code, out)
			for _, want := range c.want {
				require.Contains(t, out, want)
			}
			for _, secret := range []string{"canary", simToken} {
				require.NotContains(t, out, secret)
			}
			lines := strings.Split(strings.TrimSpace(out), "\n")
			require.Regexp(t, `^\d+ of \d+ checks failed: mend what they say, and run it again$`, lines[len(lines)-1])
			for _, line := range lines[:len(lines)-1] {
				require.Regexp(t, `^(ok  |FAIL) [^:]+.*: .+`, line)
			}
		})
	}
}

func TestDoctorKnowsTheStore(t *testing.T) {
	env := healthyEnv(t)
	doctor := func() string {
		out, _ := command(t, env, "doctor")
		for line := range strings.Lines(out) {
			if strings.Contains(line, " store: ") {
				return line
			}
		}
		return out
	}
	require.Contains(t, doctor(), "ok   store: ")
	_, err := os.Stat(strings.TrimPrefix(env["HOSTERBOT_STORE"], "bolt:"))
	require.ErrorIs(t, err, os.ErrNotExist, "it only looks")

	script := filepath.Join(t.TempDir(), "s.txt")
	require.NoError(t, os.WriteFile(script, []byte("ana: vm start 4009\nwait 1\n"), 0o600))
	out, code := command(t, nil, "demo", "--script", script, "--store", env["HOSTERBOT_STORE"])
	require.Equal(t, exitFine, code, out)
	require.Contains(t, doctor(), "FAIL store: HOSTERBOT_AUDIT_KEY is not the key of this store")
	env["HOSTERBOT_AUDIT_KEY"] = demoKey
	require.Contains(t, doctor(), "and HOSTERBOT_AUDIT_KEY fits")

	held, err := store.Open(env["HOSTERBOT_STORE"], store.Options{AuditKey: []byte(demoKey)})
	require.NoError(t, err)
	defer held.Close()
	require.Contains(t, doctor(), "FAIL store: ", "who holds it does not answer")
	stop, err := serveStore(env["HOSTERBOT_STORE"], held)
	require.NoError(t, err)
	defer stop()
	require.Contains(t, doctor(), "ok   store: "+strings.TrimPrefix(env["HOSTERBOT_STORE"], "bolt:")+": a bot runs on it\n")
	stop()
	stop, err = serveStore(env["HOSTERBOT_STORE"], fullStore{held})
	require.NoError(t, err)
	defer stop()
	require.Contains(t, doctor(), "FAIL store: a bot runs on it, and it takes no writes (only 3 MB of disk are free): free disk, 100 MB at least")
}

// fullStore takes no writes.
type fullStore struct{ bot.Store }

func (fullStore) Ping(context.Context, time.Time) error {
	return errors.New("only 3 MB of disk are free")
}

// TestDoctorSeesAStoreThatRunRefuses: what ends a start with 73 is no "all ok".
func TestDoctorSeesAStoreThatRunRefuses(t *testing.T) {
	env := healthyEnv(t)
	path, copied := strings.TrimPrefix(env["HOSTERBOT_STORE"], "bolt:"), filepath.Join(t.TempDir(), "copy.db")
	env["HOSTERBOT_AUDIT_KEY"] = "k"
	add := func() {
		st, err := store.Open(env["HOSTERBOT_STORE"], store.Options{AuditKey: []byte("k")})
		require.NoError(t, err)
		require.NoError(t, st.Append(t.Context(), time.Now(), "", bot.Written{Audit: []bot.Record{{Kind: "read"}}}))
		require.NoError(t, st.Close())
	}
	add()
	out, code := command(t, env, "store", "backup", copied)
	require.Equal(t, exitFine, code, out)
	add()
	out, _ = command(t, env, "doctor")
	require.Contains(t, out, "ok   store: ")
	out, code = command(t, env, "store", "restore", copied)
	require.Equal(t, exitFine, code, out)
	out, code = command(t, env, "doctor")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, "FAIL store: "+path+" is older than it was: a backup was restored that ends with audit record 1, and the store before it had come to record 2. If that is meant, start it once with hosterbot run --accept-rollback")

	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 10_000), 0o600))
	out, code = command(t, env, "doctor")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, "damaged: ")
	require.Contains(t, out, "restore the last backup with hosterbot store restore FILE")
	out, code = command(t, env, "run")
	require.Equal(t, exitStore, code, out)
	require.Contains(t, out, "restore the last backup with hosterbot store restore FILE")
}

func TestDoctorTakesAnOlderStore(t *testing.T) {
	env := healthyEnv(t)
	data, err := os.ReadFile("../../store/bolt/testdata/schema1.db")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(strings.TrimPrefix(env["HOSTERBOT_STORE"], "bolt:"), data, 0o600))
	out, _ := command(t, env, "doctor")
	require.Contains(t, out, "is of an older hosterbot: the next hosterbot run migrates it")
}

func TestDoctorSeesAWrongClock(t *testing.T) {
	for name, c := range map[string]struct {
		date string
		want string
	}{
		"right":     {time.Now().UTC().Format(http.TimeFormat), ""},
		"an hour":   {time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), "set-ntp true"},
		"the other": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "set-ntp true"},
		"none":      {"soon", "has no Date"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Error("the token went along")
				}
				w.Header().Set("Date", c.date)
			}))
			defer s.Close()
			text, err := examineClock(s.URL).Run(t.Context())
			if c.want == "" {
				require.NoError(t, err)
				require.NotEmpty(t, text)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
