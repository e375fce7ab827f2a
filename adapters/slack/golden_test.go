package slack_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters"
	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/slack"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

var noon = adaptertest.Noon

// seen is a message as a person sees it, then as it is sent.
func seen(t *testing.T, c bot.Card) string {
	t.Helper()
	text, blocks := slack.Rendered(c, team, noon)
	m := message{text: text, blocks: generic[[]any](t, blocks)}
	require.Empty(t, checkBlocks(m.blocks))
	k := kit{}
	k.escapes(text, true)
	require.Empty(t, k.problems)
	require.NotEmpty(t, text)
	require.LessOrEqual(t, chars(text), 4000)
	return layoutOf(m.blocks) + "\n---- text\n" + text + "\n---- blocks\n" + adaptertest.Indented(t, blocks)
}

func generic[T any](t *testing.T, v any) T {
	t.Helper()
	var out T
	require.NoError(t, json.Unmarshal([]byte(adaptertest.Indented(t, v)), &out))
	return out
}

// layoutOf draws blocks with letters: what README shows is taken from here.
func layoutOf(blocks []any) string {
	var b strings.Builder
	line := func(v any) string { return unescaped(str(v.(map[string]any)["text"])) }
	for _, block := range blocks {
		block := block.(map[string]any)
		elements, _ := block["elements"].([]any)
		switch block["type"] {
		case "section":
			if block["text"] != nil {
				fmt.Fprintln(&b, line(block["text"]))
			}
			fields, _ := block["fields"].([]any)
			for _, f := range fields {
				label, value, _ := strings.Cut(line(f), "\n")
				fmt.Fprintf(&b, "%-14s %s\n", strings.Trim(label, "*"), value)
			}
		case "context":
			for _, e := range elements {
				fmt.Fprintln(&b, "· "+strings.ReplaceAll(line(e), "\n", "\n· "))
			}
		case "actions":
			for _, e := range elements {
				e := e.(map[string]any)
				mark := map[string]string{"primary": "+", "danger": "!"}[str(e["style"])]
				fmt.Fprintf(&b, "[%s%s] ", mark, line(e["text"]))
			}
			b.WriteByte('\n')
		case "input":
			e := block["element"].(map[string]any)
			fmt.Fprintf(&b, "%s: <%s> %s\n", line(block["label"]), str(e["type"]), str(e["initial_value"]))
		}
	}
	return b.String()
}

func member(user string) bot.Account {
	return bot.Account{Platform: "slack", Team: team, User: user}
}

