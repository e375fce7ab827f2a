package bot

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hosterbot/bot/secret"
)

// Tone is the mood of a card: its colour, and the mark before its title.
type Tone string

// The tones.
const (
	Plain Tone = ""
	Good  Tone = "good"
	Busy  Tone = "busy" // at work, or waiting for somebody
	Warn  Tone = "warn" // needs an eye
	Bad   Tone = "bad"
)

// Card is what people see: each chat renders it in its own best form, and
// Text is its plain form.
//
// Strings of a card may hold code spans made by Code and times made by At or
// Ago; all else in them is shown as it is, and a chat escapes it. What a
// person or the API supplied goes through Clean or Code first.
type Card struct {
	Op       int64     `json:"op,omitempty"` // the operation that it is about; 0: none
	Title    string    `json:"title,omitempty"`
	Tone     Tone      `json:"tone,omitempty"`
	Lines    []string  `json:"lines,omitempty"` // paragraphs
	Fields   []Field   `json:"fields,omitempty"`
	Table    *Table    `json:"table,omitempty"`
	Bar      *Bar      `json:"bar,omitempty"`
	Notes    []string  `json:"notes,omitempty"` // small print
	Buttons  []Button  `json:"buttons,omitempty"`
	Mentions []Account `json:"mentions,omitempty"` // who is pinged: nobody else is
	// Secrets are shown to the one person the card goes to, after all else.
	// They are never stored.
	Secrets []Shown `json:"-"`
	// Again says that it may stand in its place already: a process that was
	// killed owed it, and may have posted it.
	Again bool `json:"-"`
	// Byline is the note that a root message has in all its states, and no
	// other has: a chat that keeps no key finds it again by that.
	Byline string `json:"-"`
}

// Shown is a secret with its label, for one pair of eyes.
type Shown struct {
	Label string
	Value secret.Secret
	Link  bool // the value is a URL to open
}

// Field is a labelled value.
type Field struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Table is rows under a header.
type Table struct {
	Columns []Column   `json:"columns"`
	Rows    [][]string `json:"rows"`
	Empty   string     `json:"empty,omitempty"` // said instead, if there are no rows
}

// Column is the header of a table's column.
type Column struct {
	Name  string `json:"name"`
	Right bool   `json:"right,omitempty"` // numbers are set flush right
}

// Bar is how far something is.
type Bar struct {
	Fraction float64       `json:"fraction"` // 0 to 1; below 0: unknown
	Word     string        `json:"word,omitempty"`
	Elapsed  time.Duration `json:"elapsed"`
	Expected time.Duration `json:"expected,omitempty"` // in all; 0: unknown
}

// Style is how a button looks.
type Style string

// The styles of button.
const (
	Default Style = ""
	Primary Style = "primary"
	Danger  Style = "danger"
)

// Button is something to press. Its code names what it belongs to and nothing
// else: the store decides what a press does.
type Button struct {
	Label string `json:"label"`
	Style Style  `json:"style,omitempty"`
	Code  string `json:"code"` // at most 100 characters
}

// Form asks for values. It is sent as a Submission with the same code.
type Form struct {
	Code   string
	Title  string // at most 24 characters
	Text   string
	Fields []FormField
	Submit string // label of the button that sends it
}

// FormField is one question of a form.
type FormField struct {
	Name     string
	Label    string // at most 45 characters
	Hint     string
	Value    string // what stands in it already
	Required bool
	Long     bool // several lines
	Secret   bool // never shown while it is typed, where the chat can
	Choices  []Choice
	Lookup   bool   // another value may be typed; ask Complete
	More     bool   // and Choices are some of many
	Error    string // what is wrong with the value that was sent
	MaxLen   int
}

// File is a document that is sent to one person.
type File struct {
	Name  string
	Title string
	Data  []byte
}

// Marks around what is more than plain text. Clean takes control characters
// out of everything that comes from outside, so nobody else can make them.
const (
	codeMark = "`"
	timeMark = "\x01"
)

// Code shows a value as code. It takes out what would end the span early.
func Code(value string) string {
	return codeMark + strings.ReplaceAll(Clean(value), codeMark, "'") + codeMark
}

// At shows a moment both ways: "14:02 UTC (in 3 min)", in the reader's own
// time zone where the chat knows it.
func At(t time.Time) string {
	return timeMark + strconv.FormatInt(t.Unix(), 10) + timeMark
}

