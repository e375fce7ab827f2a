package slack

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// entities are the three characters that Slack's markup gives a meaning.
// Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// alike stands in for a mark that would format what comes between two of them:
// the markup has no escape for those. 0: r is none.
func alike(r rune) rune {
	switch r {
	case '*':
		return '∗'
	case '_':
		return 'ˍ'
	case '~':
		return '∼'
	case ':':
		return '∶'
	}
	return 0
}

// size is the length of a text as Slack counts it. Its editors and its limits
// are JavaScript's, so a character outside the basic plane counts twice.
func size(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// escape makes text safe where nothing is formatted: plain_text.
func escape(text string) string { return entities.Replace(adapters.Visible(text)) }

// neutral is escape for where text is formatted: what would be bold, struck
// out, a quotation or an emoji stays what it is.
func neutral(text string) string {
	text = adapters.Visible(text)
	if !strings.ContainsAny(text, "*_~:`>") {
		return entities.Replace(text)
	}
	var b strings.Builder
	b.Grow(len(text) + 32)
	before, blank := ' ', true // of the line so far
	for i, r := range text {
		switch {
		case r == '\n':
			b.WriteByte('\n')
			before, blank = ' ', true
			continue
		case r == '`':
			b.WriteByte('\'')
		case r == '>' && blank:
			b.WriteRune('›')
		case r == '&' || r == '<' || r == '>':
			_, _ = entities.WriteString(&b, text[i:i+1]) // a Builder takes everything
		case alike(r) != 0 && opens(r, before, text[i+1:]):
			b.WriteRune(alike(r))
		default:
			b.WriteRune(r)
		}
		before, blank = r, blank && unicode.IsSpace(r)
	}
	return b.String()
}

// opens tells whether a mark begins something: it follows no letter, the next
// character is no blank, and its partner comes in its line. So web_1 stays as it
// is.
func opens(mark, before rune, rest string) bool {
	if inWord(before) {
		return false
	}
	rest, _, _ = strings.Cut(rest, "\n")
	next, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && !unicode.IsSpace(next) && strings.ContainsRune(rest, mark)
}

// markup is a card's text in Slack's markup: code spans as code, moments in
// the reader's own time zone and relative to now, all else as it is.
func markup(text string, now time.Time) string {
	return spans(text, now, neutral)
}

// strong is markup in bold. Code spans in it are not, so that they stand out,
// nor are marks right behind one, where Slack sees no beginning of bold.
func strong(text string, now time.Time) string {
	return spans(text, now, func(plain string) string {
		word := strings.TrimSpace(plain)
		if !strings.ContainsFunc(word, inWord) {
			return neutral(plain)
		}
		before, after, _ := strings.Cut(plain, word)
		if first, _ := utf8.DecodeRuneInString(plain); strings.ContainsRune(":;,.!?)", first) {
			marks, rest, _ := strings.Cut(word, " ")
			before, word = neutral(marks)+" ", strings.TrimSpace(rest)
			if !strings.ContainsFunc(word, inWord) {
				return neutral(plain)
			}
		}
		return before + "*" + neutral(strings.ReplaceAll(word, "*", "∗")) + "*" + after
	})
}

func spans(text string, now time.Time, plain func(string) string) string {
	var b strings.Builder
	b.Grow(len(text) + 32)
	for s := range bot.Spans(text) {
		switch {
		case !s.Time.IsZero():
			b.WriteString(moment(s.Time, now))
		case s.Code:
			if code := strings.ReplaceAll(adapters.Visible(s.Text), "\n", " "); strings.TrimSpace(code) != "" {
				b.WriteByte('`')
				_, _ = entities.WriteString(&b, code) // a Builder takes everything
				b.WriteByte('`')
			}
		default:
			b.WriteString(addressed(s.Text, plain))
		}
	}
	return b.String()
}

// addressed is text with its IPv6 addresses as code, and all else as plain makes
// it.
func addressed(text string, plain func(string) string) string {
	before, ip, after, found := cutAddress(text)
	if before != "" {
		before = plain(before)
	}
	if !found {
		return before
	}
	return before + "`" + ip + "`" + addressed(after, plain)
}

// addressLike is what an IPv6 address may be.
var addressLike = regexp.MustCompile(`[0-9A-Fa-f]*(?::[0-9A-Fa-f]*){2,}`)

// cutAddress cuts a text around its first IPv6 address. Those are shown as
// code: between two colons Slack finds an emoji, such as :100:, and a colon
// that only looks like one cannot be copied.
func cutAddress(text string) (before, ip, after string, found bool) {
	if strings.Count(text, ":") < 2 {
		return text, "", "", false
	}
	for _, at := range addressLike.FindAllStringIndex(text, -1) {
		ip := text[at[0]:at[1]]
		last, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		next, _ := utf8.DecodeRuneInString(text[at[1]:])
		if a, err := netip.ParseAddr(ip); err == nil && a.Is6() && len(ip) > len("::1") && !inWord(last) && !inWord(next) {
			return text[:at[0]], ip, text[at[1]:], true
		}
	}
	return text, "", "", false
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// moment shows a time in the reader's time zone. Slack knows none before 1970.
// Source: https://docs.slack.dev/messaging/formatting-message-text#date-formatting
func moment(t, now time.Time) string {
	if t.Unix() <= 0 {
		return "never"
	}
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s> (%s)", t.Unix(), t.UTC().Format("2006-01-02 15:04 UTC"), bot.Ago(t, now))
}

// formatted tells whether a card's text has code or moments in it.
func formatted(text string) bool {
	for s := range bot.Spans(text) {
		if s.Code || !s.Time.IsZero() {
			return true
		}
	}
	return false
}

// words is a text object: formatted where there is something to format, else
// plain, where nothing can be.
func words(text string, now time.Time) *slack.TextBlockObject {
	if formatted(text) {
		return mrkdwn(markup(text, now))
	}
	return plain(escape(text))
}

// mrkdwn holds markup. Verbatim keeps Slack from looking for links, channels
// and names to ping in it.
func mrkdwn(markup string) *slack.TextBlockObject {
	return &slack.TextBlockObject{Type: slack.MarkdownType, Text: markup, Verbatim: true}
}

func plain(escaped string) *slack.TextBlockObject {
	off := false
	return &slack.TextBlockObject{Type: slack.PlainTextType, Text: escaped, Emoji: &off}
}

// pieces splits a card's text so that the markup of each piece has at most
// most characters.
func pieces(text string, most int, now time.Time) []string {
	for n := most; ; n = n * 2 / 3 {
		parts := adapters.Split(text, n)
		fits := true
		for _, p := range parts {
			fits = fits && size(markup(p, now)) <= most
		}
		if fits || n < 32 {
			return parts
		}
	}
}

// fit is a card's text without marks, escaped, in at most most characters.
// What is cut is said.
func fit(text string, most int, now time.Time) string {
	return adapters.Fit(bot.Flat(text, now), most, size, escape)
}
