package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"hosterbot/adapters/console"
	"hosterbot/adapters/web"
	"hosterbot/bot"
	"hosterbot/bot/policy"
	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
	"hosterbot/commands/hoster/hostersim"
)

// examplePolicy is policies.yaml, copied here by `hosterbot docs`: Go embeds
// no file of a folder above.
//
//go:embed policies.yaml
var examplePolicy []byte

// demoSpeed is how much faster than a provider's the jobs of the interactive
// demo run.
const demoSpeed = 10

// pipeWidth is how wide lines are that no terminal shows: a table of servers
// fits.
const pipeWidth = 120

// demoSeed makes every demo the same.
const demoSeed = 1

// demoKey seals the audit log of every demo.
const demoKey = "demo: not a secret"

type demoCmd struct {
	Policy   string `placeholder:"FILE" help:"A policy of your own instead of the example."`
	Script   string `placeholder:"FILE" help:"Play a transcript instead; - is standard input."`
	Tour     bool   `help:"Play the tour: ten things that a team wants to see before it trusts a bot."`
	API      string `name:"api" placeholder:"URL" help:"Another HosterAPI on loopback instead of the built-in simulator."`
	APIToken string `name:"api-token" default:"simulator" placeholder:"T" help:"Its token."`
	Store    string `placeholder:"ADDRESS" help:"Keep the store, such as bolt:./demo.db; a temporary one if it is not said."`
	Web      string `placeholder:"ADDR" help:"Serve the web chat on this address of loopback (127.0.0.1:8090, or off)."`
	Listen   string `default:"off" help:"Serve health on this address of loopback."`
}

// scripted tells whether a transcript speaks, and not people.
func (c *demoCmd) scripted() bool { return c.Script != "" || c.Tour }

// demo is everything around the bot: what lines with a colon reach.
type demo struct {
	parts   parts
	clock   demoClock
	policy  *demoPolicy
	sim     *hostersim.Sim // nil with another API
	console *console.Console
	web     *web.Web // nil: none
	width   int      // columns of the terminal
	mu      sync.Mutex
	life    *life
}

var _ console.Control = (*demo)(nil)

// Run plays the demo in this terminal, or a transcript.
func (c *demoCmd) Run(ctx context.Context, p *program) (err error) {
	dir, err := os.MkdirTemp("", "hosterbot-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, stop, err := c.build(p, dir)
	if err != nil {
		return err
	}
	defer stop()
	if d.life, err = d.parts.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.life.end()) }()
	if c.Listen != "off" {
		l, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return exit(exitConfig, fmt.Errorf("--listen is %q: %w", clip(c.Listen), err))
		}
		ctx, cancel := context.WithCancel(ctx)
		served := make(chan error, 1)
		go func() { served <- serve(ctx, l, health(d.health), writeFor) }()
		defer func() { cancel(); <-served }()
	}
	if c.Tour {
		return d.tour(ctx, p)
	}
	if c.Script == "" {
		served, err := c.serveWeb(ctx, d, p.out)
		if err != nil {
			return err
		}
		defer served.end()
		_, _ = io.WriteString(p.out, greeting(d.policy.Current().People(), d.width))
		if err := d.console.Interact(ctx); err != nil || isTerminal(p) {
			return err
		}
		if served.asked { // whoever wants the page, and types nothing, wants it to stay
			<-ctx.Done()
			return nil
		}
		return d.drain(ctx)
	}
	return c.play(ctx, p, d)
}

// drainMost bounds how long the end of a pipe waits for what is under way.
const drainMost = time.Minute

// drain lets what needs nobody's word come to its end, when a pipe has ended.
func (d *demo) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainMost)
	defer cancel()
	for {
		busy, err := d.now().bot.UnderWay(ctx)
		if ctx.Err() != nil {
			return nil // told to stop, or it takes too long
		}
		if err != nil || !busy {
			return err
		}
		if err := d.clock.Sleep(ctx, 50*time.Millisecond); err != nil {
			return nil
		}
	}
}

// play runs the transcript.
func (c *demoCmd) play(ctx context.Context, p *program, d *demo) error {
	in, name := io.Reader(p.in), "stdin"
	if c.Script != "-" {
		f, err := os.Open(c.Script)
		if err != nil {
			return err
		}
		defer f.Close()
		in, name = f, c.Script
	}
	var failed *console.ScriptError
	if err := d.console.Script(ctx, name, in); errors.As(err, &failed) {
		return exit(exitFailed, failed)
	} else if err != nil {
		return err
	}
	return nil
}

