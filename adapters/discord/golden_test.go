package discord_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters"
	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/discord"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

var noon = adaptertest.Noon

func generic(t *testing.T, v any) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(adaptertest.Indented(t, v)), &out))
	return out
}

// proper checks a message against Discord's description, and against the bounds
// that stand in its text alone.
func proper(t *testing.T, v any) {
	t.Helper()
	require.Empty(t, newSchema(t).request("POST", "/channels/400000000000000001/messages", nil, []byte(adaptertest.Indented(t, v))))
	m := generic(t, v)
	require.LessOrEqual(t, discord.Size(str(m["content"])), 2000)
	all, something := 0, str(m["content"]) != ""
	for _, e := range list(m["embeds"]) {
		e := e.(map[string]any)
		all += discord.Size(str(e["title"])) + discord.Size(str(e["description"]))
		require.LessOrEqual(t, discord.Size(str(e["description"])), 4096)
		for _, f := range list(e["fields"]) {
			name, value := str(f.(map[string]any)["name"]), str(f.(map[string]any)["value"])
			require.NotEmpty(t, name)
			require.NotEmpty(t, value)
			require.LessOrEqual(t, discord.Size(name), 256)
			require.LessOrEqual(t, discord.Size(value), 1024)
			all += discord.Size(name) + discord.Size(value)
		}
		something = true
	}
	require.True(t, something, "an empty message")
	require.LessOrEqual(t, all, 6000)
	require.NotNil(t, m["allowed_mentions"])
	require.NotNil(t, m["components"], "null keeps the buttons")
	rows := list(m["components"])
	require.LessOrEqual(t, len(rows), 5)
	for _, r := range rows {
		require.LessOrEqual(t, len(list(r.(map[string]any)["components"])), 5)
		require.NotEmpty(t, list(r.(map[string]any)["components"]))
	}
}

// seen is a message as a person sees it, then as it is sent.
func seen(t *testing.T, c bot.Card) string {
	t.Helper()
	v := discord.Rendered(c, noon)
	proper(t, v)
	return layoutOf(generic(t, v)) + "\n---- message\n" + adaptertest.Indented(t, v)
}

