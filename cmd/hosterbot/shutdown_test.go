//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands/hoster/hostersim"
)

// process is the real binary, and what it prints.
type process struct {
	r    *rig
	cmd  *exec.Cmd
	at   string // where it serves health
	mu   sync.Mutex
	out  bytes.Buffer
	news chan struct{}
	done chan error
}

// Write implements io.Writer.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// process is the real binary with arguments, the last of which takes the
// address of its health.
func (r *rig) process(args ...string) *process {
	r.t.Helper()
	// An address of its own, so that no client takes the port meanwhile.
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)))
	require.NoError(r.t, err)
	require.NoError(r.t, l.Close())
	p := &process{r: r, at: l.Addr().String(), news: make(chan struct{}, 1), done: make(chan error, 1)}
	p.cmd = exec.Command(binary(r.t), append(args, p.at)...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.Env = os.Environ()
	return p
}

func (p *process) begin() {
	p.r.t.Helper()
	require.NoError(p.r.t, p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	p.r.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
}

// start runs `hosterbot run` on the rig's store, with a chat that cannot be
// reached.
func (r *rig) start(point, policy string) *process {
	r.t.Helper()
	p := r.process("run", "--listen")
	p.cmd.Env = append(p.cmd.Env, "HOSTERBOT_FAIL="+point, "HOSTERBOT_POLICY="+policy, "HOSTERBOT_STORE="+r.store,
		"HOSTERBOT_AUDIT_KEY="+demoKey, "HOSTERAPI_URL="+r.server.URL, "HOSTERAPI_TOKEN="+simToken,
		"SLACK_BOT_TOKEN=xoxb-canary", "SLACK_APP_TOKEN=xapp-canary", "SLACK_API_URL=http://127.0.0.1:1/", "HOSTERBOT_LOG=debug")
	p.begin()
	return p
}

// until waits for words in the log.
func (p *process) until(words string) {
	p.r.t.Helper()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	for !strings.Contains(p.text(), words) {
		select {
		case <-p.news:
		case err := <-p.done:
			p.r.t.Fatalf("it ended (%v) before %q:\n%s", err, words, p.text())
		case <-late.C:
			p.r.t.Fatalf("%q does not come:\n%s", words, p.text())
		}
	}
}

// ask asks it for its health.
func (p *process) ask(path string) (int, string) {
	p.r.t.Helper()
	resp, err := http.Get("http://" + p.at + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.r.t, err)
	return resp.StatusCode, string(body)
}

// healthy waits until it serves.
func (p *process) healthy() {
	p.r.t.Helper()
	p.until("msg=running")
	require.Eventually(p.r.t, func() bool {
		code, _ := p.ask("/healthz")
		return code == http.StatusOK
	}, 20*time.Second, 5*time.Millisecond, p.text())
}

// wait is how the process ended.
func (p *process) wait() error {
	p.r.t.Helper()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	select {
	case err := <-p.done:
		return err
	case <-late.C:
		p.r.t.Fatalf("it does not end:\n%s", p.text())
		return nil
	}
}

// gate stands before the simulator and holds the first change whose path ends
// so, done but not answered, until it is opened.
type gate struct {
	to      http.Handler
	path    string
	lost    bool // it is never answered
	once    sync.Once
	arrived chan struct{}
	open    chan struct{}
}

func newGate(to http.Handler, path string, lost bool) *gate {
	return &gate{to: to, path: path, lost: lost, arrived: make(chan struct{}), open: make(chan struct{})}
}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Method == http.MethodGet || !strings.HasSuffix(q.URL.Path, g.path) {
		g.to.ServeHTTP(w, q)
		return
	}
	answer := httptest.NewRecorder()
	g.to.ServeHTTP(answer, q)
	g.once.Do(func() { close(g.arrived) })
	<-g.open
	if g.lost {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// within waits for something, but not for ever.
func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	select {
	case <-c:
	case <-late.C:
		t.Fatalf("%s does not come", what)
	}
}

// TestSIGTERMInASlowCall: the process ends well, after what came of the call
// is stored, and the next one goes on from there.
func TestSIGTERMInASlowCall(t *testing.T) {
	for name, c := range map[string]struct {
		deed       int // of deeds
		path       string
		lost       bool
		then, last bot.State
	}{
		"create, answered":   {0, "datacenter/server", false, bot.Following, bot.Succeeded},
		"create, unanswered": {0, "datacenter/server", true, bot.Unknown, bot.NeedsHuman},
		"delete, answered":   {1, "4009/delete", false, bot.InProgress, bot.Succeeded},
		"delete, unanswered": {1, "4009/delete", true, bot.Unknown, bot.SettledDone},
		"reboot, answered":   {3, "4003/reboot", false, bot.InProgress, bot.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deeds[c.deed]
			r := newRig(t)
			g := newGate(r.sim, c.path, c.lost)
			r.server.Config.Handler = g
			p := r.process("demo", "--api", r.server.URL, "--api-token", simToken, "--store", r.store, "--listen")
			keys, err := p.cmd.StdinPipe()
			require.NoError(t, err)
			p.begin()
			for _, line := range d.next(r, nil) {
				if strings.Contains(line, ": fill ") { // who types is asked for one field after the other
					line = "INC-42\n4009"
				}
				if strings.HasSuffix(line, "Approve") {
					p.until("] Approve") // the card is posted in the background
				}
				_, err := io.WriteString(keys, line+"\n")
				require.NoError(t, err)
			}
			within(t, "the call", g.arrived)
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			require.Eventually(t, func() bool {
				code, _ := p.ask("/healthz")
				return code == 0
			}, 20*time.Second, 5*time.Millisecond, "it stops to serve health first")
			select {
			case err := <-p.done:
				t.Fatalf("it does not wait for the call: %v\n%s", err, p.text())
			default:
			}
			close(g.open)
			exit := p.wait()
			fmt.Fprintln(&r.said, p.text())
			op := last(r.operations())
			require.Len(t, op.Attempts, 1)
			require.NotEmpty(t, op.Attempts[0].Class, "what came of the call is not stored: %s", op.State)
			if c.then != bot.InProgress { // that may be over already
				require.Equal(t, c.then, op.State, p.text())
			}
			require.Equal(t, c.last, d.goOn(r), r.said.String())
			d.invariants(r, 1)
			require.NoError(t, exit, p.text())
		})
	}
}

