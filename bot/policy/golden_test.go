package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with testdata/NAME.golden, or rewrites that with
// -update.
func golden(tb testing.TB, name, text string) {
	tb.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(tb, os.WriteFile(file, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(tb, err)
	require.Equal(tb, string(want), text, "run go test ./bot/policy -update and review the difference")
}

func mustRead(tb testing.TB, file string) string {
	tb.Helper()
	data, err := os.ReadFile(file)
	require.NoError(tb, err)
	return string(data)
}
