package slack

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// What one message can hold.
// Source: https://docs.slack.dev/reference/block-kit/blocks
const (
	maxBlocks   = 50
	maxSection  = 3000 // characters of a section
	maxFields   = 10   // beside each other in one
	maxActions  = 25   // buttons of one row
	maxLabel    = 75   // characters of a button
	maxURL      = 3000
	maxMentions = 20
)

// What cards get of it. The rest is for marks and for what is said of cuts.
const (
	rows      = 20    // of a table on one page
	fitTitle  = 400   // characters
	fitLabel  = 150   // of a field
	fitField  = 300   // of a field beside another; longer ones get a line of their own
	fitChunk  = 2900  // of a section
	fitText   = 3000  // of the plain form: an edited text may have 4,000
	fitAll    = 11000 // of all blocks: about 12,000 are refused as msg_blocks_too_long
	fitColumn = 110   // columns of a table set in columns; wider ones wrap on every screen
)

var styles = map[bot.Style]slack.Style{bot.Primary: slack.StylePrimary, bot.Danger: slack.StyleDanger}

// message is a card as it is sent: blocks, and the same as text for
// notifications, screen readers and clients that show no blocks.
type message struct {
	text   string
	blocks []slack.Block
	pinged string // its mentions, which are in blocks too
}

// render makes a message of a card. Its secrets are shown: a card for more
// than one pair of eyes comes without. team is the bot's own, whose members
// can be mentioned.
func render(c bot.Card, team string, now time.Time) message {
	// What has to be there is set first, and the rest gets what is left; one
	// block is kept to say what was cut.
	last, spent := secretBlocks(c.Secrets, now)
	pinged := mentions(c.Mentions, team)
	if pinged != "" {
		last = append(last, slack.NewSectionBlock(mrkdwn(pinged), nil, nil))
		spent += size(pinged)
	}
	last = append(last, buttons(c.Buttons, now)...)
	for _, b := range c.Buttons {
		spent += maxLabel + len(b.Code)
	}
	l := layout{now: now, most: maxBlocks - 1 - len(last), room: max(fitAll-spent, fitChunk)}
	if title := strong(adapters.Truncate(c.Title, fitTitle), now); title != "" {
		l.section(mrkdwn(adapters.Mark(c.Tone) + title))
	}
	l.lines("line", c.Lines)
	l.fields(c.Fields)
	if c.Table != nil {
		l.table(c.Table)
	}
	if c.Bar != nil {
		l.section(plain(escape(c.Bar.String())))
	}
	l.notes(c.Notes)
	if cut := l.cut.String(); cut != "" {
		l.blocks = append(l.blocks, small(plain(cut)))
	}
	return message{text: text(c, now), blocks: append(l.blocks, last...), pinged: pinged}
}

// simple is a message without formatting, for a Slack that refuses the other.
func (m message) simple() message {
	out := message{text: m.text}
	for _, part := range pieces(m.text, fitChunk, time.Time{}) {
		out.blocks = append(out.blocks, slack.NewSectionBlock(plain(part), nil, nil))
	}
	if m.pinged != "" {
		out.blocks = append(out.blocks, slack.NewSectionBlock(mrkdwn(m.pinged), nil, nil))
	}
	for _, b := range m.blocks {
		if b.BlockType() == slack.MBTAction {
			out.blocks = append(out.blocks, b)
		}
	}
	return out
}

// bare is a message of text alone. Buttons that it had are missed.
func (m message) bare() message {
	text := m.text
	if m.pinged != "" {
		text += "\n" + m.pinged
	}
	for _, b := range m.blocks {
		if b.BlockType() == slack.MBTAction {
			text += "\n(Slack refused the buttons of this message: type the command, or `op show` with the operation's number.)"
			break
		}
	}
	return message{text: text}
}

// text is the plain form of a card, without its secrets.
func text(c bot.Card, now time.Time) string {
	short := adapters.Fit(adapters.Plain(c, now), fitText, size, func(text string) string { return addressed(text, neutral) })
	if blank(short) {
		return "Done."
	}
	return short
}

// layout takes the parts of a card as long as they fit, and counts what does
// not.
type layout struct {
	now    time.Time
	blocks []slack.Block
	most   int // blocks
	room   int // characters
	cut    adapters.Cuts
}

// add takes a block, if there is room for it.
func (l *layout) add(b slack.Block, chars int) bool {
	if len(l.blocks) >= l.most || chars > l.room {
		return false
	}
	l.blocks = append(l.blocks, b)
	l.room -= chars
	return true
}

func (l *layout) section(t *slack.TextBlockObject) bool {
	return blank(t.Text) || l.add(slack.NewSectionBlock(t, nil, nil), size(t.Text))
}

// blank tells whether there is nothing to see in a text. Slack refuses those.
func blank(text string) bool { return strings.TrimSpace(text) == "" }

// lines are paragraphs, as many in a section as it holds.
func (l *layout) lines(what string, lines []string) {
	l.chunks(what, lines, func(t *slack.TextBlockObject) slack.Block { return slack.NewSectionBlock(t, nil, nil) })
}

func (l *layout) notes(notes []string) {
	l.chunks("note", notes, small)
}

func (l *layout) chunks(what string, lines []string, block func(*slack.TextBlockObject) slack.Block) {
	var chunk []string
	length, whole := 0, 0
	flush := func() bool {
		if len(chunk) == 0 {
			return true
		}
		t := words(strings.Join(chunk, "\n"), l.now)
		chunk, length = nil, 0
		return blank(t.Text) || l.add(block(t), size(t.Text))
	}
	for i, line := range lines {
		for _, part := range pieces(line, fitChunk, l.now) {
			n := size(markup(part, l.now)) + 1
			if length+n > fitChunk {
				if !flush() {
					l.cut.Leave(len(lines)-whole, what)
					return
				}
				whole = i
			}
			chunk, length = append(chunk, part), length+n
		}
	}
	if !flush() {
		l.cut.Leave(len(lines)-whole, what)
	}
}

