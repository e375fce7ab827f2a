package bot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"hosterbot/bot/policy"
)

// Bounds on what is typed.
const (
	maxLine  = 2000 // characters
	maxWords = 60

	maxCommand = 100 // bytes in which a command's own words are looked for
)

// Parsed is a line that was understood.
type Parsed struct {
	Command *Command
	Args    Args
	Targets []Target // as typed; ambiguous ones are a guess until they are resolved
	Facts   Facts
	// Ambiguous is the argument that has to be resolved before the policy is
	// asked; empty: none.
	Ambiguous string
}

// asks tells whether the provider has to be asked for it.
func (p *Parsed) asks() bool { return !p.Command.Local || p.Ambiguous != "" }

// Names finds what a label means. A label with one target is a name.
type Names func(label string) ([]Target, bool)

// MissingError says which required arguments were not typed. All else was
// understood, so a form can ask for the rest.
type MissingError struct {
	Parsed  Parsed
	Missing []*Param
}

func (e *MissingError) Error() string {
	return "missing " + e.Missing[0].Placeholder()
}

// usage makes an error of a line that was not understood.
func usage(cmd *Command, format string, args ...any) *Error {
	e := Errorf(Invalid, format, args...)
	if cmd != nil {
		e.Hint = "Usage: " + Code(cmd.Usage())
	}
	return e
}

// Parse understands a line, or says in one sentence what was expected.
func (c *Catalogue) Parse(line string, names Names) (Parsed, error) {
	words, err := split(line)
	if err != nil {
		return Parsed{}, c.withUsage(line, err)
	}
	if len(words) > maxWords {
		return Parsed{}, Errorf(Invalid, "Those are %d words: %d are the most.", len(words), maxWords)
	}
	cmd, rest, err := c.find(words)
	if err != nil {
		return Parsed{}, err
	}
	given, err := assign(cmd, rest)
	if err != nil {
		return Parsed{}, err
	}
	return cmd.understand(given, names)
}

// withUsage adds to an error of a line that could not be taken apart how the
// command at its beginning is typed.
func (c *Catalogue) withUsage(line string, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Hint != "" {
		return err
	}
	begin := strings.Fields(straighten.Replace(clipped(line, maxCommand)))
	for i, word := range begin {
		if strings.ContainsAny(word, `"'`) { // what is in quotes is no command's word
			begin = begin[:i]
			break
		}
	}
	if len(begin) == 0 {
		return err
	}
	if cmd, _, none := c.find(begin); none == nil {
		e.Hint = "Usage: " + Code(cmd.Usage())
	}
	return e
}

// clipped is the beginning of a line, at most n bytes.
func clipped(line string, n int) string {
	if len(line) <= n {
		return line
	}
	return strings.ToValidUTF8(line[:n], "")
}

// ParseTyped understands a command whose arguments came one by one, as in
// Discord and from forms.
func (c *Catalogue) ParseTyped(words string, args []Arg, names Names) (Parsed, error) {
	cmd, ok := c.Find(words)
	if !ok {
		return Parsed{}, Errorf(Invalid, "There is no such command.")
	}
	given := make([]string, len(cmd.Params))
	for _, a := range args {
		i := slices.IndexFunc(cmd.Params, func(p Param) bool { return p.Name == a.Name })
		if i < 0 {
			return Parsed{}, usage(cmd, "%s has no such parameter.", Code(cmd.Words))
		}
		if len(a.Value) > maxLine {
			return Parsed{}, usage(cmd, "%s is too long.", Code(a.Name))
		}
		if cmd.Params[i].Kind != nil && cmd.Params[i].Kind.Type == Flag && a.Value == "false" {
			continue
		}
		given[i] = a.Value
	}
	return cmd.understand(given, names)
}

// find takes the command's words off the front.
func (c *Catalogue) find(words []string) (*Command, []string, error) {
	if len(words) == 0 {
		words = []string{"help"}
	}
	first := strings.ToLower(words[0])
	if verbs, noun := c.verbs[first]; noun {
		if len(words) > 1 {
			second := strings.ToLower(words[1])
			if cmd, ok := c.words[first+" "+second]; ok {
				return cmd, words[2:], nil
			}
			if cmd, ok := c.words[first]; ok { // a noun that is a command by itself
				return cmd, words[1:], nil
			}
			e := Errorf(Invalid, "%s has no such command.", Code(first))
			if near := nearest(second, verbs); near != "" {
				return nil, nil, e.WithHint("Did you mean %s?", Code(first+" "+near))
			}
			return nil, nil, e.WithHint("It has: %s.", strings.Join(verbs, ", "))
		}
		if cmd, ok := c.words[first]; ok {
			return cmd, nil, nil
		}
		return nil, nil, Errorf(Invalid, "%s what?", Code(first)).WithHint("It has: %s.", strings.Join(verbs, ", "))
	}
	if cmd, ok := c.words[first]; ok {
		return cmd, words[1:], nil
	}
	e := Errorf(Invalid, "There is no such command.")
	var all []string
	for _, row := range c.rows {
		all = append(all, row.Words)
	}
	typed := first
	if len(words) > 1 {
		typed += " " + strings.ToLower(words[1])
	}
	if near := nearest(typed, all); near != "" {
		return nil, nil, e.WithHint("Did you mean %s?", Code(near))
	}
	if near := nearest(first, append(slices.Clone(c.nouns), all...)); near != "" {
		return nil, nil, e.WithHint("Did you mean %s?", Code(near))
	}
	return nil, nil, e.WithHint("%s lists what you may run.", Code("help"))
}

