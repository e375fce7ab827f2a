package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// maxLine is the longest line that is read.
const maxLine = 1 << 20

// policyLine is the longest problem of a policy that is printed whole.
const policyLine = 1000

var errTooLong = errors.New("the line is longer than 1 MiB")

// ScriptError says which line of a transcript could not run, and why.
type ScriptError struct {
	File string
	Line int
	Text string // the line, cleaned
	Err  error
}

func (e *ScriptError) Error() string {
	return fmt.Sprintf("%s:%d: %s: %v", e.File, e.Line, e.Text, e.Err)
}

// Unwrap gives the cause.
func (e *ScriptError) Unwrap() error { return e.Err }

// Script plays a transcript, whose name is for errors, and prints the
// conversation. After each line everything that is due runs. A line that cannot
// run ends it with a *ScriptError; what the bot refuses has run.
//
//	# a heading
//	ana: vm list                             a command
//	ben: press Approve                       the newest button that ben sees with that label
//	ben: press Deny 17                       that of operation 17
//	ana: fill reason="INC-42" target=4001    sends the form that ana has open
//	wait 17                                  operation 17 has ended
//	watch 17                                 the same, and what stands there of it before
//	:fault delete answer-lost                and :restart, :skip 10m, :policy FILE, :member ben oncall
func (c *Console) Script(ctx context.Context, name string, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		err := c.scriptLine(ctx, text)
		if err == nil {
			err = c.broken()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return &ScriptError{File: name, Line: number, Text: bot.CleanMax(text, echoed), Err: err}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return &ScriptError{File: name, Line: number + 1, Text: "…", Err: errTooLong}
	}
	if lines.Err() != nil {
		return fmt.Errorf("read %s: %w", name, lines.Err())
	}
	return nil
}

func (c *Console) scriptLine(ctx context.Context, text string) error {
	if strings.HasPrefix(text, "#") {
		c.heading(text)
		return nil
	}
	if verb, _, _ := strings.Cut(text, " "); staged(verb) {
		if err := c.stage(ctx, text); err != nil {
			return err
		}
		return c.idle(ctx)
	}
	person, line, ok := strings.Cut(text, ":")
	if !ok || strings.ContainsAny(person, " \t") {
		return errors.New("write PERSON: COMMAND, wait N, watch N, :WORD or # comment")
	}
	if !slices.Contains(c.opts.People, person) {
		return fmt.Errorf("there is no %s here: %s", quoted(person), strings.Join(c.opts.People, ", "))
	}
	if line = strings.TrimSpace(line); line == "" {
		return fmt.Errorf("%s says nothing", person)
	}
	if err := c.act(ctx, person, line); err != nil {
		return err
	}
	return c.idle(ctx)
}

func (c *Console) idle(ctx context.Context) error {
	if c.opts.Control == nil {
		return nil
	}
	return c.opts.Control.Idle(ctx)
}

// heading prints a comment of a transcript as it is.
func (c *Console) heading(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen.print(block{kind: remark, group: "heading", joins: true, lines: fixed(c.paint(bold, adapters.Printable(text)))})
}

// direct prints a stage direction.
func (c *Console) direct(format string, args ...any) {
	c.remark(bot.CleanMax(fmt.Sprintf(format, args...), echoed))
}

func (c *Console) remark(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen.print(block{kind: said, group: "stage", joins: true, lines: fixed(c.paint(faint, "("+text+")"))})
}

// colon is a line with a colon: how it is written and what it does with its
// words.
type colon struct {
	usage string
	least int
	most  int
	run   func(ctx context.Context, c *Console, words []string) error
}

