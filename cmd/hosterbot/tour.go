package main

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"hosterbot/adapters/console"
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
	return nil
}
