package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"

	"hosterbot/adapters"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// indent is what stands left of everything but heads.
const indent = "  "

// fileLines is how much of a file is shown; what is left out is counted.
const fileLines = 12

// The colours: https://en.wikipedia.org/wiki/ANSI_escape_code#SGR
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// tones are the mark before a title and its colour.
var tones = map[bot.Tone]struct{ mark, color string }{
	bot.Good: {"✓ ", green},
	bot.Busy: {"● ", cyan},
	bot.Warn: {"! ", yellow},
	bot.Bad:  {"✗ ", red},
}

// styles are the colours of buttons.
var styles = map[bot.Style]string{bot.Primary: green, bot.Danger: red}

// wide measures text in columns, the same whatever the reader's locale.
var wide = func() func(string) int {
	cond := runewidth.NewCondition()
	cond.EastAsianWidth = false
	return cond.StringWidth
}()

// posted is a message as it stands.
func (c *Console) posted(m *message) block {
	b := block{kind: whole, about: m, group: root(m), head: c.headOf(m, ""), lines: c.under(m, m.card)}
	if m.root != nil {
		b.joins = true
		b.about = nil // without its head it is not drawn again
	}
	return b
}

// edited is what changed of a message.
func (c *Console) edited(m *message, changed bot.Card) block {
	return block{kind: news, group: root(m), head: c.headOf(m, " (edited)"), lines: c.under(m, changed)}
}

// under are a card's lines where a message stands.
func (c *Console) under(m *message, card bot.Card) func() []string {
	buttons := slices.Clone(m.buttons)
	return func() []string {
		if m.root != nil {
			return c.reply(c.body(card, buttons))
		}
		return c.indented(c.body(card, buttons))
	}
}

// moved is how far a message is, in one line.
func (c *Console) moved(m *message) block {
	bar := m.card.Bar.String()
	return block{kind: moving, about: m, group: root(m), joins: true, head: c.headOf(m, ""),
		lines: func() []string { return c.indented(c.wrap("", "", bar, cyan)) }}
}

// copied says that a message stands elsewhere too.
func (c *Console) copied(original *message, p bot.Place) block {
	return block{kind: remark, group: root(original), joins: true, head: c.headOf(original, ""),
		lines: fixed(c.indented([]string{c.paint(faint, "(copied to "+adapters.Printable(p.String())+")")})...)}
}

// whispered is a message that one person sees. Secrets stand in it once, and
// nowhere else: drawn again, it masks them.
func (c *Console) whispered(m *message, secrets []bot.Shown) block {
	card, buttons := m.card, slices.Clone(m.buttons)
	secrets = slices.Clone(secrets)
	return block{kind: whole, about: m, group: private(m.to), joins: true, lines: func() []string {
		lines := append([]string{c.only(m.to)}, c.body(card, buttons)...)
		for i, s := range secrets {
			lines = append(lines, c.secret(s, m.to)...)
			secrets[i].Value = secret.New(secret.Mask)
		}
		return c.indented(lines)
	}}
}

func (c *Console) only(person string) string {
	return c.paint(faint, "(only "+person+" sees this)")
}

// secret shows a secret. It is never wrapped, so that it can be copied whole.
func (c *Console) secret(s bot.Shown, person string) []string {
	label := adapters.Printable(s.Label) + ": "
	value := s.Value.Reveal()
	if quoted := strconv.Quote(value); adapters.Printable(value) != value {
		value = quoted
	}
	note := c.paint(faint, "(shown once, to "+person+" only)")
	if s.Link {
		return []string{label + value, indent + note}
	}
	return []string{label + c.paint(bold, value) + "   " + note}
}

// file is a document that one person gets.
func (c *Console) file(person string, f bot.File) block {
	text := strings.TrimSuffix(string(f.Data), "\n")
	all := strings.Split(text, "\n")
	lines := []string{
		c.only(person),
		fmt.Sprintf("%s: file %s (%s, sent to %s)", c.paint(bold, adapters.Printable(f.Title)), adapters.Printable(f.Name), count(len(all), "line"), person),
	}
	for _, line := range all[:min(len(all), fileLines)] {
		lines = append(lines, indent+bot.CleanMax(strings.ReplaceAll(line, "`", "'"), 200))
	}
	if more := len(all) - fileLines; more > 0 {
		lines = append(lines, indent+c.paint(faint, fmt.Sprintf("… (%s more)", count(more, "line"))))
	}
	return block{kind: remark, group: private(person), joins: true, lines: fixed(c.indented(lines)...)}
}

// root groups a root message and its thread.
func root(m *message) string {
	if m.root != nil {
		m = m.root
	}
	return "root " + m.ref.ID
}

// headOf says where a message stands and what it belongs to.
func (c *Console) headOf(m *message, more string) string {
	where := c.opts.Channel
	if !c.home(m.ref.Place) {
		where = m.ref.Place.String()
	}
	head := c.paint(bold, adapters.Printable(where))
	about := m
	if m.root != nil {
		about = m.root
	}
	switch {
	case about.op != "":
		head += " · operation " + about.op
	case m.root != nil:
		head += " · " + adapters.Printable(c.flat(about.card.Title))
	}
	if m.root != nil {
		head += " · thread"
	}
	return head + c.paint(faint, more)
}

