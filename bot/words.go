package bot

import (
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/shlex"
)

// Marks that stand for characters which shlex would treat in its own way: it
// drops a line's rest after " #", and eats backslashes.
const (
	hashMark      = '\ue000'
	backslashMark = '\ue001'
)

// straighten undoes what keyboards and chats do to quotes, dashes and spaces,
// and hides from shlex what it would take for its own.
var straighten = strings.NewReplacer(
	"“", `"`, "”", `"`, "„", `"`, "‟", `"`, "«", `"`, "»", `"`,
	"‘", "'", "’", "'", "‚", "'", "‛", "'",
	"\u00a0", " ", "\u202f", " ", "\u2007", " ", "\t", " ", "\n", " ", "\r", " ",
	"#", string(hashMark), `\`, string(backslashMark),
)

var unhide = strings.NewReplacer(string(hashMark), "#", string(backslashMark), `\`)

// split takes a line apart into words as a shell would.
func split(line string) ([]string, error) {
	if utf8.RuneCountInString(line) > maxLine {
		return nil, Errorf(Invalid, "That line is too long: %d characters are the most.", maxLine)
	}
	if !utf8.ValidString(line) {
		return nil, Errorf(Invalid, "That line is not valid UTF-8.")
	}
	plain, curly := true, false // nothing that shlex, or straighten, is needed for
	for _, r := range line {
		switch {
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f, r >= 0x80 && r < 0xa0, r >= 0xe000 && r <= 0xf8ff, unsafeRune(r):
			return nil, Errorf(Invalid, "That line holds a control character. Type it again by hand.")
		case r == '"' || r == '\'':
			plain = false
		case r == '\\' || r == '#' || r >= 0x80 || r < ' ':
			plain, curly = false, true
		}
	}
	if plain {
		return strings.Fields(line), nil
	}
	if curly {
		line = straighten.Replace(line)
	}
	words, err := shellWords(line)
	if err != nil {
		return nil, Errorf(Invalid, "A quote is not closed. Close it, or leave it out.")
	}
	for i, w := range words {
		if curly {
			words[i] = unhide.Replace(w)
		}
	}
	return words, nil
}

// lexer is a shlex lexer and what it reads from. Making one costs more than
// reading a line with it, and at the end of one line it is ready for the next.
type lexer struct {
	line  strings.Reader
	words *shlex.Lexer
}

var lexers = sync.Pool{New: func() any {
	l := new(lexer)
	l.words = shlex.NewLexer(&l.line)
	return l
}}

// shellWords is shlex.Split with a lexer that was used before.
func shellWords(line string) ([]string, error) {
	l := lexers.Get().(*lexer)
	l.line.Reset(line)
	var words []string
	for {
		word, err := l.words.Next()
		switch {
		case errors.Is(err, io.EOF):
			l.line.Reset("")
			lexers.Put(l)
			return words, nil
		case err != nil: // where it stands now is not known: it is not used again
			return nil, err
		}
		words = append(words, word)
	}
}

// undash makes two hyphens of a long dash before a flag's name.
func undash(word string) string {
	for _, dash := range []string{"—", "–", "―"} {
		if rest, ok := strings.CutPrefix(word, dash); ok && rest != "" {
			return "--" + strings.TrimLeft(rest, "-–—")
		}
	}
	return word
}

// quoted is a word as it has to be typed to stay one word.
func quoted(word string) string {
	switch {
	case word != "" && !strings.ContainsAny(word, " \t\n\"'"):
		return word
	case !strings.Contains(word, `"`):
		return `"` + word + `"`
	case !strings.Contains(word, "'"):
		return "'" + word + "'"
	}
	return `"` + strings.ReplaceAll(word, `"`, `"'"'"`) + `"` // both kinds: pieces side by side are one word
}
