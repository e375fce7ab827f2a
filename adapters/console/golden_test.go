package console_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/console"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// golden compares with testdata/NAME.golden. Escape sequences are written as
// \e there, so that they can be read.
func golden(t *testing.T, name, got string) {
	t.Helper()
	adaptertest.Golden(t, name, strings.NewReplacer("\x1b", `\e`, "\r\n", "\n").Replace(got))
}

// everything is a card with one of each.
func everything() bot.Card {
	return bot.Card{
		Title: "Delete VM " + bot.Code("4001") + " (web-1)", Tone: bot.Busy,
		Lines: []string{
			"ana wants to delete VM " + bot.Code("4001") + ". All data on its disk is lost, and its addresses go back to the provider; nobody can take that back.",
			"Needs 2 approvals of leads until " + bot.At(noon.Add(30*time.Minute)) + ".",
		},
		Fields: []bot.Field{
			{Label: "Size", Value: "2 cores · 2 GiB · 100 GiB"},
			{Label: "IPs", Value: bot.Code("203.0.113.5") + ", " + bot.Code("203.0.113.6")},
			{Label: "Last backup", Value: bot.At(noon.Add(-26 * time.Hour))},
			{Label: "Reason", Value: strings.TrimSpace(strings.Repeat("a reason that goes on and on ", 6))},
		},
		Table: &bot.Table{
			Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}, {Name: "Memory", Right: true}},
			Rows:    [][]string{{bot.Code("4001"), "web-1", "2 GiB"}, {bot.Code("4002"), "日本-db", "16 GiB"}, {bot.Code("4009"), "", "512 MiB"}},
		},
		Bar:      &bot.Bar{Fraction: 0.6, Word: "executing", Elapsed: 54 * time.Second, Expected: 90 * time.Second},
		Notes:    []string{"Operation 1, by policy 3f2a."},
		Mentions: []bot.Account{{Platform: "demo", User: "ben"}, {Platform: "slack", Team: "T01TEAM", User: "U11DIA"}},
		Buttons:  []bot.Button{{Label: "Approve", Style: bot.Primary, Code: "v1:1:approve:n"}, {Label: "Deny", Style: bot.Danger, Code: "v1:1:deny:n"}, {Label: "Cancel", Code: "v1:1:cancel:n"}},
	}
}

// responder gets the console's way to answer a person.
func responder(t *testing.T, c *console.Console, with func(context.Context, bot.Responder)) {
	t.Helper()
	run(t, c, &fakeBot{handle: func(ctx context.Context, r bot.Request) { with(ctx, r.Answer) }})
	require.NoError(t, c.Script(t.Context(), "test", strings.NewReader("ana: vm show 4001")))
}

func TestCardsLookRight(t *testing.T) {
	for name, color := range map[string]bool{"card": false, "card_color": true} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			o := options(&out)
			o.Color = color
			c := console.New(o)
			ctx := t.Context()

			r, err := c.Post(ctx, home(), "root/1", everything())
			require.NoError(t, err)
			_, err = c.Post(ctx, place("discord", "300", "400"), "root/1", everything())
			require.NoError(t, err)
			thread := home()
			thread.Thread = r.ID
			_, err = c.Post(ctx, thread, "line", bot.Card{Title: "ben approved", Tone: bot.Good, Lines: []string{"One more is needed."}})
			require.NoError(t, err)

			moved := everything()
			moved.Bar.Fraction = 0.7
			moved.Bar.Elapsed = 60 * time.Second
			require.NoError(t, c.Edit(ctx, r, moved), "printed only when a state changes")

			changed := moved
			changed.Title, changed.Tone = "VM "+bot.Code("4001")+" is deleted", bot.Good
			changed.Fields = append(changed.Fields[:3:3], bot.Field{Label: "Took", Value: "1 min 30 s"})
			changed.Bar, changed.Buttons, changed.Mentions = nil, []bot.Button{{Label: "Show", Code: "v1:1:show:n"}}, nil
			require.NoError(t, c.Edit(ctx, r, changed))
			changed.Buttons = nil
			require.NoError(t, c.Edit(ctx, r, changed))

			for _, tone := range []bot.Tone{bot.Plain, bot.Good, bot.Busy, bot.Warn, bot.Bad} {
				_, err = c.Post(ctx, home(), "tone "+string(tone), bot.Card{Title: "Tone " + string(tone), Tone: tone, Table: &bot.Table{Empty: "There is nothing."}})
				require.NoError(t, err)
			}
			_, err = c.Post(ctx, place("discord", "300", "400"), "", bot.Card{Title: "audit-anchor 64", Notes: []string{"Stands in no other place."}})
			require.NoError(t, err)
			golden(t, name, out.String())
		})
	}
}

