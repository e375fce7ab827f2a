package discord

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// What one message can hold.
// Source: https://discord.com/developers/docs/resources/message#embed-object-embed-limits,
// .../components/reference
const (
	maxContent     = 2000
	maxDescription = 4096
	maxFields      = 25
	maxFieldName   = 256
	maxFieldValue  = 1024
	maxEmbeds      = 6000 // characters of all embeds
	maxRows        = 5
	maxInRow       = 5
	maxLabel       = 80
	maxCode        = 100
	maxURL         = 512
	maxMentions    = 20
)

// What cards get of it. The rest is for marks and for what is said of cuts.
const (
	rows         = 20   // of a table on one page
	fitTitle     = 600  // characters
	fitText      = 3900 // of the description
	fitFieldsAll = 1700 // of all fields
	fitInline    = 60   // of a field beside another
	fitColumn    = 56   // columns of a table set in columns; wider ones wrap in an embed
	fitSecret    = 1800
)

// colours are the stripe beside an embed.
var colours = map[bot.Tone]int{bot.Plain: 0x5865f2, bot.Good: 0x2e8b57, bot.Busy: 0x3b82c4, bot.Warn: 0xd9a400, bot.Bad: 0xc0392b}

var styles = map[bot.Style]discordgo.ButtonStyle{
	bot.Default: discordgo.SecondaryButton, bot.Primary: discordgo.SuccessButton, bot.Danger: discordgo.DangerButton,
}

// message is a card as it is sent: the title as text, which notifications
// show, the rest as an embed, and rows of buttons.
type message struct {
	content string
	embed   *discordgo.MessageEmbed
	rows    []discordgo.MessageComponent
	pinged  []string // users
	plain   string   // the whole as text
}

// body is a message as the API takes it, new or as an edit: what it does not
// have is said too, so that an edit takes it away.
type body struct {
	Content         string                            `json:"content"`
	Embeds          []*discordgo.MessageEmbed         `json:"embeds"`
	Components      []discordgo.MessageComponent      `json:"components"`
	AllowedMentions *discordgo.MessageAllowedMentions `json:"allowed_mentions"`
	Flags           discordgo.MessageFlags            `json:"flags,omitempty"`
	Nonce           string                            `json:"nonce,omitempty"`
	EnforceNonce    bool                              `json:"enforce_nonce,omitempty"`
	Reference       *discordgo.MessageReference       `json:"message_reference,omitempty"`
}

func (m message) body() *body {
	b := &body{
		Content: m.content, Embeds: []*discordgo.MessageEmbed{}, Components: []discordgo.MessageComponent{},
		AllowedMentions: &discordgo.MessageAllowedMentions{Parse: []discordgo.AllowedMentionType{}, Users: m.pinged},
	}
	if m.embed != nil {
		b.Embeds = append(b.Embeds, m.embed)
	}
	if len(m.rows) > 0 {
		b.Components = m.rows
	}
	return b
}

// simple is a message without an embed, for a Discord that refuses the other.
func (m message) simple() message {
	return message{content: m.plain, rows: m.rows, pinged: m.pinged, plain: m.plain}
}

// bare is a message of text alone. Buttons that it had are missed.
func (m message) bare() message {
	const missed = "\n(Discord refused the buttons of this message: type the command, or `/hoster op show` with the operation's number.)"
	text := m.plain
	if len(m.rows) > 0 {
		text = strings.ToValidUTF8(text[:min(len(text), maxContent-len(missed))], "") + missed
	}
	return message{content: text, plain: text}
}

