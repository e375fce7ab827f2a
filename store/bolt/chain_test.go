package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"hosterbot/bot"
	"hosterbot/store/bolt"
)

// logOf makes a store with n audit records, a minute apart.
func logOf(tb testing.TB, path string, n int) {
	tb.Helper()
	s, err := bolt.Open(path, options)
	require.NoError(tb, err)
	for i := range n {
		w := bot.Written{Audit: []bot.Record{{Time: noon.Add(time.Duration(i) * time.Minute), Kind: "vote", Person: "ana", Text: fmt.Sprint("text ", i+1)}}}
		require.NoError(tb, s.Append(tb.Context(), noon, "", w))
	}
	require.NoError(tb, s.Close())
}

// verify looks at a store's audit log as `hosterbot audit verify` does.
func verify(tb testing.TB, path, key string, anchors ...bot.Anchor) (bot.Anchor, error) {
	tb.Helper()
	s, err := bolt.Open(path, bolt.Options{Reading: true})
	require.NoError(tb, err)
	c := bot.NewChain([]byte(key), anchors)
	err = s.Sealed(tb.Context(), 0, func(r bot.Sealed) error {
		c.Add(r)
		return nil
	})
	require.NoError(tb, errors.Join(err, s.Close()))
	return c.End()
}

// swap exchanges the values of two keys.
func swap(tb testing.TB, path string, a, b uint64) {
	tb.Helper()
	var first []byte
	change(tb, path, "audit", key(a), func(v []byte) []byte { first = v; return v })
	var second []byte
	change(tb, path, "audit", key(b), func(v []byte) []byte { second = v; return first })
	change(tb, path, "audit", key(a), func([]byte) []byte { return second })
}

