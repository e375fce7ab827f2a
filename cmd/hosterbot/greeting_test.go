package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGreetingFits: no line of it is broken by the terminal.
func TestGreetingFits(t *testing.T) {
	people := []string{"ana", "ben", "cho", "dia"}
	for _, width := range []int{40, 59, 60, 80, 200} {
		text := greeting(people, width)
		for line := range strings.Lines(text) {
			require.LessOrEqual(t, len(line)-1, width, "%d columns: %s", width, line)
			require.Equal(t, strings.TrimRight(line, " \n")+"\n", line)
		}
		require.Contains(t, strings.Join(strings.Fields(text), " "), "as dia be somebody else, to approve it; then type the number of a button")
	}
	require.Contains(t, greeting(people, 80), "\n  vm list                    look\n")
}

// TestDumbTerminals are sent no codes.
func TestDumbTerminals(t *testing.T) {
	env := func(pairs map[string]string) func(string) string {
		return func(name string) string { return pairs[name] }
	}
	require.True(t, redraws(env(map[string]string{"TERM": "xterm-256color"})))
	require.True(t, redraws(env(map[string]string{"NO_COLOR": "1"})), "that is about colours alone")
	require.False(t, redraws(env(map[string]string{"TERM": "dumb"})))
	require.False(t, colored(env(map[string]string{"TERM": "dumb"})))
	require.False(t, colored(env(map[string]string{"TERM": "xterm", "NO_COLOR": "1"})))
	require.True(t, colored(env(map[string]string{"TERM": "xterm"})))
}
