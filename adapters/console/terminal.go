package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// session is one person after another at the prompt.
type session struct {
	c      *Console
	in     *keyboard
	person string
	late   sync.WaitGroup // what the prompt did not wait for
}

func (s *session) prompt() string { return s.c.paint(bold, s.person+">") + " " }

// soon does what a line asks for. On a terminal it goes on alone after a
// while, so that a slow answer does not hold the prompt.
func (s *session) soon(ctx context.Context, f func() error) error {
	if !s.c.opts.Terminal {
		return f()
	}
	done, slow := make(chan error, 1), make(chan struct{})
	s.late.Go(func() { done <- f() })
	stop := s.c.opts.Clock.AfterFunc(patience, func() { close(slow) })
	defer stop()
	select {
	case err := <-done:
		return err
	case <-slow:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keyboard reads lines on a goroutine of its own, so that who waits for one
// can stop waiting.
type keyboard struct {
	ask    chan question
	answer chan typed
}

type question struct {
	person  string // who is asked
	prompt  string
	secret  bool
	field   bool         // of a form: Tab gives its choices
	choices []bot.Choice //
}

type typed struct {
	line string
	err  error
}

// read asks for a line. Its error is io.EOF at the end, or ctx's.
func (k *keyboard) read(ctx context.Context, q question) (string, error) {
	select {
	case k.ask <- q:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case t := <-k.answer:
		return t.line, t.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// keyboard starts reading In. The function it returns sets the terminal back.
func (c *Console) keyboard(ctx context.Context) (*keyboard, func(), error) {
	k := &keyboard{ask: make(chan question), answer: make(chan typed, 1)}
	stop := func() { close(k.ask) }
	if !c.opts.Terminal {
		go k.serve(c.plainLines())
		return k, stop, nil
	}
	if fd, ok := c.fd(); ok {
		state, err := term.MakeRaw(fd)
		if err != nil {
			return nil, nil, fmt.Errorf("read keys from the terminal: %w", err)
		}
		stop = func() {
			close(k.ask)
			_ = term.Restore(fd, state)
		}
	}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&twice{in: c.opts.In, once: c.interrupted}, c.opts.Out}, "")
	t.AutoCompleteCallback = c.complete(ctx)
	c.mu.Lock()
	c.screen.out, c.screen.terminal = t, true
	c.mu.Unlock()
	c.resize(t)
	resized := make(chan os.Signal, 1)
	notifyResize(resized)
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		for range resized {
			c.resize(t)
		}
	}()
	go k.serve(c.editedLines(t))
	return k, func() {
		signal.Stop(resized)
		close(resized)
		<-quiet
		stop()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.screen.close(c.opts.Out)
	}, nil
}

// The keys that twice knows: https://en.wikipedia.org/wiki/C0_and_C1_control_codes
const (
	ctrlC = 3
	ctrlE = 5  // goes to the end of the line
	ctrlU = 21 // takes away what stands before the cursor
)

// twice lets Ctrl-C through when it is pressed twice. Pressed once it empties
// the line, so that nobody leaves by habit.
type twice struct {
	in    io.Reader
	once  func() // called for the first
	armed bool
	rest  []byte // what has been read, and not been handed on yet
	err   error  // what comes after it
}

// Read implements io.Reader.
func (t *twice) Read(p []byte) (int, error) {
	if len(t.rest) == 0 && t.err == nil {
		var n int
		n, t.err = t.in.Read(p)
		for _, b := range p[:n] {
			if b == ctrlC && !t.armed {
				t.armed = true
				t.once()
				t.rest = append(t.rest, ctrlE, ctrlU)
				continue
			}
			t.armed = false // x/term leaves at the second
			t.rest = append(t.rest, b)
		}
	}
	n := copy(p, t.rest)
	if t.rest = t.rest[n:]; len(t.rest) > 0 {
		return n, nil
	}
	return n, t.err
}

// interrupted ends a watch, and says how to leave.
func (c *Console) interrupted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unwatch()
	c.screen.print(block{kind: remark, lines: fixed(c.indented([]string{c.paint(faint, "Ctrl-C again leaves")})...)})
}

func (k *keyboard) serve(next func(question) (string, error)) {
	for q := range k.ask {
		line, err := next(q)
		k.answer <- typed{line, err}
	}
}

// plainLines reads what comes through a pipe, or from a terminal that can only
// show one line below the other. Nobody sees a prompt there.
func (c *Console) plainLines() func(question) (string, error) {
	lines := bufio.NewScanner(c.opts.In)
	lines.Buffer(nil, maxLine)
	fd, visible := -1, false // what is typed is seen by who stands beside
	if f, ok := c.opts.In.(*os.File); ok {
		fd = int(f.Fd())
		visible = term.IsTerminal(fd)
	}
	return func(q question) (string, error) {
		if q.secret && visible {
			line, err := term.ReadPassword(fd)
			return string(line), err
		}
		if lines.Scan() {
			return lines.Text(), nil
		}
		if errors.Is(lines.Err(), bufio.ErrTooLong) {
			return "", errTooLong
		}
		if lines.Err() != nil {
			return "", lines.Err()
		}
		return "", io.EOF
	}
}

