package console

import (
	"fmt"
	"io"
	"strings"
)

// kind is what a block shows.
type kind int

const (
	said   kind = iota // what a person, or the script, did
	whole              // a message as it is
	news               // what changed of a message
	moving             // how far a message is
	remark             // anything else
)

// block is a piece of output: a head at the left edge, lines below it.
type block struct {
	kind  kind
	about *message // whose state it shows
	group string   // blocks of one group that follow each other can be joined
	joins bool     // goes without head and blank line below a block of its group
	head  string
	lines []string
}

// screen puts blocks under each other with a blank line between them, and
// draws the last one again where a terminal allows it.
type screen struct {
	out      io.Writer
	terminal bool
	last     block
	rows     int  // that the last block takes
	begun    bool // something was printed
	joined   bool // the last block has no head
	blank    bool // a terminal shows an empty line below the last block
	err      error
}

// print shows a block below all others.
func (s *screen) print(b block) {
	var out strings.Builder
	join := b.joins && s.begun && b.group != "" && b.group == s.last.group
	switch {
	case join && s.blank:
		out.WriteString(up(1))
	case !join && s.begun && !s.terminal:
		out.WriteByte('\n')
	}
	s.write(&out, b, join)
}

// replace draws a block where the last one stands. Call holds before.
func (s *screen) replace(b block) {
	var out strings.Builder
	out.WriteString(up(s.rows + 1))
	s.write(&out, b, s.joined)
}

func (s *screen) write(out *strings.Builder, b block, join bool) {
	s.rows = len(b.lines)
	if b.head != "" && !join {
		out.WriteString(b.head + "\n")
		s.rows++
	}
	for _, line := range b.lines {
		out.WriteString(line + "\n")
	}
	if s.terminal {
		out.WriteByte('\n')
	}
	s.last, s.begun, s.blank, s.joined = b, true, s.terminal, join
	if _, err := io.WriteString(s.out, out.String()); err != nil && s.err == nil {
		s.err = err
	}
}

// holds tells whether the last thing on a terminal is m shown like k, with all
// its rows in sight.
func (s *screen) holds(m *message, k kind, height int) bool {
	return s.terminal && s.blank && s.last.about == m && s.last.kind == k && s.rows+2 < height
}

// typed notes that a person has typed a line below all blocks.
func (s *screen) typed(person string) {
	s.last, s.begun, s.blank = block{kind: said, group: private(person)}, true, false
}

// up moves n lines up from the beginning of a line, and clears all from there.
func up(n int) string { return fmt.Sprintf("\x1b[%dA\x1b[J", n) }

// private is the group of what only one person sees.
func private(person string) string { return "to " + person }
