//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands/hoster/hostersim"
	"hosterbot/store"
)

// TestMain removes the binary that crash tests build.
func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// built is the real binary, with the points at which it kills itself.
var built struct {
	once sync.Once
	dir  string
	file string
	err  error
}

func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "hosterbot-crash-"); built.err != nil {
			return
		}
		built.file = filepath.Join(built.dir, "hosterbot")
		out, err := exec.Command("go", "build", "-tags", "failpoints", "-o", built.file, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build: %w: %s", err, out)
		}
	})
	require.NoError(t, built.err)
	return built.file
}

// atOnce bounds how many crash cases run side by side.
var atOnce = make(chan struct{}, 3)

// rig is one provider, one store, and all that its processes said.
type rig struct {
	t      *testing.T
	sim    *hostersim.Sim
	server *httptest.Server
	dir    string
	store  string
	said   strings.Builder
	runs   int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	r.sim = hostersim.New(hostersim.Options{Token: simToken, Seed: 1, Speed: 1e6})
	r.server = httptest.NewServer(r.sim)
	t.Cleanup(r.server.Close)
	r.store = "bolt:" + filepath.Join(r.dir, "s.db")
	return r
}

// get asks the provider itself.
func (r *rig) get(path string) string {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.server.URL+"/api/v1/"+path, nil)
	require.NoError(r.t, err)
	q.Header.Set("Authorization", "Bearer "+simToken)
	resp, err := r.server.Client().Do(q)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusOK, resp.StatusCode, "%s", body)
	return string(body)
}

func (r *rig) result(path string, into any) {
	r.t.Helper()
	var answer struct{ Result json.RawMessage }
	require.NoError(r.t, json.Unmarshal([]byte(r.get(path)), &answer))
	require.NoError(r.t, json.Unmarshal(answer.Result, into))
}

func (r *rig) numbers(path string) (out []int) {
	r.t.Helper()
	r.result(path, &out)
	return out
}

// sent are the mutating requests that reached the provider, but for those that
// it answered 429.
func (r *rig) sent() (out []hostersim.Call) {
	for _, c := range r.sim.Calls() {
		if c.Mutating && c.Status != http.StatusTooManyRequests {
			out = append(out, c)
		}
	}
	return out
}

// run plays lines in a process of its own that kills itself at point, and
// tells whether it was killed. Without a point it has to end well.
func (r *rig) run(point string, lines ...string) (killed bool) {
	r.t.Helper()
	r.runs++
	script := filepath.Join(r.dir, fmt.Sprintf("%d.txt", r.runs))
	require.NoError(r.t, os.WriteFile(script, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(r.t), "demo", "--api", r.server.URL, "--api-token", simToken, "--store", r.store, "--script", script)
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	cmd.Env = append(os.Environ(), "HOSTERBOT_FAIL="+point)
	err := cmd.Run()
	require.NoError(r.t, ctx.Err(), "it hangs:\n%s%s", out.String(), fault.String())
	fmt.Fprintf(&r.said, "##### run %d, fails at %q: %v\n%s%s", r.runs, point, err, out.String(), fault.String())
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		status, ok := ended.Sys().(syscall.WaitStatus)
		if ok && status.Signaled() && status.Signal() == syscall.SIGKILL && point != "" {
			return true
		}
	}
	require.NoError(r.t, err, r.said.String())
	return false
}

// opened looks into the store between two processes, and checks all of it.
func (r *rig) opened(look func(bot.Store)) {
	r.t.Helper()
	if _, err := os.Stat(strings.TrimPrefix(r.store, "bolt:")); errors.Is(err, os.ErrNotExist) {
		return
	}
	st, err := store.Open(r.store, store.Options{AuditKey: []byte(demoKey), Reading: true})
	require.NoError(r.t, err, r.said.String())
	defer st.Close()
	require.NoError(r.t, st.Check(r.t.Context()), "audit chain and store: %s", r.said.String())
	look(st)
}

// operations are all that there are, oldest first.
func (r *rig) operations() (ops []bot.Operation) {
	r.t.Helper()
	r.opened(func(st bot.Store) {
		var err error
		ops, err = st.Operations(r.t.Context(), bot.OperationFilter{})
		require.NoError(r.t, err)
	})
	slices.Reverse(ops)
	return ops
}
