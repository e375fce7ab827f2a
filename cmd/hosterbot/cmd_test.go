package main

import (
	"bytes"
	"context"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/store"
)

// good are settings that are right but for the chats, which are none.
func good() map[string]string {
	return map[string]string{"HOSTERAPI_TOKEN": "token-canary", "HOSTERBOT_AUDIT_KEY": "key-canary", "HOSTERAPI_URL": "http://127.0.0.1:1"}
}

func TestBadSettingsAreNamedWithValueAndExpectation(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string
		args []string
		want string
	}{
		"no token":            {map[string]string{"HOSTERAPI_TOKEN": ""}, nil, "HOSTERAPI_TOKEN is not set"},
		"no audit key":        {map[string]string{"HOSTERBOT_AUDIT_KEY": ""}, nil, "HOSTERBOT_AUDIT_KEY is not set"},
		"both ways":           {map[string]string{"HOSTERAPI_TOKEN_FILE": "/x"}, nil, "HOSTERAPI_TOKEN and HOSTERAPI_TOKEN_FILE are both set"},
		"no such file":        {map[string]string{"HOSTERAPI_TOKEN": "", "HOSTERAPI_TOKEN_FILE": "/none"}, nil, `HOSTERAPI_TOKEN_FILE is "/none"`},
		"http to the world":   {map[string]string{"HOSTERAPI_URL": "http://example.com"}, nil, `HOSTERAPI_URL is "http://example.com": expected https, or http on loopback`},
		"no URL":              {map[string]string{"HOSTERAPI_URL": "example"}, nil, `HOSTERAPI_URL is "example": expected an address`},
		"a password in a URL": {map[string]string{"SLACK_API_URL": "https://a:hunter2@x"}, nil, "SLACK_API_URL is \"(not shown)\""},
		"store":               {map[string]string{"HOSTERBOT_STORE": "mysql:user:hunter2@x"}, nil, `HOSTERBOT_STORE is "mysql:…": expected bolt:PATH`},
		"store, too long":     {map[string]string{"HOSTERBOT_STORE": "bolt:/tmp/" + strings.Repeat("x", 98)}, nil, "since a socket has its place beside the store"},
		"token with a blank":  {map[string]string{"HOSTERAPI_TOKEN": "canary two", "SLACK_BOT_TOKEN": "xoxb-canary", "SLACK_APP_TOKEN": "xapp-canary"}, nil, "HOSTERAPI_TOKEN holds a blank"},
		"listen":              {map[string]string{"HOSTERBOT_LISTEN": "8080"}, nil, `HOSTERBOT_LISTEN is "8080": expected HOST:PORT`},
		"port":                {map[string]string{"HOSTERBOT_LISTEN": ":99999"}, nil, `HOSTERBOT_LISTEN is ":99999"`},
		"log":                 {map[string]string{"HOSTERBOT_LOG": "loud"}, nil, `HOSTERBOT_LOG is "loud": expected debug, info, warn or error`},
		"log format":          {map[string]string{"HOSTERBOT_LOG_FORMAT": "xml"}, nil, `HOSTERBOT_LOG_FORMAT is "xml": expected text or json`},
		"rate":                {map[string]string{"HOSTERBOT_API_RATE": "0"}, nil, `HOSTERBOT_API_RATE is "0": expected a number from 0.1 to 100000`},
		"rate, not a number":  {map[string]string{"HOSTERBOT_API_RATE": "NaN"}, nil, `HOSTERBOT_API_RATE is "NaN"`},
		"scale":               {map[string]string{"HOSTERBOT_TIME_SCALE": "2"}, nil, `HOSTERBOT_TIME_SCALE is "2": expected a number from 0.001 to 1`},
		"scale and the world": {map[string]string{"HOSTERBOT_TIME_SCALE": "0.1", "HOSTERAPI_URL": "https://example.com"}, nil, `HOSTERBOT_TIME_SCALE is "0.1": expected 1, unless HOSTERAPI_URL is on loopback`},
		"audit channel":       {map[string]string{"HOSTERBOT_AUDIT_CHANNEL": "#ops"}, nil, `HOSTERBOT_AUDIT_CHANNEL is "#ops": expected slack:TEAM/CHANNEL`},
		"guild missing":       {map[string]string{"DISCORD_BOT_TOKEN": "d-canary"}, nil, "DISCORD_GUILD_ID is not set"},
		"mode":                {map[string]string{"DISCORD_MODE": "poll"}, nil, `DISCORD_MODE is "poll": expected gateway or http`},
		"public key missing":  {map[string]string{"DISCORD_MODE": "http"}, nil, "DISCORD_PUBLIC_KEY is not set: expected it, since DISCORD_MODE is http"},
		"public key":          {map[string]string{"DISCORD_PUBLIC_KEY": "abc"}, nil, `DISCORD_PUBLIC_KEY is "abc": expected 64 hexadecimal digits`},
		"chat listen missing": {map[string]string{"DISCORD_MODE": "http", "DISCORD_PUBLIC_KEY": strings.Repeat("ab", 32)}, nil, "HOSTERBOT_CHAT_LISTEN is not set"},
		"guild":               {map[string]string{"DISCORD_BOT_TOKEN": "d-canary", "DISCORD_GUILD_ID": "ops"}, nil, `DISCORD_GUILD_ID is "ops": expected guild IDs`},
		"token with a word":   {map[string]string{"DISCORD_BOT_TOKEN": "Bot canary", "DISCORD_GUILD_ID": "300000000000000001"}, nil, "DISCORD_BOT_TOKEN: expected a bot's token"},
		"no policy":           {map[string]string{"HOSTERBOT_POLICY": "/none.yaml"}, nil, `HOSTERBOT_POLICY is "/none.yaml": read policy: open /none.yaml: no such file`},
		"by flag":             {nil, []string{"--log", "loud"}, `HOSTERBOT_LOG is "loud"`},
		"no chat":             {nil, nil, "no chat is set"},
	} {
		t.Run(name, func(t *testing.T) {
			env := good()
			env["HOSTERBOT_STORE"] = "bolt:" + filepath.Join(t.TempDir(), "s.db")
			env["HOSTERBOT_POLICY"] = "../../policies.yaml"
			for k, v := range c.set {
				env[k] = v
			}
			out, code := command(t, env, append([]string{"run"}, c.args...)...)
			require.Equal(t, exitConfig, code, out)
			require.Contains(t, out, c.want)
			for _, secret := range []string{"canary", "hunter2"} {
				require.NotContains(t, out, secret)
			}
		})
	}
}

