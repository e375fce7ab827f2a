package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

func (p *provider) vmRows() []bot.Command {
	return []bot.Command{
		p.vmListRow(), p.vmShowRow(), p.vmIncidentsRow(), p.vmTemplatesRow(), p.vmConsoleRow(),
		p.vmCreateRow(), p.vmResizeRow(),
		p.vmStartRow(), p.vmShutdownRow(), p.vmRebootRow(), p.vmStopRow(), p.vmResetRow(),
		p.vmReinstallRow(), p.vmResetPasswordRow(), p.vmSetRDNSRow(), p.vmDeleteRow(),
	}
}

// vmParam is the VM that a command is about.
func (p *provider) vmParam(summary string) bot.Param {
	return bot.Param{Name: "vm", Kind: p.kinds.vm, Summary: summary, Required: true, Positional: true}
}

// vmOf is the number of the VM that a call is about.
func vmOf(c *bot.Call) int { return int(c.Args.Int("vm")) }

func (p *provider) vmListRow() bot.Command {
	return bot.Command{
		Words: "vm list", Summary: "List your VMs with their state, size and load", Effect: bot.EffectReads,
		Params: []bot.Param{
			{Name: "state", Kind: stateKind, Summary: "Only VMs in this state"},
			{Name: "template", Kind: p.kinds.template, Summary: "Only VMs whose template begins like this"},
		},
		Example: "vm list --state running",
		Details: "Sizes may be up to 10 minutes old, states up to 10 seconds.",
		List:    true,
		Read:    p.listVMs,
	}
}

func (p *provider) listVMs(ctx context.Context, c *bot.Call) (bot.Card, error) {
	all, err := p.vms.get(ctx, only)
	if err != nil {
		return bot.Card{}, told(err, "the list of VMs")
	}
	var ids []int
	for _, id := range sorted(all) {
		if allows(c, vmID(id)) {
			ids = append(ids, id)
		}
	}
	vms, err := p.look(ctx, ids)
	if err != nil {
		return bot.Card{}, told(err, "the list of VMs")
	}

	card := bot.Card{Title: "VMs", Table: &bot.Table{
		Columns: []bot.Column{
			{Name: "VM"}, {Name: "State"}, {Name: "Cores", Right: true}, {Name: "Memory", Right: true}, {Name: "Disk", Right: true},
			{Name: "IPs"}, {Name: "Template"}, {Name: "CPU", Right: true}, {Name: "Uptime", Right: true},
		},
		Empty: "There are no VMs.",
	}}
	var trouble error
	unknown := 0
	for i := range vms {
		v := &vms[i]
		if v.statusErr != nil || v.configErr != nil {
			unknown++
			trouble = firstErr(trouble, v.statusErr, v.configErr)
		}
		if v.matches(c.Args.Text("state"), c.Args.Text("template")) {
			card.Table.Rows = append(card.Table.Rows, v.row(c))
		}
	}
	if len(card.Table.Rows) == 0 && len(vms) > 0 {
		card.Table.Empty = noneLike(vms)
	}
	if len(card.Table.Rows) > 0 {
		card.Title = count(len(card.Table.Rows), "VM", "VMs")
	}
	if unknown > 0 {
		card.Tone = bot.Warn
		card.Notes = append(card.Notes, count(unknown, "VM", "VMs")+" could not be read in full. "+brief(trouble))
	}
	return card, nil
}

// noneLike says that no VM is as asked, and how they are.
func noneLike(vms []vmNow) string {
	known := func(of func(*vmNow) string) string {
		var all []string
		for i := range vms {
			if value := of(&vms[i]); value != "" {
				all = append(all, value)
			}
		}
		return inOneLine(slices.Compact(sorted(all)), bot.Code)
	}
	return "No VM is like that. States: " + known(func(v *vmNow) string { return v.status.State }) +
		". Templates: " + known(func(v *vmNow) string { return v.config.Template }) + "."
}

// matches tells whether the VM is what was asked for. One of which that cannot
// be told is shown.
func (v *vmNow) matches(state, template string) bool {
	return (state == "" || v.statusErr != nil || strings.EqualFold(v.status.State, state)) &&
		(template == "" || v.configErr != nil || strings.HasPrefix(strings.ToLower(v.config.Template), strings.ToLower(template)))
}

// row is the VM's line in the list.
func (v *vmNow) row(c *bot.Call) []string {
	name := number(v.id)
	if label := nameOf(c, vmID(v.id)); label != "" {
		name += " " + label
	}
	row := []string{name, unread, unread, unread, unread, unread, unread, unread, unread}
	if v.configErr == nil {
		row[2] = strconv.Itoa(v.config.Cores)
		row[3] = mebibytes(int64(v.config.Mem))
		row[4] = disk(v.config)
		row[5] = plainAddresses(v.config.IPs)
		row[6] = template(v.config.Template)
	}
	if v.statusErr == nil {
		row[1] = bot.Clean(v.status.State)
		row[7], row[8] = "", ""
		if v.status.State == running {
			row[7], row[8] = cpu(v.status.CPU), bot.Duration(v.status.Uptime)
		}
	}
	return row
}

// firstErr is the first of errs that is not nil.
func firstErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *provider) vmShowRow() bot.Command {
	return bot.Command{
		Words: "vm show", Summary: "Show a VM: size, IPs, load, memory, traffic, incidents", Effect: bot.EffectReads,
		Params:  []bot.Param{p.vmParam("VM to show")},
		Example: "vm show 4001",
		Read:    p.showVM,
	}
}