var colons = map[string]colon{
	"wait": {"wait OPERATION", 1, 1, func(ctx context.Context, c *Console, words []string) error {
		op, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil || op < 1 {
			return fmt.Errorf("%s is no operation's number", quoted(words[0]))
		}
		c.direct("until operation %d has ended", op)
		return c.opts.Control.Wait(ctx, op)
	}},
	"watch": {usageWatch, 0, 2, func(ctx context.Context, c *Console, words []string) error {
		op, err := c.watchable(ctx, words)
		if err != nil {
			return err
		}
		c.direct("watching operation %d until it has ended", op)
		c.mu.Lock()
		if m := c.about(op); m != nil {
			c.screen.print(c.posted(m))
		}
		c.mu.Unlock()
		return c.opts.Control.Wait(ctx, op)
	}},
	":fault": {":fault KIND FAULT", 2, 9, func(_ context.Context, c *Console, words []string) error {
		fault := strings.Join(words[1:], " ")
		c.direct("the provider's next %s: %s", words[0], fault)
		return c.opts.Control.Fault(words[0], fault)
	}},
	":restart": {":restart", 0, 0, func(ctx context.Context, c *Console, _ []string) error {
		c.direct("the bot stops, and starts again")
		return c.opts.Control.Restart(ctx)
	}},
	":skip": {":skip 10m", 1, 1, func(ctx context.Context, c *Console, words []string) error {
		d, err := time.ParseDuration(words[0])
		if err != nil || d <= 0 {
			return fmt.Errorf("%s is no length of time such as 90s, 10m, 2h", quoted(words[0]))
		}
		c.direct("%s later", bot.Duration(d))
		return c.opts.Control.Skip(ctx, d)
	}},
	":policy": {":policy FILE", 1, 1, func(ctx context.Context, c *Console, words []string) error {
		c.direct("another policy: %s", words[0])
		if refused := c.opts.Control.Policy(ctx, words[0]); len(refused) > 0 {
			c.direct("it is refused, and the policy before it stays:")
			for _, line := range refused {
				c.remark(bot.CleanMax("  "+line, policyLine)) // the end of it says what to mend
			}
			return refusedPolicy(refused)
		}
		return nil
	}},
	":member": {":member PERSON GROUP", 2, 2, func(_ context.Context, c *Console, words []string) error {
		if !slices.Contains(c.opts.People, words[0]) {
			return fmt.Errorf("there is no %s here: %s", quoted(words[0]), strings.Join(c.opts.People, ", "))
		}
		c.direct("%s joins %s", words[0], words[1])
		if err := c.opts.Control.Member(words[0], words[1]); err != nil {
			return err
		}
		c.join(words[0], words[1])
		return nil
	}},
}

// staged tells whether a line that begins with a word is no command of the
// bot's.
func staged(word string) bool {
	_, ok := colons[word]
	return ok || strings.HasPrefix(word, ":")
}

// refusedPolicy is why a policy is not put in force. The console has said it
// line by line, and a transcript goes on.
type refusedPolicy []string

func (r refusedPolicy) Error() string {
	text := "the policy before it stays: " + bot.CleanMax(r[0], policyLine)
	if n := len(r) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more in the terminal)", n)
	}
	return text
}

// Stage runs a line with a colon that somebody asked for elsewhere, such as
// ":skip 10m". Its error is for people.
func (c *Console) Stage(ctx context.Context, text string) error {
	if !strings.HasPrefix(text, ":") {
		return errNoControl
	}
	return c.direction(ctx, strings.TrimSpace(text))
}

// stage runs a line that nobody in the chat says.
func (c *Console) stage(ctx context.Context, text string) error {
	err := c.direction(ctx, text)
	if _, ok := errors.AsType[refusedPolicy](err); ok {
		return nil
	}
	return err
}

// direction is stage, and tells also of a policy that was refused.
func (c *Console) direction(ctx context.Context, text string) error {
	words := strings.Fields(text)
	what, ok := colons[words[0]]
	if !ok {
		known := make([]string, 0, len(colons))
		for name := range colons {
			known = append(known, name)
		}
		slices.Sort(known)
		return fmt.Errorf("there is no %s: %s", quoted(words[0]), strings.Join(known, ", "))
	}
	if n := len(words) - 1; n < what.least || n > what.most {
		return fmt.Errorf("write %s", what.usage)
	}
	if c.opts.Control == nil {
		return errNoControl
	}
	return what.run(ctx, c, words[1:])
}
