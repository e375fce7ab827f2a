package bot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hosterbot/bot/policy"
)

// Catalogue is every command there is, in the order that help shows them.
type Catalogue struct {
	rows   []*Command
	words  map[string]*Command
	nouns  []string // of commands with two words, in order
	verbs  map[string][]string
	policy []policy.Command
}

// NewCatalogue checks the rows and puts them together. Its error names every
// row that breaks a rule of Command.
func NewCatalogue(rows []Command) (*Catalogue, error) {
	c := &Catalogue{words: make(map[string]*Command, len(rows)), verbs: make(map[string][]string)}
	var problems []error
	for i := range rows {
		row := &rows[i]
		if err := row.check(); err != nil {
			problems = append(problems, fmt.Errorf("command %q: %w", row.Words, err))
		}
		if _, twice := c.words[row.Words]; twice {
			problems = append(problems, fmt.Errorf("command %q: stands twice", row.Words))
		}
		c.rows = append(c.rows, row)
		c.words[row.Words] = row
		if noun, verb, two := strings.Cut(row.Words, " "); two {
			if _, known := c.verbs[noun]; !known {
				c.nouns = append(c.nouns, noun)
			}
			c.verbs[noun] = append(c.verbs[noun], verb)
		}
		c.policy = append(c.policy, row.vocabulary())
	}
	return c, errors.Join(problems...)
}

// All returns every command. Nobody changes them.
func (c *Catalogue) All() []*Command { return c.rows }

// Find returns the command with these words.
func (c *Catalogue) Find(words string) (*Command, bool) {
	row, ok := c.words[words]
	return row, ok
}

// Commands implements policy.Vocabulary.
func (c *Catalogue) Commands() []policy.Command { return c.policy }

// check tells what is wrong with a row.
func (c *Command) check() error {
	switch {
	case c.Words != strings.ToLower(c.Words) || len(strings.Fields(c.Words)) > 2 || c.Words == "":
		return errors.New("words are one or two lower-case words")
	case len(c.Summary) == 0 || len(c.Summary) > 100 || strings.HasSuffix(c.Summary, "."):
		return errors.New("a summary has 1 to 100 characters and no full stop")
	case (c.Read == nil) == (c.Run == nil):
		return errors.New("a row has either Read or Run")
	case c.Run != nil && (c.Effect == EffectOpen || c.Effect == EffectReads || c.Effect == EffectSecrets):
		return errors.New("what has Run changes something: its effect says what")
	}
	optional := false
	for i := range c.Params {
		p := &c.Params[i]
		switch {
		case p.Kind == nil && !p.Secret:
			return fmt.Errorf("parameter %s has no kind", p.Name)
		case p.Name != strings.ToLower(p.Name) || len(p.Name) > 32 || p.Name == "":
			return fmt.Errorf("parameter %q: a name has 1 to 32 lower-case characters", p.Name)
		case len(p.Summary) == 0 || len(p.Summary) > 100:
			return fmt.Errorf("parameter %s: a summary has 1 to 100 characters", p.Name)
		case p.Positional && p.Required && optional:
			return fmt.Errorf("parameter %s: required ones stand before optional ones", p.Name)
		case p.Rest && (!p.Positional || i != len(c.Params)-1 && c.Params[i+1].Positional):
			return fmt.Errorf("parameter %s: only the last positional one takes the rest", p.Name)
		}
		optional = optional || p.Positional && !p.Required
	}
	return nil
}

// vocabulary is what the policy has to know of a row.
func (c *Command) vocabulary() policy.Command {
	v := policy.Command{Name: c.Words, Effect: c.Effect, List: c.List, Whole: c.Whole}
	for i := range c.Params {
		k := c.Params[i].Kind
		if k == nil {
			continue
		}
		for _, t := range k.Targets {
			if !slices.Contains(v.Targets, t) {
				v.Targets = append(v.Targets, t)
			}
		}
		if k.Fact != "" {
			v.Facts = append(v.Facts, k.Fact)
		}
	}
	v.Facts = append(v.Facts, c.Finds...)
	return v
}
