package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"hosterbot/bot"
	"hosterbot/commands"
)

type docsCmd struct{}

// generated are the files that `docs` writes, by what is in them. A test fails
// when one is stale.
func generated(read func(string) ([]byte, error)) (map[string][]byte, error) {
	catalogue, err := commands.Catalogue(nil, nil)
	if err != nil {
		return nil, err
	}
	example, err := read("policies.yaml")
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"commands/COMMANDS.md":        commandsPage(catalogue),
		"cmd/hosterbot/policies.yaml": example,
	}, nil
}

// Run rewrites the generated files; it has to run at the top of the repository.
func (docsCmd) Run(p *program) error {
	files, err := generated(os.ReadFile)
	if err != nil {
		return exit(exitFailed, fmt.Errorf("run it at the top of the repository: %w", err))
	}
	var failed []error
	for name, data := range files {
		old, err := os.ReadFile(name)
		if err == nil && bytes.Equal(old, data) {
			continue
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintln(p.out, "rewrote", name)
	}
	return errors.Join(failed...)
}

// commandsPage is COMMANDS.md, made from the catalogue.
func commandsPage(c *bot.Catalogue) []byte {
	var b bytes.Buffer
	b.WriteString("# Commands\n\nWritten by `hosterbot docs` from the catalogue: change the rows in this folder, not this file.\n\n")
	b.WriteString("The same words work everywhere: `/hoster vm list` in Slack and Discord, `vm list` in the console. ")
	b.WriteString("An effect is the policy's class: `interrupts`, `costs` and `destroys` are always confirmed.\n\n")
	b.WriteString("| command | effect | what it does |\n|---|---|---|\n")
	for _, cmd := range c.All() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", cmd.Words, strings.ReplaceAll(cmd.Words, " ", "-"), cmd.Effect, cmd.Summary)
	}
	for _, cmd := range c.All() {
		fmt.Fprintf(&b, "\n## %s\n\n`%s`\n\n%s.", cmd.Words, cmd.Usage(), cmd.Summary)
		if cmd.Details != "" {
			b.WriteString(" " + cmd.Details)
		}
		b.WriteString("\n\n")
		for i := range cmd.Params {
			p := &cmd.Params[i]
			if p.Secret {
				fmt.Fprintf(&b, "- `%s`: %s. It is asked for in a form, never typed in a command.\n", p.Name, p.Summary)
				continue
			}
			name := "--" + p.Name
			if p.Positional {
				name = p.Placeholder()
			}
			needed := ""
			if p.Required {
				needed = ", needed"
			}
			fmt.Fprintf(&b, "- `%s`: %s (%s%s)\n", name, p.Summary, p.Kind.Expects, needed)
		}
		if cmd.Example != "" {
			fmt.Fprintf(&b, "\nExample: `%s`\n", cmd.Example)
		}
	}
	return b.Bytes()
}
