package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot"
)

// kinds are the kinds of value that know the provider.
type kinds struct {
	vm, dedicated, server, offer *bot.Kind
	template, image              *bot.Kind // of VMs, of dedicated servers
	backup, pack, ourJob         *bot.Kind
}

func newKinds(p *provider) kinds {
	return kinds{
		vm: &bot.Kind{
			Name: "VM", Expects: "a VM's number such as 4001, or its name",
			Parse: parseID(vmTarget), Target: targetOf(vmTarget), Targets: []string{vmTarget},
			Complete: p.completeVM,
		},
		dedicated: &bot.Kind{
			Name: "SERVER", Expects: "a dedicated server's number such as 7, or its name",
			Parse: parseID(dedicatedTarget), Target: targetOf(dedicatedTarget), Targets: []string{dedicatedTarget},
			Complete: p.completeDedicated,
		},
		server: &bot.Kind{
			Name: "SERVER", Expects: "a server such as vm/4001, dedicated/7 or 203.0.113.5, or its name",
			Parse: parseServer, Target: guessServer, Targets: []string{vmTarget, dedicatedTarget, ipTarget},
			Ambiguous: true, Resolve: p.resolveServer,
			Complete: p.completeServer,
		},
		offer: &bot.Kind{
			Name: "SERVER", Expects: "the number of an offer on the market such as 9",
			Parse: parseID(dedicatedTarget), Target: targetOf(dedicatedTarget), Targets: []string{dedicatedTarget},
			Complete: p.completeOffer,
		},
		template: &bot.Kind{
			Name: "TEMPLATE", Expects: "a template's name or its beginning, such as Debian12.0",
			Parse: parseWords, MaxLen: 100, Complete: completeNames(p.vmTemplates),
		},
		image: &bot.Kind{
			Name: "TEMPLATE", Expects: "a template's name or its beginning, such as \"Debian 10 Buster (DE)\"",
			Parse: parseWords, MaxLen: 100, Complete: completeNames(p.dedicatedTemplates),
		},
		backup: &bot.Kind{
			Name: "BACKUP", Expects: "a backup's timestamp such as 1606685300, or its date such as 2026-11-24 or \"2026-11-24 14:00\"",
			Parse: parseBackup, Complete: p.completeBackup, After: "vm",
		},
		pack: &bot.Kind{
			Name: "PACKAGE", Expects: "a package's name such as ts3",
			Parse: parsePackage, MaxLen: 64, Complete: p.completePackage,
		},
		ourJob: &bot.Kind{
			Name: "JOB", Expects: "a job's number such as 15", Type: bot.Integer, Min: 1, Max: 1 << 53,
			Parse:  jobKind.Parse,
			Target: targetOf(vmTarget), Targets: []string{vmTarget},
			Ambiguous: true, Resolve: p.resolveJob,
			Listed: true, Complete: func(ctx context.Context, c *bot.Call, prefix string) ([]bot.Choice, error) {
				return completeJob(ctx, c, prefix, func(op *bot.Operation) bool { return op.Secret })
			},
		},
	}
}

// pick returns the choices that begin with prefix, then those that contain it.
func pick(prefix string, choices []bot.Choice) []bot.Choice {
	prefix = strings.ToLower(strings.TrimSpace(prefix))
	var begin, within []bot.Choice
	for _, c := range choices {
		value, label := strings.ToLower(c.Value), strings.ToLower(c.Label)
		switch {
		case strings.HasPrefix(value, prefix), strings.HasPrefix(label, prefix):
			begin = append(begin, c)
		case strings.Contains(label, prefix):
			within = append(within, c)
		}
	}
	all := append(begin, within...)
	for i := range all {
		all[i].Label = short(all[i].Label)
	}
	return all[:min(len(all), bot.MaxListed)]
}

// short bounds a choice's label at 75 characters (Slack).
func short(label string) string {
	if r := []rune(bot.Clean(label)); len(r) > 75 {
		return string(r[:74]) + "…"
	}
	return bot.Clean(label)
}

// joined puts the parts that are there into one label.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}

// completeVM lists the VMs that the person may touch. It makes one call at
// most: what else is known of them is shown, and not asked for.
func (p *provider) completeVM(ctx context.Context, c *bot.Call, prefix string) ([]bot.Choice, error) {
	choices, err := p.vmChoices(ctx, c)
	return pick(strings.TrimPrefix(prefix, vmTarget+"/"), choices), err
}