// TestSIGTERMEndsRunWith0 also between two calls, and a second process on its
// store is told so at once.
func TestSIGTERMEndsRunWith0(t *testing.T) {
	r := newRig(t)
	policy := filepath.Join(r.dir, "policies.yaml")
	require.NoError(t, os.WriteFile(policy, examplePolicy, 0o600))
	first := r.start("", policy)
	first.healthy()
	began := time.Now()
	second := r.start("", policy)
	var ended *exec.ExitError
	require.ErrorAs(t, second.wait(), &ended, second.text())
	require.Equal(t, exitStore, ended.ExitCode(), second.text())
	require.Less(t, time.Since(began), 2*time.Second)
	require.Contains(t, second.text(), "is another hosterbot running?")
	code, body := first.ask("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code, body)
	require.Contains(t, body, "slack")
	require.NotContains(t, body+first.text()+second.text(), "canary")
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, first.wait(), first.text())
	again := r.start("", policy)
	again.healthy()
	require.NoError(t, again.cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, again.wait(), again.text())
	r.opened(func(bot.Store) {})
}

// replaced puts another file under the descriptor that a store of this process
// writes to, until back is called.
func replaced(t *testing.T, path, by string, flag int) (back func()) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || to != path {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		require.NoError(t, err)
		kept, err := syscall.Dup(fd) // and with it the lock
		require.NoError(t, err)
		syscall.CloseOnExec(kept)
		other, err := os.OpenFile(by, flag, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.Dup3(int(other.Fd()), fd, syscall.O_CLOEXEC))
		require.NoError(t, other.Close())
		return sync.OnceFunc(func() {
			require.NoError(t, syscall.Dup3(kept, fd, syscall.O_CLOEXEC))
			require.NoError(t, syscall.Close(kept))
		})
	}
	t.Fatal("the store's descriptor is not found")
	return nil
}

