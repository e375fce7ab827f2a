package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a `run` of the real binary, and what it logs.
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

// start runs `hosterbot run` on the rig's store, with a chat that cannot be
// reached.
func (r *rig) start(point, policy string, env ...string) *process {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	require.NoError(r.t, l.Close())
	p := &process{r: r, at: l.Addr().String(), news: make(chan struct{}, 1), done: make(chan error, 1)}
	p.cmd = exec.Command(binary(r.t), "run")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.Env = append(os.Environ(), "HOSTERBOT_FAIL="+point, "HOSTERBOT_POLICY="+policy, "HOSTERBOT_STORE="+r.store,
		"HOSTERBOT_AUDIT_KEY="+demoKey, "HOSTERAPI_URL="+r.server.URL, "HOSTERAPI_TOKEN="+simToken, "HOSTERBOT_LISTEN="+p.at,
		"SLACK_BOT_TOKEN=xoxb-canary", "SLACK_APP_TOKEN=xapp-canary", "SLACK_API_URL=http://127.0.0.1:1/", "HOSTERBOT_LOG=debug")
	p.cmd.Env = append(p.cmd.Env, env...)
	require.NoError(r.t, p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	r.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
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