func TestCardsLookRight(t *testing.T) {
	list := &bot.Table{
		Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}, {Name: "State"}, {Name: "Cores", Right: true}, {Name: "Memory", Right: true}, {Name: "IPs"}},
		Rows: [][]string{
			{bot.Code("4001"), "web-1", "running", "2", "2 GiB", "203.0.113.5"}, {bot.Code("4002"), "db_1 <main> & more", "running", "8", "16 GiB", "203.0.113.6"},
			{bot.Code("4009"), "cache-1", "stopped", "2", "2 GiB", "203.0.113.9"},
		},
	}
	cards := adaptertest.Cards(member("U07ANA"), member("U08BEN"))
	maps.Copy(cards, map[string]bot.Card{
		"unknown": {Op: 17, Tone: bot.Warn, Title: "Outcome unknown: Delete VM " + bot.Code("4009") + " (cache-1)", Lines: []string{"No answer came, so nobody knows whether it was done. It is not sent again.",
			"Nothing to do yet: the bot looks whether it was done, until " + bot.At(noon.Add(13*time.Minute)) + ", and then asks a person if it cannot tell."},
			Fields: []bot.Field{{Label: "Approved by", Value: "ben and cho"}}, Notes: []string{"Operation 17, asked by ana."}, Buttons: adaptertest.Buttons("Resolve")},
		"invalidated": {Op: 17, Tone: bot.Warn, Title: "Invalidated: Delete VM " + bot.Code("4009") + " (cache-1)", Lines: []string{"The target has changed since it was approved: IPs were " + bot.Code("203.0.113.9") + ", and are " + bot.Code("203.0.113.77") + ". Nothing was done."},
			Notes: []string{"Operation 17, asked by ana."}, Buttons: adaptertest.Buttons("Try again")},
		"wrong": adapters.WayBack(bot.Form{Title: "Delete VM 4009", Fields: []bot.FormField{{Label: "Reason", Value: "old"}, {Label: "Type 4009", Error: "That is not 4009. Look again at what you are about to do."}}}, "form:KEY"),
		"help": {Title: bot.Code("vm") + " has these commands", Table: &bot.Table{Columns: []bot.Column{{Name: "Command"}, {Name: "Does"}}, Rows: [][]string{
			{bot.Code("vm list [--state STATE] [--template TEMPLATE]"), "List your VMs with their state, size and load"}, {bot.Code("vm show VM"), "Show a VM: size, IPs, load, memory, traffic, incidents"},
			{bot.Code("vm create --template TEMPLATE --cores CORES --mem SIZE --disk SIZE --ips COUNT"), "Create a VM: it costs money as long as it is there"}}}},
		"pending": {Op: 17, Tone: bot.Warn, Title: "ana asks: Delete VM " + bot.Code("4009") + " (cache-1)",
			Lines:  []string{"Needs 2 approvals of leads; cho has approved. Until " + bot.At(noon.Add(30*time.Minute)) + "."},
			Fields: append(adaptertest.Fields(), bot.Field{Label: "Reason", Value: "INC-42 <!here> *now*"}), Notes: []string{"Operation 17, asked by ana."},
			Mentions: []bot.Account{{Platform: "slack", Team: team, User: "U08BEN"}, {User: "dia"}, {Platform: "slack", Team: "T02OTHER", User: "U12EVE"}, {Platform: "slack", Team: team, User: "U1>x"}},
			Buttons:  adaptertest.Buttons("Approve", "Deny", "Back up first", "Cancel")},
		"table": {Title: "3 VMs", Table: list, Notes: []string{"Rows 1 to 3 of 42."}, Buttons: adaptertest.Buttons("Share", "Next", "As a file")},
		"empty": {Title: "0 VMs", Table: &bot.Table{Columns: list.Columns, Empty: "There is nothing that you may see."}},
		"secret": {Title: "VM " + bot.Code("4001"), Secrets: []bot.Shown{{Label: "Password", Value: secret.New("hunter2<&>")}, {Label: "Odd one", Value: secret.New("a`b")},
			{Label: "Open console", Value: secret.New("https://console.example/?token=1&x=2"), Link: true}, {Label: "Nothing"}}, Notes: []string{"Only you see this."}},
		"long": {Title: strings.Repeat("title ", 100), Lines: []string{strings.Repeat("word & ", 3000)}, Fields: []bot.Field{{Label: "Reason", Value: "left out"}}, Table: list,
			Buttons: []bot.Button{{Label: strings.Repeat("label ", 20), Code: "v1:1:x:n"}}},
	})
	for name, c := range cards {
		t.Run(name, func(t *testing.T) { adaptertest.Golden(t, name, seen(t, c)) })
	}
}

func TestManyButtonsAndFieldsFit(t *testing.T) {
	c := bot.Card{Title: "Many"}
	for i := range 60 {
		c.Fields = append(c.Fields, bot.Field{Label: fmt.Sprint("Field ", i), Value: fmt.Sprint("value ", i)})
		c.Buttons = append(c.Buttons, bot.Button{Label: fmt.Sprint("Button ", i), Code: fmt.Sprint("v1:", i, ":x:n")})
	}
	got := seen(t, c)
	require.Contains(t, got, "value 59")
	require.Contains(t, got, "Button 59")
}