// TestAStoreThatTakesNothing: what came of a call is kept in memory until the
// store takes it; until then nothing new is begun, and reading works.
func TestAStoreThatTakesNothing(t *testing.T) {
	for name, flag := range map[string]int{"full": os.O_RDWR, "read-only": os.O_RDONLY} {
		t.Run(name, func(t *testing.T) {
			log := &shared{}
			var g *gate
			s := newLive(t, "testdata/faults.yaml", func(d *demo) {
				g = newGate(d.sim, "4009/start", false)
				server := httptest.NewServer(g)
				t.Cleanup(server.Close)
				d.parts.api.URL = server.URL
				d.parts.log = slog.New(slog.NewTextHandler(log, nil))
			})
			s.play("ana: vm start 4009")
			within(t, "the call", g.arrived)
			path := filepath.Join(s.dir, "s.db")
			by := path
			if flag == os.O_RDWR {
				by = "/dev/full"
			}
			back := replaced(t, path, by, flag)
			t.Cleanup(back)
			close(g.open)
			s.eventually("the result is not kept", func() bool { return strings.Contains(log.String(), "it is kept in memory") })

			mutations := len(s.mutations())
			said := s.play("dia: vm reboot 4003")
			require.Contains(t, said, "nothing new is begun")
			said = s.play("dia: backup create 4001", "dia: software install vm/4001 nginx")
			require.Equal(t, 2, strings.Count(said, "nothing new is begun"), said)
			require.Contains(t, s.play("dia: vm list"), "5 VMs")
			require.Contains(t, s.play("dia: op show 1"), "Start VM 4009")
			w := httptest.NewRecorder()
			health(s.health).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.Contains(t, w.Body.String(), "does not take writes")
			require.Equal(t, bot.Intent, s.op(1).State)

			back()
			s.eventually("it goes on", func() bool { return s.op(1).State == bot.Succeeded })
			require.Len(t, s.mutations(), mutations, "nothing was sent meanwhile")
			require.Equal(t, bot.Accepted, s.op(1).Attempts[0].Class)
			s.eventually("its end is said", func() bool { return len(ends(s.out.String())["#ops"]) == 1 })
			w = httptest.NewRecorder()
			health(s.health).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			s.play("dia: backup create 4003")
			s.eventually("it takes new changes", func() bool { return len(s.mutations()) == mutations+1 })
			require.Equal(t, 1, strings.Count(log.String(), "it is kept in memory"), log.String())
			require.Regexp(t, `it is kept in memory.*op=1\b.*accepted`, log.String())
		})
	}
}

// TestAStoreThatTakesNoIntent: where the intent cannot be stored, nothing is
// sent, and that is what the person is told.
func TestAStoreThatTakesNoIntent(t *testing.T) {
	for name, flag := range map[string]int{"full": os.O_RDWR, "read-only": os.O_RDONLY} {
		t.Run(name, func(t *testing.T) {
			s := newLive(t, "testdata/faults.yaml", nil)
			s.play("ana: vm reboot 4003")
			path := filepath.Join(s.dir, "s.db")
			by := path
			if flag == os.O_RDWR {
				by = "/dev/full"
			}
			back := replaced(t, path, by, flag)
			t.Cleanup(back)
			require.Contains(t, s.play("ana: press Confirm"), "othing was done")
			require.Contains(t, s.play("dia: vm start 4009"), "nothing was done")
			require.Contains(t, s.play("dia: vm list"), "5 VMs")
			require.Empty(t, s.mutations())
			back()
			s.play("ana: press Confirm")
			s.eventually("it goes on", func() bool { return s.op(1).State == bot.Succeeded })
			require.Len(t, s.mutations(), 1)
			_, err := s.now().store.Operation(t.Context(), 2)
			require.ErrorIs(t, err, bot.ErrNotFound)
		})
	}
}

// mutations are the changes that reached the provider.
func (s *scene) mutations() (out []hostersim.Call) {
	for _, c := range s.sim.Calls() {
		if c.Mutating {
			out = append(out, c)
		}
	}
	return out
}

func (s *scene) eventually(what string, holds func() bool) {
	s.t.Helper()
	require.Eventually(s.t, holds, 20*time.Second, 5*time.Millisecond, "%s\n%s", what, s.out)
}
