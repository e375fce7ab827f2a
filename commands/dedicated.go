package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

func (p *provider) dedicatedRows() []bot.Command {
	return []bot.Command{
		p.dedicatedMarketRow(), p.dedicatedTemplatesRow(), p.dedicatedListRow(), p.dedicatedOrderRow(), p.dedicatedShowRow(),
		p.dedicatedStartRow(), p.dedicatedShutdownRow(), p.dedicatedRebootRow(), p.dedicatedReinstallRow(),
		p.dedicatedConsoleRow(), p.dedicatedPasswordsRow(), p.dedicatedTerminateRow(),
	}
}

// serverParam is the dedicated server that a command is about.
func (p *provider) serverParam(summary string) bot.Param {
	return bot.Param{Name: "server", Kind: p.kinds.dedicated, Summary: summary, Required: true, Positional: true}
}

// serverOf is the number of the dedicated server that a call is about.
func serverOf(c *bot.Call) int { return int(c.Args.Int("server")) }

func (p *provider) dedicatedListRow() bot.Command {
	return bot.Command{
		Words: "dedicated list", Summary: "List your dedicated servers with their state, and open orders", Effect: bot.EffectReads,
		Example: "dedicated list", List: true,
		Read: p.listDedicated,
	}
}

func (p *provider) listDedicated(ctx context.Context, c *bot.Call) (bot.Card, error) {
	all, err := p.servers.get(ctx, only)
	if err != nil {
		return bot.Card{}, told(err, "the list of dedicated servers")
	}
	var owned []hoster.Owned
	for _, s := range all {
		if allows(c, dedicatedID(s.ID)) {
			owned = append(owned, s)
		}
	}
	slices.SortFunc(owned, func(a, b hoster.Owned) int { return a.ID - b.ID })
	states := make([]string, len(owned))
	errs := make([]error, len(owned))
	var g errgroup.Group
	g.SetLimit(callsAtOnce)
	for i, s := range owned {
		if !s.OrderComplete {
			states[i] = "–"
			continue
		}
		g.Go(func() error {
			status, err := p.power.get(ctx, s.ID)
			states[i], errs[i] = orUnread(status.State), err
			return nil
		})
	}
	_ = g.Wait()

	card := bot.Card{Title: "Dedicated servers", Table: &bot.Table{
		Columns: []bot.Column{{Name: "Server"}, {Name: "State"}, {Name: "Order"}},
		Empty:   "There are none.",
	}}
	for i, s := range owned {
		name, order := number(s.ID), "complete"
		if label := nameOf(c, dedicatedID(s.ID)); label != "" {
			name += " " + label
		}
		if !s.OrderComplete {
			order = "not complete"
		}
		card.Table.Rows = append(card.Table.Rows, []string{name, states[i], order})
	}
	if err := firstErr(errs...); err != nil {
		card.Tone = bot.Warn
		card.Notes = append(card.Notes, "Not every state could be read. "+brief(err))
	}
	hidden, err := invisibleOrders(ctx, c, all)
	if err != nil {
		return bot.Card{}, err
	}
	card.Lines = hidden
	return card, nil
}

// invisibleOrders says which orders of the bot's the provider does not show.
func invisibleOrders(ctx context.Context, c *bot.Call, owned []hoster.Owned) ([]string, error) {
	ops, err := c.Bot.Operations(ctx, bot.OperationFilter{Command: orderCommand, Open: true})
	if err != nil {
		return nil, fmt.Errorf("list open orders: %w", err)
	}
	var lines []string
	for i := range ops {
		op := &ops[i]
		server := op.Args.Int("server")
		visible := slices.ContainsFunc(owned, func(s hoster.Owned) bool { return int64(s.ID) == server })
		if op.Job != nil && !visible && seesOperation(c, op) {
			lines = append(lines, fmt.Sprintf("Server %s was ordered at %s (operation %s) and is not visible.", number(server), bot.At(op.Job.Since), number(op.ID)))
		}
	}
	return lines, nil
}

// dedicatedFacts is a dedicated server as it was read a moment ago.
type dedicatedFacts struct {
	id     int
	state  string
	config hoster.DedicatedConfig
}