// nearest finds the closest of the words, "" if none is close: at most a
// third of its letters differ.
func nearest(typed string, words []string) string {
	if len(typed) > 60 {
		return ""
	}
	best, distance := "", 0
	for _, w := range words {
		d := levenshtein.ComputeDistance(typed, w)
		if d <= max(1, len(w)/3) && (best == "" || d < distance) {
			best, distance = w, d
		}
	}
	return best
}

// secretWords are in the names of flags under which people type secrets.
var secretWords = []string{"pass", "pw", "token", "secret", "key"}

// soundsSecret tells whether a flag's name is one under which a secret is
// typed.
func soundsSecret(name string) bool {
	return slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(name, w) })
}

// errSecret answers a line with a secret in it. Nothing of what was typed is
// ever echoed, stored or logged but words of the catalogue and arguments that
// are right: anything else could be a secret.
func errSecret() *Error {
	return Errorf(Invalid, "A password never goes into a command line. Nothing was run.").
		WithHint("Treat the one you typed as compromised: change it. A form asks for the new one as the last step.")
}

// assign gives the words of a line to the command's parameters, by index.
func assign(cmd *Command, words []string) ([]string, error) {
	given := make([]string, len(cmd.Params))
	var loose []string
	onlyLoose := false
	seen := make([]bool, len(cmd.Params))
	for i := 0; i < len(words); i++ {
		word := words[i]
		if !onlyLoose && len(word) > 1 && word[0] != '-' && word[0] >= 0x80 {
			word = undash(word)
		}
		if onlyLoose || !strings.HasPrefix(word, "-") || word == "-" || takesRest(cmd, len(loose)) {
			loose = append(loose, word)
			continue
		}
		if word == "--" {
			onlyLoose = true
			continue
		}
		name, value, inline := strings.Cut(strings.TrimLeft(word, "-"), "=")
		name = strings.ToLower(name)
		n := slices.IndexFunc(cmd.Params, func(p Param) bool { return p.Name == name })
		if n < 0 && soundsSecret(name) || n >= 0 && cmd.Params[n].Secret {
			return nil, errSecret()
		}
		if n < 0 || !strings.HasPrefix(word, "--") {
			e := usage(cmd, "%s has no such flag.", Code(cmd.Words))
			var flags []string
			for i := range cmd.Params {
				flags = append(flags, cmd.Params[i].Name)
			}
			if near := nearest(name, flags); near != "" {
				e.Hint = "Did you mean " + Code("--"+near) + "? " + e.Hint
			}
			return nil, e
		}
		if seen[n] {
			return nil, usage(cmd, "%s is given twice.", Code("--"+name))
		}
		seen[n] = true
		switch isFlag := cmd.Params[n].Kind.Type == Flag; {
		case isFlag && !inline:
			value = "true"
		case isFlag && value == "false":
			continue
		case !inline && i+1 < len(words) && !strings.HasPrefix(undash(words[i+1]), "--"):
			i++
			value = words[i]
		}
		if value == "" {
			return nil, usage(cmd, "%s needs a value: expected %s.", Code("--"+name), cmd.Params[n].Kind.Expects)
		}
		given[n] = value
	}
	return given, place(cmd, given, loose)
}

// takesRest tells whether the next loose word belongs to a parameter that
// takes all words that are left, flags included.
func takesRest(cmd *Command, loose int) bool {
	for i := range cmd.Params {
		if !cmd.Params[i].Positional {
			continue
		}
		if cmd.Params[i].Rest {
			return loose > 0
		}
		loose--
	}
	return false
}

// place gives the words without a flag to the positional parameters that are
// still free.
func place(cmd *Command, given, loose []string) error {
	for i := range cmd.Params {
		p := &cmd.Params[i]
		if !p.Positional || given[i] != "" || len(loose) == 0 {
			continue
		}
		if p.Rest {
			// They are parsed once more, so what was one word stays one; what
			// was quoted whole is a line by itself.
			if len(loose) > 1 {
				for n := range loose {
					loose[n] = quoted(loose[n])
				}
			}
			given[i] = strings.Join(loose, " ")
			return nil
		}
		if loose[0] == "" {
			return usage(cmd, "%s is empty: expected %s.", p.Placeholder(), p.Kind.Expects)
		}
		given[i], loose = loose[0], loose[1:]
	}
	if len(loose) > 0 {
		return usage(cmd, "There %s too many.", words(len(loose)))
	}
	return nil
}