// vmChoices are all VMs that the person may touch.
func (p *provider) vmChoices(ctx context.Context, c *bot.Call) ([]bot.Choice, error) {
	ids, err := p.vms.get(ctx, only)
	if err != nil {
		return nil, fmt.Errorf("complete a vm: %w", err)
	}
	var choices []bot.Choice
	for _, id := range sorted(ids) {
		if !allows(c, vmID(id)) {
			continue
		}
		config, _ := p.configs.peek(id)
		status, _ := p.statuses.peek(id)
		choices = append(choices, bot.Choice{
			Value: strconv.Itoa(id),
			Label: joined(strconv.Itoa(id), nameOf(c, vmID(id)), status.State, config.Template, strings.Join(ipv4s(config.IPs), " ")),
		})
	}
	return choices, nil
}

func (p *provider) completeDedicated(ctx context.Context, c *bot.Call, prefix string) ([]bot.Choice, error) {
	choices, err := p.dedicatedChoices(ctx, c)
	return pick(strings.TrimPrefix(prefix, dedicatedTarget+"/"), choices), err
}

// dedicatedChoices are all dedicated servers that the person may touch.
func (p *provider) dedicatedChoices(ctx context.Context, c *bot.Call) ([]bot.Choice, error) {
	owned, err := p.servers.get(ctx, only)
	if err != nil {
		return nil, fmt.Errorf("complete a dedicated server: %w", err)
	}
	var choices []bot.Choice
	for _, s := range owned {
		if !allows(c, dedicatedID(s.ID)) {
			continue
		}
		power, _ := p.power.peek(s.ID)
		choices = append(choices, bot.Choice{Value: strconv.Itoa(s.ID), Label: joined(strconv.Itoa(s.ID), nameOf(c, dedicatedID(s.ID)), power.State)})
	}
	return choices, nil
}

// completeServer lists VMs and dedicated servers with their kind.
func (p *provider) completeServer(ctx context.Context, c *bot.Call, prefix string) ([]bot.Choice, error) {
	vms, err := p.vmChoices(ctx, c)
	if err != nil {
		return nil, err
	}
	servers, err := p.dedicatedChoices(ctx, c)
	if err != nil {
		return nil, err
	}
	var choices []bot.Choice
	for _, vm := range vms {
		choices = append(choices, bot.Choice{Value: vmTarget + "/" + vm.Value, Label: vmTarget + "/" + vm.Label})
	}
	for _, s := range servers {
		choices = append(choices, bot.Choice{Value: dedicatedTarget + "/" + s.Value, Label: dedicatedTarget + "/" + s.Label})
	}
	return pick(prefix, choices), nil
}

func (p *provider) completeOffer(ctx context.Context, _ *bot.Call, prefix string) ([]bot.Choice, error) {
	offers, err := p.offers.get(ctx, only)
	if err != nil {
		return nil, fmt.Errorf("complete an offer: %w", err)
	}
	var choices []bot.Choice
	for _, o := range byPrice(offers) {
		choices = append(choices, bot.Choice{Value: strconv.Itoa(o.ID), Label: joined(strconv.Itoa(o.ID), price(o.Price), hardware(o), o.Location)})
	}
	return pick(prefix, choices), nil
}

// completeNames completes from a list of names.
func completeNames(names func(context.Context) ([]string, error)) func(context.Context, *bot.Call, string) ([]bot.Choice, error) {
	return func(ctx context.Context, _ *bot.Call, prefix string) ([]bot.Choice, error) {
		all, err := names(ctx)
		if err != nil {
			return nil, fmt.Errorf("complete a template: %w", err)
		}
		choices := make([]bot.Choice, len(all))
		for i, name := range all {
			choices[i] = bot.Choice{Value: name, Label: name}
		}
		return pick(prefix, choices), nil
	}
}

// completeBackup lists the backups of the VM that was typed before.
func (p *provider) completeBackup(ctx context.Context, c *bot.Call, prefix string) ([]bot.Choice, error) {
	id := int(c.Args.Int("vm"))
	if id == 0 || !allows(c, vmID(id)) {
		return nil, nil
	}
	backups, err := p.backups.get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("complete a backup: %w", err)
	}
	var choices []bot.Choice
	for _, at := range slices.Backward(sorted(backups)) {
		t := time.Unix(at, 0).UTC()
		choices = append(choices, bot.Choice{
			Value: strconv.FormatInt(at, 10),
			Label: t.Format("2006-01-02 15:04") + " UTC (" + bot.Ago(t, c.Now) + ")",
		})
	}
	return pick(prefix, choices), nil
}

func (p *provider) completePackage(ctx context.Context, _ *bot.Call, prefix string) ([]bot.Choice, error) {
	packages, err := p.packages.get(ctx, only)
	if err != nil {
		return nil, fmt.Errorf("complete a package: %w", err)
	}
	var choices []bot.Choice
	for _, pack := range packages {
		if _, err := parsePackage(pack.Name); err == nil { // what cannot be typed is no choice
			choices = append(choices, bot.Choice{Value: pack.Name, Label: joined(pack.Name, pack.Description)})
		}
	}
	return pick(prefix, choices), nil
}
