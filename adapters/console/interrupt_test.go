package console_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/console"
)

// TestCtrlCTwiceLeaves: once it empties the line and says how to leave.
func TestCtrlCTwiceLeaves(t *testing.T) {
	out, heard := &blocks{}, &fakeBot{}
	o := options(out)
	o.In, o.Terminal = strings.NewReader("vm del\x03vm list\r\x03\x03vm delete 4001\r"), true
	c := console.New(o)
	run(t, c, heard)
	require.NoError(t, c.Interact(t.Context()))
	require.Len(t, heard.said(), 1)
	require.Contains(t, heard.said()[0], "ana: vm list")
	require.NotEmpty(t, out.newest("Ctrl-C again leaves"))
}

// TestCtrlCEmptiesAllOfTheLine: also what stands behind the cursor, and rows
// of it that are below the one in which the cursor is.
func TestCtrlCEmptiesAllOfTheLine(t *testing.T) {
	heard := &fakeBot{}
	o := options(nil)
	tty := newTTY(t, &o)
	c := console.New(o)
	run(t, c, heard)
	_, _, ended := interact(t, c)
	tty.wait("ana>")
	tty.press("vm show 4001 " + strings.Repeat("x", 200) + "\x01") // to its beginning
	tty.press("\x03")
	tty.wait("Ctrl-C again leaves")
	tty.press("whoami\r")
	tty.press("\x04")
	require.NoError(t, <-ended)
	require.Equal(t, []string{"demo/1 ana: whoami"}, heard.said())
	require.NotContains(t, onScreen(80, 24, tty.shown()), "xxx")
}
