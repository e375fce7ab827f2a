package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestChats plays every transcript in testdata/chats against the assembled bot
// and the simulator, and compares the conversation with the one beside it.
func TestChats(t *testing.T) {
	scripts, err := filepath.Glob("testdata/chats/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
			t.Parallel()
			got, code := play(t, script)
			require.Equal(t, exitFine, code, got)
			golden := strings.TrimSuffix(script, ".txt") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "run the test with -update, and read what it wrote")
			require.Equal(t, string(want), got)
		})
	}
}

// play runs `hosterbot demo --script FILE`. A first line "# policy: FILE" names
// a policy beside the script.
func play(t *testing.T, script string) (string, int) {
	t.Helper()
	args := []string{"demo", "--script", script}
	text, err := os.ReadFile(script)
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(text), "\n")
	if file, ok := strings.CutPrefix(first, "# policy: "); ok {
		args = append(args, "--policy", filepath.Join(filepath.Dir(script), file))
	}
	return command(t, nil, args...)
}

// command runs one command line in an environment and returns what it printed,
// and its code.
func command(t *testing.T, env map[string]string, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	in, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer in.Close()
	for name, value := range env {
		t.Setenv(name, value)
	}
	p := &program{in: in, out: &out, err: &out, env: os.Getenv}
	code := p.main(context.Background(), args)
	return out.String(), code
}

// TestChatsRepeat: the same bytes each run.
func TestChatsRepeat(t *testing.T) {
	script := "testdata/chats/delete_needs_approval.txt"
	first, _ := play(t, script)
	second, _ := play(t, script)
	require.Equal(t, first, second)
}

// TestATranscriptPlaysTheSameFromAnywhere: its policies lie beside it.
func TestATranscriptPlaysTheSameFromAnywhere(t *testing.T) {
	script, err := filepath.Abs("testdata/chats/policy_reload.txt")
	require.NoError(t, err)
	want, err := os.ReadFile("testdata/chats/policy_reload.golden")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	got, code := play(t, script)
	require.Equal(t, exitFine, code, got)
	require.Equal(t, string(want), got)
}

// TestTour: the tour runs to its end, is the same each time, and shows that a
// flipped byte is found.
func TestTour(t *testing.T) {
	first, code := command(t, nil, "demo", "--tour")
	require.Equal(t, exitFine, code, first)
	require.Regexp(t, `\(hosterbot audit verify: \d+ records, whole\)`, first)
	require.Regexp(t, `\(the same after one byte was flipped: .*record \d+`, first)
	second, _ := command(t, nil, "demo", "--tour")
	require.Equal(t, first, second)
}
