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
