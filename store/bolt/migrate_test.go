package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"hosterbot/bot"
	"hosterbot/store/bolt"
)

// older copies a store that hosterbot wrote under schema 1 (the demo, with the
// key demoKey) to a path of this test.
func older(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/schema1.db")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "old.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

var demoOptions = bolt.Options{AuditKey: []byte("demo: not a secret"), MinFree: -1, AcceptRollback: true}

// whole looks at everything that stands in the file of schema 1.
func whole(t *testing.T, s bot.Store) {
	t.Helper()
	require.NoError(t, s.Check(t.Context()))
	ops, err := s.Operations(t.Context(), bot.OperationFilter{})
	require.NoError(t, err)
	var states []bot.State
	for _, op := range ops {
		states = append(states, op.State)
	}
	require.Equal(t, []bot.State{bot.Unknown, bot.NeedsHuman, bot.Succeeded, bot.Succeeded}, states)
	require.Equal(t, "vm stop", ops[0].Command)
	require.Equal(t, "ana", ops[0].Person)
	threads, err := s.Threads(t.Context(), ops[2].ID)
	require.NoError(t, err)
	require.NotEmpty(t, threads)
	records, err := s.Audit(t.Context(), bot.AuditFilter{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(records), 25)
	chain := bot.NewChain(demoOptions.AuditKey, nil)
	require.NoError(t, s.Sealed(t.Context(), 0, func(r bot.Sealed) error { chain.Add(r); return nil }))
	_, err = chain.End()
	require.NoError(t, err, "the audit log of an older store is whole")
}

// TestAStoreOfSchema1IsMigrated: that one holds JSON, and this hosterbot packs.
func TestAStoreOfSchema1IsMigrated(t *testing.T) {
	path := older(t)
	s, err := bolt.Open(path, demoOptions)
	require.NoError(t, err)
	defer s.Close()
	whole(t, s)
	op, err := s.Operation(t.Context(), 4)
	require.NoError(t, err)
	op.State = bot.NeedsHuman
	_, err = s.Advance(t.Context(), noon, "k", &op, bot.Written{Audit: []bot.Record{{Time: noon, Kind: "state"}}})
	require.NoError(t, err, "and goes on")
	require.FileExists(t, path+".schema-1")
}

// TestAStoreOfSchema2IsMigrated: that one has no bucket for incidents. It is the
// store of schema 1, opened once by the last hosterbot of schema 2.
func TestAStoreOfSchema2IsMigrated(t *testing.T) {
	data, err := os.ReadFile("testdata/schema2.db")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "old.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	s, err := bolt.Open(path, demoOptions)
	require.NoError(t, err)
	defer s.Close()
	whole(t, s)
	want := bot.Told{VM: 4001, Incident: bot.Incident{ID: "7", Types: []string{"NTP"}, Ongoing: true}, Seen: noon}
	require.NoError(t, s.SaveIncident(t.Context(), noon, want))
	told, err := s.Incidents(t.Context())
	require.NoError(t, err)
	require.Equal(t, []bot.Told{want}, told)
	require.FileExists(t, path+".schema-2")
}

// TestAStoreOfSchema3IsMigrated: that one kept lanes and what is due in buckets of
// their own, and keys in one for every eight hours. It is the store of schema 2
// in which the last hosterbot of schema 3 began an operation and saved an
// incident.
func TestAStoreOfSchema3IsMigrated(t *testing.T) {
	data, err := os.ReadFile("testdata/schema3.db")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "old.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	s, err := bolt.Open(path, demoOptions)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Check(t.Context()))
	told, err := s.Incidents(t.Context())
	require.NoError(t, err)
	require.Len(t, told, 1)

	holder, err := s.Holder(t.Context(), "vm/4711")
	require.NoError(t, err)
	require.EqualValues(t, 5, holder)
	var busy *bot.BusyError
	_, err = s.Create(t.Context(), noon, "other", &bot.Operation{State: bot.Intent, Lane: "vm/4711"}, bot.Written{})
	require.ErrorAs(t, err, &busy, "the lane is still held")
	ids, _, err := s.Due(t.Context(), noon.Add(time.Minute), "", 100)
	require.NoError(t, err)
	require.Contains(t, ids, int64(5), "and looked at in time")
	stored, err := s.Create(t.Context(), noon.Add(time.Hour), "k5", &bot.Operation{State: bot.Pending}, bot.Written{})
	require.NoError(t, err)
	require.True(t, stored.Repeated, "a delivery is known again")
	require.EqualValues(t, 5, stored.Operation.ID)
	require.NoError(t, s.Prune(t.Context(), noon.Add(30*time.Hour)))
	stored, err = s.Create(t.Context(), noon.Add(30*time.Hour), "k6", &bot.Operation{State: bot.Pending}, bot.Written{})
	require.NoError(t, err)
	require.True(t, stored.Repeated, "the younger key is not forgotten with the older")
	require.FileExists(t, path+".schema-3")
}

// addNotes is a step of a later hosterbot: a bucket that schema 1 does not have,
// filled from one that it has.
func addNotes(tx *bbolt.Tx) error {
	notes, err := tx.CreateBucket([]byte("notes"))
	if err != nil {
		return err
	}
	return tx.Bucket([]byte("operations")).ForEach(func(k, _ []byte) error { return notes.Put(k, []byte("seen")) })
}

func notes(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte("notes")); b != nil {
			n = b.Stats().KeyN
		}
		return nil
	}))
	return n
}

