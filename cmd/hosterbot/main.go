// Command hosterbot puts a hosting provider's API into a team's chat.
//
// This package joins the rings: it reads settings, builds every part in
// run.go, and stops them in reverse order. Each subcommand has its file. To add
// one: a type with a Run method in a file of its own, and a line in cli below.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes: a contract that scripts rely on.
const (
	exitFine   = 0
	exitFailed = 1  // the check said no, or a command failed
	exitUsage  = 64 // unknown command or flag
	exitStore  = 73 // the store cannot be opened
	exitConfig = 78 // a bad setting, a bad policy, refused credentials
)

// cli is everything that the binary can do. Flags, environment and help are
// made from it.
type cli struct {
	Run         runCmd         `cmd:"" help:"Run the bot with every chat whose tokens are set."`
	Demo        demoCmd        `cmd:"" help:"Try everything in this terminal: simulator, example policy, four people, no account."`
	Simulate    simulateCmd    `cmd:"" help:"Serve the HosterAPI simulator, for staging."`
	Doctor      doctorCmd      `cmd:"" help:"Check tokens, scopes, channels, clock, API token, store and policy, and say what to grant where."`
	Policy      policyCmd      `cmd:"" help:"Check, test and explain a policy file."`
	Store       storeCmd       `cmd:"" help:"Back up, check and restore the store."`
	Audit       auditCmd       `cmd:"" help:"Verify and export the audit log."`
	Manifest    manifestCmd    `cmd:"" help:"Print what a chat needs to know of the app."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask the bot that runs here whether it lives, or with --ready whether it is ready."`
	Docs        docsCmd        `cmd:"" help:"Rewrite the files that are generated: commands/COMMANDS.md and the demo's policy."`
	Version     versionCmd     `cmd:"" help:"Print version, commit and Go version."`
}

// exitError is an error with the code that the process ends with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exit gives an error its code.
func exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// program is the process as a subcommand sees it, so that tests can hand in
// another.
type program struct {
	in       *os.File
	out, err io.Writer
	env      func(string) string
}

func main() {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := p.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// main runs one command line and returns the exit code.
func (p *program) main(ctx context.Context, args []string) int {
	var c cli
	ended := -1
	parser, err := kong.New(&c,
		kong.Name("hosterbot"),
		kong.Description("A hosting provider's API in your team's Slack and Discord, with rights, approvals and an audit log."),
		kong.Writers(p.out, p.err),
		kong.Exit(func(code int) { ended = code; panic(ended) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(p.err, "hosterbot:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := p.parse(parser, args, &ended)
	if ended >= 0 {
		return ended
	}
	if err != nil {
		fmt.Fprintf(p.err, "hosterbot: %v\nTry: hosterbot --help\n", err)
		return exitUsage
	}
	err = chosen.Run()
	if err == nil {
		return exitFine
	}
	var coded *exitError
	code := exitFailed
	if errors.As(err, &coded) {
		code = coded.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(p.err, "hosterbot:", text)
	}
	return code
}

// parse reads the command line. Help prints and ends by kong's Exit, which
// unwinds to here.
func (p *program) parse(parser *kong.Kong, args []string, ended *int) (chosen *kong.Context, err error) {
	defer func() {
		if v := recover(); v != nil && *ended < 0 {
			panic(v)
		}
	}()
	return parser.Parse(args)
}