func TestPrivateAnswersLookRight(t *testing.T) {
	var out bytes.Buffer
	c := console.New(options(&out))
	responder(t, c, func(ctx context.Context, to bot.Responder) {
		require.NoError(t, to.Reply(ctx, bot.Card{Title: "VM " + bot.Code("4001"), Tone: bot.Good, Notes: []string{"Never stored."}, Secrets: []bot.Shown{
			{Label: "Password", Value: secret.New("hunter2 `x`")},
			{Label: "Odd one", Value: secret.New("a\x1b[2Jb")},
			{Label: "Console", Value: secret.New("https://console.example/" + strings.Repeat("t", 120)), Link: true},
		}}))
		require.NoError(t, to.Reply(ctx, bot.Card{Title: "The link has expired", Buttons: []bot.Button{{Label: "Open console", Code: "v1:r1:console:n"}}}))
		require.NoError(t, to.File(ctx, bot.File{Name: "vms.csv", Title: "14 VMs", Data: []byte("id,name\n" + strings.Repeat("4001,a\x1b[31m`b`\n", 14))}))
	})
	golden(t, "private", out.String())
}

func TestFormsLookRight(t *testing.T) {
	var out bytes.Buffer
	c := console.New(options(&out))
	responder(t, c, func(ctx context.Context, to bot.Responder) {
		require.NoError(t, to.Form(ctx, bot.Form{Code: "c", Title: "Create a VM", Text: "It costs money.", Submit: "Create", Fields: []bot.FormField{
			{Name: "template", Label: "Template", Required: true, Lookup: true, Hint: "its name", Choices: many(14)},
			{Name: "cores", Label: "Cores", Value: "2", Choices: []bot.Choice{{Value: "1", Label: "1"}, {Value: "2", Label: "2 (usual)"}}},
			{Name: "password", Label: "SSH root password", Required: true, Secret: true, Value: "canary", Error: "This is needed."},
		}}))
	})
	golden(t, "form", out.String())
	require.NotContains(t, out.String(), "canary")
}

func TestWideTableBecomesParagraphs(t *testing.T) {
	var out bytes.Buffer
	o := options(&out)
	o.Width = 50
	c := console.New(o)
	table := &bot.Table{Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}, {Name: "State"}, {Name: "Template"}, {Name: "IPs"}}}
	table.Rows = append(table.Rows, []string{bot.Code("4001"), "web-1", "running", "debian-12-x64", "203.0.113.5, 203.0.113.6"}, []string{bot.Code("4002"), "", "stopped", "", "203.0.113.7"})
	_, err := c.Post(t.Context(), home(), "t", bot.Card{Title: "2 VMs", Table: table, Buttons: []bot.Button{{Label: strings.Repeat("long ", 8), Code: "a"}, {Label: "Share", Code: "b"}}})
	require.NoError(t, err)
	golden(t, "narrow", out.String())
}

func many(n int) []bot.Choice {
	out := make([]bot.Choice, n)
	for i := range out {
		out[i].Value = "debian-" + string(rune('a'+i))
	}
	return out
}
