package main

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hosterbot/adapters/console"
	"hosterbot/bot"
)

// tourFiles are the transcript of the tour, and what it puts in force.
//
//go:embed tour
var tourFiles embed.FS

// tour plays the transcript of the tour. On a terminal it waits for Enter
// before each part.
func (d *demo) tour(ctx context.Context, p *program) error {
	text, err := tourFiles.ReadFile("tour/tour.txt")
	if err != nil {
		return err
	}
	enter := bufio.NewReader(p.in)
	for i, part := range strings.Split("\n"+string(text), "\n# ")[1:] {
		if i > 0 && isTerminal(p) {
			fmt.Fprint(p.out, "\nEnter goes on: ")
			if _, err := enter.ReadString('\n'); err != nil {
				return nil // Ctrl-D leaves
			}
		}
		var failed *console.ScriptError
		if err := d.console.Script(ctx, "tour", strings.NewReader("# "+part+"\n")); errors.As(err, &failed) {
			return exit(exitFailed, failed)
		} else if err != nil {
			return err
		}
	}
	return d.tourAudit(ctx, p)
}

// tourAudit verifies the audit log of the tour, and then a copy of it in which
// one byte was flipped.
func (d *demo) tourAudit(ctx context.Context, p *program) error {
	var log []bot.Sealed
	if err := d.now().store.Sealed(ctx, 0, func(s bot.Sealed) error {
		s.Body = slices.Clone(s.Body) // it is the store's
		log = append(log, s)
		return nil
	}); err != nil {
		return err
	}
	verify := func(what string) {
		chain := bot.NewChain(d.parts.auditKey, nil)
		for _, s := range log {
			if !chain.Add(s) {
				break
			}
		}
		end, err := chain.End()
		if err != nil {
			fmt.Fprintf(p.out, "(%s: %v)\n", what, err)
			return
		}
		fmt.Fprintf(p.out, "(%s: %d records, whole)\n", what, end.Count)
	}
	fmt.Fprintln(p.out)
	verify("hosterbot audit verify")
	i := len(log) / 2
	log[i].Body = slices.Clone(log[i].Body)
	log[i].Body[len(log[i].Body)/2] ^= 1
	verify("the same after one byte was flipped")
	return nil
}
