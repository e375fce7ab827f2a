package policy

import (
	"fmt"
	"sort"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Problem is one thing that is wrong with a file, and where.
type Problem struct {
	File      string
	Line, Col int // from 1; Col counts characters
	Message   string
}

// String returns "file:line:col: message".
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Message)
}

// Problems is everything that is wrong with a file, in its order.
type Problems []Problem

// Error returns one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts problems in the order of the file and drops repetitions.
func sorted(problems []Problem) []Problem {
	sort.SliceStable(problems, func(i, j int) bool {
		a, b := problems[i], problems[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
	var kept []Problem
	for _, p := range problems {
		if len(kept) == 0 || kept[len(kept)-1] != p {
			kept = append(kept, p)
		}
	}
	return kept
}

// pos is a position in the file, from 1.
type pos struct{ line, col int }

// maxSuggest is the longest word that a suggestion is looked for: the
// distance costs the product of the lengths.
const maxSuggest = 64

// likelier tells whether of two words that are equally near one begins like
// what was typed, and the other does not: few mistype the first letter.
func likelier(word, one, other string) bool {
	begins := func(k string) bool { return k != "" && word != "" && strings.EqualFold(k[:1], word[:1]) }
	return begins(one) && !begins(other)
}

// didYouMean returns " (did you mean `x`?)" for the nearest of the known
// words, "" when none is near.
func didYouMean(word string, known []string) string {
	best, distance := "", len(word)/3+1
	if len(word) > maxSuggest {
		return ""
	}
	if distance > 3 {
		distance = 3
	}
	for _, k := range known {
		d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(k))
		if d < len(k) && (d <= distance || best != "" && d == distance+1 && likelier(word, k, best)) {
			best, distance = k, d-1
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean `" + best + "`?)"
}

// enumerate joins words: "a, b and c".
func enumerate(words []string, conjunction string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}

// quoted puts each word in backquotes.
func quoted(words []string) []string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = "`" + w + "`"
	}
	return q
}
