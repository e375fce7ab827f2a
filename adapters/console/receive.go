package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// echoed is how many characters of a typed line are printed again.
const echoed = 200

// help is what `?` shows.
const help = `type a command of the bot: vm list, help, whoami
3                         press the button with that number
press Approve [17]        press the newest button with that label [of operation 17]
fill reason="INC-42"      send the form that is open; form asks for its fields
as ben                    speak as ben; ben: vm list speaks as ben once
:fault KIND FAULT         the provider's next call of that kind goes wrong
:restart                  stop the bot and start it again
:skip 10m                 let time pass
:policy FILE              put another policy in force
:member ben oncall        put ben into a looked-up group
watch 17                  keep its bar in sight until it has ended; watch alone takes the newest
watch job 1201            the same by the number of its job
wait 17                   until operation 17 has ended
exit                      leave`

// The ways a line cannot run. They are for people.
var (
	errNoControl = errors.New("nothing here can do that")
	errExit      = errors.New("exit")
)

// Interact reads In line by line until it ends, somebody types exit, or ctx
// ends; then the error is nil. When ctx ends while it reads, the read goes on
// until In gives something or is closed.
func (c *Console) Interact(ctx context.Context) error {
	if len(c.opts.People) == 0 {
		return errors.New("there is nobody who could speak")
	}
	in, closeIn, err := c.keyboard(ctx)
	if err != nil {
		return err
	}
	defer closeIn()
	s := &session{c: c, in: in, person: c.opts.People[0]}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		s.late.Wait()
	}()
	for {
		c.speaks(s.person)
		text, err := in.read(ctx, question{person: s.person, prompt: s.prompt()})
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read a line: %w", err)
		}
		err = s.line(ctx, text)
		switch {
		case errors.Is(err, errExit), errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil
		case err != nil:
			c.typed(s.person, text)
			c.say(s.person, sentence(err))
		}
		if c.broken() != nil {
			return c.broken()
		}
	}
}

// line does what a person at the prompt typed.
func (s *session) line(ctx context.Context, text string) error {
	c, person := s.c, s.person
	text = strings.TrimSpace(text)
	if name, rest, ok := strings.Cut(text, ": "); ok && slices.Contains(c.opts.People, name) {
		person, text = name, strings.TrimSpace(rest)
	}
	verb, rest, _ := strings.Cut(text, " ")
	switch {
	case text == "":
		return nil
	case text == "?":
		c.typed(person, text)
		c.say(person, strings.Split(help, "\n")...)
		return nil
	case text == "exit" || text == "quit":
		return errExit
	case verb == "as":
		name := strings.TrimSpace(rest)
		if !slices.Contains(c.opts.People, name) {
			return fmt.Errorf("there is no %s here: %s", quoted(name), strings.Join(c.opts.People, ", "))
		}
		s.person = name
		return nil
	case text == "form":
		return s.ask(ctx, person)
	case verb == "watch" && c.opts.Terminal:
		return s.watch(ctx, person, strings.Fields(rest))
	case staged(verb):
		return c.stage(ctx, text)
	}
	if n, err := strconv.Atoi(text); err == nil {
		text = "press " + strconv.Itoa(n)
	}
	if err := s.soon(ctx, func() error { return c.act(ctx, person, text) }); err != nil {
		return err
	}
	return s.ask(ctx, person)
}

// act does what a person says: a press, a form that is sent, else a command.
func (c *Console) act(ctx context.Context, person, text string) error {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "press":
		b, err := c.find(person, strings.TrimSpace(rest))
		if err != nil {
			return err
		}
		return c.press(ctx, person, b)
	case "fill":
		return c.fill(ctx, person, rest)
	}
	c.typed(person, text)
	r := bot.Request{Key: c.key(), Account: account(person), Place: c.opts.Home, Line: text, Answer: &answer{c: c, person: person}}
	return c.call(ctx, func(ctx context.Context, h bot.Handler) { h.Handle(ctx, r) })
}

