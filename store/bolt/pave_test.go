package bolt

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestPavingKeepsWhatIsUsed(t *testing.T) {
	const size = 4 << 20
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer file.Close()
	old := bytes.Repeat([]byte{7}, size)
	_, err = file.Write(old)
	require.NoError(t, err)
	read := func() []byte {
		is, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		require.Len(t, is, size, "it never grows the file")
		return is
	}
	var p paving
	p.pave(file, 1<<20)
	p.pave(file, 1<<20+paveAfter-1)
	require.Equal(t, old, read(), "a store that grows little is let be")
	for used := int64(1<<20 + paveAfter); used <= size; used += 4096 {
		p.pave(file, used)
		require.GreaterOrEqual(t, p.done, min(used+paveAhead/2, size), "it stays ahead")
		require.LessOrEqual(t, p.done, min(used+paveAhead, size))
		copy(old[used:p.done], zeros[:])
		if used%(64<<10) == 0 {
			require.Equal(t, old, read())
		}
		if used < size { // what is used from now on
			page := bytes.Repeat([]byte{9}, 4096)
			copy(old[used:], page)
			_, err := file.WriteAt(page, used)
			require.NoError(t, err)
		}
	}
	require.Equal(t, old, read())
	require.NoError(t, file.Close())
	p.pave(file, size) // an error is let be
}

// TestAStoreThatGrowsStaysWhole: what is put ahead of the end never meets what
// is stored, also after it was opened again.
func TestAStoreThatGrowsStaysWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for range 3 {
		s, err := Open(path, Options{AuditKey: []byte("k"), MinFree: -1})
		require.NoError(t, err)
		records := make([]bot.Record, 500)
		for i := range records {
			records[i] = bot.Record{Time: now, Kind: "read", Text: fmt.Sprint("text ", i)}
		}
		for range 20 {
			require.NoError(t, s.Append(t.Context(), now, "", bot.Written{Audit: records}))
		}
		require.Positive(t, s.c.paved.done, "it grew enough to be paved")
		require.NoError(t, s.Check(t.Context()))
		require.NoError(t, s.Close())
	}
}
