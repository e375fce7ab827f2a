package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hosterbot/bot/policy"
	"hosterbot/commands"
)

type policyCmd struct {
	Check   policyCheckCmd   `cmd:"" help:"Print everything that is wrong with a file, and run the tests in it."`
	Test    policyTestCmd    `cmd:"" help:"Run the tests in a file, and print each verdict."`
	Diff    policyDiffCmd    `cmd:"" help:"Print every decision that changes from one file to another; exit 1 where something is granted that was not."`
	Explain policyExplainCmd `cmd:"" help:"Print what the policy decides about a command, and by which lines."`
}

// vocabulary is the commands as the policy knows them. No API is needed.
func vocabulary() (policy.Vocabulary, error) {
	catalogue, err := commands.Catalogue(nil, nil)
	if err != nil {
		return nil, err
	}
	return catalogue.Vocabulary(), nil
}

type policyCheckCmd struct {
	File string `arg:"" help:"The policy file."`
}

// Run prints every problem as file:line:col: message.
func (c *policyCheckCmd) Run(p *program) error {
	v, err := vocabulary()
	if err != nil {
		return err
	}
	snap, err := policy.Load(c.File, v)
	if err != nil {
		return p.problems(err)
	}
	for _, w := range snap.Warnings() {
		fmt.Fprintln(p.out, w.String()+" (warning)")
	}
	fmt.Fprintf(p.out, "%s: fine: %d people, %d tests pass\n", c.File, len(snap.People()), len(snap.RunTests()))
	return nil
}

// problems prints what is wrong with a policy, a line each.
func (p *program) problems(err error) error {
	var all policy.Problems
	if !errors.As(err, &all) {
		return err
	}
	for _, one := range all {
		fmt.Fprintln(p.out, one.String())
	}
	return exit(exitFailed, errors.New(plural(len(all), "problem")))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

type policyTestCmd struct {
	File string `arg:"" help:"The policy file."`
}

// Run prints each test with its verdict, and for a failing one what decided.
func (c *policyTestCmd) Run(p *program) error {
	v, err := vocabulary()
	if err != nil {
		return err
	}
	snap, err := policy.LoadUntested(c.File, v)
	if err != nil {
		return p.problems(err)
	}
	results := snap.RunTests()
	failed := 0
	for _, r := range results {
		word := "ok  "
		if !r.OK {
			word = "FAIL"
			failed++
		}
		fmt.Fprintf(p.out, "%s %s:%d: %s: %s: %s\n", word, c.File, r.Line, r.As, r.Run, r.Want)
		if r.OK {
			continue
		}
		fmt.Fprintf(p.out, "     got %s\n", r.Got)
		for _, rule := range r.Rules {
			if rule.Line > 0 {
				fmt.Fprintf(p.out, "     decided by %s %s (%s:%d)\n", rule.Kind, rule.ID, c.File, rule.Line)
			}
		}
	}
	fmt.Fprintf(p.out, "%d passed, %d failed\n", len(results)-failed, failed)
	if failed > 0 {
		return exit(exitFailed, errors.New(plural(failed, "test")+" failed"))
	}
	return nil
}

type policyExplainCmd struct {
	File    string   `arg:"" help:"The policy file."`
	Command []string `arg:"" passthrough:"" help:"The command, as it is typed."`
	As      string   `required:"" placeholder:"PERSON" help:"Who asks: a name in the policy's people."`
	In      string   `placeholder:"PLACE" help:"Where: slack:T…/C…, discord:G…/C… or direct; a channel that no rule names if it is not said."`
	At      string   `placeholder:"TIME" help:"When: a time such as 2026-12-25T12:00:00Z; now if it is not said."`
	Member  []string `placeholder:"GROUP" help:"Looked-up groups that the person is in."`
	Price   *float64 `placeholder:"N" help:"The price, where a limit asks for it."`
}

// Run prints the decision. It fails only where there is none.
func (c *policyExplainCmd) Run(p *program) error {
	v, err := vocabulary()
	if err != nil {
		return err
	}
	snap, err := policy.Load(c.File, v)
	if err != nil {
		return p.problems(err)
	}
	if !slices.Contains(snap.People(), c.As) {
		return exit(exitFailed, fmt.Errorf("%s names no person %q: it has %s", c.File, clip(c.As), strings.Join(snap.People(), ", ")))
	}
	parsed, err := snap.ParseLine(v, strings.Join(quoteWords(c.Command), " "))
	if err != nil {
		return exit(exitFailed, err)
	}
	q := policy.Question{Person: c.As, Command: parsed.Command, Targets: parsed.Targets, Facts: parsed.Facts, Member: map[string]policy.Membership{}}
	for _, g := range snap.LookedUp() {
		q.Member[g.Name] = policy.No
	}
	for _, name := range c.Member {
		if _, ok := q.Member[name]; !ok {
			return exit(exitFailed, fmt.Errorf("%s has no looked-up group %q", c.File, clip(name)))
		}
		q.Member[name] = policy.Yes
	}
	if c.In != "" {
		if q.Place, err = policy.ParsePlace(c.In); err != nil {
			return exit(exitFailed, fmt.Errorf("--in: %w", err))
		}
	}
	q.Time = time.Now()
	if c.At != "" {
		if q.Time, err = time.Parse(time.RFC3339, c.At); err != nil {
			return exit(exitFailed, fmt.Errorf("--at is %q: expected a time such as 2026-12-25T12:00:00Z", clip(c.At)))
		}
	}
	if c.Price != nil {
		q.Facts.Price, q.Facts.Known = *c.Price, q.Facts.Known|policy.FactPrice
	}
	for _, line := range snap.Explain(q) {
		fmt.Fprintln(p.out, line)
	}
	return nil
}

// quoteWords puts the shell's words together as one line again.
func quoteWords(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if len(words) > 1 && strings.ContainsAny(w, " '") && !strings.Contains(w, `"`) {
			out[i] = `"` + w + `"`
		}
	}
	return out
}