// build makes every part of the demo but the bot, which a :restart makes anew.
func (c *demoCmd) build(p *program, dir string) (*demo, func(), error) {
	d := &demo{}
	if c.scripted() && c.API == "" {
		d.clock = newScriptClock()
	} else {
		d.clock = &movedClock{}
	}
	v, err := vocabulary()
	if err != nil {
		return nil, nil, err
	}
	if d.policy, err = newDemoPolicy(c.Policy, v, d.clock); err != nil {
		return nil, nil, err
	}
	d.policy.tour = c.Tour
	if c.Script != "" && c.Script != "-" {
		d.policy.beside = filepath.Dir(c.Script)
	}
	home := d.policy.Current().Home()
	if home.Platform == "" {
		home = policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0DEMO"}
	}
	stop, err := c.provider(d)
	if err != nil {
		return nil, nil, err
	}
	terminal := !c.scripted() && isTerminal(p) && redraws(p.env)
	width, height := size(p, terminal)
	d.width = cmp.Or(width, 80)
	d.console = console.New(console.Options{
		In: p.in, Out: p.out, Terminal: terminal, Color: terminal && colored(p.env),
		Width: width, Height: height, Home: bot.Place{Place: home}, Channel: channelName, Platforms: []string{"slack", "discord", "demo"},
		People: append(d.policy.Current().People(), stranger(d.policy.Current())...), Clock: d.clock, Control: d,
		Session: fmt.Sprint(time.Now().UnixNano()), // not the script's clock: a store that is kept knows its keys
	})
	if !c.scripted() && c.Web != "off" {
		if d.web, err = d.newWeb(bot.Place{Place: home}); err != nil {
			stop()
			return nil, nil, err
		}
	}
	address := c.Store
	if address == "" {
		address = "bolt:" + filepath.Join(dir, "demo.db")
	}
	log := slog.New(slog.DiscardHandler)
	if !c.scripted() && !terminal {
		log = slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	d.parts.store, d.parts.auditKey = address, []byte(demoKey)
	d.parts.clock, d.parts.log, d.parts.policy = d.clock, log, d.policy
	d.parts.chats = []bot.Adapter{d.console}
	if d.web != nil {
		d.parts.chats = []bot.Adapter{newTogether(d.console, d.web)}
	}
	d.parts.demo, d.parts.serial, d.parts.scale = true, c.scripted(), 1
	if c.scripted() {
		d.parts.random = rand.NewChaCha8([32]byte{demoSeed})
	}
	return d, stop, nil
}

// provider points the demo at the simulator, or at another API on loopback.
func (c *demoCmd) provider(d *demo) (stop func(), err error) {
	d.parts.api = hoster.Config{URL: c.API, Token: secret.New(c.APIToken), Clock: d.clock, Jitter: func() float64 { return 0.5 }, Rate: 1000}
	if c.API != "" {
		d.parts.api.Observe = d.madeCall
		var wrong problems
		if u := wrong.url("--api", c.API); u != nil && !loopback(u.Hostname()) {
			wrong.add("--api", c.API, "an address on loopback: the demo touches no real account")
		}
		return func() {}, exit(exitConfig, errors.Join(wrong...))
	}
	speed := 1.0
	if !c.scripted() {
		speed = demoSpeed
	}
	d.sim = hostersim.New(hostersim.Options{Token: c.APIToken, Clock: d.clock, Seed: demoSeed, Speed: speed, Observe: d.sawCall})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the simulator: %w", err)
	}
	d.parts.api.URL = "http://" + l.Addr().String()
	server := &http.Server{Handler: d.sim, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { _ = server.Serve(l); close(done) }()
	return func() { _ = server.Close(); <-done }, nil
}

// stranger is somebody in the channel whom the policy does not know.
func stranger(snap *policy.Snapshot) []string {
	if slices.Contains(snap.People(), "eve") {
		return nil
	}
	return []string{"eve"}
}

// colored tells whether a terminal wants colours: https://no-color.org
func colored(env func(string) string) bool { return env("NO_COLOR") == "" && redraws(env) }

// redraws tells whether what stands on a terminal can be drawn again.
func redraws(env func(string) string) bool { return env("TERM") != "dumb" }

func isTerminal(p *program) bool {
	out, ok := p.out.(*os.File)
	return ok && term.IsTerminal(int(p.in.Fd())) && term.IsTerminal(int(out.Fd()))
}

func size(p *program, terminal bool) (width, height int) {
	if !terminal {
		return pipeWidth, 0
	}
	width, height, err := term.GetSize(int(p.out.(*os.File).Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

func (d *demo) now() *life {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life
}

func (d *demo) health(ctx context.Context) []bot.Health { return d.now().bot.Health(ctx) }

// Fault implements console.Control.
func (d *demo) Fault(kind, fault string) error {
	if d.sim == nil {
		return errors.New("faults are of the built-in simulator, and another API is in use")
	}
	return d.sim.Fault(kind, fault)
}

// Restart implements console.Control: the bot ends and begins again over the
// same store, with its memory lost. The provider goes on meanwhile.
func (d *demo) Restart(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.life.end(); err != nil {
		return err
	}
	next, err := d.parts.begin(ctx)
	if err != nil {
		return err
	}
	d.life = next
	return nil
}

// Idle implements console.Control.
func (d *demo) Idle(ctx context.Context) error {
	_, err := d.due(ctx)
	return err
}

// due runs what is due now, and returns when the next thing is.
func (d *demo) due(ctx context.Context) (time.Time, error) {
	if !d.parts.serial {
		return time.Time{}, nil
	}
	next, err := d.now().bot.RunDue(ctx)
	if t := d.clock.NextTimer(); !t.IsZero() && (next.IsZero() || t.Before(next)) {
		next = t
	}
	return next, err
}

// Skip implements console.Control.
func (d *demo) Skip(ctx context.Context, by time.Duration) error {
	if !d.parts.serial {
		d.clock.Jump(by)
		d.now().bot.Wake()
		return nil
	}
	until := d.clock.Now().Add(by)
	for {
		next, err := d.due(ctx)
		if err != nil {
			return err
		}
		if next.IsZero() || next.After(until) {
			d.clock.Jump(until.Sub(d.clock.Now()))
			return d.Idle(ctx)
		}
		d.clock.Jump(next.Sub(d.clock.Now()))
	}
}

// waitMost bounds how long a transcript waits for an operation.
const waitMost = 48 * time.Hour

// Wait implements console.Control.
func (d *demo) Wait(ctx context.Context, id int64) error {
	until := d.clock.Now().Add(waitMost)
	for {
		next, err := d.due(ctx)
		if err != nil {
			return err
		}
		op, err := d.now().store.Operation(ctx, id)
		if errors.Is(err, bot.ErrNotFound) {
			return fmt.Errorf("there is no operation %d", id)
		}
		if err != nil {
			return err
		}
		if op.State.Final() || op.State == bot.LostTrack {
			return d.Idle(ctx)
		}
		if !d.parts.serial {
			next = d.clock.Now().Add(100 * time.Millisecond)
		}
		if next.IsZero() || next.After(until) {
			return fmt.Errorf("operation %d has not ended: it is %s", id, op.State)
		}
		if err := d.clock.AdvanceTo(ctx, next); err != nil {
			return err
		}
	}
}

// Job implements console.Control.
func (d *demo) Job(ctx context.Context, job int64) (int64, error) {
	op, err := d.now().bot.OperationOfJob(ctx, job)
	if errors.Is(err, bot.ErrNotFound) {
		err = fmt.Errorf("no operation here has job %d", job)
	}
	return op.ID, err
}

// Policy implements console.Control.
func (d *demo) Policy(ctx context.Context, file string) (refused []string) {
	err := d.policy.load(file)
	d.now().bot.PolicyLooked(ctx, err == nil, err)
	if err != nil {
		refused = strings.Split(strings.TrimSpace(err.Error()), "\n")
	}
	return refused
}

// Member implements console.Control; the console itself keeps who is where.
func (d *demo) Member(_, group string) error {
	for _, g := range d.policy.Current().LookedUp() {
		if g.Name == group {
			d.now().bot.ForgetMembers()
			return nil
		}
	}
	return fmt.Errorf("the policy has no looked-up group %q", group)
}

// demoPolicy is the policy of a demo: the example, or a file, which :policy
// replaces.
type demoPolicy struct {
	vocab policy.Vocabulary
	clock bot.Clock
	tour  bool // files of the tour come before those on disk
	// beside is the folder of the transcript: what is not found otherwise is
	// looked for there, so that it plays the same wherever it is started.
	beside string
	mu     sync.Mutex
	now    *policy.Snapshot
	state  policy.State
}

func newDemoPolicy(file string, v policy.Vocabulary, clock bot.Clock) (*demoPolicy, error) {
	d := &demoPolicy{vocab: v, clock: clock}
	if file != "" {
		if err := d.load(file); err != nil {
			return nil, exit(exitConfig, err)
		}
		return d, nil
	}
	snap, err := policy.Parse("policies.yaml", examplePolicy, v)
	if err != nil {
		return nil, exit(exitConfig, err)
	}
	d.use(snap)
	return d, nil
}

func (d *demoPolicy) use(snap *policy.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now, d.state = snap, policy.State{Hash: snap.Hash(), LoadedAt: d.clock.Now()}
}

// load puts a file in force. On any error the policy before it stays.
func (d *demoPolicy) load(file string) error {
	var snap *policy.Snapshot
	var err error
	if data, e := tourFiles.ReadFile("tour/" + file); e == nil && d.tour {
		snap, err = policy.Parse(file, data, d.vocab)
	} else if snap, err = policy.Load(file, d.vocab); errors.Is(err, fs.ErrNotExist) && d.beside != "" && !filepath.IsAbs(file) {
		if data, e := os.ReadFile(filepath.Join(d.beside, file)); e == nil {
			snap, err = policy.Parse(file, data, d.vocab)
		}
	}
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.state.LastErr, d.state.LastErrAt = err, d.clock.Now()
		return err
	}
	d.use(snap)
	return nil
}

// Current implements bot.PolicySource.
func (d *demoPolicy) Current() *policy.Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// State implements bot.PolicySource.
func (d *demoPolicy) State() policy.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}
