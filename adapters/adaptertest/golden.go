package adaptertest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// Update is true where the golden files are to be rewritten.
var Update = flag.Bool("update", false, "rewrite the golden files")

// Golden compares with testdata/NAME.golden.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *Update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// Indented is a value as JSON that can be read.
func Indented(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(v))
	return b.String()
}

// Noon is when all cards are rendered.
var Noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// Buttons are those of operation 17, styled as the bot does.
func Buttons(labels ...string) []bot.Button {
	out := make([]bot.Button, len(labels))
	for i, l := range labels {
		out[i] = bot.Button{Label: l, Code: "v1:17:" + strings.ToLower(strings.Fields(l)[0]) + ":5f3a"}
		switch l {
		case "Approve", "Reveal":
			out[i].Style = bot.Primary
		case "Deny", "Confirm":
			out[i].Style = bot.Danger
		}
	}
	return out
}

// Fields tell of a VM that is to be deleted.
func Fields() []bot.Field {
	return []bot.Field{
		{Label: "Size", Value: "2 cores · 2 GiB · 20 GiB"}, {Label: "IPs", Value: bot.Code("203.0.113.9")}, {Label: "Template", Value: "debian-12"},
		{Label: "Last backup", Value: bot.At(Noon.Add(-26 * time.Hour))}, {Label: "Is lost", Value: "All data on its disk, and its address"},
	}
}

// Cards are what every chat shows alike.
func Cards(ana, ben bot.Account) map[string]bot.Card {
	wide := &bot.Table{Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}, {Name: "Description"}}, Rows: [][]string{{bot.Code("7"), "big", strings.Repeat("a long description ", 8)}, {bot.Code("8"), "", "short"}}}
	return map[string]bot.Card{
		"confirm": {Op: 17, Tone: bot.Warn, Title: "Delete VM " + bot.Code("4009") + " (cache-1)?", Fields: Fields(),
			Lines: []string{"After Confirm it asks you to type " + bot.Code("4009") + ", asks for a reason and needs 1 approval of leads."},
			Notes: []string{"Operation 17. Nothing happens unless you confirm, until " + bot.At(Noon.Add(10*time.Minute)) + "."}, Buttons: Buttons("Confirm", "Cancel")},
		"confirmed": {Op: 17, Tone: bot.Good, Title: "Confirmed: Delete VM " + bot.Code("4009") + " (cache-1)", Lines: []string{"Needs 1 approval of leads. Until " + bot.At(Noon.Add(30*time.Minute)) + "."},
			Notes: []string{"Operation 17 goes on in the channel."}},
		"waiting": {Op: 17, Tone: bot.Busy, Title: "Delete VM " + bot.Code("4009") + " (cache-1)", Lines: []string{"Waits for the delay that the policy asks for, until " + bot.At(Noon.Add(10*time.Minute)) + "."},
			Fields: append(Fields(), bot.Field{Label: "Approved by", Value: "ben and cho"}), Notes: []string{"Operation 17, asked by ana."}, Buttons: Buttons("Deny", "Cancel")},
		"person": {Op: 17, Tone: bot.Warn, Title: "A person has to look. No answer came. No read tells whether it was done.", Mentions: []bot.Account{ana, ben},
			Lines: []string{"Look at the provider's side, then press Resolve, or: " + bot.Code("op resolve 17 done|not-done|unsure --reason ...")}},
		"incident": {Tone: bot.Warn, Title: "Network incident of VM " + bot.Code("4002") + " (shop)", Lines: []string{"It goes on."},
			Fields: []bot.Field{{Label: "Types", Value: "NTP Amplification, DNS Amplification"}, {Label: "Host", Value: "203.0.113.6"}, {Label: "Start", Value: "2026-03-02 11:49:00"}, {Label: "Impact", Value: "412330112"}, {Label: "Direction", Value: "1"}},
			Notes: []string{"Times, impact and direction are as the provider sends them: it documents no time zone and no unit. All of them: " + bot.Code("vm incidents 4002") + ".",
				"Incident " + bot.Code("215486") + " of VM " + bot.Code("4002") + ", seen since " + bot.At(Noon) + "."}},
		"progress": {Op: 17, Tone: bot.Busy, Title: "Delete VM " + bot.Code("4009") + " (cache-1)", Lines: []string{"Removing the disk"},
			Bar: &bot.Bar{Fraction: 0.6, Word: "executing", Elapsed: 54 * time.Second, Expected: 90 * time.Second}, Fields: []bot.Field{{Label: "Approved by", Value: "ben and cho"}}, Notes: []string{"Operation 17, asked by ana."}},
		"end": {Op: 17, Tone: bot.Good, Title: "Done: Delete VM " + bot.Code("4009") + " (cache-1)", Fields: []bot.Field{{Label: "Took", Value: "1 min 31 s"}, {Label: "Approved by", Value: "ben and cho"}},
			Notes: []string{"Operation 17, asked by ana."}, Mentions: []bot.Account{ana}},
		"failed":  {Op: 18, Tone: bot.Bad, Title: "Failed: Stop VM " + bot.Code("4003"), Lines: []string{"The provider refused: 0xee: node is in maintenance", "This code is not in the provider's documentation. Its support can say what it means."}, Notes: []string{"Operation 18, asked by ana."}, Buttons: Buttons("Try again")},
		"denied":  {Tone: bot.Bad, Title: "Not allowed: " + bot.Code("vm reboot"), Lines: []string{"The rule prod-stays denies 'vm reboot' on vm/4001 to you.", "“Production. Ask a lead.”"}, Notes: []string{"Decided by deny " + bot.Code("prod-stays") + " (policies.yaml:41). Nothing was done."}},
		"wide":    {Title: "2 servers", Table: wide},
		"nothing": {},
	}
}