func TestAPageOfATableFits(t *testing.T) {
	a, err := slack.New(slack.Options{BotToken: secret.New(botToken), AppToken: secret.New(appToken)})
	require.NoError(t, err)
	table := &bot.Table{Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}}}
	for i := range a.Limits().Rows {
		table.Rows = append(table.Rows, []string{bot.Code(fmt.Sprint(4000 + i)), strings.Repeat("<", 100)})
	}
	require.NotContains(t, seen(t, bot.Card{Title: "VMs", Table: table}), "Cut here")
}

func TestFormsLookRight(t *testing.T) {
	f := bot.Form{Code: "v1:r1:args:5f3a", Title: "vm create", Text: "Create a VM. It costs money: see " + bot.Code("help vm create") + ".", Submit: "Run", Fields: []bot.FormField{
		{Name: "template", Label: "Template", Required: true, Lookup: true, Hint: "a template's name", Choices: []bot.Choice{{Value: "debian-12", Label: "debian-12 · Debian <12>"}, {Value: "ubuntu-24"}}, Value: "ubuntu-24"},
		{Name: "size", Label: "Size", Value: "2 & more", MaxLen: 100},
		{Name: "reason", Label: "Reason", Long: true, Required: true, MaxLen: 500},
		{Name: "password", Label: "SSH root password", Secret: true, Required: true, Value: "canary", MaxLen: 200},
	}}
	v := slack.Modal(f, noon)
	view := generic[map[string]any](t, v)
	require.Empty(t, checkView(view))
	require.NotContains(t, adaptertest.Indented(t, v), "canary")
	adaptertest.Golden(t, "form", layoutOf(view["blocks"].([]any))+"\n---- view\n"+adaptertest.Indented(t, v))

	many := bot.FormField{Name: "vm", Label: strings.Repeat("l", 45), Value: "2"}
	for i := range 150 {
		many.Choices = append(many.Choices, bot.Choice{Value: fmt.Sprint(i), Label: strings.Repeat("long & ", 30)})
	}
	require.Empty(t, checkView(generic[map[string]any](t, slack.Modal(bot.Form{Code: "c", Title: strings.Repeat("t", 40), Fields: []bot.FormField{many}}, noon))))
	more := bot.FormField{Name: "job", Label: "Job", Choices: []bot.Choice{{Value: "15", Label: "15 · Create VM"}}, Value: "7", Lookup: true, More: true}
	view = generic[map[string]any](t, slack.Modal(bot.Form{Code: "c", Fields: []bot.FormField{more}}, noon))
	require.Empty(t, checkView(view))
	require.Contains(t, encoded(view), `"external_select"`, "what is not listed can be searched")
	require.Contains(t, encoded(view), `"initial_option":{"text":{"emoji":false,"text":"7","type":"plain_text"},"value":"7"}`, "what was typed stays")
	odd := bot.FormField{Name: "odd", Label: "Odd", Choices: []bot.Choice{{Value: strings.Repeat("v", 200)}}, Value: strings.Repeat("v", 5000)}
	require.Empty(t, checkView(generic[map[string]any](t, slack.Modal(bot.Form{Code: "c", Fields: []bot.FormField{odd}}, noon))))
}

func TestPlainerMessagesFit(t *testing.T) {
	everybody := slices.Repeat([]bot.Account{{Platform: "slack", Team: team, User: "U" + strings.Repeat("0", 31)}}, 30)
	simple, bare := slack.Plainer(bot.Card{Title: strings.Repeat("a & b < ", 2000), Mentions: everybody, Buttons: []bot.Button{{Label: "Show", Code: "c"}}}, team, noon)
	require.Empty(t, checkBlocks(generic[[]any](t, simple)))
	require.LessOrEqual(t, chars(bare), 4000)
	require.Contains(t, bare, "cut")
}

