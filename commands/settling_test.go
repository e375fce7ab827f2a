package commands_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
)

var update = flag.Bool("update", false, "rewrite the table in catalogue.go")

// TestTheTableOfSettlingIsThatOfTheRows: the package comment tells what the
// rows decide, and cannot drift from them.
func TestTheTableOfSettlingIsThatOfTheRows(t *testing.T) {
	text, err := os.ReadFile("catalogue.go")
	require.NoError(t, err)
	catalogue, err := commands.Catalogue(nil, nil)
	require.NoError(t, err)
	var table strings.Builder
	for _, row := range catalogue.All() {
		if !row.Mutates() || row.Local {
			continue
		}
		how := "a person: no read tells"
		if row.Settle != nil {
			how = "a read; absence proves something after " + bot.Duration(row.Window)
		}
		if row.SoftLane {
			how += "; its lane is freed after 5 min"
		}
		fmt.Fprintf(&table, "//\t%-20s %s\n", row.Words, how)
	}
	block := regexp.MustCompile(`(// How a lost answer is settled[^\n]*\n//\n)(?://\t[^\n]*\n)+`)
	want := block.ReplaceAllString(string(text), "${1}"+table.String())
	if *update {
		require.NoError(t, os.WriteFile("catalogue.go", []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "run go test ./commands -run Settling -update")
}