// readDedicated reads a dedicated server now. Its error is for people.
func (p *provider) readDedicated(ctx context.Context, id int) (dedicatedFacts, error) {
	d := dedicatedFacts{id: id}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		status, err := p.power.fresh(gctx, id)
		d.state = status.State
		return err
	})
	g.Go(func() (err error) {
		d.config, err = p.DedicatedConfig(gctx, id)
		return err
	})
	err := g.Wait()
	if hoster.IsCode(err, hoster.NotFound) {
		if owned, listErr := p.servers.fresh(ctx, only); listErr == nil && slices.Contains(owned, hoster.Owned{ID: id}) {
			return d, bot.Errorf(bot.Conflict, "The order of %s is not complete yet, and the provider shows nothing of it.", dedicatedThing(id)).
				WithHint("`dedicated list` shows when it is.")
		}
	}
	if err != nil {
		return d, told(err, dedicatedThing(id))
	}
	return d, nil
}

func (d *dedicatedFacts) fields() []bot.Field {
	fields := []bot.Field{
		{Label: "State", Value: orUnread(d.state)},
		{Label: "Hardware", Value: hardware(d.config.Hardware)},
		{Label: "Template", Value: template(d.config.Template)},
		{Label: "IPs", Value: addresses(d.config.IPs)},
	}
	if place := bot.Clean(d.config.Hardware.Location); place != "" {
		fields = append(fields, bot.Field{Label: "Place", Value: place})
	}
	return fields
}

// fingerprint tells this server from another one under the same number.
func (d *dedicatedFacts) fingerprint() []bot.Field {
	return []bot.Field{
		{Label: "IPs", Value: plainAddresses(sorted(d.config.IPs))},
		{Label: "Template", Value: template(d.config.Template)},
		{Label: "Hardware", Value: hardware(d.config.Hardware)},
	}
}

// dedicatedBaseline is a dedicated server right before the call, without its
// passwords.
type dedicatedBaseline struct {
	IPs         []string    `json:"ips,omitempty"`
	Template    string      `json:"template,omitempty"`
	State       string      `json:"state,omitempty"`
	Fingerprint []bot.Field `json:"fingerprint"`
}

// noBackups is what a guard that asks for a backup has to be told.
const noBackups = "The provider has no backups of dedicated servers."

func (d *dedicatedFacts) preview(title string) bot.Preview {
	return bot.Preview{
		Title:       title,
		Fields:      d.fields(),
		Fingerprint: d.fingerprint(),
		Baseline: encode(dedicatedBaseline{
			IPs: d.config.IPs, Template: d.config.Template, State: d.state, Fingerprint: d.fingerprint(),
		}),
		Lane: dedicatedID(d.id).String(),
	}
}

func (p *provider) dedicatedShowRow() bot.Command {
	return bot.Command{
		Words: "dedicated show", Summary: "Show a dedicated server: state, hardware, IPs, template", Effect: bot.EffectReads,
		Params:  []bot.Param{p.serverParam("Server to show")},
		Example: "dedicated show 7",
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			d, err := p.readDedicated(ctx, serverOf(c))
			if err != nil {
				return bot.Card{}, err
			}
			lines, err := openOperations(ctx, c, dedicatedID(d.id))
			if err != nil {
				return bot.Card{}, err
			}
			return bot.Card{Title: upper(titled(c, dedicatedID(d.id))), Lines: lines, Fields: d.fields()}, nil
		},
	}
}

func (p *provider) dedicatedStartRow() bot.Command {
	row := p.dedicatedPower(startSignal, p.StartDedicated)
	row.Summary, row.Effect = "Start a dedicated server", bot.EffectChanges
	return row
}

func (p *provider) dedicatedShutdownRow() bot.Command {
	row := p.dedicatedPower(shutdownSignal, p.ShutdownDedicated)
	row.Summary = "Shut a dedicated server down"
	return row
}

func (p *provider) dedicatedRebootRow() bot.Command {
	s := rebootSignal
	s.done = "was told to restart."
	row := p.dedicatedPower(s, p.RebootDedicated)
	row.Summary = "Restart a dedicated server"
	row.Details = "The API tells no uptime, so after a lost answer nobody can read whether it restarted."
	row.Settle, row.SoftLane = nil, true
	return row
}

