package main

import (
	"fmt"
	"strings"
)

// greeting says where one is, and what to try first, on a terminal of that many
// columns.
func greeting(people []string, width int) string {
	var b strings.Builder
	put := func(lead, text string) { // in lines that fit, on a phone's terminal too
		room := max(width, 40)
		column := len(lead)
		b.WriteString(lead)
		for i, word := range strings.Fields(text) {
			switch {
			case i == 0:
			case column+1+len(word) >= room:
				b.WriteString("\n" + strings.Repeat(" ", len(lead)))
				column = len(lead)
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
		b.WriteByte('\n')
	}
	put("", "This is "+channelName+", the channel of a hosting team. Nothing here is real: the provider is simulated.")
	put("", "You speak as "+people[0]+". Here are: "+strings.Join(people, ", ")+".")
	b.WriteByte('\n')
	for _, try := range [][2]string{
		{"vm list", "look"},
		{"vm delete 4003 --force", "be asked, and need somebody's approval"},
		{"as " + people[len(people)-1], "be somebody else, to approve it; then type the number of a button"},
		{"help", "all that you may run here"},
		{"?", "what else one can type; exit leaves"},
	} {
		if width < 60 { // no room for two columns
			put("  ", try[0])
			put("      ", try[1])
			continue
		}
		put(fmt.Sprintf("  %-26s ", try[0]), try[1])
	}
	b.WriteByte('\n')
	return b.String()
}
