package adaptertest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Offers looks at what people are offered to choose from: each sees the numbers
// of the operations and jobs that he may do this with, and can name another
// job. offers is what a person is shown for a field of a command, after what he
// has typed there.
func Offers(t *testing.T, w *World, offers func(person, words, field, typed string) []string) {
	t.Helper()
	require.Len(t, offers("ana", "vm show", "vm", ""), 5)
	w.Deletes("ana", "4009")
	w.Shows(1, "ana asks")
	asked := []string{"1 · Delete VM 4009 · pending · ana"}
	require.Equal(t, asked, offers("dia", "op approve", "op", ""))
	require.Equal(t, asked, offers("dia", "op deny", "op", "4009"))
	require.Empty(t, offers("ana", "op approve", "op", ""), "her own")
	require.Empty(t, offers("ben", "op approve", "op", ""), "he is no lead")
	require.Equal(t, asked, offers("ana", "op cancel", "op", "1"))
	require.Empty(t, offers("dia", "op cancel", "op", ""))
	require.Empty(t, offers("dia", "op resolve", "op", ""))
	require.Equal(t, asked, offers("ben", "op show", "op", ""))
	require.NoError(t, w.Press("dia", "Approve"))
	w.Ended(1)
	require.Empty(t, offers("cho", "op approve", "op", ""))
	require.Equal(t, []string{"1 · Delete VM 4009 · succeeded · ana"}, offers("ben", "op show", "op", ""))

	w.Types("ana", "vm reinstall 4003 --template Ubuntu22.04")
	require.NoError(t, w.Press("ana", "Confirm"))
	require.NoError(t, w.Fill("ana", `reason="new system" target=4003`))
	require.NoError(t, w.Press("cho", "Approve"))
	w.Ended(2)
	job := []string{"15 · Reinstall VM 4003 with Ubuntu22.04 · succeeded"}
	require.Equal(t, job, offers("ben", "job show", "job", ""))
	require.Equal(t, []string{"7"}, offers("ben", "job show", "job", "7"), "any job may be asked for")
	require.Equal(t, job, offers("cho", "job reveal", "job", "1"))
}