func TestTheFirstWrongRecordIsNamed(t *testing.T) {
	const (
		second = "record 2 (2026-11-25 12:01:00 UTC)"
		third  = "record 3 (2026-11-25 12:02:00 UTC)"
		fourth = "record 4 (2026-11-25 12:03:00 UTC)"
	)
	replace := func(old, by string) func([]byte) []byte {
		return func(v []byte) []byte { return bytes.Replace(v, []byte(old), []byte(by), 1) }
	}
	edit := func(n uint64, f func([]byte) []byte) func(testing.TB, string) {
		return func(tb testing.TB, path string) { change(tb, path, "audit", key(n), f) }
	}
	for name, tc := range map[string]struct {
		do   func(testing.TB, string)
		want string
	}{
		"a letter of its JSON":         {edit(3, replace("text 3", "text 4")), third + " was changed, or sealed with another key"},
		"its person":                   {edit(3, replace("ana", "ben")), third + " was changed, or sealed with another key"},
		"its number":                   {edit(3, replace(`"seq":3`, `"seq":4`)), third + " was changed, or sealed with another key"},
		"its time":                     {edit(3, replace("12:02", "12:09")), "record 3 (2026-11-25 12:09:00 UTC) was changed, or sealed with another key"},
		"a field that is unknown":      {edit(3, replace(`"kind"`, `"extra":1,"kind"`)), third + " was changed, or sealed with another key"},
		"a space":                      {edit(3, replace(`"kind":`, `"kind": `)), third + " was changed, or sealed with another key"},
		"the MAC before it, in it":     {edit(3, replace(`"prev":"`, `"prev":"00`)), third + " was changed, or sealed with another key"},
		"a MAC before it that is none": {edit(3, replace(`"prev":"`, `"prev":"zz`)), third + " was changed, or sealed with another key"},
		"a brace":                      {edit(3, replace("{", "[")), "record 3 was changed: it is no longer readable, and follows " + second},
		"its MAC":                      {edit(3, func(v []byte) []byte { v[0] ^= 1; return v }), third + " was changed, or sealed with another key"},
		"cut to nothing":               {edit(3, func([]byte) []byte { return []byte{1} }), "record 3 was changed: it is no longer readable, and follows " + second},
		"the first":                    {edit(1, replace("text 1", "text 2")), "record 1 (2026-11-25 12:00:00 UTC) was changed, or sealed with another key"},
		"the last":                     {edit(5, replace("text 5", "text 2")), "record 5 (2026-11-25 12:04:00 UTC) was changed, or sealed with another key"},
		"removed":                      {edit(3, gone), "record 3 is missing: " + second + " is followed by " + fourth},
		"the first, removed":           {edit(1, gone), "record 1 is missing: the beginning is followed by " + second},
		"several, removed":             {func(tb testing.TB, path string) { edit(2, gone)(tb, path); edit(3, gone)(tb, path) }, "record 2 is missing: record 1 (2026-11-25 12:00:00 UTC) is followed by " + fourth},
		"two, swapped":                 {func(tb testing.TB, path string) { swap(tb, path, 3, 4) }, "record 3 is missing or out of order: in its place stands " + fourth},
		"removed, and the rest moved up": {func(tb testing.TB, path string) {
			swap(tb, path, 3, 4)
			swap(tb, path, 4, 5)
			edit(5, gone)(tb, path)
		}, "record 3 is missing or out of order: in its place stands " + fourth},
		"two changes, of which the first": {func(tb testing.TB, path string) {
			edit(4, replace("text", "TEXT"))(tb, path)
			edit(3, replace("text", "TEXT"))(tb, path)
		}, third + " was changed, or sealed with another key"},
		"every one": {func(tb testing.TB, path string) {
			for n := range uint64(5) {
				edit(n+1, replace("text", "TEXT"))(tb, path)
			}
		}, "no record verifies: is HOSTERBOT_AUDIT_KEY the right one?"},
		"one of another history with this key": {func(tb testing.TB, path string) {
			other := filepath.Join(tb.TempDir(), "other.db")
			logOf(tb, other, 2)
			s, err := bolt.Open(other, options)
			require.NoError(tb, err)
			require.NoError(tb, s.Append(tb.Context(), noon, "", bot.Written{Audit: []bot.Record{{Kind: "other"}, {Kind: "other", Time: noon}}}))
			require.NoError(tb, s.Close())
			var v []byte
			change(tb, other, "audit", key(4), func(is []byte) []byte { v = is; return is })
			edit(4, func([]byte) []byte { return v })(tb, path)
		}, "record 4 (2026-11-25 12:00:00 UTC) does not continue " + third + ": a part of the log was exchanged for one of another time"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			logOf(t, path, 5)
			whole, err := verify(t, path, "key")
			require.NoError(t, err)
			require.Equal(t, uint64(5), whole.Count)
			tc.do(t, path)
			_, err = verify(t, path, "key")
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestEveryByteOfARecordCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	logOf(t, path, 2)
	s, err := bolt.Open(path, bolt.Options{Reading: true})
	require.NoError(t, err)
	var all []bot.Sealed
	require.NoError(t, s.Sealed(t.Context(), 0, func(r bot.Sealed) error { all = append(all, r); return nil }))
	require.NoError(t, s.Close())
	for i := range len(all[1].Body) + len(all[1].MAC) {
		r := bot.Sealed{Seq: 2, MAC: all[1].MAC, Body: bytes.Clone(all[1].Body)}
		if mac := []byte(r.MAC); i < len(mac) {
			mac[i] ^= 1
			r.MAC = string(mac)
		} else {
			r.Body[i-len(mac)] ^= 1
		}
		c := bot.NewChain([]byte("key"), nil)
		c.Add(all[0])
		require.False(t, c.Add(r), "nothing more can change what was found")
		_, err := c.End()
		require.ErrorContains(t, err, "record 2 ", "byte %d", i)
	}
}

func TestACutTailIsSeenByAnAnchor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	logOf(t, path, 5)
	head, err := verify(t, path, "key")
	require.NoError(t, err)
	early := head
	change(t, path, "audit", key(5), gone)
	cut, err := verify(t, path, "key")
	require.NoError(t, err, "without an anchor nothing tells")
	require.Equal(t, uint64(4), cut.Seq)
	_, err = verify(t, path, "key", cut)
	require.NoError(t, err)
	_, err = verify(t, path, "key", cut, early)
	require.EqualError(t, err, "the tail is cut: the log ends with record 4 (2026-11-25 12:03:00 UTC), and an anchor names record 5")
	for n := range uint64(4) {
		change(t, path, "audit", key(n+1), gone)
	}
	_, err = verify(t, path, "key", head)
	require.EqualError(t, err, "the tail is cut: the log ends with the beginning, and an anchor names record 5")
}

func TestALogThatWasWrittenAnewIsSeenByAnAnchor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	logOf(t, path, 5)
	head, err := verify(t, path, "key")
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "other.db")
	s, err := bolt.Open(other, options)
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), noon, "", bot.Written{Audit: []bot.Record{{Kind: "a"}, {Kind: "b"}, {Kind: "rollback"}, {Kind: "d"}, {Kind: "e"}, {Kind: "f"}}}))
	require.NoError(t, s.Close())
	_, err = verify(t, other, "key", head)
	require.EqualError(t, err, "record 5 (2026-11-25 12:00:00 UTC) is not the one that was anchored: the log was written anew from there or from before (record 3 says that an older copy was accepted)")
	head.Count = 4
	_, err = verify(t, path, "key", head)
	require.EqualError(t, err, "an anchor counts 4 records up to record 5, and there are 5")
}

func TestAnotherKeyAndNoRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	logOf(t, path, 0)
	end, err := verify(t, path, "any")
	require.NoError(t, err)
	require.Equal(t, bot.Anchor{}, end)
	path = filepath.Join(t.TempDir(), "test.db")
	logOf(t, path, 5)
	_, err = verify(t, path, "other")
	require.EqualError(t, err, "no record verifies: is HOSTERBOT_AUDIT_KEY the right one?")
	_, err = verify(t, path, "")
	require.EqualError(t, err, "no record verifies: is HOSTERBOT_AUDIT_KEY the right one?")
}

func TestAKeyThatIsNoNumberEndsTheWalk(t *testing.T) {
	for name, odd := range map[string][]byte{"short": {0}, "long": append(key(2), 1), "all ones, twice": bytes.Repeat([]byte{0xff}, 9)} {
		path := filepath.Join(t.TempDir(), "test.db")
		logOf(t, path, 3)
		db, err := bbolt.Open(path, 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("audit")).Put(odd, []byte(strings.Repeat("x", 50))) }))
		require.NoError(t, db.Close())
		s, err := bolt.Open(path, bolt.Options{Reading: true})
		if err == nil { // the last key is looked at when it is opened
			err = s.Sealed(t.Context(), 0, func(bot.Sealed) error { return nil })
			require.NoError(t, s.Close())
		}
		require.ErrorIs(t, err, bolt.ErrDamaged, name)
	}
}
