// Package adapters holds what all chats share; each chat is a folder beside it.
//
// How to add a chat:
//
//  1. Make adapters/NAME with the files the others have: NAME.go receive.go render.go send.go form.go.
//  2. Implement bot.Adapter: what people do becomes calls of a bot.Handler, which Workers make; a bot.Card becomes a message.
//  3. Undo in receive.go what the chat does to text, and escape in render.go every string of a card.
//  4. Pass adaptertest.Run over a fake that refuses what the platform refuses; golden files show the rest.
//  5. Add a line to cmd/hosterbot/run.go and its settings to config.go and doctor.go.
package adapters

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hosterbot/bot"
)

// The marks that may not be torn apart: code, a block of code, a moment.
const (
	fence  = "```"
	code   = "`"
	moment = "\x01"
)

// Truncate returns text in at most most characters. What it cuts off it says:
// "the beginning … (217 characters cut)". It cuts before a code span or a
// moment, never inside; only a code span that alone is too long is shortened,
// and closed. A bound too small for the notice gives the beginning of it.
func Truncate(text string, most int) string {
	total := utf8.RuneCountInString(text)
	if total <= most {
		return text
	}
	// The notice grows with its number, so take the longest it can get.
	room := most - utf8.RuneCountInString(notice(total))
	if room < 0 {
		return prefix(notice(total), max(most, 0))
	}
	kept := strings.TrimRightFunc(head(text, room), unicode.IsSpace)
	if kept == "" {
		kept = closed(text, room)
	}
	return kept + notice(total-utf8.RuneCountInString(kept))
}

// Fit is Truncate for markup: what shape makes of the text has at most most
// characters, as size counts them.
func Fit(text string, most int, size func(string) int, shape func(string) string) string {
	for n := most; ; n = n * 2 / 3 {
		if short := shape(Truncate(text, n)); size(short) <= most {
			return short
		}
	}
}

// Visible takes out what no chat shows: control characters but line breaks.
func Visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
}

// Printable is text from anywhere in one line, without what is invisible, would
// move a cursor or change colours, or turns the line around.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
}

func notice(cut int) string { return fmt.Sprintf(" … (%d characters cut)", cut) }

// Split returns text in pieces of at most most characters (at least 16). It
// breaks at the end of a line, else between words, else between characters. A
// code span that does not fit goes whole to the next piece; one that is longer
// than a piece is closed and opened again. Only white space at the breaks is
// lost.
func Split(text string, most int) []string {
	most = max(most, 16)
	var pieces []string
	for utf8.RuneCountInString(text) > most {
		piece := head(text, most)
		if at := strings.LastIndexByte(piece, '\n'); at > 0 && whole(text, at) {
			piece = piece[:at]
		} else if at := lastSpace(text, piece); at > 0 && !startsWord(text[len(piece):]) {
			piece = piece[:at]
		}
		if piece == "" {
			mark := opening(text)
			if piece = closed(text, most); piece != "" {
				text = mark + text[len(piece)-len(mark):]
				pieces = append(pieces, piece)
				continue
			}
			piece = prefix(text, most) // no moment is that long: it is not one
		}
		text = strings.TrimLeft(text[len(piece):], " \n")
		if piece = strings.TrimRight(piece, " \n"); piece != "" {
			pieces = append(pieces, piece)
		}
	}
	if text != "" || pieces == nil {
		pieces = append(pieces, text)
	}
	return pieces
}

// Columns sets a table as lines of text for a chat with letters of one width:
// the header, then the rows, columns two blanks apart. Cells are flattened as
// a person reads them at now, and cleaned. width measures a text.
func Columns(t *bot.Table, now time.Time, width func(string) int) []string {
	cells := make([][]string, 0, len(t.Rows)+1)
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = bot.Clean(c.Name)
	}
	cells = append(cells, header)
	for _, row := range t.Rows {
		line := make([]string, len(t.Columns))
		for i := range min(len(row), len(line)) {
			line[i] = bot.Clean(bot.Flat(row[i], now))
		}
		cells = append(cells, line)
	}
	widths := make([]int, len(t.Columns))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], width(cell))
		}
	}
	out := make([]string, len(cells))
	for n, line := range cells {
		var b strings.Builder
		for i, cell := range line {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-width(cell))
			if t.Columns[i].Right {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		out[n] = strings.TrimRight(b.String(), " ")
	}
	return out
}

// head is the longest beginning of text of at most most characters that ends
// inside no span; "" if text begins with a span that is longer.
func head(text string, most int) string {
	end, left := 0, most
	for end < len(text) {
		n := span(text[end:])
		size := utf8.RuneCountInString(text[end : end+n])
		if size > left {
			break
		}
		end, left = end+n, left-size
	}
	return text[:end]
}

// span is the length in bytes of what text begins with: a whole span, or one
// character. A mark without its partner is a character.
func span(text string) int {
	if mark := opening(text); mark != "" {
		return len(mark) + strings.Index(text[len(mark):], mark) + len(mark)
	}
	_, n := utf8.DecodeRuneInString(text)
	return n
}

// opening is the mark of the span that text begins with, "" if it begins with
// none.
func opening(text string) string {
	for _, mark := range [...]string{fence, code, moment} {
		if rest, ok := strings.CutPrefix(text, mark); ok && strings.Contains(rest, mark) {
			return mark
		}
	}
	return ""
}

// closed cuts the code span that text begins with so that it has at most most
// characters with its closing mark. A moment is never cut: it is left out.
func closed(text string, most int) string {
	mark := opening(text)
	if mark == "" || mark == moment || most <= 2*len(mark) {
		return ""
	}
	return prefix(text, most-len(mark)) + mark
}

// prefix is the first n characters of text.
func prefix(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// whole tells whether position at of text is inside no span.
func whole(text string, at int) bool {
	for i := 0; i <= at; {
		if i == at {
			return true
		}
		i += span(text[i:])
	}
	return false
}

// lastSpace is where the last blank of piece stands that is inside no span of
// text, -1 if there is none.
func lastSpace(text, piece string) int {
	for {
		at := strings.LastIndexByte(piece, ' ')
		if at < 0 || whole(text, at) {
			return at
		}
		piece = piece[:at]
	}
}

// startsWord tells whether rest goes on with white space, so that the piece
// before it ends with a whole word.
func startsWord(rest string) bool { return rest == "" || rest[0] == ' ' || rest[0] == '\n' }