func words(n int) string {
	if n == 1 {
		return "is one word"
	}
	return fmt.Sprintf("are %d words", n)
}

// understand turns what was given, by parameter, into checked arguments.
func (cmd *Command) understand(given []string, names Names) (Parsed, error) {
	out := Parsed{Command: cmd, Args: make(Args, 0, len(given))}
	var missing []*Param
	for i := range cmd.Params {
		p := &cmd.Params[i]
		text := given[i]
		if text == "" {
			if p.Required && !p.Secret {
				missing = append(missing, p)
			}
			continue
		}
		if p.Secret {
			return Parsed{}, Errorf(Invalid, "%s is never typed in a command.", Code(p.Name))
		}
		value, err := p.value(text, names)
		if err != nil {
			return Parsed{}, cmd.wrong(p, err)
		}
		out.Args = append(out.Args, Arg{p.Name, value})
		if err := out.note(p, value); err != nil {
			return Parsed{}, cmd.wrong(p, err)
		}
	}
	if len(missing) > 0 {
		return out, &MissingError{Parsed: out, Missing: missing}
	}
	return out, nil
}

// value is the canonical form of what was given for a parameter.
func (p *Param) value(text string, names Names) (string, error) {
	k := p.Kind
	if most := k.MaxLen; len(text) > max(most, 100) && utf8.RuneCountInString(text) > max(most, 100) {
		return "", fmt.Errorf("at most %d characters", max(most, 100))
	}
	if len(k.Targets) > 0 && names != nil && !k.Labels {
		if targets, ok := names(text); ok {
			if len(targets) != 1 {
				return "", Errorf(Invalid, "%s is a label of %d targets: name one of them.", Code(text), len(targets))
			}
			text = targets[0].String()
		}
	}
	if k.Type == Flag {
		if text != "true" {
			return "", errors.New("a flag takes no value")
		}
		return text, nil
	}
	if k.Parse == nil {
		return strings.TrimSpace(text), nil
	}
	return k.Parse(text)
}

// wrong says what was expected of a parameter.
func (cmd *Command) wrong(p *Param, err error) error {
	var own *Error
	if errors.As(err, &own) {
		if own.Hint == "" {
			own.Hint = "Usage: " + Code(cmd.Usage())
		}
		return own
	}
	return usage(cmd, "%s is not right: expected %s.", p.shown(), p.Kind.Expects)
}

// shown is how a sentence names a parameter: VM, or --template.
func (p *Param) shown() string {
	if p.Positional {
		return p.Placeholder()
	}
	return Code("--" + p.Name)
}

// note keeps what an argument says about targets and facts.
func (out *Parsed) note(p *Param, value string) error {
	k := p.Kind
	if k.Target != nil {
		t, err := k.Target(value)
		if err != nil {
			return err
		}
		if t != (Target{}) {
			out.Targets = append(out.Targets, t)
		}
		if k.Ambiguous {
			out.Ambiguous = p.Name
		}
	}
	if k.Fact == "" {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return err
	}
	switch k.Fact {
	case "cores":
		out.Facts.Cores, out.Facts.Known = int(n), out.Facts.Known|FactCores
	case "ips":
		out.Facts.IPs, out.Facts.Known = int(n), out.Facts.Known|FactIPs
	case "mem":
		out.Facts.Mem, out.Facts.Known = n, out.Facts.Known|FactMem
	case "disk":
		out.Facts.Disk, out.Facts.Known = n, out.Facts.Known|FactDisk
	}
	return nil
}

// vocabulary is the catalogue as the policy's tests and `policy explain` see it.
type vocabulary struct{ *Catalogue }

// Vocabulary gives the policy what it needs to know of the commands.
func (c *Catalogue) Vocabulary() policy.Vocabulary { return vocabulary{c} }

// Parse implements policy.Vocabulary.
func (v vocabulary) Parse(line string) (policy.Parsed, error) {
	p, err := v.Catalogue.Parse(line, nil)
	var missing *MissingError
	if err != nil && !errors.As(err, &missing) {
		return policy.Parsed{}, plainError(err)
	}
	return policy.Parsed{Command: p.Command.Words, Targets: p.Targets, Facts: p.Facts}, nil
}

// plainError is an error for people without marks, for a terminal.
func plainError(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	text := e.Text
	if e.Hint != "" {
		text += " " + e.Hint
	}
	return errors.New(strings.ReplaceAll(text, codeMark, ""))
}
