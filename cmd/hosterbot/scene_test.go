package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// simToken is what the simulator accepts. No output may show it.
const simToken = "canary-api-token-77"

// scene is a demo in this process, on the clock of scripts, whose provider
// tells what reached it.
type scene struct {
	*demo
	t   *testing.T
	dir string
	out *shared
}

// shared is a buffer that several goroutines write.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newScene builds the demo as its command does; set changes its parts before
// the bot begins.
func newScene(t *testing.T, policy string, set func(*demo)) *scene {
	t.Helper()
	return stage(t, policy, "-", set)
}

// newLive is a scene on the machine's clock, whose bot works in the background.
func newLive(t *testing.T, policy string, set func(*demo)) *scene {
	t.Helper()
	return stage(t, policy, "", set)
}

func stage(t *testing.T, policy, script string, set func(*demo)) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir(), out: &shared{}}
	in, err := os.Open(os.DevNull)
	require.NoError(t, err)
	t.Cleanup(func() { _ = in.Close() })
	c := &demoCmd{Script: script, Policy: policy, APIToken: simToken, Store: "bolt:" + filepath.Join(s.dir, "s.db"), Listen: "off"}
	d, stop, err := c.build(&program{in: in, out: s.out, err: s.out, env: func(string) string { return "" }}, s.dir)
	require.NoError(t, err)
	s.demo = d
	if set != nil {
		set(d)
	}
	d.life, err = d.parts.begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = d.now().end()
		stop()
	})
	return s
}

// play plays lines and returns what they added to the conversation.
func (s *scene) play(lines ...string) string {
	s.t.Helper()
	before := len(s.out.String())
	err := s.console.Script(context.WithoutCancel(s.t.Context()), "scene", strings.NewReader(strings.Join(lines, "\n")+"\n"))
	require.NoError(s.t, err, s.out.String())
	return s.out.String()[before:]
}

func (s *scene) op(id int64) *bot.Operation {
	s.t.Helper()
	op, err := s.now().store.Operation(s.t.Context(), id)
	require.NoError(s.t, err, s.out.String())
	return &op
}

// sent counts the mutating calls of a kind that reached the provider, but for
// those that it answered 429, and those.
func (s *scene) sent(kind string) (sent, throttled int) {
	for _, c := range s.sim.Calls() {
		switch {
		case c.Kind != kind || !c.Mutating:
		case c.Status == http.StatusTooManyRequests:
			throttled++
		default:
			sent++
		}
	}
	return sent, throttled
}

// ends are the end messages that stand in a transcript, by the place in which
// they do: the one message of an operation that calls its requester.
func ends(transcript string) map[string][]string {
	out := map[string][]string{}
	var place string
	var block []string
	for line := range strings.Lines(transcript) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "  ↳ ! A person has to look"), strings.HasPrefix(line, "  ↳ ! Lost track"):
			block = nil // calls people too, and ends nothing
		case strings.HasPrefix(line, "  ↳ "):
			block = []string{line}
		case line == "    → @ana" && block != nil:
			out[place] = append(out[place], strings.Join(block, "\n"))
			block = nil
		case strings.HasPrefix(line, "    ") && block != nil:
			block = append(block, line)
		default:
			block = nil
			if heading, _, ok := strings.Cut(line, " · operation "); ok && !strings.HasPrefix(line, " ") {
				place = heading
			}
		}
	}
	return out
}
