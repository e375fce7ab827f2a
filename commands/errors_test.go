package commands_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
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
		{"redirect-307", bot.NoAnswer, "", "The provider's answer, HTTP 307, points elsewhere, and is not followed.", ""},
		{"429-once", bot.Throttled, "", "Too Many Attempts (HTTP 429).", "The provider asks to slow down. Nothing was done."},
		{"unauthorized", bot.Refused, "", "Unauthenticated (HTTP 401).", "Nothing was done. The provider refuses the bot's token."},
		{"422", bot.Refused, "", "", "Nothing was done. Check what was typed;"},
		{"bare-404", bot.Refused, "", "Not Found (HTTP 404).", "Nothing was done. Check what was typed;"},
		{"bare-no", bot.Refused, "", "The provider gave no reason (HTTP 200).", "Nothing was done. Check what was typed;"},
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

// TestWhatIsSaidOfReads: a read changes nothing, and where the next try gets
// the same answer, nobody is told to try again.
func TestWhatIsSaidOfReads(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		status     int
		body       string
		says, not  string
	}{
		{"0xa3", "vm show 4001", 500, `{"result":false,"error":"0xa3: timeout"}`, "the provider says `0xa3: timeout`. The provider could not reach its own machine. Nothing was changed: try again in a moment.", "happened"},
		{"0xa1", "dedicated show 7", 500, `{"result":false,"error":"0xa1: failed to send {signal} signal to vm"}`, "Nothing was changed: try again in a moment.", "pass that on"},
		{"422", "vm show 4001", 422, `{"message":"The given data was invalid."}`, "Trying again does not help", "in a moment"},
		{"404 of a framework", "vm show 4001", 404, `{"message":"No query results"}`, "Trying again does not help", "in a moment"},
		{"a login elsewhere", "vm show 4001", 302, ``, "points elsewhere, and is not followed. Reading VM `4001` failed. Trying again does not help", "in a moment"},
		{"false without a word", "vm show 4001", 200, `{"result":false}`, "The provider gave no reason (HTTP 200). Reading VM `4001` failed. Try again in a moment.", "cannot be read"},
		{"an error that is true", "vm incidents 4001", 200, `{"response":[],"error":true}`, "The provider gave no reason (HTTP 200). Reading VM `4001` failed. Try again in a moment.", "cannot be read"},
		{"a page", "vm show 4001", 200, `<html>`, "cannot be read. Reading VM `4001` failed. Try again in a moment.", "<"},
		{"a list that is not found", "software list", 404, `{"result":false,"error":"0x01: no vm with id 4001 found"}`, "The list of software could not be read: the provider says `0x01: no vm with id 4001 found`.", "knows no the"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := startBehind(t, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					rw.Header().Set("Content-Type", "application/json")
					rw.WriteHeader(tt.status)
					_, _ = io.WriteString(rw, tt.body)
				})
			})
			_, err := w.read(tt.line)
			_, said := personal(t, err)
			require.Contains(t, said, tt.says)
			require.NotContains(t, said, tt.not)
		})
	}
}

// TestARefusalWithoutAWord: there was an answer, and it was no.
func TestARefusalWithoutAWord(t *testing.T) {
	w := startBehind(t, func(sim http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				sim.ServeHTTP(rw, r)
				return
			}
			_, _ = io.WriteString(rw, `{"result":false}`)
		})
	})
	_, o := w.run("vm delete 4001 --force")
	require.Equal(t, bot.Refused, o.Class)
	require.Equal(t, "The provider gave no reason (HTTP 200).", o.Text)
}

// TestTheAPIsHealthInWords: who looks at status must not read that all works.
func TestTheAPIsHealthInWords(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		says   string
	}{
		{"a page", 200, `<html>`, "does not answer: vm-list: no answer (HTTP 200)"},
		{"a pause", 429, ``, "asks to slow down (HTTP 429): it is not asked again before "},
		{"a refused token", 401, ``, "refuses the bot's token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := startBehind(t, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					rw.Header().Set("Retry-After", "120")
					rw.WriteHeader(tt.status)
					_, _ = io.WriteString(rw, tt.body)
				})
			})
			_, err := w.api.VMs(t.Context())
			require.Error(t, err)
			h := commands.Provider(w.api).Health()
			require.False(t, h.OK)
			require.Contains(t, h.Text, tt.says)
		})
	}
}

// TestAnUndocumentedListOfSoftware: all that came is shown, but no secret.
func TestAnUndocumentedListOfSoftware(t *testing.T) {
	for _, tt := range []struct {
		body  string
		row   []string
		empty bool
	}{
		{body: `true`, empty: true},
		{body: `[]`, empty: true},
		{body: `["ts3"]`, row: []string{"`ts3`", ""}},
		{body: `[{"id":5,"package":"ts3","price":0,"password":"hunter2"}]`, row: []string{"`ts3`", "id: 5, price: 0"}},
		{body: `{"ts3":{"name":"TeamSpeak","version":"3.13"}}`, row: []string{"`ts3`", "TeamSpeak, version: 3.13"}},
	} {
		t.Run(tt.body, func(t *testing.T) {
			w := startBehind(t, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(rw, `{"result":`+tt.body+`}`)
				})
			})
			card := w.mustRead("software list")
			if tt.empty {
				require.Empty(t, card.Table.Rows)
				require.Contains(t, card.Table.Empty, "The provider names none.")
				return
			}
			require.Equal(t, [][]string{tt.row}, card.Table.Rows)
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