// dedicatedPower is the row of a power button of dedicated servers.
func (p *provider) dedicatedPower(s signal, send func(context.Context, int) (hoster.Result, error)) bot.Command {
	return bot.Command{
		Words: "dedicated " + s.verb, Effect: bot.EffectInterrupts, Patient: s.asks,
		Params:  []bot.Param{p.serverParam("Server to " + spoken(s.verb))},
		Example: "dedicated " + s.verb + " 7",
		Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
			d, err := p.readDedicated(ctx, serverOf(c))
			if err != nil {
				return bot.Preview{}, err
			}
			preview := d.preview(s.title + " " + titled(c, dedicatedID(d.id)))
			preview.Notes = append(preview.Notes, s.notes(dedicatedThing(d.id), d.state)...)
			return preview, nil
		},
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(send(ctx, serverOf(c)))
			o.Done = upper(dedicatedThing(serverOf(c))) + " " + s.done
			return o
		},
		Window: s.window(),
		Settle: func(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
			now, err := p.power.fresh(ctx, serverOf(c))
			if err != nil {
				return bot.Verdict{}, fmt.Errorf("settle a %s: %w", s.verb, err)
			}
			before, _ := decode[dedicatedBaseline](c)
			return s.settled(dedicatedThing(serverOf(c)), before.State, now.State), nil
		},
	}
}

func (p *provider) dedicatedReinstallRow() bot.Command {
	return bot.Command{
		Words: "dedicated reinstall", Summary: "Install a dedicated server's system anew and lose its data", Effect: bot.EffectDestroys,
		Params: []bot.Param{
			p.serverParam("Server to reinstall"),
			{Name: "template", Kind: p.kinds.image, Summary: "System to install", Required: true},
			{Name: "hostname", Kind: hostnameKind, Summary: "Its new host name"},
		},
		Example: `dedicated reinstall 7 --template "Debian 10 Buster (DE)"`,
		Details: "The new passwords: dedicated passwords.",
		Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
			name, err := p.freshImage(ctx, c.Args.Text("template"))
			if err != nil {
				return bot.Preview{}, err
			}
			d, err := p.readDedicated(ctx, serverOf(c))
			if err != nil {
				return bot.Preview{}, err
			}
			preview := d.preview("Reinstall " + titled(c, dedicatedID(d.id)) + " with " + template(name))
			preview.Args = c.Args.With("template", name)
			preview.Loses = "All data on its disks, and its passwords."
			preview.Notes = []string{noBackups}
			return preview, nil
		},
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.ReinstallDedicated(ctx, serverOf(c), c.Args.Text("template"), c.Args.Text("hostname")))
			before, err := decode[dedicatedBaseline](c)
			o.Followed = o.Class == bot.Accepted && (o.Job != 0 || err == nil && before.Template != c.Args.Text("template"))
			o.Done = upper(dedicatedThing(serverOf(c))) + " is reinstalled."
			return o
		},
		Settle: p.settleDedicatedReinstall, Window: 60 * time.Minute,
		Follow: func(ctx context.Context, c *bot.Call) (bot.Progress, error) {
			if jobOf(c.Op) != 0 {
				return p.followJob(ctx, c)
			}
			// The provider names no job: the new template is the end.
			v, err := p.settleDedicatedReinstall(ctx, c)
			at := bot.Progress{Phase: bot.Running, Fraction: -1, Text: v.Text}
			if v.Is == bot.Done {
				at.Phase, at.Fraction = bot.Finished, 1
			}
			return at, err
		},
	}
}

func (p *provider) settleDedicatedReinstall(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	before, err := decode[dedicatedBaseline](c)
	if err != nil {
		return bot.Verdict{}, err
	}
	now, err := p.DedicatedConfig(ctx, serverOf(c))
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a reinstall: %w", err)
	}
	return changedTemplate(dedicatedThing(serverOf(c)), before.Template, now.Template, c.Args.Text("template")), nil
}

func (p *provider) dedicatedConsoleRow() bot.Command {
	return bot.Command{
		Words: "dedicated console", Summary: "Open a dedicated server's screen and keyboard in the browser", Effect: bot.EffectSecrets,
		Params:  []bot.Param{p.serverParam("Server whose console to open")},
		Example: "dedicated console 7",
		Details: "The link lives 10 seconds, is fetched when you press the button, and is shown to you alone.",
		Opens:   true,
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			status, err := p.power.fresh(ctx, serverOf(c))
			if err != nil {
				return bot.Card{}, told(err, dedicatedThing(serverOf(c)))
			}
			return consoleCard(titled(c, dedicatedID(serverOf(c))), bot.Clean(status.State), status.State == running), nil
		},
		Reveal: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			link, err := p.DedicatedConsole(ctx, serverOf(c))
			if err != nil {
				return bot.Card{}, told(err, "the console of "+dedicatedThing(serverOf(c)))
			}
			return linkCard(titled(c, dedicatedID(serverOf(c))), link), nil
		},
	}
}