var unescape = strings.NewReplacer(`\\`, `\`, `\*`, "*", `\_`, "_", `\~`, "~", `\|`, "|", "\\`", "`", `\<`, "<", `\>`, ">", `\[`, "[", `\]`, "]", `\:`, ":", `\#`, "#", `\-`, "-", `\+`, "+", "**", "")

// noName is the name of a field that shows none.
const noName = "\u200b"

// layoutOf draws a message with letters: what README shows is taken from here.
func layoutOf(m map[string]any) string {
	var b strings.Builder
	if text := str(m["content"]); text != "" {
		fmt.Fprintln(&b, unescape.Replace(text))
	}
	for _, e := range list(m["embeds"]) {
		e := e.(map[string]any)
		if text := str(e["description"]); text != "" {
			fmt.Fprintln(&b, strings.ReplaceAll(unescape.Replace(text), "-# ", "· "))
		}
		for _, f := range list(e["fields"]) {
			f := f.(map[string]any)
			if name, value := str(f["name"]), unescape.Replace(str(f["value"])); name == noName {
				fmt.Fprintln(&b, strings.ReplaceAll(value, "-# ", "· "))
			} else {
				fmt.Fprintf(&b, "%-14s %s\n", unescape.Replace(name), value)
			}
		}
	}
	for _, r := range list(m["components"]) {
		for _, c := range list(r.(map[string]any)["components"]) {
			c := c.(map[string]any)
			mark := map[float64]string{3: "+", 4: "!", 5: "→"}[c["style"].(float64)]
			fmt.Fprintf(&b, "[%s%s] ", mark, str(c["label"]))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func discordAccount(user string) bot.Account {
	return bot.Account{Platform: "discord", Team: "300000000000000001", User: user}
}

func TestCardsLookRight(t *testing.T) {
	list := &bot.Table{
		Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}, {Name: "State"}, {Name: "Cores", Right: true}, {Name: "Memory", Right: true}},
		Rows: [][]string{
			{bot.Code("4001"), "web-1", "running", "2", "2 GiB"}, {bot.Code("4002"), "db_1 <main> & more", "running", "8", "16 GiB"}, {bot.Code("4009"), "cache-1", "stopped", "2", "2 GiB"},
		},
	}
	cards := adaptertest.Cards(discordAccount("118200000000000077"), discordAccount("118200000000000088"))
	maps.Copy(cards, map[string]bot.Card{
		"unknown": {Op: 17, Tone: bot.Warn, Title: "Outcome unknown: Delete VM " + bot.Code("4009") + " (cache-1)", Lines: []string{"No answer came, so nobody knows whether it was done. It is not sent again."},
			Fields: []bot.Field{{Label: "Approved by", Value: "ben and cho"}}, Notes: []string{"Operation 17, asked by ana."}, Buttons: adaptertest.Buttons("Resolve")},
		"invalidated": {Op: 17, Tone: bot.Warn, Title: "Invalidated: Delete VM " + bot.Code("4009") + " (cache-1)", Lines: []string{"The target has changed since it was approved: IPs were " + bot.Code("203.0.113.9") + ", and are " + bot.Code("203.0.113.77") + ". Nothing was done."},
			Notes: []string{"Operation 17, asked by ana.", "No thread here: the bot lacks the permission Create Public Threads. How it goes on is shown in this message."}, Buttons: adaptertest.Buttons("Try again")},
		"wrong": adapters.WayBack(bot.Form{Title: "Delete VM 4009", Fields: []bot.FormField{{Label: "Reason", Value: "old"}, {Label: "Type 4009", Error: "That is not 4009. Look again at what you are about to do."}}}, "form:KEY"),
		"help": {Title: bot.Code("vm") + " has these commands", Table: &bot.Table{Columns: []bot.Column{{Name: "Command"}, {Name: "Does"}}, Rows: [][]string{
			{bot.Code("vm list [--state STATE] [--template TEMPLATE]"), "List your VMs with their state, size and load"}, {bot.Code("vm show VM"), "Show a VM: size, IPs, load, memory, traffic, incidents"}}}},
		"pending": {Op: 17, Tone: bot.Warn, Title: "ana asks: Delete VM " + bot.Code("4009") + " (cache-1)",
			Lines:  []string{"Needs 2 approvals of leads; cho has approved. Until " + bot.At(noon.Add(30*time.Minute)) + "."},
			Fields: append(adaptertest.Fields(), bot.Field{Label: "Reason", Value: "INC-42 @everyone <@118200000000000077> *now*"}), Notes: []string{"Operation 17, asked by ana."},
			Mentions: []bot.Account{discordAccount("118200000000000078"), {User: "dia"}, {Platform: "slack", Team: "T02OTHER", User: "U12EVE"}, discordAccount("1>x")},
			Buttons:  adaptertest.Buttons("Approve", "Deny", "Back up first", "Cancel")},
		"table": {Title: "3 VMs", Table: list, Notes: []string{"Rows 1 to 3 of 42."}, Buttons: adaptertest.Buttons("Share", "Next", "As a file")},
		"empty": {Title: "0 VMs", Table: &bot.Table{Columns: list.Columns, Empty: "There is nothing that you may see."}},
		"secret": {Title: "VM " + bot.Code("4001"), Secrets: []bot.Shown{{Label: "Password", Value: secret.New("hunter2<&>")}, {Label: "Odd one", Value: secret.New("a```b*")},
			{Label: "Open console", Value: secret.New("https://console.example/?token=1&x=2"), Link: true}, {Label: "Nothing"},
			{Label: "Long link", Value: secret.New("https://console.example/" + strings.Repeat("x", 600)), Link: true}, {Label: "Odd link", Value: secret.New("https://console.example/a)b" + strings.Repeat("x", 600)), Link: true}}, Notes: []string{"Only you see this."}},
		"long": {Title: strings.Repeat("title ", 200), Lines: []string{strings.Repeat("word & ", 3000)}, Fields: []bot.Field{{Label: "Reason", Value: "kept"}, {Label: "Story", Value: strings.Repeat("so ", 900)}}, Table: list,
			Buttons: []bot.Button{{Label: strings.Repeat("label ", 20), Code: "v1:1:x:n"}}},
	})
	for name, c := range cards {
		t.Run(name, func(t *testing.T) { adaptertest.Golden(t, name, seen(t, c)) })
	}
}

func TestManyButtonsAndFieldsAreCutAndSaySo(t *testing.T) {
	c := bot.Card{Title: "Many"}
	for i := range 60 {
		c.Fields = append(c.Fields, bot.Field{Label: fmt.Sprint("Field ", i), Value: fmt.Sprint("value ", i)})
		c.Buttons = append(c.Buttons, bot.Button{Label: fmt.Sprint("Button ", i), Code: fmt.Sprint("v1:", i, ":x:n")})
	}
	got := seen(t, c)
	require.Contains(t, got, "value 24")
	require.Contains(t, got, "Button 24")
	require.Contains(t, got, "Cut here, one message holds no more: 35 fields, 35 buttons.")
}

func TestAPageOfATableFits(t *testing.T) {
	table := &bot.Table{Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}}}
	for i := range 20 {
		table.Rows = append(table.Rows, []string{bot.Code(fmt.Sprint(4000 + i)), strings.Repeat("_", 80)})
	}
	require.NotContains(t, seen(t, bot.Card{Title: "VMs", Table: table}), "Cut here")
}