func (p *provider) showVM(ctx context.Context, c *bot.Call) (bot.Card, error) {
	id := vmOf(c)
	var v vmFacts
	var incidents []hoster.Incident
	var incidentsErr error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		v, err = p.readVM(gctx, id, false)
		return err
	})
	g.Go(func() error {
		incidents, incidentsErr = p.VMIncidents(gctx, id)
		return nil // the VM is worth showing without them
	})
	if err := g.Wait(); err != nil {
		return bot.Card{}, err
	}
	card := bot.Card{Title: titled(c, vmID(id)), Fields: v.fields()}
	if v.running() {
		card.Fields = append(card.Fields,
			bot.Field{Label: "CPU", Value: cpu(v.status.CPU)},
			bot.Field{Label: "Memory", Value: memory(v.status)},
			bot.Field{Label: "Traffic", Value: bytesText(v.status.NetIn) + " in, " + bytesText(v.status.NetOut) + " out"},
		)
	}
	card.Fields = append(card.Fields, bot.Field{Label: "Incidents", Value: incidentsSummary(id, incidents, incidentsErr)})
	if incidentsErr != nil || slices.ContainsFunc(incidents, func(i hoster.Incident) bool { return i.Ongoing }) {
		card.Tone = bot.Warn
	}
	open, err := openOperations(ctx, c, vmID(id))
	if err != nil {
		return bot.Card{}, err
	}
	card.Lines = append(card.Lines, open...)
	return card, nil
}

func incidentsSummary(id int, incidents []hoster.Incident, err error) string {
	if err != nil {
		return unread + " (" + brief(err) + ")"
	}
	ongoing := 0
	for _, i := range incidents {
		if i.Ongoing {
			ongoing++
		}
	}
	switch {
	case len(incidents) == 0:
		return "none"
	case ongoing == 0:
		return "none open, " + strconv.Itoa(len(incidents)) + " in the past"
	}
	return count(ongoing, "is", "are") + " open: " + bot.Code(fmt.Sprintf("vm incidents %d", id))
}

// openOperations says what is under way on a target, a line each.
func openOperations(ctx context.Context, c *bot.Call, t bot.Target) ([]string, error) {
	ops, err := c.Bot.Operations(ctx, bot.OperationFilter{Target: t.String(), Open: true})
	if err != nil {
		return nil, fmt.Errorf("list open operations: %w", err)
	}
	var lines []string
	for _, op := range ops {
		lines = append(lines, fmt.Sprintf("Operation %s, %s by %s, is %s.", number(op.ID), bot.Code(op.Command), bot.Clean(op.Person), op.State))
	}
	return lines, nil
}

func (p *provider) vmIncidentsRow() bot.Command {
	return bot.Command{
		Words: "vm incidents", Summary: "List a VM's network incidents, newest first", Effect: bot.EffectReads,
		Params: []bot.Param{
			p.vmParam("VM to look at"),
			{Name: "ongoing", Kind: flagKind, Summary: "Only those that go on"},
		},
		Example: "vm incidents 4001 --ongoing",
		Details: "Figures without a documented unit are shown as they come.",
		Read:    p.listIncidents,
	}
}

func (p *provider) listIncidents(ctx context.Context, c *bot.Call) (bot.Card, error) {
	id := vmOf(c)
	incidents, err := p.VMIncidents(ctx, id)
	if err != nil {
		return bot.Card{}, told(err, vmThing(id))
	}
	incidents = slices.Clone(incidents)
	if c.Args.Has("ongoing") {
		incidents = slices.DeleteFunc(incidents, func(i hoster.Incident) bool { return !i.Ongoing })
	}
	slices.SortStableFunc(incidents, func(a, b hoster.Incident) int { return b.Start.Compare(a.Start) })
	card := bot.Card{
		Title: "Incidents of " + titled(c, vmID(id)),
		Table: &bot.Table{
			Columns: []bot.Column{
				{Name: "Incident"}, {Name: "Start"}, {Name: "Stop"}, {Name: "Host"}, {Name: "Types"},
				{Name: "Impact", Right: true}, {Name: "Direction", Right: true},
			},
			Empty: "There are none.",
		},
	}
	for _, i := range incidents {
		stop := bot.Clean(i.StopText)
		if i.Ongoing {
			stop = "goes on"
			card.Tone = bot.Warn
		}
		card.Table.Rows = append(card.Table.Rows, []string{
			number(i.GID), bot.Clean(i.StartText), stop, bot.Clean(i.Host), bot.Clean(strings.Join(i.Types, ", ")),
			strconv.FormatInt(i.Impact, 10), strconv.Itoa(i.Direction),
		})
	}
	if len(incidents) > 0 {
		card.Notes = append(card.Notes, "Times, impact and direction are as the provider sends them: it documents no time zone and no unit.")
	}
	return card, nil
}

func (p *provider) vmConsoleRow() bot.Command {
	return bot.Command{
		Words: "vm console", Summary: "Open a VM's screen and keyboard in the browser", Effect: bot.EffectSecrets,
		Params:  []bot.Param{p.vmParam("VM whose console to open")},
		Example: "vm console 4001",
		Details: "The link lives 10 seconds, is fetched when you press the button, and is shown to you alone.",
		Opens:   true,
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			status, err := p.statuses.fresh(ctx, vmOf(c))
			if err != nil {
				return bot.Card{}, told(err, vmThing(vmOf(c)))
			}
			return consoleCard(titled(c, vmID(vmOf(c))), state(status), status.State == running), nil
		},
		Reveal: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			link, err := p.VMConsole(ctx, vmOf(c))
			if err != nil {
				return bot.Card{}, told(err, "the console of "+vmThing(vmOf(c)))
			}
			return linkCard(titled(c, vmID(vmOf(c))), link), nil
		},
	}
}