// render makes a message of a card. Its secrets are shown: a card for more
// than one pair of eyes comes without.
func render(c bot.Card, now time.Time) message {
	title := ""
	if !blank(c.Title) {
		title = adapters.Mark(c.Tone) + bold(cutTo(c.Title, fitTitle))
	}
	pinged, names := mentions(c.Mentions)
	m := message{pinged: pinged, plain: plainForm(c, now)}
	m.content = strings.TrimSpace(title + "\n" + names)
	links, secrets := secretLines(c.Secrets, now)
	m.rows = buttons(c.Buttons, links, now)
	l := layout{now: now, room: fitText, fieldRoom: fitFieldsAll}
	for _, s := range secrets { // what has to be there is set first
		l.room -= size(s) + 1
	}
	l.lines("line", c.Lines, "")
	if c.Table != nil {
		l.table(c.Table)
	}
	if c.Bar != nil {
		l.lines("line", []string{c.Bar.String()}, "")
	}
	l.fields(c.Fields)
	l.notes(c.Notes)
	if over := len(c.Buttons) + len(links) - maxRows*maxInRow; over > 0 {
		l.cut.Leave(over, "button")
	}
	if cut := l.cut.String(); cut != "" {
		l.text = append(l.text, "-# "+cut)
	}
	l.text = append(l.text, secrets...)
	if e := (&discordgo.MessageEmbed{Description: strings.Join(l.text, "\n"), Fields: l.set, Color: colours[c.Tone]}); e.Description != "" || len(e.Fields) > 0 {
		m.embed = e
	}
	if m.content == "" && m.embed == nil {
		m.content = "Done."
	}
	return m
}

// bold sets markup in bold. Code in it stays code.
func bold(markup string) string { return "**" + markup + "**" }

// plainForm is the plain form of a card in one message's text, without its
// secrets.
func plainForm(c bot.Card, now time.Time) string {
	short := adapters.Fit(adapters.Plain(c, now), maxContent, size, escape)
	if blank(short) {
		return "Done."
	}
	return short
}

// layout takes the parts of a card as long as they fit, and counts what does
// not.
type layout struct {
	now       time.Time
	text      []string
	room      int // characters of the text
	set       []*discordgo.MessageEmbedField
	fieldRoom int
	cut       adapters.Cuts
}

// add takes text, if there is room for it.
func (l *layout) add(text string) bool {
	if blank(text) {
		return true
	}
	n := size(text) + 1
	if n > l.room {
		return false
	}
	l.text = append(l.text, text)
	l.room -= n
	return true
}

// lines are paragraphs.
func (l *layout) lines(what string, lines []string, mark string) {
	l.paragraphs(what, lines, mark, func(line string) string { return marked(line, mark) })
}

// paragraphs are lines that set makes markup of.
func (l *layout) paragraphs(what string, lines []string, mark string, set func(string) string) {
	for i, line := range lines {
		if l.add(set(line)) {
			continue
		}
		if rest := l.room - 8 - len(mark); rest > 100 { // the beginning of it, and the notice
			l.add(mark + cutTo(line, rest))
			i++
		}
		l.cut.Leave(len(lines)-i, what)
		return
	}
}

// fields are Discord's own, two or three beside each other; a long one has a
// row of its own.
func (l *layout) fields(fields []bot.Field) {
	for i, f := range fields {
		name, value := cutTo(f.Label, maxFieldName), markup(f.Value)
		if blank(name) {
			name = "–"
		}
		if blank(value) {
			value = "–"
		}
		if size(value) > maxFieldValue {
			value = cutTo(f.Value, maxFieldValue)
		}
		n := size(name) + size(value)
		if len(l.set) == maxFields || n > l.fieldRoom {
			l.cut.Leave(len(fields)-i, "field")
			return
		}
		l.fieldRoom -= n
		l.set = append(l.set, &discordgo.MessageEmbedField{Name: name, Value: value, Inline: size(bot.Flat(f.Value, l.now)) <= fitInline})
	}
}

// noName is the name of a field that has none: Discord wants one, and shows
// nothing of this.
const noName = "\u200b"

// smallMark begins a line of small print.
const smallMark = "-# "

// small is a note as it is set: in small print.
func small(note string) string { return marked(note, smallMark) }

// marked is a text each of whose lines begins with a mark. Of nothing it makes
// nothing.
func marked(line, mark string) string {
	text := markup(line)
	if blank(text) {
		return ""
	}
	return mark + strings.ReplaceAll(text, "\n", "\n"+mark)
}

// notes stand last. Discord shows fields below the text, so behind fields they
// are one too, if they fit into it.
func (l *layout) notes(notes []string) {
	var all []string
	for _, n := range notes {
		if text := small(n); text != "" {
			all = append(all, text)
		}
	}
	text := strings.Join(all, "\n")
	n := size(noName) + size(text)
	if text == "" || len(l.set) == 0 || len(l.set) == maxFields || size(text) > maxFieldValue || n > l.room {
		l.lines("note", notes, smallMark)
		return
	}
	l.room -= n
	l.set = append(l.set, &discordgo.MessageEmbedField{Name: noName, Value: text})
}

