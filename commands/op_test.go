package commands_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// TestCompletionOfNumbers: operations and jobs are offered to whom they are
// shown, in the states in which the command does something.
func TestCompletionOfNumbers(t *testing.T) {
	w := start(t)
	about := func(id int64, state bot.State, person string, vm int64) bot.Operation {
		return bot.Operation{ID: id, State: state, Person: person, Title: "Delete VM " + bot.Code("x"), Targets: []bot.Target{{Kind: "vm", ID: vm}}}
	}
	job := func(op bot.Operation, id int64, secret bool) bot.Operation {
		op.Job, op.Secret = &bot.Job{ID: id}, secret
		return op
	}
	w.knows(
		about(9, bot.Pending, "ana", 4001), about(8, bot.Unknown, "ben", 4001), about(7, bot.NeedsHuman, "ben", 4002),
		job(about(6, bot.Succeeded, "ben", 4001), 4001, true), job(about(5, bot.Following, "ben", 4002), 15, false), about(4, bot.Ready, "ben", 4002),
	)
	offers := func(words, param, prefix string, allows func(bot.Target) bool) (values []string) {
		t.Helper()
		row, _ := w.cat.Find(words)
		p, _ := row.Param(param)
		require.True(t, p.Kind.Target == nil || p.Kind.Listed, "its values are no targets")
		choices, err := p.Kind.Complete(t.Context(), &bot.Call{Bot: w.bot, Command: row, Person: "ana", Now: w.clock.Now(), Allows: allows}, prefix)
		require.NoError(t, err)
		for _, c := range choices {
			require.LessOrEqual(t, len([]rune(c.Label)), 75)
			require.NotContains(t, c.Label, "`")
			values = append(values, c.Value)
		}
		return values
	}
	only4001 := func(target bot.Target) bool { return target.ID == 4001 }
	require.Equal(t, []string{"9", "8", "7", "6", "5", "4"}, offers("op show", "op", "", nil))
	require.Equal(t, []string{"9", "8", "6"}, offers("op show", "op", "", only4001))
	require.Equal(t, []string{"9"}, offers("op show", "op", "", func(bot.Target) bool { return false }), "what she asked for is hers to see")
	require.Equal(t, []string{"9"}, offers("op show", "op", "pending", nil), "a word of it will do")
	require.Equal(t, []string{"9"}, offers("op cancel", "op", "", nil))
	require.Equal(t, []string{"8", "7"}, offers("op resolve", "op", "", nil))
	require.Equal(t, []string{"8"}, offers("op resolve", "op", "", only4001))
	require.Equal(t, []string{"4001", "15"}, offers("job show", "job", "", nil))
	require.Equal(t, []string{"4001", "4"}, offers("job show", "job", "4", nil), "the bot need not have started it")
	require.Equal(t, []string{"4001"}, offers("job reveal", "job", "", nil))
	require.Empty(t, offers("job reveal", "job", "", func(target bot.Target) bool { return target.ID == 4002 }))

	w.knows(about(3, bot.Succeeded, "ben", 4001))
	require.Equal(t, []string{"3"}, offers("op show", "op", "3", nil))
	require.Empty(t, offers("op show", "op", "17", nil), "there is none")
}

// A list that leaves older ones out says so.
func TestAListSaysThatThereMayBeMore(t *testing.T) {
	w := start(t)
	var ops []bot.Operation
	for id := int64(100); id > 0; id-- {
		ops = append(ops, bot.Operation{ID: id, State: bot.Following, Command: "dedicated order", Person: "ana", Created: w.clock.Now(), Job: &bot.Job{Since: w.clock.Now()}})
	}
	for _, line := range []string{"op list", "op list --open", "job list", "order list"} {
		w.knows(ops...)
		require.Contains(t, w.mustRead(line).Notes, "Only the newest 100 were looked at. `op show NUMBER` shows an older one.", line)
		w.knows(ops[1:]...)
		require.Empty(t, w.mustRead(line).Notes, line)
	}
}

// Of many servers the one that is being typed is offered, wherever it stands.
func TestCompletionOfOneAmongManyServers(t *testing.T) {
	w := startBehind(t, func(sim http.Handler) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v1/datacenter/server" {
				sim.ServeHTTP(out, r)
				return
			}
			ids := make([]int, 300)
			for i := range ids {
				ids[i] = 5000 + i
			}
			out.Header().Set("Content-Type", "application/json")
			require.NoError(t, json.NewEncoder(out).Encode(map[string]any{"result": ids}))
		})
	})
	row, _ := w.cat.Find("software install")
	p, _ := row.Param("server")
	choices, err := p.Kind.Complete(t.Context(), &bot.Call{Bot: w.bot, Command: row, Person: "ana", Now: w.clock.Now()}, "vm/5299")
	require.NoError(t, err)
	require.Len(t, choices, 1)
	require.Equal(t, "vm/5299", choices[0].Value)
}
