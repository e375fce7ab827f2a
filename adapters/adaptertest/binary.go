package adaptertest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"hosterbot/bot"
)

// Patience is how long is waited for what takes no time by itself, but may have
// to wait for the pace of a platform behind everything else.
const Patience = 25 * time.Second

// Main runs the tests of a chat that plays the built bot. They run side by
// side, however few cores there are: they wait for the pace of the platform,
// not for a core. No goroutine may be left. open makes the chat's double, for
// tests of others that use it with Beside.
func Main(m *testing.M, open func(tb testing.TB) Double) {
	if os.Getenv(besideEnv) != "" {
		os.Exit(serve(open))
	}
	_ = flag.Set("test.parallel", "64")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir, err := binaryDir(); err == nil {
			_ = os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// Root is the folder of the module.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the tests")
		}
		dir = up
	}
}

// binaryDir is where Binary builds; Main removes it.
var binaryDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "hosterbot-") })

// Binary builds the bot, once for all tests of a package that has Main; mortal
// is one that kills itself where HOSTERBOT_FAIL says.
var (
	Binary = sync.OnceValues(func() (string, error) { return build("hosterbot", "") })
	mortal = sync.OnceValues(func() (string, error) { return build("mortal", "failpoints") })
)

func build(name, tags string) (string, error) {
	from, err := Root()
	if err != nil {
		return "", err
	}
	// The test cache counts the files that a test looks at, and the compiler is
	// another process.
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != from && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look at the sources: %w", err)
	}
	dir, err := binaryDir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	build := exec.Command("go", "build", "-tags", tags, "-o", file, "./cmd/hosterbot")
	build.Dir = from
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the bot: %w: %s", err, out)
	}
	return file, nil
}

// Journal is what processes print.
type Journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	news News
}

// Write takes what a process prints.
func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.news.Tell()
	return j.text.Write(p)
}

// String is all of it.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// Says waits until one of some words is printed, after what stood there before.
func (j *Journal) Says(tb testing.TB, from int, words ...string) {
	tb.Helper()
	said := j.news.Await(&j.mu, Patience, func() bool {
		text := j.text.String()[from:]
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
	})
	require.True(tb, said, "not printed: %q in:\n%s", words, j)
}

// process is one life of the bot.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Spawn starts a command in the place of the bot.
func (w *World) Spawn(cmd *exec.Cmd) {
	w.tb.Helper()
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.Dir, w.Journal, w.Journal
	require.NoError(w.tb, cmd.Start())
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its code is asked for later
		close(p.ended)
	}()
	w.bot = p
}

// Process is the bot that was started last.
func (w *World) Process() *exec.Cmd { return w.bot.cmd }

// Signal sends a signal to the bot.
func (w *World) Signal(s os.Signal) {
	w.tb.Helper()
	require.NoError(w.tb, w.bot.cmd.Process.Signal(s))
}

// Kill ends the bot as a power failure does, and returns when the chats have
// seen that.
func (w *World) Kill() {
	_ = w.bot.cmd.Process.Kill()
	<-w.bot.ended
	for _, d := range w.chats {
		d.Await(func() bool { now, _ := d.Links(); return now == 0 })
	}
}

// Exits waits for the end of the bot and returns its exit code.
func (w *World) Exits(within time.Duration) int {
	w.tb.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-w.bot.ended:
	case <-late.C:
		require.Fail(w.tb, "the bot has not ended", "%s", w.Journal)
	}
	return w.bot.cmd.ProcessState.ExitCode()
}

// Pace is the clock of the provider's double. Its slow answers come when they
// are let go.
type Pace struct {
	bot.SystemClock
	asleep chan struct{} // somebody waits
	wake   chan struct{} // and may go on
}

// Sleep waits until a slow call is let go.
func (p *Pace) Sleep(ctx context.Context, _ time.Duration) error {
	select {
	case p.asleep <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-p.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SlowCall waits until a slow call of the provider is under way.
func (w *World) SlowCall() {
	w.tb.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case <-w.pace.asleep:
	case <-late.C:
		require.Fail(w.tb, "no slow call came", "%s", w.Conversation())
	}
}

// LetGo lets a slow call go on. It fails where none is under way any more.
func (w *World) LetGo() {
	w.tb.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case w.pace.wake <- struct{}{}:
	case <-late.C:
		require.Fail(w.tb, "the slow call has ended by itself", "%s", w.Journal)
	}
}
