package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/store"
)

// auditStore is a store with an audit log of five records, of a day each, and
// the settings that reach it.
func auditStore(t *testing.T) (path string, env map[string]string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s.db")
	env = map[string]string{"HOSTERBOT_STORE": "bolt:" + path, "HOSTERBOT_AUDIT_KEY": "k"}
	st := openAudit(t, path)
	for i, text := range []string{"one", "=HYPERLINK(1)", "three, \"quoted\"\n<&>", "four", "five"} {
		r := bot.Record{Time: time.Date(2026, 11, 21+i, 12, 0, 0, 0, time.UTC), Kind: "read", Op: int64(i), Person: "ana", Command: "vm show", Text: text}
		r.Args = bot.Args{{Name: "vm", Value: "4001"}, {Name: "size", Value: "1 GB"}}
		require.NoError(t, st.Append(t.Context(), r.Time, "", bot.Written{Audit: []bot.Record{r}}))
	}
	require.NoError(t, st.Close())
	return path, env
}

func openAudit(t *testing.T, path string) bot.Store {
	t.Helper()
	st, err := store.Open("bolt:"+path, store.Options{AuditKey: []byte("k")})
	require.NoError(t, err)
	return st
}

// heads are the numbers and MACs of a store's records, as anchors.
func heads(t *testing.T, env map[string]string) []bot.Anchor {
	t.Helper()
	out, code := command(t, env, "audit", "export")
	require.Equal(t, exitFine, code, out)
	var all []bot.Anchor
	for in := bufio.NewScanner(strings.NewReader(out)); in.Scan(); {
		var r struct {
			Seq uint64
			MAC string
		}
		require.NoError(t, json.Unmarshal(in.Bytes(), &r))
		all = append(all, bot.Anchor{Seq: r.Seq, MAC: r.MAC, Count: r.Seq})
	}
	return all
}

func TestAuditVerify(t *testing.T) {
	path, env := auditStore(t)
	last := heads(t, env)[4]
	whole := "5 records, whole; head 5 " + last.MAC + "\n"
	out, code := command(t, env, "audit", "verify")
	require.Equal(t, exitFine, code, out)
	require.Equal(t, whole, out)

	held := openAudit(t, path)
	out, code = command(t, env, "audit", "verify")
	require.Equal(t, exitStore, code, "held, and there is nobody to ask: %s", out)
	stop, err := serveStore(env["HOSTERBOT_STORE"], held)
	require.NoError(t, err)
	out, code = command(t, env, "audit", "verify")
	require.Equal(t, exitFine, code, out)
	require.Equal(t, whole, out, "through the running bot")
	other := map[string]string{"HOSTERBOT_STORE": env["HOSTERBOT_STORE"], "HOSTERBOT_AUDIT_KEY": "other-canary"}
	for range 2 {
		out, code = command(t, other, "audit", "verify")
		require.Equal(t, exitFailed, code)
		require.Equal(t, "hosterbot: the audit log is not whole: no record verifies: is HOSTERBOT_AUDIT_KEY the right one?\n", out)
		if stop != nil {
			stop()
			require.NoError(t, held.Close())
			stop = nil
		}
	}
	other["HOSTERBOT_AUDIT_KEY"] = ""
	out, code = command(t, other, "audit", "verify")
	require.Equal(t, exitConfig, code)
	require.Contains(t, out, "HOSTERBOT_AUDIT_KEY is not set")
	other["HOSTERBOT_STORE"] += "x"
	out, code = command(t, other, "audit", "export")
	require.Equal(t, exitStore, code)
	require.Contains(t, out, "there is no store at")
	require.NoFileExists(t, path+"x")
}

func TestAuditVerifyOfNoRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	require.NoError(t, openAudit(t, path).Close())
	env := map[string]string{"HOSTERBOT_STORE": "bolt:" + path, "HOSTERBOT_AUDIT_KEY": "k"}
	out, code := command(t, env, "audit", "verify")
	require.Equal(t, exitFine, code, out)
	require.Equal(t, "0 records, whole; head 0 -\n", out)
	out, code = command(t, env, "audit", "export")
	require.Equal(t, exitFine, code)
	require.Empty(t, out)
}