func TestAllBadSettingsAreSaidAtOnce(t *testing.T) {
	out, code := command(t, map[string]string{"HOSTERBOT_LOG": "loud", "HOSTERBOT_LISTEN": "x"}, "run")
	require.Equal(t, exitConfig, code)
	for _, want := range []string{"HOSTERAPI_TOKEN", "HOSTERBOT_AUDIT_KEY", "HOSTERBOT_LOG", "HOSTERBOT_LISTEN"} {
		require.Contains(t, out, want)
	}
}

func TestABrokenPolicyIsShownWholeAndEndsTheStart(t *testing.T) {
	env := good()
	env["HOSTERBOT_POLICY"] = "testdata/chats/broken.yaml"
	env["HOSTERBOT_STORE"] = "bolt:" + filepath.Join(t.TempDir(), "s.db")
	for _, args := range [][]string{{"run"}, {"demo", "--policy", "testdata/chats/broken.yaml", "--script", os.DevNull}} {
		out, code := command(t, env, args...)
		require.Equal(t, exitConfig, code, out)
		for _, want := range []string{"broken.yaml:5:14:", "broken.yaml:7:20:", "broken.yaml:9:37:"} {
			require.Contains(t, out, want)
		}
	}
}

func TestReadyzNamesWhatIsDownAndWhatIsDegraded(t *testing.T) {
	parts := []bot.Health{{Name: "store", OK: true, Fatal: true}, {Name: "HosterAPI", Text: "does not answer"}}
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		health(func(context.Context) []bot.Health { return parts }).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	code, body := ask("/readyz")
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"ready": true, "degraded": {"HosterAPI": "does not answer"}}`, body)
	parts[0].OK, parts[0].Text = false, "full"
	code, body = ask("/readyz")
	require.Equal(t, 503, code)
	require.JSONEq(t, `{"ready": false, "down": {"store": "full"}, "degraded": {"HosterAPI": "does not answer"}}`, body)
	code, _ = ask("/healthz")
	require.Equal(t, 200, code)
	code, _ = ask("/")
	require.Equal(t, 404, code)
}

func TestWrongUsageIs64(t *testing.T) {
	for _, args := range [][]string{{"fly"}, {"run", "--fly"}, {"policy"}, {"policy", "check"}, {"demo", "x"}, {"store", "backup"}} {
		out, code := command(t, nil, args...)
		require.Equal(t, exitUsage, code, "%v: %s", args, out)
		require.Contains(t, out, "Try: hosterbot --help")
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"run", "--help"}, {"version"}} {
		out, code := command(t, nil, args...)
		require.Equal(t, exitFine, code, out)
		require.NotEmpty(t, out)
	}
}

func TestPolicyCommands(t *testing.T) {
	out, code := command(t, nil, "policy", "check", "../../policies.yaml")
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "policies.yaml: fine: ")

	out, code = command(t, nil, "policy", "check", "testdata/chats/broken.yaml")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "testdata/chats/broken.yaml:5:14: unknown person `bob`")
	require.Contains(t, out, "3 problems")

	out, code = command(t, nil, "policy", "check", "none.yaml")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "none.yaml")

	out, code = command(t, nil, "policy", "test", "../../policies.yaml")
	require.Equal(t, exitFine, code, out)
	require.Regexp(t, `(?m)^ok   \.\./\.\./policies\.yaml:\d+: ben: vm delete 4009: deny$`, out)
	require.Regexp(t, `(?m)^\d+ passed, 0 failed$`, out)
}

func TestPolicyTestShowsWhatDecided(t *testing.T) {
	data, err := os.ReadFile("testdata/chats/strict.yaml")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(file, append(data, []byte("tests:\n  - {as: ana, run: \"vm delete 4009\", in: slack:T01TEAM/C0OPS, expect: deny}\n")...), 0o600))
	out, code := command(t, nil, "policy", "test", file)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "FAIL")
	require.Contains(t, out, "decided by guard loss")
	require.Contains(t, out, "0 passed, 1 failed")
	out, code = command(t, nil, "policy", "check", file)
	require.Equal(t, exitFailed, code, out)
}

func TestPolicyExplain(t *testing.T) {
	explain := func(args ...string) (string, int) {
		return command(t, nil, append([]string{"policy", "explain", "../../policies.yaml"}, args...)...)
	}
	out, code := explain("--as", "ana", "vm", "delete", "4001", "--force")
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "prod-two")

	out, code = explain("--as", "ben", "--in", "slack:T01TEAM/C0OPS", "vm reboot 4001")
	require.Equal(t, exitFine, code, "a denial is a decision: %s", out)
	require.Contains(t, out, "prod-stays")

	out, code = explain("--as", "ana", "--at", "2026-12-25T12:00:00Z", "vm", "delete", "4009")
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "year-end")

	out, code = explain("--as", "ana", "dedicated", "order", "9", "--template", "x")
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "depends on price")
	out, code = explain("--as", "ana", "--price", "151", "dedicated", "order", "9", "--template", "x")
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "purse")

	for _, args := range [][]string{
		{"--as", "zoe", "vm", "list"}, {"--as", "ana", "vm", "lst"}, {"--as", "ana", "--in", "ops", "vm", "list"},
		{"--as", "ana", "--at", "noon", "vm", "list"}, {"--as", "ana", "--member", "leads", "vm", "list"},
	} {
		out, code = explain(args...)
		require.Equal(t, exitFailed, code, "%v: %s", args, out)
	}
}

func TestStoreInUseIs73Within2s(t *testing.T) {
	address := "bolt:" + filepath.Join(t.TempDir(), "s.db")
	held, err := store.Open(address, store.Options{AuditKey: []byte("k")})
	require.NoError(t, err)
	defer held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var out bytes.Buffer
	p := &program{in: os.Stdin, out: &out, err: &out, env: func(string) string { return "" }}
	code := p.main(ctx, []string{"demo", "--script", os.DevNull, "--store", address})
	require.NoError(t, ctx.Err(), "it took more than 2 s")
	require.Equal(t, exitStore, code, out.String())
	require.Contains(t, out.String(), "is another hosterbot running?")
}

func TestAStoreInNoFolderNamesItsSetting(t *testing.T) {
	out, code := command(t, nil, "demo", "--script", os.DevNull, "--store", "bolt:"+filepath.Join(t.TempDir(), "none", "s.db"))
	require.Equal(t, exitStore, code, out)
	require.Contains(t, out, "no such file or directory: make the folder, or set HOSTERBOT_STORE to another")
}

func TestStoreCommands(t *testing.T) {
	dir := t.TempDir()
	address, copied := "bolt:"+filepath.Join(dir, "s.db"), filepath.Join(dir, "copy.db")
	env := map[string]string{"HOSTERBOT_STORE": address, "HOSTERBOT_AUDIT_KEY": "demo: not a secret"}
	out, code := command(t, env, "store", "check")
	require.Equal(t, exitStore, code, out)

	script := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("ana: vm start 4009\nwait 1\n"), 0o600))
	out, code = command(t, nil, "demo", "--script", script, "--store", address)
	require.Equal(t, exitFine, code, out)

	out, code = command(t, env, "store", "check")
	require.Equal(t, exitFine, code, out)
	out, code = command(t, env, "store", "backup", copied)
	require.Equal(t, exitFine, code, out)
	out, code = command(t, env, "store", "backup", copied)
	require.Equal(t, exitFailed, code, "it must not be overwritten: %s", out)

	out, code = command(t, env, "store", "backup", filepath.Join(dir, "none", "copy.db"))
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, "no file can be made in "+filepath.Join(dir, "none")+" (no such file or directory): make the folder, or name another")

	held, err := store.Open(address, store.Options{AuditKey: []byte(env["HOSTERBOT_AUDIT_KEY"])})
	require.NoError(t, err)
	out, code = command(t, env, "store", "restore", copied)
	require.Equal(t, exitStore, code, out)

	stop, err := serveStore(address, held)
	require.NoError(t, err)
	hot := filepath.Join(dir, "hot.db")
	out, code = command(t, env, "store", "backup", hot)
	require.Equal(t, exitFine, code, "through the running bot: %s", out)
	out, code = command(t, env, "store", "check")
	require.Equal(t, exitFine, code, "through the running bot: %s", out)
	info, err := os.Stat(socketOf(address))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	stop()
	require.NoError(t, held.Close())

	out, code = command(t, env, "store", "restore", hot)
	require.Equal(t, exitFine, code, out)
	out, code = command(t, env, "store", "check")
	require.Equal(t, exitFine, code, out)
}

func TestDemoRefusesAnAPIThatIsNotOnLoopback(t *testing.T) {
	out, code := command(t, nil, "demo", "--api", "https://reseller.hosterapi.de", "--script", os.DevNull)
	require.Equal(t, exitConfig, code)
	require.Contains(t, out, "loopback")
}

func TestScriptThatCannotRunEndsWith1AndNamesTheLine(t *testing.T) {
	script := filepath.Join(t.TempDir(), "s.txt")
	require.NoError(t, os.WriteFile(script, []byte("ana: vm list\nana: press Approve\n"), 0o600))
	out, code := command(t, nil, "demo", "--script", script)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, `s.txt:2: ana: press Approve: ana sees no button "Approve"`)
}

func TestDemoRunsWhileTheAPIIsDown(t *testing.T) {
	script := filepath.Join(t.TempDir(), "s.txt")
	require.NoError(t, os.WriteFile(script, []byte("ana: vm list\nana: status\n"), 0o600))
	out, code := command(t, nil, "demo", "--api", "http://127.0.0.1:1", "--script", script)
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "The provider does not answer")
	require.Regexp(t, `HosterAPI +degraded|HosterAPI  State: degraded`, out)
}

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generated(func(name string) ([]byte, error) { return os.ReadFile(filepath.Join("..", "..", name)) })
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s is stale: run make docs", name)
	}
}

// TestREADMENamesFilesThatExist: the request that README follows through the
// files, and every link in it.
// TestREADMEQuotesWhatIsSaid: who looks for what he sees finds its row.
func TestREADMEQuotesWhatIsSaid(t *testing.T) {
	var sources strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			var text []byte
			text, err = os.ReadFile(path)
			sources.Write(text)
		}
		return err
	})
	require.NoError(t, err)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(readme), "| you see | do |")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	seen := 0
	for row := range strings.Lines(table) {
		what, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, quoted := range regexp.MustCompile("\"([^\"]+)\"|ends with 7[38], `([^`]+)`").FindAllStringSubmatch(what, -1) {
			text := strings.TrimSuffix(quoted[1]+quoted[2], "operation N") // whose number it is
			require.True(t, strings.Contains(sources.String(), text), "nobody ever sees: %s", text)
			seen++
		}
	}
	require.Greater(t, seen, 12)
}

func TestREADMENamesFilesThatExist(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`([a-z]+/[a-z/_]+(?:\\.[a-z]+)?/?)`|\\]\\(([^)#:]+)\\)").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(names), 20)
	for _, n := range names {
		name := n[1] + n[2]
		_, err := os.Stat(filepath.Join("..", "..", strings.TrimSuffix(name, "/")))
		require.NoError(t, err, "README names %s", name)
	}
}