// Clean makes text from outside fit for a card: no control characters, no
// marks, one line, at most 1,000 characters.
func Clean(text string) string { return CleanMax(text, 1000) }

// CleanMax is Clean with another bound in characters. What is cut off is
// said.
func CleanMax(text string, most int) string {
	var b strings.Builder
	b.Grow(min(len(text), 4*most))
	n := 0
	for _, r := range text {
		if n == most {
			b.WriteString("… (cut)")
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			r = ' '
		case r == '`':
			r = '\''
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || unsafeRune(r):
			continue
		}
		if n == 0 && unicode.IsSpace(r) { // trimmed, so it takes no room
			continue
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}

// unsafeRune tells whether a rune changes how the text around it reads:
// direction overrides, invisible characters.
func unsafeRune(r rune) bool {
	switch {
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r == 0x061c:
		return true
	}
	return false
}

// Span is a piece of a card's text.
type Span struct {
	Text string
	Code bool
	Time time.Time // set for a moment; Text is empty then
}

// InLine writes fields as one text, with between between them.
func InLine(fields []Field, between string) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f.Label + " " + f.Value
	}
	return strings.Join(parts, between)
}

// Spans takes a card's text apart, for chats that render it.
func Spans(text string) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		for text := text; text != ""; {
			i := strings.IndexAny(text, codeMark+timeMark)
			if i < 0 {
				yield(Span{Text: text})
				return
			}
			if i > 0 && !yield(Span{Text: text[:i]}) {
				return
			}
			mark, rest := text[i:i+1], text[i+1:]
			end := strings.Index(rest, mark)
			if end < 0 { // a mark without its partner is plain text
				yield(Span{Text: text[i:]})
				return
			}
			if mark == codeMark {
				if !yield(Span{Text: rest[:end], Code: true}) {
					return
				}
			} else if unix, err := strconv.ParseInt(rest[:end], 10, 64); err == nil {
				if !yield(Span{Time: time.Unix(unix, 0).UTC()}) {
					return
				}
			}
			text = rest[end+1:]
		}
	}
}

// Flat is a card's text without marks, as a person reads it at now.
func Flat(text string, now time.Time) string {
	var b strings.Builder
	for s := range Spans(text) {
		if s.Time.IsZero() {
			b.WriteString(s.Text)
			continue
		}
		b.WriteString(moment(s.Time, now))
	}
	return b.String()
}

// moment says a time both ways: with the date where it is not today.
func moment(t, now time.Time) string {
	layout := "15:04 UTC"
	if t.UTC().Format(time.DateOnly) != now.UTC().Format(time.DateOnly) {
		layout = "2006-01-02 15:04 UTC"
	}
	return t.UTC().Format(layout) + " (" + Ago(t, now) + ")"
}

// Ago says how long before or after now a moment is: "3 h ago", "in 10 min".
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < 0:
		return "in " + Duration(-d)
	case d < time.Second:
		return "now"
	}
	return Duration(d) + " ago"
}

// Duration says a length of time in one or two units: "45 s", "2 min 5 s",
// "3 h", "9 days".
func Duration(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 10*time.Minute && d%time.Minute != 0:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	case d < 10*time.Hour && d.Round(time.Minute)%time.Hour != 0:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// Percent is the bar's fraction in whole per cent, -1 if it is unknown.
func (b *Bar) Percent() int {
	if b.Fraction < 0 {
		return -1
	}
	return int(b.Fraction*100 + 0.5)
}

// String draws the bar: "██████░░░░ 60 % · executing · 54 s of about 1 min 30 s".
func (b *Bar) String() string {
	var parts []string
	if p := b.Percent(); p >= 0 {
		full := min(p/10, 10)
		parts = append(parts, strings.Repeat("█", full)+strings.Repeat("░", 10-full)+fmt.Sprintf(" %d %%", p))
	}
	if b.Word != "" {
		parts = append(parts, Clean(b.Word))
	}
	elapsed := Duration(b.Elapsed)
	if b.Expected > 0 && b.Expected > b.Elapsed {
		elapsed += " of about " + Duration(b.Expected)
	}
	return strings.Join(append(parts, elapsed), " · ")
}
