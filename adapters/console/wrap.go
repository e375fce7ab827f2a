package console

import (
	"regexp"
	"strings"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// now is the time that texts are read at.
func (c *Console) now() time.Time { return c.opts.Clock.Now() }

// flat is a card's text without marks.
func (c *Console) flat(text string) string { return bot.Flat(text, c.now()) }

// room is how many columns a line has beside its indent.
func (c *Console) room() int { return max(c.screen.width-len(indent), 20) }

// paint colours text, if there are colours; codes may be empty.
func (c *Console) paint(code, text string) string {
	if !c.opts.Color || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// looks are what paint puts into a line.
var looks = regexp.MustCompile("\x1b\\[[0-9;]*m")

// seen is how many columns a painted line takes.
func seen(line string) int { return wide(looks.ReplaceAllString(line, "")) }

// indented puts lines under a head.
func (c *Console) indented(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimRight(indent+line, " ")
	}
	return out
}

// reply puts lines into a thread.
func (c *Console) reply(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		lead := indent + "  "
		if i == 0 {
			lead = indent + "↳ "
		}
		out[i] = strings.TrimRight(lead+line, " ")
	}
	return out
}

// piece is a part of a line in one look.
type piece struct {
	text string
	code bool
}

// wrap sets a card's text in lines that fit: lead before the first, hang
// before the others. It breaks at blanks outside code spans, and inside a word
// only where the word alone is too long. colors hold for all of it; code is
// bold besides.
func (c *Console) wrap(lead, hang, text string, colors ...string) []string {
	color := strings.Trim(strings.Join(colors, ";"), ";")
	room := c.room() - 2 // a thread's mark
	line := line{c: c, color: color}
	line.add(piece{text: lead})
	var lines []string
	start, gap := line.width, ""
	next := func() {
		lines = append(lines, line.String())
		line.add(piece{text: hang})
		start, gap = line.width, ""
	}
	for _, word := range c.words(text) {
		width := 0
		for _, p := range word {
			width += wide(p.text)
		}
		if width == 0 {
			gap += " "
			continue
		}
		if line.width > start && line.width+len(gap)+width > room {
			next()
		}
		line.add(piece{text: gap})
		gap = " "
		for _, p := range word {
			for p.text != "" {
				fits, rest := columns(p.text, max(room-line.width, 1))
				line.add(piece{fits, p.code})
				if p.text = rest; rest != "" {
					next()
				}
			}
		}
	}
	return append(lines, line.String())
}

// line puts a line together, and paints as much as it can at a time.
type line struct {
	c     *Console
	color string
	done  strings.Builder
	run   piece
	width int
}

func (l *line) add(p piece) {
	l.width += wide(p.text)
	if p.code != l.run.code {
		l.flush()
		l.run.code = p.code
	}
	l.run.text += p.text
}

func (l *line) flush() {
	look := l.color
	if l.run.code {
		look = strings.Trim(look+";"+bold, ";")
	}
	l.done.WriteString(l.c.paint(look, l.run.text))
	l.run = piece{}
}

// String ends the line, and begins another.
func (l *line) String() string {
	l.flush()
	text := l.done.String()
	l.done.Reset()
	l.width = 0
	return text
}

// words takes a card's text apart at its blanks. A word of no pieces is one
// blank more.
func (c *Console) words(text string) [][]piece {
	words := [][]piece{nil}
	add := func(p piece) {
		if p.text != "" {
			words[len(words)-1] = append(words[len(words)-1], p)
		}
	}
	for s := range bot.Spans(text) {
		if s.Code {
			add(piece{adapters.Printable(s.Text), true})
			continue
		}
		if !s.Time.IsZero() {
			s.Text = bot.Flat(bot.At(s.Time), c.now())
		}
		for i, word := range strings.Split(adapters.Printable(s.Text), " ") {
			if i > 0 {
				words = append(words, nil)
			}
			add(piece{text: word})
		}
	}
	return words
}

// columns is the beginning of text that fits into n columns, at least one
// character, and the rest.
func columns(text string, n int) (fits, rest string) {
	width := 0
	for i, r := range text {
		w := wide(string(r))
		if i > 0 && width+w > n {
			return text[:i], text[i:]
		}
		width += w
	}
	return text, ""
}