func TestAuditVerifyFindsAFlippedByteInTheFile(t *testing.T) {
	path, env := auditStore(t)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(file, []byte(`"text":"four"`), []byte(`"text":"fbur"`)), 0o600))
	out, code := command(t, env, "audit", "verify")
	require.Equal(t, exitFailed, code)
	require.Equal(t, "hosterbot: the audit log is not whole: record 4 (2026-11-24 12:00:00 UTC) was changed, or sealed with another key\n", out)
	out, code = command(t, env, "store", "check")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "audit record 4")
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(file, []byte(`"seq":3,`), []byte("\"seq\":\n,")), 0o600))
	out, code = command(t, env, "audit", "export")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "audit record 3: ")
	require.Contains(t, out, "hosterbot audit verify says more")
}

func TestAuditVerifyWithAnchors(t *testing.T) {
	path, env := auditStore(t)
	all := heads(t, env)
	dir := t.TempDir()
	old := filepath.Join(dir, "old.db")
	out, code := command(t, env, "store", "backup", old)
	require.Equal(t, exitFine, code, out)
	st := openAudit(t, path)
	require.NoError(t, st.Append(t.Context(), time.Now(), "", bot.Written{Audit: []bot.Record{{Kind: "read"}}}))
	require.NoError(t, st.Close())
	newest := heads(t, env)[5]
	oldEnv := map[string]string{"HOSTERBOT_STORE": "bolt:" + old, "HOSTERBOT_AUDIT_KEY": "k"}
	file := func(text string) string {
		name := filepath.Join(dir, "anchors")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	log := "level=INFO msg=\"" + all[1].String() + "\"\nlevel=INFO msg=running\nlevel=INFO msg=\"" + newest.String() + "\"\n"
	forged := all[2]
	forged.MAC = all[1].MAC
	for name, tc := range map[string]struct {
		env  map[string]string
		text string
		code int
		want string
	}{
		"all there":        {env, log, exitFine, "6 records, whole; head 6 " + newest.MAC},
		"the tail is cut":  {oldEnv, log, exitFailed, "the tail is cut: the log ends with record 5 (2026-11-25 12:00:00 UTC), and an anchor names record 6"},
		"another MAC":      {env, forged.String(), exitFailed, "record 3 (2026-11-23 12:00:00 UTC) is not the one that was anchored"},
		"text without one": {env, "audit-anchor soon", exitFailed, "6 records, whole, but " + filepath.Join(dir, "anchors") + " holds no line with audit-anchor, so nothing shows whether newer records were cut off. The bot logs one every 64 records"},
	} {
		out, code := command(t, tc.env, "audit", "verify", "--anchors", file(tc.text))
		require.Equal(t, tc.code, code, "%s: %s", name, out)
		require.Contains(t, out, tc.want, name)
	}
	require.NoFileExists(t, old+".gen", "who looks makes nothing")
	out, code = command(t, env, "audit", "verify", "--anchors", "none")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "none: no such file")

	in, err := os.Open(file(log))
	require.NoError(t, err)
	defer in.Close()
	var printed bytes.Buffer
	p := &program{in: in, out: &printed, err: &printed, env: func(name string) string { return oldEnv[name] }}
	require.Equal(t, exitFailed, p.main(t.Context(), []string{"audit", "verify", "--anchors", "-", "--store", oldEnv["HOSTERBOT_STORE"]}), printed.String())
	require.Contains(t, printed.String(), "the tail is cut")
}

