package console

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// kept is how many blocks can be drawn again when a terminal gets another
// size. No terminal shows more.
const kept = 200

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
	lines func() []string // set for the width that the screen has when it is called
}

// fixed are lines that are the same at each width.
func fixed(lines ...string) func() []string { return func() []string { return lines } }

// printed is a block that stands on the screen.
type printed struct {
	block
	joined bool // has no head
	blank  bool // a terminal shows an empty line below it
}

// screen puts blocks under each other with a blank line between them. Where a
// terminal allows it, it draws the last one again, keeps one thing below all
// others, and draws all of it again at another width.
type screen struct {
	out      io.Writer
	terminal bool
	width    int
	height   int
	blocks   []printed // the last of them, on a terminal all that can be drawn again
	rows     int       // that the last one takes
	pin      func() []string
	pinned   int // rows that the pin takes; 0: it is not drawn
	err      error
}

func (s *screen) last() printed {
	if len(s.blocks) == 0 {
		return printed{}
	}
	return s.blocks[len(s.blocks)-1]
}

// print shows a block below all others.
func (s *screen) print(b block) {
	var out strings.Builder
	s.lift(&out, 0)
	last := s.last()
	join := b.joins && len(s.blocks) > 0 && b.group != "" && b.group == last.group
	switch {
	case join && last.blank:
		out.WriteString(up(1))
		s.blocks[len(s.blocks)-1].blank = false
	case !join && len(s.blocks) > 0 && !s.terminal:
		out.WriteByte('\n')
	}
	s.add(&out, printed{block: b, joined: join, blank: s.terminal})
}

// replace draws a block where the last one stands. Call holds before.
func (s *screen) replace(b block) {
	var out strings.Builder
	s.lift(&out, s.rows+1)
	last := s.last()
	last.block = b
	s.blocks = s.blocks[:len(s.blocks)-1]
	s.add(&out, last)
}

func (s *screen) add(out *strings.Builder, p printed) {
	if len(s.blocks) >= kept {
		s.blocks = slices.Delete(s.blocks, 0, len(s.blocks)-kept+1)
	}
	s.blocks = append(s.blocks, p)
	s.rows = s.draw(out, p)
	s.lay(out)
	s.write(out)
}

func (s *screen) write(out *strings.Builder) {
	text := out.String()
	if s.terminal && !strings.HasPrefix(text, "\x1b[") { // else it clears from further up
		text = below + text
	}
	if _, err := io.WriteString(s.out, text); err != nil && s.err == nil {
		s.err = err
	}
}

// draw sets a block, and returns how many rows it takes without the empty one.
func (s *screen) draw(out *strings.Builder, p printed) int {
	rows := 0
	line := func(text string) {
		out.WriteString(text + "\n")
		rows += s.rowsOf(text)
	}
	if p.head != "" && !p.joined {
		line(p.head)
	}
	for _, text := range p.lines() {
		line(text)
	}
	if p.blank {
		out.WriteByte('\n')
	}
	return rows
}

// rowsOf is how many rows of the terminal a line takes.
func (s *screen) rowsOf(line string) int { return max(1, (seen(line)+s.width-1)/s.width) }

// lift takes the pin away with rows more, if the cursor stands below it.
func (s *screen) lift(out *strings.Builder, rows int) {
	if s.pinned > 0 {
		rows += s.pinned + 1
	}
	if s.pinned = 0; rows > 0 {
		out.WriteString(up(rows))
	}
}

// lay draws the pin below all else, where there is room for it.
func (s *screen) lay(out *strings.Builder) {
	if s.pin == nil || !s.terminal {
		return
	}
	lines, rows := s.pin(), 0
	for _, line := range lines {
		rows += s.rowsOf(line)
	}
	if rows+3 > s.height {
		return
	}
	if n := len(s.blocks); n > 0 && !s.blocks[n-1].blank {
		out.WriteByte('\n')
		s.blocks[n-1].blank = true
	}
	out.WriteString(strings.Join(lines, "\n") + "\n\n")
	s.pinned = rows
}

// settle draws the pin as it is now; without one it takes the old one away.
func (s *screen) settle() {
	var out strings.Builder
	s.lift(&out, 0)
	s.lay(&out)
	if out.Len() > 0 {
		s.write(&out)
	}
}

// holds tells whether the last thing on a terminal is m shown like k, with all
// its rows in sight.
func (s *screen) holds(m *message, k kind) bool {
	last := s.last()
	return s.terminal && last.blank && last.about == m && last.kind == k && s.rows+s.pinned+3 < s.height
}

// typed notes that a person has typed a line, at a prompt below all else. The
// pin above it is taken away, so that it stands once.
func (s *screen) typed(person, line string) {
	var out strings.Builder
	if s.pinned > 0 {
		s.lift(&out, seen(line)/s.width+1) // a prompt that fills its row has begun the next
		out.WriteString(line + "\n")
		s.write(&out)
	}
	s.blocks = append(s.blocks, printed{block: block{kind: said, group: private(person), lines: fixed(line)}})
}

// resize draws the newest blocks again, as many as fit in sight. What stood
// there is pushed up, so that nothing is lost.
func (s *screen) resize(width, height int) {
	same := width == s.width
	s.width, s.height = width, height
	if same || !s.terminal {
		return
	}
	var parts []string
	room := height - 2
	for _, p := range slices.Backward(s.blocks) {
		var part strings.Builder
		rows := s.draw(&part, p)
		if len(parts) == 0 {
			s.rows = rows
		}
		if room -= rows + 1; room < 0 && len(parts) > 0 {
			break
		}
		parts = append(parts, part.String())
	}
	slices.Reverse(parts)
	out := &strings.Builder{}
	fmt.Fprintf(out, "\x1b[%d;1H%s\x1b[H%s", height, strings.Repeat("\n", height), strings.Join(parts, ""))
	s.pinned = 0
	s.lay(out)
	s.write(out)
}

// close ends what only a terminal can do.
func (s *screen) close(out io.Writer) {
	s.out, s.terminal, s.pin, s.pinned = out, false, nil, 0
	if n := len(s.blocks); n > 0 {
		s.blocks[n-1].blank = false
	}
}

// below clears what stands below. x/term takes the line that is being typed
// away before it writes, but for the rows below the cursor.
const below = "\x1b[J"

// up moves n lines up from the beginning of a line, and clears all from there.
func up(n int) string { return fmt.Sprintf("\x1b[%dA\x1b[J", n) }

// private is the group of what only one person sees.
func private(person string) string { return "to " + person }