// fields stand two beside each other; a long one has lines of its own.
func (l *layout) fields(fields []bot.Field) {
	var pair []*slack.TextBlockObject
	chars, left := 0, len(fields)
	flush := func() bool {
		if len(pair) == 0 {
			return true
		}
		n := len(pair)
		ok := l.add(slack.NewSectionBlock(nil, pair, nil), chars)
		pair, chars = nil, 0
		if ok {
			left -= n
		}
		return ok
	}
	for _, f := range fields {
		head, value := strong(adapters.Truncate(f.Label, fitLabel), l.now), f.Value
		if head != "" {
			head += "\n"
		}
		shown := markup(value, l.now)
		if blank(shown) {
			value, shown = "–", "–"
		}
		whole := head + shown
		if n := size(whole); n <= fitField {
			if len(pair) == maxFields && !flush() {
				break
			}
			pair, chars = append(pair, mrkdwn(whole)), chars+n
			continue
		}
		if !flush() {
			break
		}
		ok := true
		for _, part := range pieces(value, fitChunk-size(head), l.now) {
			ok = ok && l.section(mrkdwn(head+markup(part, l.now)))
			head = ""
		}
		if !ok {
			break
		}
		left--
	}
	flush()
	l.cut.Leave(left, "field")
}

// table is set in columns of letters of one width; where it is too wide for
// that, a row is a paragraph.
func (l *layout) table(t *bot.Table) {
	if len(t.Rows) == 0 {
		l.lines("line", []string{t.Empty})
		return
	}
	lines := adapters.Columns(t, l.now, utf8.RuneCountInString)
	for _, line := range lines {
		if utf8.RuneCountInString(line) > fitColumn {
			l.lines("row", adapters.Records(t))
			return
		}
	}
	const fence = "```"
	header, body := entities.Replace(lines[0])+"\n", lines[1:]
	for len(body) > 0 {
		var b strings.Builder
		b.WriteString(fence + "\n" + header)
		length, n := size(fence+"\n"+header+fence), 0
		for _, line := range body {
			line = entities.Replace(line) + "\n"
			if length+size(line) > fitChunk {
				break
			}
			b.WriteString(line)
			length += size(line)
			n++
		}
		if n == 0 || !l.section(mrkdwn(b.String()+fence)) {
			l.cut.Leave(len(body), "row")
			return
		}
		body = body[n:]
	}
}

// small is small print.
func small(t *slack.TextBlockObject) slack.Block { return slack.NewContextBlock("", t) }

// member is how Slack writes somebody's ID.
var member = regexp.MustCompile(`^[UW][A-Z0-9]{1,31}$`)

// mentions pings the accounts of the bot's own workspace, and names the others.
func mentions(accounts []bot.Account, team string) string {
	var out []string
	for _, a := range accounts[:min(len(accounts), maxMentions)] {
		switch {
		case a.Platform == platform && a.Team == team && member.MatchString(a.User):
			out = append(out, "<@"+a.User+">")
		case a.Platform == "":
			out = append(out, neutral(bot.Clean(a.User)))
		default:
			out = append(out, markup(bot.Code(a.String()), time.Time{}))
		}
	}
	if more := len(accounts) - maxMentions; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, " ")
}

// buttons carry their code as the value. The action IDs only tell them apart.
func buttons(all []bot.Button, now time.Time) []slack.Block {
	var out []slack.Block
	for from := 0; from < len(all); from += maxActions {
		var row []slack.BlockElement
		for i, b := range all[from:min(from+maxActions, len(all))] {
			e := slack.NewButtonBlockElement(pressAction+strconv.Itoa(from+i), b.Code, plain(label(b.Label, now)))
			e.Style = styles[b.Style]
			row = append(row, e)
		}
		out = append(out, slack.NewActionBlock("", row...))
	}
	return out
}

// The action IDs of buttons: of those that carry a code, and of links, which
// Slack reports too.
const (
	pressAction = "press-"
	openAction  = "open-"
)

func label(text string, now time.Time) string {
	return fitOr(text, "…", maxLabel, now)
}

// secretBlocks show secrets, and how many characters that takes. A value is
// never cut: half a password is none.
func secretBlocks(secrets []bot.Shown, now time.Time) (out []slack.Block, chars int) {
	for i, s := range secrets {
		value := s.Value.Reveal()
		name := fit(s.Label, fitLabel, now)
		switch {
		case s.Link && len(value) <= maxURL && (strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "http://")):
			e := slack.NewButtonBlockElement(openAction+strconv.Itoa(i), "", plain(label(s.Label, now)))
			e.URL = value
			out = append(out, slack.NewActionBlock("", e))
			chars += len(name)
			continue
		case blank(value):
			continue
		}
		shown := name + ":\n" + entities.Replace(value)
		t := plain(shown)
		if !strings.ContainsAny(value, "`\n") {
			t = mrkdwn(neutral(bot.Flat(s.Label, now)) + ":\n```" + entities.Replace(value) + "```")
		}
		if size(t.Text) > maxSection {
			t = plain(name + ": too long for Slack to show. Read it at the provider.")
		}
		out = append(out, slack.NewSectionBlock(t, nil, nil))
		chars += size(t.Text)
	}
	return out, chars
}
