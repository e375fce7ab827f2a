package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"time"

	"hosterbot/adapters/web"
	"hosterbot/bot"
	"hosterbot/bot/policy"
	"hosterbot/commands"
	"hosterbot/commands/hoster"
	"hosterbot/commands/hoster/hostersim"
)

// webAddress is where the demo serves its page if nothing else is said.
const webAddress = "127.0.0.1:8090"

// channelName is what the channel of the demo is called.
const channelName = "#ops"

// newWeb makes the web chat of the demo.
func (d *demo) newWeb(home bot.Place) (*web.Web, error) {
	catalogue, err := commands.Catalogue(nil, nil) // nothing is called: it is there to be asked
	if err != nil {
		return nil, err
	}
	strangers := stranger(d.policy.Current())
	return web.New(web.Options{
		Home: home, Channel: channelName, Platforms: []string{"slack", "discord", "demo"},
		People: append(d.policy.Current().People(), strangers...), Strangers: strangers, Clock: d.clock,
		Session: fmt.Sprint(time.Now().UnixNano()),
		Guide:   (&guide{d: d, catalogue: catalogue, home: home}).about,
		Stage:   func(ctx context.Context, line string) error { return d.console.Stage(ctx, line) },
		Member:  func(person, group string) bool { return d.console.Joined(person, group) },
	}), nil
}

// sawCall shows a call that reached the simulator.
func (d *demo) sawCall(c hostersim.Call) {
	if d.web == nil {
		return
	}
	note := ""
	if c.Status == 0 && c.Done {
		note = "carried out, and never answered"
	}
	d.web.Saw(web.Call{Kind: c.Kind, Method: c.Method, Path: c.Path, Mutating: c.Mutating, Status: c.Status, Note: note, Took: d.clock.Now().Sub(c.Time), At: c.Time})
}

// madeCall shows a call to another HosterAPI.
func (d *demo) madeCall(c hoster.Call) {
	if d.web == nil {
		return
	}
	d.web.Saw(web.Call{Kind: c.Endpoint, Method: c.Method, Path: c.Endpoint, Mutating: c.Method != "GET", Status: c.Status, Took: c.Took, At: d.clock.Now().Add(-c.Took)})
}

// servedWeb is a web chat that is served. end stops it.
type servedWeb struct {
	asked bool // its address was said
	end   func()
}

// serveWeb serves the web chat and prints its link. Where the default address
// is taken, another one is found; one that was said is insisted on.
func (c *demoCmd) serveWeb(ctx context.Context, d *demo, out io.Writer) (servedWeb, error) {
	if d.web == nil {
		return servedWeb{end: func() {}}, nil
	}
	asked := c.Web != ""
	address := webAddress
	if asked {
		address = c.Web
	}
	var wrong problems
	wrong.listen("--web", address, true)
	if host, _, err := net.SplitHostPort(address); err == nil && !loopback(host) {
		wrong.add("--web", address, "an address on loopback such as "+webAddress+": the page lets people be anybody")
	}
	if len(wrong) > 0 {
		return servedWeb{}, exit(exitConfig, errors.Join(wrong...))
	}
	l, err := net.Listen("tcp", address)
	taken := errors.Is(err, syscall.EADDRINUSE)
	if taken && !asked {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return servedWeb{}, exit(exitConfig, fmt.Errorf("--web is %q: %w", clip(address), err))
	}
	if taken && !asked {
		fmt.Fprintf(out, "%s is taken, so the page has another port.\n", webAddress)
	}
	fmt.Fprintf(out, "In a browser on this machine: %s\n\n", d.web.Link(l.Addr().String()))
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = d.web.Serve(ctx, l) // when it ends, the page says that the demo does not answer
	}()
	return servedWeb{asked: asked, end: func() { cancel(); <-served }}, nil
}

// guide says what the policy makes of a line while it is typed.
type guide struct {
	d         *demo
	catalogue *bot.Catalogue
	home      bot.Place
}

// about is web.Options.Guide.
func (g *guide) about(ctx context.Context, person, line string) web.Guide {
	words := strings.Fields(line)
	if len(words) == 0 {
		return web.Guide{}
	}
	cmd := g.find(words)
	if cmd == nil {
		return web.Guide{}
	}
	out := web.Guide{Usage: cmd.Usage(), Summary: cmd.Summary, Effect: string(cmd.Effect)}
	snap := g.d.policy.Current()
	parsed, err := snap.ParseLine(g.catalogue.Vocabulary(), line)
	if err != nil {
		var own *bot.Error
		out.Problem = "Go on typing: the command is not whole yet."
		if errors.As(err, &own) {
			out.Problem = bot.Flat(own.Text, g.d.clock.Now())
		}
		return out
	}
	locks, err := g.d.now().bot.Locks(ctx)
	if err != nil {
		out.Problem = "The store does not answer, so nothing can be said."
		return out
	}
	q := policy.Question{Place: g.home.Place, Command: parsed.Command, Targets: parsed.Targets, Facts: parsed.Facts, Time: g.d.clock.Now()}
	for _, l := range locks {
		q.Locks = append(q.Locks, policy.Lock{Target: l.Target, By: l.By, Reason: l.Reason, Until: l.Until})
	}
	ask := func(name string) policy.Question {
		q := q
		q.Person, q.Member = name, make(map[string]policy.Membership)
		for _, group := range snap.LookedUp() {
			q.Member[group.Name] = policy.No
			if g.d.console.Joined(name, group.Name) {
				q.Member[group.Name] = policy.Yes
			}
		}
		return q
	}
	mine := ask(person)
	out.Verdict = verdictOf(snap, cmd, mine)
	for i, l := range snap.Explain(mine) {
		if i == 0 {
			_, l, _ = strings.Cut(l, ": ") // the verdict stands there by itself
		}
		out.Lines = append(out.Lines, bot.Clean(g.named(l)))
	}
	for _, name := range append(snap.People(), stranger(snap)...) {
		out.People = append(out.People, web.Ruling{Person: name, Verdict: verdictOf(snap, cmd, ask(name))})
	}
	return out
}

// channelIDs finds the channels that a line of the policy names.
var channelIDs = regexp.MustCompile(`\b(slack|discord):[^\s/]+/([A-Za-z0-9]+)`)

// named calls channels what people call them: the demo's by its name, others
// by their platform and the end of their ID.
func (g *guide) named(line string) string {
	return channelIDs.ReplaceAllStringFunc(line, func(id string) string {
		if id == g.home.Place.String() {
			return channelName
		}
		part := channelIDs.FindStringSubmatch(id)
		name := map[string]string{"slack": "Slack", "discord": "Discord"}[part[1]]
		return "the " + name + " channel …" + part[2][max(0, len(part[2])-4):]
	})
}

// verdictOf is the policy's word, and confirm where the bot itself asks.
func verdictOf(snap *policy.Snapshot, cmd *bot.Command, q policy.Question) string {
	word := snap.Decide(q).Verdict()
	if word == "allow" && cmd.Confirmed() {
		return "confirm"
	}
	return word
}

// find is the command that a line begins with.
func (g *guide) find(words []string) *bot.Command {
	for n := min(2, len(words)); n > 0; n-- {
		if cmd, ok := g.catalogue.Find(strings.ToLower(strings.Join(words[:n], " "))); ok {
			return cmd
		}
	}
	return nil
}
