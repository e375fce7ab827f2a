package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestProviderErrors(t *testing.T) {
	for _, tt := range []struct {
		fault string
		class bot.Class
		code  string
		text  string
		means string
	}{
		{"500-before", bot.NoAnswer, "0xa3", "0xa3: timeout", "The provider gave up waiting for its own machine"},
		{"a1-before", bot.NoAnswer, "0xa1", "0xa1: failed to send delete signal to vm", "The provider could not pass that on to the machine."},
		{"html-502", bot.NoAnswer, "", "The provider's proxy answered 502.", ""},
		{"html-503", bot.NoAnswer, "", "The provider's proxy answered 503.", ""},
		{"request-lost", bot.NoAnswer, "", "The provider does not answer (the connection was closed", ""},
		{"half-document", bot.NoAnswer, "", "The provider's answer, HTTP 200, cannot be read.", ""},
		{"redirect-307", bot.NoAnswer, "", "The provider answered HTTP 307 without a reason.", ""},
		{"429-once", bot.Throttled, "", "Too Many Attempts (HTTP 429).", "The provider asks to slow down. Nothing was done."},
		{"unauthorized", bot.Refused, "", "Unauthenticated (HTTP 401).", "The provider refuses the bot's token."},
		{"422", bot.Refused, "", "", "The provider refused it, and nothing was done."},
		{"bare-404", bot.Refused, "", "Not Found (HTTP 404).", "The provider refused it, and nothing was done."},
		{"bare-no", bot.Refused, "", "The provider's answer, HTTP 200, says no, and not why.", "The provider refused it, and nothing was done."},
		{"unknown-code", bot.Refused, "0xee", "0xee: node is in maintenance", "This code is not in the provider's documentation."},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			w := start(t)
			w.fault("delete", tt.fault)
			_, o := w.run("vm delete 4001 --force")
			require.Equal(t, tt.class, o.Class)
			require.Equal(t, tt.code, o.Code)
			require.Contains(t, o.Text, tt.text)
			require.Contains(t, o.Means, tt.means)
			require.NotContains(t, o.Text, "<")
		})
	}
}

func TestProviderErrorsOfReads(t *testing.T) {
	for _, tt := range []struct{ fault, says string }{
		{"unauthorized", "Unauthenticated (HTTP 401). Reading VM `4001` failed. The provider refuses the bot's token."},
		{"html-502", "The provider's proxy answered 502. Reading VM `4001` failed."},
		{"429-once", "The provider asks to slow down"},
		{"unknown-code", "VM `4001` could not be read: the provider says `0xee: node is in maintenance`. This code is not in the provider's documentation."},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			w := start(t)
			for range 4 { // all tries of a read
				w.fault("incidents", tt.fault)
			}
			_, err := w.read("vm incidents 4001")
			_, said := personal(t, err)
			require.Contains(t, said, tt.says)
		})
	}
}

func TestNothingIsSentWhileTheTokenIsRefused(t *testing.T) {
	w := start(t)
	w.fault("delete", "unauthorized")
	c, _ := w.run("vm delete 4001 --force")
	n := len(w.Calls())
	o := c.Command.Run(t.Context(), c)
	require.Equal(t, bot.NotSent, o.Class)
	require.Contains(t, o.Means, "All changes wait until the provider accepts the bot's token again.")
	require.Empty(t, w.kindsSince(n))
}
