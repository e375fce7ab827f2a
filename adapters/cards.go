package adapters

import (
	"strings"

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

// Records are the rows of a table as paragraphs: "4001 · Name web-1 · State
// running".
func Records(t *bot.Table) []string {
	out := make([]string, 0, len(t.Rows))
	for _, row := range t.Rows {
		var parts []string
		for i, cell := range row[:min(len(row), len(t.Columns))] {
			switch {
			case strings.TrimSpace(cell) == "":
			case i == 0:
				parts = append(parts, cell)
			default:
				parts = append(parts, bot.Clean(t.Columns[i].Name)+" "+cell)
			}
		}
		out = append(out, strings.Join(parts, " · "))
	}
	return out
}
