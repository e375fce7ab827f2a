package bolt

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// TestTheCommitterKnowsWhatTheFileSays: it keeps the roots that are owed in
// memory, so whatever changes one has to change both.
func TestTheCommitterKnowsWhatTheFileSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	open := func() *Store {
		s, err := Open(path, Options{AuditKey: []byte("k"), MinFree: -1})
		require.NoError(t, err)
		return s
	}
	ctx, place := t.Context(), bot.Place{Thread: "1"}
	root := func(s *Store, op bot.Operation) bot.Operation {
		with := bot.Written{Owed: []bot.Owed{{Op: op.ID, Kind: bot.OwedRoot, Place: place}}}
		write := s.Advance
		if op.ID == 0 {
			write = s.Create
		}
		stored, err := write(ctx, now, "", &op, with)
		require.NoError(t, err)
		return *stored.Operation
	}
	owes := func(s *Store) bot.Owed {
		all, _, err := s.Owed(ctx, now.Add(time.Hour), "", 1)
		require.NoError(t, err)
		require.Len(t, all, 1)
		return all[0]
	}
	op := bot.Operation{State: bot.Pending, Command: "vm stop", Person: "ana"}
	for _, tc := range []struct {
		rule  string
		do    func(s *Store)
		roots int
	}{
		{"owed", func(s *Store) { op = root(s, op) }, 1},
		{"put off", func(s *Store) { require.NoError(t, s.Postpone(ctx, now, owes(s), now.Add(time.Minute))) }, 1},
		{"owed anew while it is put off", func(s *Store) { op = root(s, op) }, 1},
		{"sent as it was before it was owed anew", func(s *Store) {
			before := owes(s)
			op = root(s, op)
			require.NoError(t, s.Deliver(ctx, now, before, bot.Thread{}))
		}, 1},
		{"sent", func(s *Store) { require.NoError(t, s.Deliver(ctx, now, owes(s), bot.Thread{})) }, 0},
		{"owed again", func(s *Store) { op = root(s, op) }, 1},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			s := open()
			tc.do(s)
			require.NoError(t, s.Close())
			again := open()
			require.NoError(t, again.Close())
			require.Equal(t, again.c.roots, s.c.roots)
			require.Len(t, s.c.roots, tc.roots)
		})
	}
}
