package adapters

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hosterbot/bot"
)

// Busy is what is said where there is too much to do.
func Busy() bot.Card {
	return bot.Card{Tone: bot.Warn, Title: "The bot has too much to do right now", Lines: []string{"Nothing was done. Try again in a minute."}}
}

// WayBack is a card that says what was wrong with a form which has closed. Its
// button has the code.
func WayBack(f bot.Form, code string) bot.Card {
	c := bot.Card{Tone: bot.Warn, Title: "The form was not accepted: " + f.Title, Buttons: []bot.Button{{Label: "Open it again", Style: bot.Primary, Code: code}}}
	for _, field := range f.Fields {
		if field.Error != "" {
			c.Fields = append(c.Fields, bot.Field{Label: field.Label, Value: field.Error})
		}
	}
	return c
}

// FileTable shows a file line by line.
func FileTable(f bot.File) *bot.Table {
	t := &bot.Table{Columns: []bot.Column{{Name: f.Name}}}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(f.Data), "\n"), "\n") {
		t.Rows = append(t.Rows, []string{bot.Clean(line)})
	}
	return t
}

// Records are the rows of a table as paragraphs: "4001 · Name: web-1 ·
// State: running". Where there are but two columns, the second needs no name.
func Records(t *bot.Table) []string {
	out := make([]string, 0, len(t.Rows))
	for _, row := range t.Rows {
		var parts []string
		for i, cell := range row[:min(len(row), len(t.Columns))] {
			switch {
			case strings.TrimSpace(cell) == "":
			case i == 0, len(t.Columns) == 2:
				parts = append(parts, cell)
			default:
				parts = append(parts, bot.Clean(t.Columns[i].Name)+": "+cell)
			}
		}
		out = append(out, strings.Join(parts, " · "))
	}
	return out
}

// Mark stands before a title: colour alone says nothing to some.
func Mark(t bot.Tone) string {
	switch t {
	case bot.Good:
		return "✅ "
	case bot.Busy:
		return "⏳ "
	case bot.Warn:
		return "⚠️ "
	case bot.Bad:
		return "❌ "
	}
	return ""
}

// Plain is the plain form of a card, without its secrets: for notifications,
// screen readers, and a chat that refuses the other form.
func Plain(c bot.Card, now time.Time) string {
	lines := make([]string, 0, 8)
	if c.Title != "" {
		lines = append(lines, Mark(c.Tone)+c.Title)
	}
	lines = append(lines, c.Lines...)
	for _, f := range c.Fields {
		lines = append(lines, f.Label+": "+f.Value)
	}
	if c.Table != nil {
		if len(c.Table.Rows) == 0 {
			lines = append(lines, c.Table.Empty)
		} else {
			lines = append(lines, Columns(c.Table, now, utf8.RuneCountInString)...)
		}
	}
	if c.Bar != nil {
		lines = append(lines, c.Bar.String())
	}
	lines = slices.DeleteFunc(append(lines, c.Notes...), func(line string) bool { return strings.TrimSpace(line) == "" })
	return bot.Flat(strings.Join(lines, "\n"), now)
}

// Cuts are the parts of a card that did not fit into a message.
type Cuts []string

// Leave notes that n parts of a sort are left out: "field".
func (c *Cuts) Leave(n int, what string) {
	switch {
	case n == 1:
		*c = append(*c, "1 "+what)
	case n > 1:
		*c = append(*c, strconv.Itoa(n)+" "+what+"s")
	}
}

// String says what did not fit: "Cut here, one message holds no more: 12
// fields." It is empty if all did.
func (c Cuts) String() string {
	if len(c) == 0 {
		return ""
	}
	return "Cut here, one message holds no more: " + strings.Join(c, ", ") + "."
}