func TestAnOlderStoreIsMigratedAndKept(t *testing.T) {
	path := older(t)
	later := bolt.Later(demoOptions, addNotes, func(*bbolt.Tx) error { return nil })
	reading := later
	reading.Reading = true
	_, err := bolt.Open(path, reading)
	require.ErrorContains(t, err, "made by an older hosterbot (schema 1, this one knows 6)", "who only looks does not migrate")

	s, err := bolt.Open(path, later)
	require.NoError(t, err)
	whole(t, s)
	require.NoError(t, s.Close())
	require.Equal(t, 4, notes(t, path))

	s, err = bolt.Open(path, later)
	require.NoError(t, err, "a step runs once")
	require.NoError(t, s.Close())
	_, err = bolt.Open(path, demoOptions)
	require.ErrorIs(t, err, bolt.ErrNewer)

	kept := path + ".schema-1"
	info, err := os.Stat(kept)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	s, err = bolt.Open(kept, demoOptions)
	require.NoError(t, err, "what was there before is kept, and the older hosterbot takes it")
	whole(t, s)
	require.NoError(t, s.Close())
}

func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	path := older(t)
	broken := errors.New("half-way")
	_, err := bolt.Open(path, bolt.Later(demoOptions, addNotes, func(*bbolt.Tx) error { return broken }))
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "schema 5 to 6")
	require.Zero(t, notes(t, path))
	s, err := bolt.Open(path, demoOptions)
	require.NoError(t, err, "the hosterbot before goes on")
	whole(t, s)
	require.NoError(t, s.Close())

	s, err = bolt.Open(path, bolt.Later(demoOptions, addNotes))
	require.NoError(t, err, "another try needs no hand")
	whole(t, s)
	require.NoError(t, s.Close())
}

func TestANewStoreHasTheLatestSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	later := bolt.Later(options, addNotes)
	s, err := bolt.Open(path, later)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = bolt.Open(path, options)
	require.ErrorIs(t, err, bolt.ErrNewer)
	require.NoFileExists(t, path+".schema-1")
}

func TestAnOlderBackupIsMigratedWhenItIsRestored(t *testing.T) {
	backup, err := os.ReadFile("testdata/schema1.db")
	require.NoError(t, err)
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	later := bolt.Later(demoOptions, addNotes)
	require.NoError(t, bolt.Restore(t.Context(), path, bytes.NewReader(backup), later))
	require.Equal(t, 4, notes(t, path))
	s, err := bolt.Open(path, later)
	require.NoError(t, err)
	require.NotEmpty(t, s.Rollback())
	whole(t, s)
	require.NoError(t, s.Close())
	left, err := filepath.Glob(filepath.Join(dir, "*schema*"))
	require.NoError(t, err)
	require.Empty(t, left, "the backup is the copy")
}