// editedLines reads what is typed on a terminal.
func (c *Console) editedLines(t *term.Terminal) func(question) (string, error) {
	past := &commands{}
	t.History = past
	return func(q question) (line string, err error) {
		past.away = q.field
		c.mu.Lock()
		c.asked = q
		c.screen.settle()
		c.mu.Unlock()
		if q.secret {
			line, err = t.ReadPassword(q.prompt)
		} else {
			t.SetPrompt(q.prompt)
			line, err = t.ReadLine()
		}
		if err != nil {
			return "", err
		}
		shown := q.prompt
		if !q.secret {
			shown += adapters.Printable(line)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.screen.typed(q.person, shown)
		return line, nil
	}
}

// resize draws everything in sight for the size that the terminal has.
func (c *Console) resize(t *term.Terminal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, h := c.screen.width, c.screen.height
	if fd, ok := c.fd(); ok {
		if wide, high, err := term.GetSize(fd); err == nil && wide > 0 && high > 0 {
			w, h = wide, high
		}
	}
	_ = t.SetSize(w, h)
	c.screen.resize(w, h)
}

// commands are the lines that the arrows bring back. What was typed into a form
// is none of them.
type commands struct {
	lines []string
	away  bool // a form asks
}

var _ term.History = (*commands)(nil)

// remembered is how many lines that is.
const remembered = 100

// Add implements term.History. A line typed again moves to the end.
func (h *commands) Add(line string) {
	if h.away || strings.TrimSpace(line) == "" {
		return
	}
	h.lines = slices.DeleteFunc(h.lines, func(old string) bool { return old == line })
	h.lines = append(h.lines, line)
	h.lines = h.lines[max(0, len(h.lines)-remembered):]
}

// Len implements term.History.
func (h *commands) Len() int {
	if h.away {
		return 0
	}
	return len(h.lines)
}

// At implements term.History.
func (h *commands) At(i int) string { return h.lines[len(h.lines)-1-i] }

// complete is what Tab does: it types what is certain, or shows what can
// follow.
func (c *Console) complete(ctx context.Context) func(line string, pos int, key rune) (string, int, bool) {
	return func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		before := line[:pos]
		word := before[strings.LastIndexByte(before, ' ')+1:]
		c.mu.Lock()
		asked := c.asked
		c.mu.Unlock()
		var found []bot.Choice
		if asked.field {
			word = before
			found = beginning(asked.choices, word)
		} else {
			found = c.values(ctx, before)
		}
		if len(found) == 0 {
			return line, pos, true
		}
		insert := common(found)
		if len(found) == 1 && !asked.field {
			insert = spaced(insert) + " "
		}
		if len(insert) <= len(word) && len(found) > 1 {
			c.mu.Lock()
			c.screen.print(block{kind: remark, lines: func() []string { return c.indented(c.listed(found)) }})
			c.mu.Unlock()
			return line, pos, true
		}
		before = before[:len(before)-len(word)] + insert
		return before + line[pos:], len(before), true
	}
}

// listed are choices below each other, what they mean in a column beside them.
func (c *Console) listed(found []bot.Choice) []string {
	column := 0
	for _, choice := range found {
		column = max(column, min(seen(adapters.Printable(choice.Value)), 24))
	}
	var lines []string
	for _, choice := range found {
		lead := adapters.Printable(choice.Value)
		if choice.Label == "" || choice.Label == choice.Value {
			lines = append(lines, lead)
			continue
		}
		lead += strings.Repeat(" ", max(column-seen(lead), 0)+2)
		lines = append(lines, c.wrap(lead, strings.Repeat(" ", min(column+2, c.room()/2)), adapters.Printable(choice.Label))...)
	}
	return lines
}

// values are what can follow a line.
func (c *Console) values(ctx context.Context, line string) []bot.Choice {
	word := line[strings.LastIndexByte(line, ' ')+1:]
	var own []string
	switch {
	case strings.HasPrefix(line, "as "):
		own = c.opts.People
	case strings.HasPrefix(line, ":") && word == line:
		for name := range colons {
			own = append(own, name)
		}
		slices.Sort(own)
	}
	if own != nil {
		all := make([]bot.Choice, len(own))
		for i, name := range own {
			all[i].Value = name
		}
		return beginning(all, word)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c.mu.Lock()
	person := c.speaker
	c.mu.Unlock()
	var out []bot.Choice
	_ = c.call(ctx, func(ctx context.Context, h bot.Handler) {
		out = h.Complete(ctx, bot.Completion{Account: account(person), Place: c.opts.Home, Line: line})
	})
	return out
}

// beginning are the choices whose value begins with word.
func beginning(all []bot.Choice, word string) []bot.Choice {
	return slices.DeleteFunc(slices.Clone(all), func(c bot.Choice) bool { return !strings.HasPrefix(c.Value, word) })
}

// spaced puts quotes around a value with a blank.
func spaced(value string) string {
	if strings.Contains(value, " ") {
		return `"` + value + `"`
	}
	return value
}

// common is what all values begin with.
func common(found []bot.Choice) string {
	prefix := found[0].Value
	for _, choice := range found[1:] {
		for !strings.HasPrefix(choice.Value, prefix) {
			_, size := utf8.DecodeLastRuneInString(prefix)
			prefix = prefix[:len(prefix)-size]
		}
	}
	return prefix
}
