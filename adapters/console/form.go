package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"hosterbot/adapters"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// giveUp is what a person types to leave a form, noValue to empty a field that
// has a value.
const (
	giveUp  = "."
	noValue = "-"
)

// listed is how many choices of a field are named.
const listed = 10

// openForm is a form that a person has before him.
type openForm struct{ bot.Form }

// open shows a form to a person; it stays until it is sent or another opens.
func (c *Console) open(person string, f bot.Form) {
	c.forms[person] = &openForm{Form: f}
	c.screen.print(block{kind: remark, group: private(person), joins: true, lines: func() []string { return c.asking(person, f) }})
}

// asking is what a form asks for.
func (c *Console) asking(person string, f bot.Form) []string {
	lines := []string{c.only(person)}
	lines = append(lines, c.wrap("? ", "  ", f.Title, bold, yellow)...)
	if f.Text != "" {
		lines = append(lines, c.wrap("", "", f.Text)...)
	}
	width := 0
	for _, field := range f.Fields {
		width = max(width, wide(adapters.Printable(field.Name)))
	}
	for _, field := range f.Fields {
		name := adapters.Printable(field.Name)
		lead := name + strings.Repeat(" ", width-wide(name)) + "  "
		lines = append(lines, c.wrap(lead, strings.Repeat(" ", width+2), describe(field))...)
		if field.Error != "" {
			lines = append(lines, c.wrap(strings.Repeat(" ", width+2)+"✗ ", strings.Repeat(" ", width+4), field.Error, red)...)
		}
	}
	return c.indented(lines)
}

