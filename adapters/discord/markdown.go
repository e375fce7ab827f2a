package discord

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// special are the characters that Discord's markdown gives a meaning anywhere.
// A backslash before one takes it away; so a link is no link, a colon begins
// no emoji, and an angle bracket nobody's name.
// Source: https://support.discord.com/hc/en-us/articles/210298617
const special = "\\*_~|`<>[]:"

// atStart are the characters that have one at the beginning of a line only:
// headings, lists, small print.
const atStart = "#-+"

// size is the length of a text as Discord counts it. Its clients are
// JavaScript's, so a character outside the basic plane may count twice.
func size(text string) int {
	n := 0
	for _, r := range text {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// escape makes text safe where markdown is read: it shows as it is. @everyone
// gets an invisible character, since a backslash does not stop it; it is not
// pinged either way.
func escape(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/8)
	start := true
	text = adapters.Visible(text)
	for i, r := range text {
		switch {
		case r == ':' && spaceNext(text[i+1:]): // ends a word, and begins nothing
		case strings.ContainsRune(special, r), start && strings.ContainsRune(atStart, r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if r == '@' && (strings.HasPrefix(text[i+1:], "everyone") || strings.HasPrefix(text[i+1:], "here")) {
			b.WriteRune('\u200b')
		}
		start = r == '\n' || start && r == ' '
	}
	return b.String()
}

func spaceNext(rest string) bool { return rest == "" || rest[0] == ' ' || rest[0] == '\n' }

// markup is a card's text in markdown: code spans as code, moments in the
// reader's own time zone, all else as it is.
func markup(text string) string {
	var b strings.Builder
	for s := range bot.Spans(text) {
		switch {
		case !s.Time.IsZero():
			b.WriteString(moment(s.Time))
		case s.Code:
			if code := strings.ReplaceAll(adapters.Visible(s.Text), "\n", " "); strings.TrimSpace(code) != "" {
				b.WriteString("`" + strings.ReplaceAll(code, "`", "'") + "`")
			}
		default:
			b.WriteString(escape(s.Text))
		}
	}
	return b.String()
}

// moment shows a time both ways, in the reader's time zone.
// Source: https://discord.com/developers/docs/reference#message-formatting-timestamp-styles
func moment(t time.Time) string {
	if t.Unix() <= 0 {
		return "never"
	}
	return fmt.Sprintf("<t:%d:f> (<t:%d:R>)", t.Unix(), t.Unix())
}

// blank tells whether there is nothing to see in a text.
func blank(text string) bool { return strings.TrimSpace(text) == "" }

// cutTo is a card's text whose markup has at most most characters. What is
// cut is said.
func cutTo(text string, most int) string { return adapters.Fit(text, most, size, markup) }

// flat is a card's text where nothing is formatted, such as a label, in at
// most most characters; other, where there is nothing to see.
func flat(text, other string, most int, now time.Time) string {
	text = adapters.Visible(bot.Flat(text, now))
	for n := most; ; n = n * 2 / 3 {
		short := adapters.Truncate(text, n)
		switch {
		case blank(short):
			return other
		case size(short) <= most:
			return strings.TrimSpace(short)
		}
	}
}