func TestAuditExport(t *testing.T) {
	path, env := auditStore(t)
	jsonl, code := command(t, env, "audit", "export")
	require.Equal(t, exitFine, code, jsonl)
	lines := strings.Split(strings.TrimSuffix(jsonl, "\n"), "\n")
	require.Len(t, lines, 5)
	chain := bot.NewChain([]byte("k"), nil)
	for i, line := range lines {
		at := strings.LastIndex(line, `,"mac":"`)
		mac := line[at+len(`,"mac":"`) : len(line)-2]
		require.True(t, chain.Add(bot.Sealed{Seq: uint64(i + 1), MAC: mac, Body: []byte(line[:at] + "}")}), line)
	}
	end, err := chain.End()
	require.NoError(t, err, "a line without its MAC is what was sealed")
	require.Equal(t, uint64(5), end.Count)

	table, code := command(t, env, "audit", "export", "--format", "csv")
	require.Equal(t, exitFine, code, table)
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 6)
	cell := func(row int, name string) string {
		for i, column := range rows[0] {
			if column == name {
				return rows[row][i]
			}
		}
		t.Fatal("no column " + name)
		return ""
	}
	require.Equal(t, "'=HYPERLINK(1)", cell(2, "text"))
	require.Equal(t, "three, \"quoted\"\n<&>", cell(3, "text"))
	require.Equal(t, "2026-11-22T12:00:00Z", cell(2, "time"))
	require.Equal(t, "vm=4001; size=1 GB", cell(2, "args"))
	require.Equal(t, "", cell(1, "op"), "0 is none")
	require.Equal(t, end.MAC, cell(5, "mac"))

	st := openAudit(t, path)
	defer st.Close()
	stop, err := serveStore(env["HOSTERBOT_STORE"], st)
	require.NoError(t, err)
	defer stop()
	for format, want := range map[string]string{"jsonl": jsonl, "csv": table} {
		out, code := command(t, env, "audit", "export", "--format", format)
		require.Equal(t, exitFine, code)
		require.Equal(t, want, out, "through the running bot")
	}
}

func TestCSVHasEveryFieldOfARecord(t *testing.T) {
	r := bot.Record{
		Seq: 1, Kind: "k", Op: 2, State: "s", Person: "p", Account: "a", Place: "pl", Command: "c", Target: "t", Args: bot.Args{{Name: "x"}}, Digest: "d",
		Decision: "de", Rule: "r", Line: 3, Policy: "po", Attempt: 4, Status: 5, Code: "co", Text: "te", BreakGlass: true, Count: 6, Prev: "pr", MAC: "m",
	}
	var out bytes.Buffer
	write, flush := csvLines(&out)
	require.NoError(t, write(nil, &r))
	require.NoError(t, flush())
	rows, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	require.NotContains(t, rows[1], "", "each column is filled")
	var fields map[string]any
	body, err := json.Marshal(r)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(body, &fields))
	for name := range fields {
		require.Contains(t, rows[0], name)
	}
	require.Len(t, rows[0], len(fields)+1, "and the MAC")
}

func TestAuditExportOfATime(t *testing.T) {
	_, env := auditStore(t)
	for _, tc := range []struct{ args, want string }{
		{"--since 2026-11-23", "345"},
		{"--until 2026-11-23", "123"},
		{"--since 2026-11-22 --until 2026-11-24", "234"},
		{"--since 2026-11-23T12:00:00Z", "345"},
		{"--since 2026-11-23T12:00:01Z", "45"},
		{"--until 2026-11-23T12:00:00Z", "12"},
		{"--since 2026-11-23T14:00:00+02:00 --until 2026-11-23T12:00:01Z", "3"},
		{"--since 2026-12-01", ""},
	} {
		out, code := command(t, env, append([]string{"audit", "export"}, strings.Fields(tc.args)...)...)
		require.Equal(t, exitFine, code, out)
		got := ""
		for in := bufio.NewScanner(strings.NewReader(out)); in.Scan(); {
			var r bot.Record
			require.NoError(t, json.Unmarshal(in.Bytes(), &r))
			got += string(rune('0' + r.Seq))
		}
		require.Equal(t, tc.want, got, tc.args)
	}
	for _, args := range []string{"--since yesterday", "--until 2026-13-01", "--format xml", "--limit 3"} {
		out, code := command(t, env, append([]string{"audit", "export"}, strings.Fields(args)...)...)
		require.Equal(t, exitUsage, code, out)
	}
}

