package main

import (
	"errors"
	"fmt"

	"hosterbot/bot/policy"
)

type policyDiffCmd struct {
	Old string `arg:"" help:"The policy file in force."`
	New string `arg:"" help:"The policy file that may follow it."`
}

// Run prints a line for each person, command and label whose decision changes.
// It fails where the new file grants something that the old one did not, so
// that a review is asked for. The tests of the old file are not run.
func (c *policyDiffCmd) Run(p *program) error {
	v, err := vocabulary()
	if err != nil {
		return err
	}
	before, err := policy.LoadUntested(c.Old, v)
	if err != nil {
		return p.problems(err)
	}
	after, err := policy.Load(c.New, v)
	if err != nil {
		return p.problems(err)
	}
	changes := policy.Diff(before, after)
	granted := 0
	for _, change := range changes {
		fmt.Fprintln(p.out, change.String())
		if change.Grants {
			granted++
		}
	}
	switch {
	case len(changes) == 0:
		fmt.Fprintln(p.out, "No decision changes.")
	case granted == 0:
		fmt.Fprintf(p.out, "%s, nothing is granted that was not\n", plural(len(changes), "change"))
	default:
		fmt.Fprintf(p.out, "%s, %d of which grant what was not granted: have them reviewed\n", plural(len(changes), "change"), granted)
		return exit(exitFailed, errors.New(""))
	}
	return nil
}
