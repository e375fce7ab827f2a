package bot_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

var updateDoc = flag.Bool("update", false, "rewrite the tables in doc.go")

// TestTheTablesOfThePackageCommentAreThoseOfTheCode: doc.go tells what the code
// decides, and cannot drift from it.
func TestTheTablesOfThePackageCommentAreThoseOfTheCode(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	want := replaceTable(string(text), "Which state may follow which", stateTable())
	want = replaceTable(want, "What becomes of an attempt", bot.RetryTable())
	if *updateDoc {
		require.NoError(t, os.WriteFile("doc.go", []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "run go test ./bot -run Tables -update")
}

// replaceTable puts lines into the indented block below a line of a comment.
func replaceTable(text, below, table string) string {
	block := regexp.MustCompile(`(// ` + below + `[^\n]*\n//\n)(?://\t[^\n]*\n)+`)
	var out strings.Builder
	for line := range strings.Lines(table) {
		out.WriteString("//\t" + line)
	}
	return block.ReplaceAllString(text, "${1}"+strings.ReplaceAll(out.String(), "$", "$$"))
}

func stateTable() string {
	var out strings.Builder
	for _, s := range bot.States() {
		next := s.Next()
		words := make([]string, len(next))
		for i, n := range next {
			words[i] = string(n)
		}
		lane := ""
		if s.HoldsLane() {
			lane = " (holds its lane)"
		}
		if s.Final() {
			words = []string{"ended"}
		}
		fmt.Fprintf(&out, "%-18s → %s%s\n", s, strings.Join(words, ", "), lane)
	}
	return out.String()
}