func TestHalfAnAuditLogIsNotTakenForAll(t *testing.T) {
	path, env := auditStore(t)
	l, err := net.Listen("unix", socketOf(env["HOSTERBOT_STORE"]))
	require.NoError(t, err)
	answer := http.NotFound
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { _ = server.Serve(l); close(done) }()
	defer func() { _ = server.Close(); <-done }()
	ask := func(want string) {
		for _, args := range [][]string{{"audit", "verify"}, {"audit", "export"}} {
			out, code := command(t, env, args...)
			require.Equal(t, exitFailed, code)
			require.Contains(t, out, want)
		}
	}
	ask("is it of another version?")
	st := openAudit(t, path)
	defer st.Close()
	answer = func(w http.ResponseWriter, r *http.Request) {
		out := json.NewEncoder(w)
		_ = st.Sealed(r.Context(), 0, func(s bot.Sealed) error {
			if s.Seq == 4 {
				return io.EOF
			}
			return out.Encode(s)
		})
	}
	ask("did not send all of its audit log")
}

// startRun runs `run` until the returned function is called, which returns what it
// printed and how it ended.
func startRun(t *testing.T, env map[string]string, args ...string) (stop func() (string, int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out shared
	for name, value := range env {
		t.Setenv(name, value)
	}
	p := &program{in: os.Stdin, out: &out, err: &out, env: os.Getenv}
	ended := make(chan int, 1)
	go func() { ended <- p.main(ctx, append([]string{"run"}, args...)) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "msg=running") }, 20*time.Second, 5*time.Millisecond)
	return func() (string, int) {
		cancel()
		return out.String(), <-ended
	}
}

func TestARestoredStoreNeedsToBeAccepted(t *testing.T) {
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "s.db"), filepath.Join(dir, "copy.db")
	env := good()
	env["HOSTERBOT_STORE"], env["HOSTERBOT_AUDIT_KEY"], env["HOSTERBOT_POLICY"], env["HOSTERBOT_LISTEN"] = "bolt:"+path, "k", "../../policies.yaml", "off"
	env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"], env["SLACK_API_URL"] = "xoxb-canary", "xapp-canary", "http://127.0.0.1:1/"
	op := bot.Operation{State: bot.Pending, Command: "vm delete", Lane: "vm/4001", Person: "ana", Silent: true, Created: time.Now(), Expires: time.Now().Add(time.Hour)}
	st := openAudit(t, path)
	record := bot.Written{Audit: []bot.Record{{Kind: "command"}}}
	waits, err := st.Create(t.Context(), time.Now(), "", &op, record)
	require.NoError(t, err)
	op.State, op.Lane, op.Attempts, op.Job = bot.Following, "vm/4002", []bot.Attempt{{At: time.Now(), SendBy: time.Now()}}, &bot.Job{ID: 15}
	follows, err := st.Create(t.Context(), time.Now(), "", &op, record)
	require.NoError(t, err)
	require.NoError(t, st.Close())
	out, code := command(t, env, "store", "backup", copied)
	require.Equal(t, exitFine, code, out)
	st = openAudit(t, path)
	require.NoError(t, st.Append(t.Context(), time.Now(), "", record))
	require.NoError(t, st.Close())

	out, code = command(t, env, "store", "restore", copied)
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "hosterbot run --accept-rollback")
	for range 2 {
		out, code = command(t, env, "run")
		require.Equal(t, exitStore, code, out)
		require.Contains(t, out, "a backup was restored that ends with audit record 2, and the store before it had come to record 3")
		require.Contains(t, out, "hosterbot run --accept-rollback")
		out, code = command(t, env, "audit", "verify")
		require.Equal(t, exitFine, code, out)
		require.Contains(t, out, "2 records, whole")
	}

	stop := startRun(t, env, "--accept-rollback")
	out, code = command(t, env, "audit", "verify")
	require.Equal(t, exitFine, code, "through the running bot: %s", out)
	out, code = stop()
	require.Equal(t, exitFine, code, out)
	require.NotContains(t, out, "canary")
	st = openAudit(t, path)
	for id, want := range map[int64]bot.State{waits.ID: bot.Invalidated, follows.ID: bot.Unknown} {
		op, err := st.Operation(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, op.State)
	}
	require.NoError(t, st.Close())
	out, code = command(t, env, "audit", "export")
	require.Equal(t, exitFine, code)
	require.Contains(t, out, `"kind":"rollback"`)

	out, code = startRun(t, env)()
	require.Equal(t, exitFine, code, "the next start is like any other: %s", out)
	require.NotContains(t, out, "older than it was")
}