// asForm checks a form against Discord's description.
func asForm(t *testing.T, f bot.Form) map[string]any {
	t.Helper()
	v, err := discord.Modal(f, noon)
	require.NoError(t, err)
	body := adaptertest.Indented(t, map[string]any{"type": 9, "data": v})
	require.Empty(t, newSchema(t).request("POST", "/interactions/900000000000000001/token/callback", nil, []byte(body)))
	m := generic(t, v)
	require.LessOrEqual(t, len(list(m["components"])), 5)
	return m
}

func TestFormsLookRight(t *testing.T) {
	f := bot.Form{Code: "v1:r1:args:5f3a", Title: "vm create", Text: "Create a VM. It costs money: see " + bot.Code("help vm create") + ".", Submit: "Run", Fields: []bot.FormField{
		{Name: "template", Label: "Template", Required: true, Lookup: true, Hint: "a template's name", Choices: []bot.Choice{{Value: "debian-12", Label: "debian-12 · Debian <12>"}, {Value: "ubuntu-24"}}, Value: "ubuntu-24"},
		{Name: "size", Label: "Size", Value: "2 & more", MaxLen: 100, Error: "Expected a size."},
		{Name: "reason", Label: "Reason", Long: true, Required: true, MaxLen: 500},
		{Name: "password", Label: "SSH root password", Secret: true, Required: true, Value: "canary", MaxLen: 200},
	}}
	m := asForm(t, f)
	require.NotContains(t, adaptertest.Indented(t, m), "canary")
	adaptertest.Golden(t, "form", adaptertest.Indented(t, m))

	many := bot.FormField{Name: "vm", Label: strings.Repeat("l", 45), Value: "2"}
	for i := range 150 {
		many.Choices = append(many.Choices, bot.Choice{Value: fmt.Sprint(i), Label: strings.Repeat("long & ", 30)})
	}
	asForm(t, bot.Form{Code: "c", Title: strings.Repeat("t", 90), Fields: []bot.FormField{many}})
	many.Choices = many.Choices[:25]
	asForm(t, bot.Form{Code: "c", Text: strings.Repeat("t ", 5000), Fields: []bot.FormField{many}})
	odd := bot.FormField{Name: "odd", Label: "Odd", Choices: []bot.Choice{{Value: strings.Repeat("v", 200)}}, Value: strings.Repeat("v", 5000)}
	asForm(t, bot.Form{Code: "c", Fields: []bot.FormField{odd}})
}

func TestAFormOfManyFieldsKeepsThoseThatAreNeeded(t *testing.T) {
	f := bot.Form{Code: "c", Text: "Why"}
	for i := range 8 {
		f.Fields = append(f.Fields, bot.FormField{Name: fmt.Sprint("f", i), Label: fmt.Sprint("Field ", i), Required: i >= 3})
	}
	m := asForm(t, f)
	require.NotContains(t, adaptertest.Indented(t, m), "value-f0")
	require.Contains(t, adaptertest.Indented(t, m), "value-f7")
	f.Fields[0].Required = true
	_, err := discord.Modal(f, noon)
	require.Error(t, err)
}

func TestPlainerMessagesFit(t *testing.T) {
	simple, bare := discord.Plainer(bot.Card{Title: strings.Repeat("a & b < ", 2000), Buttons: []bot.Button{{Label: "Show", Code: "c"}}}, noon)
	proper(t, simple)
	proper(t, bare)
	require.Contains(t, adaptertest.Indented(t, simple), "cut")
	require.Contains(t, adaptertest.Indented(t, bare), "op show")
}

func TestTextFromOutsideIsText(t *testing.T) {
	for text, want := range map[string]string{
		"web-1":                                "web-1",
		"*a* _b_ ~c~ `d` |e|":                  `\*a\* \_b\_ \~c\~ \` + "`d\\`" + ` \|e\|`,
		"<@118200000000000077> <#4> <t:1:R>":   `\<@118200000000000077\> \<#4\> \<t\:1\:R\>`,
		"@everyone @here":                      "@\u200beveryone @\u200bhere",
		":tada: 12:30, in: x":                  `\:tada: 12\:30, in: x`,
		"https://evil.example":                 `https\://evil.example`,
		"[a](https://b)":                       `\[a\](https\://b)`,
		"# head\n- item\n-# small\n+ x\na # b": "\\# head\n\\- item\n\\-# small\n\\+ x\na # b",
		"> quoted":                             `\> quoted`,
		`\*a`:                                  `\\\*a`,
		"a\x01b\x07":                           "ab",
	} {
		require.Equal(t, want, discord.Escape(text), "%q", text)
	}
}