// body is a card as lines that fit, without indent.
func (c *Console) body(card bot.Card, buttons []*button) []string {
	var out []string
	if card.Title != "" {
		tone := tones[card.Tone]
		out = append(out, c.wrap(tone.mark, "", card.Title, bold, tone.color)...)
	}
	for _, text := range card.Lines {
		for line := range strings.SplitSeq(text, "\n") {
			out = append(out, c.wrap("", "", line)...)
		}
	}
	out = append(out, c.fields(card.Fields)...)
	if card.Table != nil {
		out = append(out, c.table(card.Table)...)
	}
	if card.Bar != nil {
		out = append(out, c.wrap("", "", card.Bar.String(), cyan)...)
	}
	for _, note := range card.Notes {
		out = append(out, c.wrap("· ", "  ", note, faint)...)
	}
	if len(card.Mentions) > 0 {
		names := make([]string, len(card.Mentions))
		for i, a := range card.Mentions {
			names[i] = "@" + adapters.Printable(c.opts.Name(a))
		}
		out = append(out, c.wrap("→ ", "  ", strings.Join(names, " "))...)
	}
	return append(out, c.row(card.Buttons, buttons)...)
}

// fields are set in two columns; long values go on below themselves.
func (c *Console) fields(fields []bot.Field) []string {
	width := 0
	for _, f := range fields {
		width = max(width, min(wide(adapters.Printable(f.Label)), c.screen.width/3))
	}
	var out []string
	for _, f := range fields {
		label := adapters.Printable(f.Label)
		label += strings.Repeat(" ", max(width-wide(label), 0)) + "  "
		out = append(out, c.wrap(label, strings.Repeat(" ", width+2), f.Value)...)
	}
	return out
}

// table sets a table in columns, or where it is too wide, a row as a
// paragraph: nothing is cut.
func (c *Console) table(t *bot.Table) []string {
	if len(t.Rows) == 0 {
		if t.Empty == "" {
			return nil
		}
		return c.wrap("", "", t.Empty)
	}
	lines := adapters.Columns(t, c.now(), wide)
	if slices.ContainsFunc(lines, func(l string) bool { return wide(l) > c.room() }) {
		return c.records(t)
	}
	lines[0] = c.paint(bold, lines[0])
	return lines
}

func (c *Console) records(t *bot.Table) []string {
	var out []string
	for _, row := range t.Rows {
		var parts []string
		for i := 1; i < min(len(row), len(t.Columns)); i++ {
			if cell := bot.Clean(c.flat(row[i])); cell != "" {
				parts = append(parts, bot.Clean(t.Columns[i].Name)+": "+cell)
			}
		}
		first := ""
		if len(row) > 0 {
			first = bot.Clean(c.flat(row[0]))
		}
		out = append(out, c.wrap(first+"  ", indent+indent, strings.Join(parts, " · "))...)
	}
	return out
}

// row is the buttons under a card, by their numbers.
func (c *Console) row(shown []bot.Button, buttons []*button) []string {
	var lines []string
	line, width := "", 0
	used := make(map[*button]bool)
	for _, b := range shown {
		i := slices.IndexFunc(buttons, func(x *button) bool { return x.live && !used[x] && x.Code == b.Code && x.Label == b.Label })
		if i < 0 {
			continue
		}
		used[buttons[i]] = true
		number, label := "["+strconv.Itoa(buttons[i].number)+"]", adapters.Printable(b.Label)
		size := wide(number + " " + label)
		if width > 0 && width+3+size > c.room() {
			lines, line, width = append(lines, line), "", 0
		}
		if width > 0 {
			line, width = line+"   ", width+3
		}
		line += c.paint(bold, number) + " " + c.paint(styles[b.Style], label)
		width += size
	}
	if width > 0 {
		lines = append(lines, line)
	}
	return lines
}

// difference is what a person has to be told when a card takes the place of
// another: the title, and what is new. changed is false if only figures of
// progress are.
func difference(old, card bot.Card) (news bot.Card, changed bool) {
	news = bot.Card{Title: card.Title, Tone: card.Tone}
	changed = old.Title != card.Title || old.Tone != card.Tone ||
		missing(old.Lines, card.Lines) || missing(old.Fields, card.Fields) || missing(old.Notes, card.Notes) ||
		(old.Bar == nil) != (card.Bar == nil)
	news.Lines = added(old.Lines, card.Lines)
	news.Fields = added(old.Fields, card.Fields)
	news.Notes = added(old.Notes, card.Notes)
	news.Mentions = added(old.Mentions, card.Mentions)
	if !sameTable(old.Table, card.Table) {
		news.Table = card.Table
		changed = true
	}
	if card.Bar != nil && (old.Bar == nil || old.Bar.Word != card.Bar.Word) {
		news.Bar = card.Bar
		changed = true
	}
	if !slices.Equal(old.Buttons, card.Buttons) {
		news.Buttons = card.Buttons
		changed = true
	}
	changed = changed || len(news.Lines)+len(news.Fields)+len(news.Notes)+len(news.Mentions) > 0
	return news, changed
}

// empty tells whether news has nothing but its title.
func empty(news bot.Card) bool {
	return len(news.Lines)+len(news.Fields)+len(news.Notes)+len(news.Mentions)+len(news.Buttons) == 0 &&
		news.Table == nil && news.Bar == nil
}

// added are the elements of now that were not there before.
func added[T comparable](before, now []T) []T {
	return slices.DeleteFunc(slices.Clone(now), func(x T) bool { return slices.Contains(before, x) })
}

// missing tells whether something is no longer there.
func missing[T comparable](before, now []T) bool { return len(added(now, before)) > 0 }

func sameTable(a, b *bot.Table) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Empty == b.Empty && slices.Equal(a.Columns, b.Columns) && slices.EqualFunc(a.Rows, b.Rows, slices.Equal)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