// TestAKeyOfAnotherStoreEndsTheStart before it seals a record that nobody could
// verify. A record that was changed does not: verify names it.
func TestAKeyOfAnotherStoreEndsTheStart(t *testing.T) {
	path, env := auditStore(t)
	for name, value := range good() {
		if env[name] == "" {
			env[name] = value
		}
	}
	env["HOSTERBOT_POLICY"], env["HOSTERBOT_LISTEN"] = "../../policies.yaml", "off"
	env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"], env["SLACK_API_URL"] = "xoxb-canary", "xapp-canary", "http://127.0.0.1:1/"
	env["HOSTERBOT_AUDIT_KEY"] = "canary: another"
	out, code := command(t, env, "run")
	require.Equal(t, exitConfig, code, out)
	require.Contains(t, out, "HOSTERBOT_AUDIT_KEY is not the key of this store: expected the one that its audit log was begun with")
	require.NotContains(t, out, "canary")

	env["HOSTERBOT_AUDIT_KEY"] = "k"
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(file, []byte(`"text":"one"`), []byte(`"text":"own"`)), 0o600))
	out, code = command(t, env, "audit", "verify")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "record 1 ")
	out, code = startRun(t, env)()
	require.Equal(t, exitFine, code, out)
}

// TestAnAddressThatIsTakenIsSaidWithItsSetting and with what is expected.
func TestAnAddressThatIsTakenIsSaidWithItsSetting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	env := good()
	env["HOSTERBOT_STORE"], env["HOSTERBOT_POLICY"] = "bolt:"+filepath.Join(t.TempDir(), "s.db"), "../../policies.yaml"
	env["SLACK_BOT_TOKEN"], env["SLACK_SIGNING_SECRET"], env["SLACK_API_URL"] = "xoxb-canary", "sign-canary", "http://127.0.0.1:1/"
	taken, free := l.Addr().String(), "127.0.0.1:0"
	for name, at := range map[string][2]string{"HOSTERBOT_LISTEN": {taken, free}, "HOSTERBOT_CHAT_LISTEN": {free, taken}} {
		env["HOSTERBOT_LISTEN"], env["HOSTERBOT_CHAT_LISTEN"] = at[0], at[1]
		out, code := command(t, env, "run")
		require.Equal(t, exitConfig, code, out)
		require.Contains(t, out, name+" is \""+taken+"\": bind: address already in use: expected an address of this machine, and a port that no other program has (is another hosterbot running?)")
	}
}

// TestAStoreBesideWhichNoSocketCanStandIs73: without it, nobody could back the
// store up while the bot runs.
func TestAStoreBesideWhichNoSocketCanStandIs73(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	require.NoError(t, os.MkdirAll(filepath.Join(path+".sock", "x"), 0o700))
	env := good()
	env["HOSTERBOT_STORE"], env["HOSTERBOT_POLICY"], env["HOSTERBOT_LISTEN"] = "bolt:"+path, "../../policies.yaml", "off"
	env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"], env["SLACK_API_URL"] = "xoxb-canary", "xapp-canary", "http://127.0.0.1:1/"
	out, code := command(t, env, "run")
	require.Equal(t, exitStore, code, out)
	require.Contains(t, out, "remove the old socket")
}

func TestTheAuditChannelIsOfAChatThatRuns(t *testing.T) {
	env := good()
	env["HOSTERBOT_STORE"], env["HOSTERBOT_POLICY"] = "bolt:"+filepath.Join(t.TempDir(), "s.db"), "../../policies.yaml"
	env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"], env["SLACK_API_URL"] = "xoxb-canary", "xapp-canary", "http://127.0.0.1:1/"
	env["HOSTERBOT_AUDIT_CHANNEL"] = "discord:300000000000000001/400000000000000001"
	out, code := command(t, env, "run")
	require.Equal(t, exitConfig, code, out)
	require.Contains(t, out, "HOSTERBOT_AUDIT_CHANNEL")
	require.Contains(t, out, "expected a channel of a chat whose tokens are set")
}