// describe is what a form says about a field.
func describe(f bot.FormField) string {
	text := f.Label
	var notes []string
	if f.Required {
		notes = append(notes, "required")
	}
	if f.Secret {
		notes = append(notes, "not shown")
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	if f.Hint != "" {
		text += " – " + f.Hint
	}
	if f.Value != "" && !f.Secret {
		text += " [" + f.Value + "]"
	}
	if len(f.Choices) > 0 {
		text += ": " + choices(f.Choices)
	}
	return text
}

func choices(all []bot.Choice) string {
	var names []string
	for _, choice := range all[:min(len(all), listed)] {
		name := choice.Value
		switch {
		case strings.HasPrefix(choice.Label, name):
			name = choice.Label
		case choice.Label != "":
			name += " (" + choice.Label + ")"
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	if more := len(all) - listed; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// fill sends a person's open form with what `name=value` words give; other
// fields keep what stands in them.
func (c *Console) fill(ctx context.Context, person, text string) error {
	c.mu.Lock()
	f := c.forms[person]
	c.mu.Unlock()
	if f == nil {
		return fmt.Errorf("%s has no form open", person)
	}
	given, err := pairs(text)
	if err != nil {
		return err
	}
	values := make(map[string]string, len(f.Fields))
	for _, field := range f.Fields {
		values[field.Name] = field.Value
	}
	for n, p := range given {
		i := slices.IndexFunc(f.Fields, func(field bot.FormField) bool { return field.Name == p.Name })
		if i < 0 {
			return fmt.Errorf("the form has no field %s: it asks for %s", quoted(p.Name), names(f.Fields))
		}
		value, err := accept(f.Fields[i], p.Value)
		if err != nil {
			return err
		}
		values[p.Name] = value
		if f.Fields[i].Secret {
			given[n].Value = secret.Mask
		}
	}
	for _, field := range f.Fields {
		if field.Required && values[field.Name] == "" {
			return fmt.Errorf("the form needs %s", field.Name)
		}
	}
	c.filled(person, given)
	return c.submit(ctx, person, f, values)
}

// filled prints what a person puts into a form. Secrets are masked before.
func (c *Console) filled(person string, given []bot.Arg) {
	line := c.paint(bold, person) + " fills in"
	for _, p := range given {
		shown := bot.CleanMax(p.Value, echoed)
		if shown == "" || strings.ContainsAny(shown, ` "'`) {
			shown = quoted(shown)
		}
		line += " " + adapters.Printable(p.Name) + "=" + shown
	}
	c.echo(person, line)
}

// submit sends a form; it is closed then, and open again if the bot says so.
func (c *Console) submit(ctx context.Context, person string, f *openForm, values map[string]string) error {
	c.mu.Lock()
	if c.forms[person] == f {
		delete(c.forms, person)
	}
	c.mu.Unlock()
	s := bot.Submission{
		Key: c.key(), Account: account(person), Place: c.opts.Home, Code: f.Code,
		Values: make(map[string]string), Secrets: make(map[string]secret.Secret),
		Answer: &answer{c: c, person: person},
	}
	for _, field := range f.Fields {
		if field.Secret {
			s.Secrets[field.Name] = secret.New(values[field.Name])
			continue
		}
		s.Values[field.Name] = values[field.Name]
	}
	return c.call(ctx, func(ctx context.Context, h bot.Handler) { h.Submit(ctx, s) })
}

// accept checks what a chat itself checks before it sends a form.
func accept(f bot.FormField, value string) (string, error) {
	if f.MaxLen > 0 && utf8.RuneCountInString(value) > f.MaxLen {
		return "", fmt.Errorf("%s has at most %d characters", quoted(f.Name), f.MaxLen)
	}
	if len(f.Choices) == 0 || f.Lookup || value == "" {
		return value, nil
	}
	for _, choice := range f.Choices {
		if value == choice.Value || strings.EqualFold(value, choice.Label) {
			return choice.Value, nil
		}
	}
	return "", fmt.Errorf("%s is one of %s", quoted(f.Name), choices(f.Choices))
}

// ask goes through the form that a person has open, field by field, and sends
// it. A form that comes back asks again.
func (s *session) ask(ctx context.Context, person string) error {
	c := s.c
	for {
		c.mu.Lock()
		f := c.forms[person]
		c.mu.Unlock()
		if f == nil {
			return nil
		}
		values := make(map[string]string, len(f.Fields))
		var given []bot.Arg
		for _, field := range f.Fields {
			value, err := s.field(ctx, person, field)
			if errors.Is(err, errGaveUp) {
				c.mu.Lock()
				delete(c.forms, person)
				c.mu.Unlock()
				c.say(person, "Not sent.")
				return nil
			}
			if err != nil {
				return err
			}
			values[field.Name] = value
			if field.Secret && value != "" {
				value = secret.Mask
			}
			given = append(given, bot.Arg{Name: field.Name, Value: value})
		}
		if !c.opts.Terminal {
			c.filled(person, given)
		}
		if err := s.soon(ctx, func() error { return c.submit(ctx, person, f, values) }); err != nil {
			return err
		}
	}
}

var errGaveUp = errors.New("gave up")

// field asks for one field until it can be sent.
func (s *session) field(ctx context.Context, person string, f bot.FormField) (string, error) {
	prompt := indent + adapters.Printable(f.Name)
	if f.Value != "" && !f.Secret {
		prompt += " [" + bot.CleanMax(f.Value, echoed) + "]"
	}
	for {
		typed, err := s.in.read(ctx, question{person: person, prompt: prompt + ": ", secret: f.Secret, field: true, choices: f.Choices})
		if err != nil {
			return "", err
		}
		value := typed
		switch {
		case typed == giveUp:
			return "", errGaveUp
		case typed == noValue && !f.Secret:
			value = ""
		case typed == "":
			value = f.Value
		}
		if value == "" && f.Required {
			err = fmt.Errorf("%s is needed; a single %s gives up", quoted(f.Name), quoted(giveUp))
		} else {
			value, err = accept(f, value)
		}
		if err == nil {
			return value, nil
		}
		s.c.say(person, sentence(err))
	}
}

func names(fields []bot.FormField) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.Name
	}
	return strings.Join(all, ", ")
}

// pairs reads `a=b c="d e"`: single and double quotes, in double ones a
// backslash before a quote or a backslash.
func pairs(text string) ([]bot.Arg, error) {
	var out []bot.Arg
	for rest := strings.TrimLeft(text, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		name, after, ok := strings.Cut(rest, "=")
		if !ok || name == "" || strings.ContainsAny(name, ` "'`) {
			return nil, fmt.Errorf("write name=value, not %s", quoted(rest))
		}
		var value strings.Builder
		var quote rune
		escaped, end := false, len(after)
		for i, r := range after {
			switch {
			case escaped:
				value.WriteRune(r)
				escaped = false
				continue
			case quote == '"' && r == '\\':
				escaped = true
				continue
			case quote != 0 && r == quote:
				quote = 0
				continue
			case quote == 0 && (r == '"' || r == '\''):
				quote = r
				continue
			case quote == 0 && r == ' ':
				end = i
			}
			if end < len(after) {
				break
			}
			value.WriteRune(r)
		}
		if quote != 0 {
			return nil, fmt.Errorf("the quote after %s= has no end", name)
		}
		if slices.ContainsFunc(out, func(a bot.Arg) bool { return a.Name == name }) {
			return nil, fmt.Errorf("%s stands twice", quoted(name))
		}
		out = append(out, bot.Arg{Name: name, Value: value.String()})
		rest = after[end:]
	}
	return out, nil
}