// press sends the code of a button, as it was when it was shown.
func (c *Console) press(ctx context.Context, person string, b *button) error {
	c.mu.Lock()
	old, place, code := "", b.on.ref.Place, b.Code
	if !b.live {
		old = c.paint(faint, " (on an old card)")
	}
	c.mu.Unlock()
	c.echo(person, c.paint(bold, person)+" presses ["+strconv.Itoa(b.number)+"] "+adapters.Printable(b.Label)+old)
	p := bot.Press{Key: c.key(), Account: account(person), Place: place, Code: code, Answer: &answer{c: c, person: person}}
	return c.call(ctx, func(ctx context.Context, h bot.Handler) { h.Press(ctx, p) })
}

// find is the button that a person means: by its number, or the newest with
// that label, if wanted of one operation. Buttons that can be pressed go
// before those of old cards.
func (c *Console) find(person, text string) (*button, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > len(c.buttons) || !c.buttons[n-1].visible(person) {
			return nil, fmt.Errorf("%s sees no button %d", person, n)
		}
		return c.buttons[n-1], nil
	}
	label, op := text, ""
	if b := c.newest(person, label, ""); b != nil {
		return b, nil
	}
	if i := strings.LastIndexByte(text, ' '); i > 0 {
		if _, err := strconv.ParseInt(text[i+1:], 10, 64); err == nil {
			label, op = strings.TrimSpace(text[:i]), text[i+1:]
		}
	}
	if b := c.newest(person, label, op); b != nil && op != "" {
		return b, nil
	}
	if op != "" {
		return nil, fmt.Errorf("%s sees no button %s of operation %s", person, quoted(label), op)
	}
	return nil, fmt.Errorf("%s sees no button %s", person, quoted(label))
}

func (c *Console) newest(person, label, op string) *button {
	var old *button
	for _, m := range slices.Backward(c.messages) {
		for _, b := range slices.Backward(m.buttons) {
			if !strings.EqualFold(b.Label, label) || !b.visible(person) || op != "" && operation(bot.Card{Buttons: []bot.Button{b.Button}}) != op {
				continue
			}
			if b.live {
				return b
			}
			if old == nil {
				old = b
			}
		}
	}
	return old
}

func (b *button) visible(person string) bool {
	return !b.on.gone && (b.on.to == "" || b.on.to == person)
}

// key names a request for ever.
func (c *Console) key() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if c.opts.Session == "" {
		return fmt.Sprintf("%s/%d", adapters.Demo, c.requests)
	}
	return fmt.Sprintf("%s/%s/%d", adapters.Demo, c.opts.Session, c.requests)
}

// echo prints what a person did; what the bot answers stands below it.
func (c *Console) echo(person, line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen.print(block{kind: said, group: private(person), joins: c.screen.terminal, lines: fixed(line)})
}

// typed prints a line as a person typed it, where it does not stand already.
func (c *Console) typed(person, text string) {
	c.mu.Lock()
	edited := c.screen.terminal
	c.mu.Unlock()
	if !edited {
		c.echo(person, c.paint(bold, person+">")+" "+bot.CleanMax(text, echoed))
	}
}

// say prints what the console itself has to tell a person.
func (c *Console) say(person string, lines ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen.print(block{kind: remark, group: private(person), joins: true, lines: fixed(c.indented(lines)...)})
}

func (c *Console) speaks(person string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.speaker = person
}

// broken is why nothing can be printed any more.
func (c *Console) broken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.screen.err
}

// quoted shows what somebody typed.
func quoted(text string) string { return strconv.Quote(bot.CleanMax(text, echoed)) }

// sentence is an error as a person reads it.
func sentence(err error) string {
	var e *bot.Error
	if errors.As(err, &e) {
		return strings.TrimSpace(adapters.Printable(e.Text) + " " + adapters.Printable(e.Hint))
	}
	text := adapters.Printable(err.Error())
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