func (p *provider) dedicatedPasswordsRow() bot.Command {
	return bot.Command{
		Words: "dedicated passwords", Summary: "Reveal a dedicated server's SSH passwords", Effect: bot.EffectSecrets,
		Params:  []bot.Param{p.serverParam("Server whose passwords to reveal")},
		Example: "dedicated passwords 7",
		Details: "They are read from the provider when you press Reveal, and shown to you alone.",
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			d, err := p.readDedicated(ctx, serverOf(c))
			if err != nil {
				return bot.Card{}, err
			}
			what := "the password of root"
			if !d.config.UserPassword.IsZero() {
				what += " and that of " + bot.Code(d.config.User)
			}
			return bot.Card{
				Title:  "Passwords of " + titled(c, dedicatedID(d.id)),
				Lines:  []string{"Press Reveal to read " + what + ". Only you will see them."},
				Fields: []bot.Field{{Label: "IPs", Value: addresses(d.config.IPs)}},
			}, nil
		},
		Reveal: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			config, err := p.DedicatedConfig(ctx, serverOf(c))
			if err != nil {
				return bot.Card{}, told(err, dedicatedThing(serverOf(c)))
			}
			if config.RootPassword.IsZero() && config.UserPassword.IsZero() {
				return bot.Card{}, bot.Errorf(bot.Missing, "The provider has no passwords of %s.", dedicatedThing(serverOf(c)))
			}
			card := passwordCard("Passwords of "+titled(c, dedicatedID(serverOf(c))), "", config.RootPassword)
			if config.RootPassword.IsZero() {
				card.Secrets = nil
			}
			if !config.UserPassword.IsZero() {
				card.Secrets = append(card.Secrets, bot.Shown{Label: "Password of " + orUnread(config.User), Value: config.UserPassword})
			}
			return card, nil
		},
	}
}

func (p *provider) dedicatedTerminateRow() bot.Command {
	return bot.Command{
		Words: "dedicated terminate", Summary: "Give a dedicated server back and lose its data", Effect: bot.EffectDestroys,
		Params:  []bot.Param{p.serverParam("Server to give back")},
		Example: "dedicated terminate 7",
		Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
			d, err := p.readDedicated(ctx, serverOf(c))
			if err != nil {
				return bot.Preview{}, err
			}
			preview := d.preview("Terminate " + titled(c, dedicatedID(d.id)))
			preview.Loses = "The server with all data on its disks, and its IPs."
			preview.Notes = []string{noBackups}
			return preview, nil
		},
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.TerminateDedicated(ctx, serverOf(c)))
			o.Done = upper(dedicatedThing(serverOf(c))) + " is terminated."
			return o
		},
		Settle: p.settleTerminate, Window: 10 * time.Minute,
	}
}

func (p *provider) settleTerminate(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	before, err := decode[dedicatedBaseline](c)
	if err != nil {
		return bot.Verdict{}, err
	}
	id := serverOf(c)
	what := upper(dedicatedThing(id))
	isGone, listed, err := gone(ctx, p.ownedIDs, func(ctx context.Context, id int) error {
		_, err := p.power.fresh(ctx, id)
		return err
	}, id)
	switch {
	case err != nil:
		return bot.Verdict{}, fmt.Errorf("settle a terminate: %w", err)
	case isGone:
		return bot.Verdict{Is: bot.Done, Text: what + " is no longer in the list, and the provider does not know it."}, nil
	case !listed:
		return bot.Verdict{Is: bot.Unclear, Text: what + " is not in the list, but the provider still answers for it."}, nil
	}
	config, err := p.DedicatedConfig(ctx, id)
	if hoster.IsCode(err, hoster.NotFound) {
		return bot.Verdict{Is: bot.Unclear, Text: what + " is in the list, but the provider does not know it."}, nil
	}
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a terminate: %w", err)
	}
	now := dedicatedFacts{id: id, config: config}
	return stillThere(what, before.IPs, config.IPs, before.Fingerprint, now.fingerprint()), nil
}

// ownedIDs lists the numbers of the dedicated servers owned, as of now.
func (p *provider) ownedIDs(ctx context.Context) ([]int, error) {
	owned, err := p.servers.fresh(ctx, only)
	ids := make([]int, len(owned))
	for i, s := range owned {
		ids[i] = s.ID
	}
	return ids, err
}