func TestWhatSlackDoesToTextIsUndone(t *testing.T) {
	for typed, want := range map[string]string{
		"vm list":                                               "vm list",
		"op list --by <@U07ANA|ana>":                            "op list --by U07ANA",
		"op list --by <@U07ANA>":                                "op list --by U07ANA",
		"in <#C0OPS|ops>":                                       "in C0OPS",
		"<!subteam^S0ONCALL|@oncall> <!here>":                   "S0ONCALL @here",
		"<!channel|@channel>":                                   "@channel",
		"vm show <http://web-1.example|web-1.example>":          "vm show web-1.example",
		"<https://x.example/a?b=1&amp;c=2>":                     "https://x.example/a?b=1&c=2",
		"<mailto:a@b.example|a@b.example> <mailto:c@d.example>": "a@b.example c@d.example",
		"a &lt; b &amp;&amp; c &gt; d":                          "a < b && c > d",
		"&amp;lt;":                                              "&lt;",
		"vm\u00a0show\u202f4001\u200b":                          "vm show 4001",
		"<> <|x> <":                                             "<> <|x> <",
	} {
		require.Equal(t, want, slack.Unescape(typed), typed)
	}
}

func TestAnIPv6AddressIsCode(t *testing.T) {
	for text, want := range map[string]string{
		"2001:db8::c633:6401":            "`2001:db8::c633:6401`",
		"203.0.113.5, 2001:db8:100:a::1": "203.0.113.5, `2001:db8:100:a::1`",
		"at 14:02:33":                    "at 14:02:33",
		"no fee:fi:fo":                   "no fee:fi:fo",
		"in " + bot.Code("2001:db8::1"):  "in `2001:db8::1`",
	} {
		_, blocks := slack.Rendered(bot.Card{Fields: []bot.Field{{Label: "IPs", Value: text}}}, team, noon)
		require.Contains(t, encoded(blocks), encoded("*IPs*\n" + want)[1:], text)
	}
}

func TestMarksBehindCodeAreNotBold(t *testing.T) {
	for title, want := range map[string]string{
		"Delete VM " + bot.Code("4009") + "?":                                         "*Delete VM* `4009`?",
		"The provider knows no VM " + bot.Code("9") + ": it says " + bot.Code("0x01"): "*The provider knows no VM* `9`: *it says* `0x01`",
		bot.Code("vm/4003") + " (web-1), and " + bot.Code("vm/4004") + ", too":        "`vm/4003` *(web-1), and* `vm/4004`, *too*",
		"Locked until " + bot.At(noon) + ": “disk” test":                              "*“disk” test*",
		bot.Code("a") + ".": "`a`.",
	} {
		_, blocks := slack.Rendered(bot.Card{Title: title}, team, noon)
		text := str(generic[[]any](t, blocks)[0].(map[string]any)["text"].(map[string]any)["text"])
		require.Contains(t, text, want, title)
	}
}

// TestREADMEShowsWhatIsSent: its cards are lines of the golden files, in order.
func TestREADMEShowsWhatIsSent(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(readme), "\n## Set up Slack\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, section, found := strings.Cut(section, "What it looks like")
	require.True(t, found)
	files, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	bare := strings.NewReplacer("*", "", "`", "")
	shown := strings.Split(section, "```\n")
	require.GreaterOrEqual(t, len(shown), 7)
	for i := 1; i < len(shown); i += 2 { // every second part is a card
		want := strings.Split(strings.TrimSpace(shown[i]), "\n")
		require.True(t, slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			layout, _, _ := strings.Cut(string(text), "\n---- text\n")
			left := want
			for line := range strings.SplitSeq(bare.Replace(layout), "\n") {
				if len(left) > 0 && strings.TrimSpace(line) == strings.TrimSpace(left[0]) {
					left = left[1:]
				}
			}
			return len(left) == 0
		}), "no golden file has this:\n%s", shown[i])
	}
}

// What a notification says can be copied too.
func TestPlainTextKeepsAnAddress(t *testing.T) {
	text, _ := slack.Rendered(bot.Card{Title: "VM " + bot.Code("4009"), Fields: []bot.Field{{Label: "IPs", Value: "2001:db8::c633:6401"}}}, team, noon)
	require.Contains(t, text, "2001:db8::c633:6401")
}
