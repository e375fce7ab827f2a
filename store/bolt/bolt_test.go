package bolt_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/store/bolt"
	"hosterbot/store/storetest"
)

// ctx is that of goroutines that outlive no test but are killed.
var ctx = context.Background()

var options = bolt.Options{AuditKey: []byte("key"), MinFree: -1}

// accepting opens a copy that has no sidecar, too.
var accepting = bolt.Options{AuditKey: options.AuditKey, MinFree: -1, AcceptRollback: true}

// MustOpen opens a store that the test closes.
func MustOpen(tb testing.TB, path string) bot.Store {
	tb.Helper()
	s, err := bolt.Open(path, options)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

func open(tb testing.TB) bot.Store { return MustOpen(tb, filepath.Join(tb.TempDir(), "test.db")) }

func TestContract(t *testing.T)   { storetest.Run(t, open) }
func TestConcurrent(t *testing.T) { storetest.RunConcurrent(t, open) }
func TestReopen(t *testing.T) {
	storetest.RunReopen(t, MustOpen, filepath.Join(t.TempDir(), "test.db"))
}