// headed is a row of a table as a paragraph. What it is about stands out, so
// that the eye finds where the next one begins.
func headed(row string) string {
	head, rest, more := strings.Cut(row, " · ")
	if !more || blank(markup(head)) {
		return markup(row)
	}
	return bold(markup(head)) + " · " + markup(rest)
}

// table is set in columns of letters of one width; where it is too wide for
// that, a row is a paragraph.
func (l *layout) table(t *bot.Table) {
	if len(t.Rows) == 0 {
		l.lines("line", []string{t.Empty}, "")
		return
	}
	lines := adapters.Columns(t, l.now, utf8.RuneCountInString)
	for _, line := range lines {
		if utf8.RuneCountInString(line) > fitColumn {
			l.paragraphs("row", adapters.Records(t), "", headed)
			return
		}
	}
	const fence = "```"
	var b strings.Builder
	b.WriteString(fence + "\n")
	fit := 0
	for _, line := range lines {
		line = strings.ReplaceAll(adapters.Visible(line), "`", "'")
		if size(b.String())+size(line)+len(fence)+2 > l.room {
			break
		}
		b.WriteString(line + "\n")
		fit++
	}
	if fit > 0 {
		l.add(b.String() + fence)
	}
	l.cut.Leave(len(lines)-max(fit, 1), "row")
}

// mentions pings the accounts of Discord, and names the others.
func mentions(accounts []bot.Account) (users []string, names string) {
	var out []string
	for _, a := range accounts[:min(len(accounts), maxMentions)] {
		switch {
		case a.Platform == platform && snowflake.MatchString(a.User):
			out = append(out, "<@"+a.User+">")
			if !slices.Contains(users, a.User) {
				users = append(users, a.User)
			}
		case a.Platform == "":
			out = append(out, escape(bot.Clean(a.User)))
		default:
			out = append(out, markup(bot.Code(a.String())))
		}
	}
	if more := len(accounts) - maxMentions; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return users, strings.Join(out, " ")
}

// buttons are rows of five, links last. Their codes are what they are pressed
// by.
func buttons(all []bot.Button, links []discordgo.Button, now time.Time) []discordgo.MessageComponent {
	var flatRow []discordgo.MessageComponent
	codes := make(map[string]bool)
	for _, b := range all {
		if b.Code == "" || size(b.Code) > maxCode || codes[b.Code] { // Discord takes no code twice
			continue
		}
		codes[b.Code] = true
		flatRow = append(flatRow, discordgo.Button{Label: flat(b.Label, "…", maxLabel, now), Style: styles[b.Style], CustomID: b.Code})
	}
	for _, b := range links {
		flatRow = append(flatRow, b)
	}
	var out []discordgo.MessageComponent
	for row := range slices.Chunk(flatRow[:min(len(flatRow), maxRows*maxInRow)], maxInRow) {
		out = append(out, discordgo.ActionsRow{Components: row})
	}
	return out
}

// pressable is an address that a link in a text can have: nothing in it ends the
// link.
var pressable = regexp.MustCompile(`^https?://[^\s()<>\[\]"\\]+$`)

// secretLines show secrets: links as buttons, or as links in the text where they
// are too long for that, the others as code. A value is never cut: half a
// password is none.
func secretLines(secrets []bot.Shown, now time.Time) (links []discordgo.Button, lines []string) {
	room := fitSecret
	for _, s := range secrets {
		value := s.Value.Reveal()
		label := flat(s.Label, "Secret", maxLabel, now)
		if s.Link && len(value) <= maxURL && (strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "http://")) {
			links = append(links, discordgo.Button{Label: label, Style: discordgo.LinkButton, URL: value})
			continue
		}
		if blank(value) {
			continue
		}
		if s.Link && pressable.MatchString(value) && size(value) <= room { // too long for a button
			shown := bold("[" + escape(label) + "](" + value + ")")
			room -= size(shown)
			lines = append(lines, shown)
			continue
		}
		shown := escape(label) + ":\n" + escape(value)
		if !strings.Contains(value, "```") && !strings.HasSuffix(value, "`") {
			shown = escape(label) + ":\n```\n" + value + "\n```"
		}
		if size(shown) > room {
			shown = escape(label) + ": too long for Discord to show. Read it at the provider."
		}
		room -= size(shown)
		lines = append(lines, shown)
	}
	return links, lines
}
