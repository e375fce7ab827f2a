package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

func (p *provider) vmResizeRow() bot.Command {
	return bot.Command{
		Words: "vm resize", Summary: "Give a VM more or fewer cores, memory, disk or IPs", Effect: bot.EffectCosts,
		Params: []bot.Param{
			p.vmParam("VM to resize"),
			{Name: "cores", Kind: coresKind, Summary: "Number of CPU cores"},
			{Name: "mem", Kind: memoryKind, Summary: "Memory, such as 2G"},
			{Name: "disk", Kind: diskKind, Summary: "Root disk, such as 20G: it only grows"},
			{Name: "ips", Kind: ipsKind, Summary: "Number of IPv4 addresses: it only grows"},
		},
		Example: "vm resize 4001 --cores 4 --mem 8G",
		Details: "A disk cannot shrink, and IPs cannot be given back. What came of it is read back.",
		Preview: p.previewResize,
		Run:     p.runResize,
		Settle:  p.settleResize, Window: 10 * time.Minute,
		Follow: p.followResize,
	}
}

// resized is the VM's config with the size that was asked for.
func resized(from hoster.VMConfig, args bot.Args) (to hoster.VMConfig, ips int) {
	to, ips = from, len(ipv4s(from.IPs))
	if args.Has("cores") {
		to.Cores = int(args.Int("cores"))
	}
	if args.Has("mem") {
		to.Mem = int(args.Int("mem"))
	}
	if args.Has("disk") {
		to.DiskGiB = int(args.Int("disk"))
		to.Disk = strconv.Itoa(to.DiskGiB) + "G"
	}
	if args.Has("ips") {
		ips = int(args.Int("ips"))
	}
	return to, ips
}

// sizeFields are what a resize may change.
func sizeFields(v hoster.VMConfig, ips int) []bot.Field {
	return []bot.Field{
		{Label: "Cores", Value: strconv.Itoa(v.Cores)},
		{Label: "Memory", Value: mebibytes(int64(v.Mem))},
		{Label: "Disk", Value: disk(v)},
		{Label: "IPv4 addresses", Value: strconv.Itoa(ips)},
	}
}

func (p *provider) previewResize(ctx context.Context, c *bot.Call) (bot.Preview, error) {
	id := vmOf(c)
	if !slices.ContainsFunc(c.Args, func(a bot.Arg) bool { return a.Name != "vm" }) {
		return bot.Preview{}, bot.Errorf(bot.Invalid, "Say what to change: `--cores`, `--mem`, `--disk` or `--ips`.")
	}
	v, err := p.readVM(ctx, id, false)
	if err != nil {
		return bot.Preview{}, err
	}
	had := len(ipv4s(v.config.IPs))
	to, ips := resized(v.config, c.Args)
	switch {
	case c.Args.Has("disk") && v.config.DiskGiB == 0:
		return bot.Preview{}, bot.Errorf(bot.Conflict, "The size of its disk cannot be read (%s), so it is not changed.", bot.Code(v.config.Disk))
	case to.DiskGiB < v.config.DiskGiB:
		return bot.Preview{}, bot.Errorf(bot.Invalid, "The disk cannot shrink from %s to %s: data would be lost.", disk(v.config), disk(to))
	case ips < had:
		return bot.Preview{}, bot.Errorf(bot.Invalid, "%s has %s and cannot give any back: the provider would ignore %d.",
			upper(vmThing(id)), count(had, "IPv4 address", "IPv4 addresses"), ips)
	}
	preview := v.preview("Resize " + titled(c, vmID(id)))
	changed := false
	before, after := sizeFields(v.config, had), sizeFields(to, ips)
	for i := range before {
		if before[i].Value != after[i].Value {
			changed = true
			preview.Fields = append(preview.Fields, bot.Field{Label: "New " + inside(before[i].Label), Value: before[i].Value + " → " + after[i].Value})
		}
	}
	if !changed {
		return bot.Preview{}, bot.Errorf(bot.Conflict, "%s has this size already: %s.", upper(vmThing(id)), size(v.config))
	}
	preview.Notes = []string{"The provider's API names no price for it, and does not say whether the VM restarts."}
	preview.Facts = bot.Facts{
		Cores: to.Cores, IPs: ips, Mem: int64(to.Mem), Disk: int64(to.DiskGiB),
		Known: bot.FactCores | bot.FactIPs | bot.FactMem,
	}
	if to.DiskGiB > 0 {
		preview.Facts.Known |= bot.FactDisk
	}
	return preview, nil
}

func (p *provider) runResize(ctx context.Context, c *bot.Call) bot.Outcome {
	change := hoster.ChangeVM{Cores: int(c.Args.Int("cores")), Mem: int(c.Args.Int("mem")), IPs: int(c.Args.Int("ips"))}
	if c.Args.Has("disk") {
		change.Disk = c.Args.Text("disk") + "G"
	}
	o := outcome(p.ChangeVM(ctx, vmOf(c), change))
	o.Done = upper(vmThing(vmOf(c))) + " has its new size" + newSize(c.Op) + "."
	return o
}

// newSize is what the preview said will be new.
func newSize(op *bot.Operation) string {
	var fields []bot.Field
	if op != nil {
		for _, f := range op.Fields {
			if label, ok := strings.CutPrefix(f.Label, "New "); ok {
				fields = append(fields, bot.Field{Label: label, Value: f.Value})
			}
		}
	}
	if len(fields) == 0 {
		return ""
	}
	return ": " + bot.InLine(fields, ", ")
}

func (p *provider) settleResize(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	before, err := decode[vmBaseline](c)
	if err != nil {
		return bot.Verdict{}, err
	}
	now, err := p.configs.fresh(ctx, vmOf(c))
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a resize: %w", err)
	}
	what := upper(vmThing(vmOf(c)))
	to, ips := resized(before.config(), c.Args)
	was, asked := sizeFields(before.config(), len(ipv4s(before.IPs))), sizeFields(to, ips)
	is := sizeFields(now, len(ipv4s(now.IPs)))
	switch {
	case slices.Equal(is, asked):
		return bot.Verdict{Is: bot.Done, Text: what + " has the size that was asked for."}, nil
	case slices.Equal(is, was):
		return bot.Verdict{Is: bot.NotDone, Text: what + " still has its old size."}, nil
	}
	return bot.Verdict{Is: bot.Person, Text: fmt.Sprintf("%s has neither its old nor its new size: asked was %s; it is %s.",
		what, bot.InLine(asked, ", "), bot.InLine(is, ", "))}, nil
}

// followResize follows the job, if the provider gave one, and reads back what
// came of it.
func (p *provider) followResize(ctx context.Context, c *bot.Call) (bot.Progress, error) {
	at, err := p.followJob(ctx, c)
	if err != nil || at.Phase != bot.Finished {
		return at, err
	}
	v, err := p.settleResize(ctx, c)
	if err != nil {
		return bot.Progress{}, err
	}
	at.Text = v.Text
	switch v.Is {
	case bot.Done:
	case bot.NotDone:
		at.Phase = bot.Broken
	default: // a person has to look; what differs is read once more before he is asked
		at.Phase, at.Text = bot.Lost, "The provider says that it is finished."
	}
	return at, nil
}

func (p *provider) vmReinstallRow() bot.Command {
	return bot.Command{
		Words: "vm reinstall", Summary: "Install a VM's system anew and lose its data", Effect: bot.EffectDestroys,
		Params: []bot.Param{
			p.vmParam("VM to reinstall"),
			{Name: "template", Kind: p.kinds.template, Summary: "Another system than the one it has"},
		},
		Example: "vm reinstall 4001 --template Debian12.0",
		Details: "Size and IPs stay. The new root password is shown by Reveal at the end, to you alone.",
		Preview: p.previewReinstall,
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.ReinstallVM(ctx, vmOf(c), c.Args.Text("template")))
			o.Done = upper(vmThing(vmOf(c))) + " is reinstalled."
			return o
		},
		Settle: p.settleReinstall, Window: 60 * time.Minute,
		Follow: p.followJob,
		Reveal: p.revealJob,
	}
}

func (p *provider) previewReinstall(ctx context.Context, c *bot.Call) (bot.Preview, error) {
	args := c.Args
	if args.Has("template") {
		name, err := p.freshTemplate(ctx, args.Text("template"))
		if err != nil {
			return bot.Preview{}, err
		}
		args = args.With("template", name)
	}
	v, err := p.readVM(ctx, vmOf(c), true)
	if err != nil {
		return bot.Preview{}, err
	}
	name := args.Text("template")
	if name == "" {
		name = v.config.Template
	}
	preview := v.preview("Reinstall " + titled(c, vmID(v.id)) + " with " + template(name))
	preview.Args = args
	preview.Loses = "All data on its disk, and its passwords."
	preview.Backed = true
	return preview, nil
}

func (p *provider) settleReinstall(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	before, err := decode[vmBaseline](c)
	if err != nil {
		return bot.Verdict{}, err
	}
	now, err := p.configs.fresh(ctx, vmOf(c))
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a reinstall: %w", err)
	}
	return changedTemplate(vmThing(vmOf(c)), before.Template, now.Template, c.Args.Text("template")), nil
}

// changedTemplate tells by the template whether a reinstall has happened. It
// never tells that it has not: the template changes only at its end.
func changedTemplate(what, before, now, asked string) bot.Verdict {
	switch {
	case asked == "" || asked == before:
		return bot.Verdict{Is: bot.Unclear, Text: fmt.Sprintf("%s had %s before as well, so its template tells nothing.", upper(what), template(before))}
	case now == asked:
		return bot.Verdict{Is: bot.Done, Text: fmt.Sprintf("%s now has %s.", upper(what), template(now))}
	}
	return bot.Verdict{Is: bot.Unclear, Text: fmt.Sprintf("%s still has %s.", upper(what), template(now))}
}

func (p *provider) vmResetPasswordRow() bot.Command {
	return bot.Command{
		Words: "vm reset-password", Summary: "Give a VM's root a new password", Effect: bot.EffectDestroys,
		Params:   []bot.Param{p.vmParam("VM whose root gets a new password")},
		Example:  "vm reset-password 4001",
		Details:  "The provider makes the password and says it once: it is shown to you alone, for an hour at most.",
		SoftLane: true,
		Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
			v, err := p.readVM(ctx, vmOf(c), true)
			if err != nil {
				return bot.Preview{}, err
			}
			preview := v.preview("Reset the root password of " + titled(c, vmID(v.id)))
			preview.Loses = "The old root password: who uses it is locked out."
			return preview, nil
		},
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.ResetPassword(ctx, vmOf(c)))
			o.Done = upper(vmThing(vmOf(c))) + " has a new root password."
			if o.Class == bot.Accepted && o.Secret.IsZero() {
				o.Done = "The provider accepted the reset and sent no password that can be read. Reset it again."
			}
			return o
		},
	}
}

func (p *provider) vmSetRDNSRow() bot.Command {
	return bot.Command{
		Words: "vm set-rdns", Summary: "Set the host name that a VM's IPv4 address resolves to", Effect: bot.EffectChanges,
		Params: []bot.Param{
			p.vmParam("VM that has the address"),
			{Name: "ip", Kind: ipv4Kind, Summary: "One of its IPv4 addresses", Required: true, Positional: true},
			{Name: "hostname", Kind: fqdnKind, Summary: "Full host name", Required: true, Positional: true},
		},
		Example: "vm set-rdns 4001 203.0.113.5 mail.example.com",
		Details: "IPv4 only. The API cannot read it back: ask the DNS.",
		Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
			v, err := p.readVM(ctx, vmOf(c), false)
			if err != nil {
				return bot.Preview{}, err
			}
			ip := c.Args.Text("ip")
			if !slices.Contains(ipv4s(v.config.IPs), ip) {
				return bot.Preview{}, bot.Errorf(bot.Invalid, "%s is not an address of %s: it has %s.",
					bot.Code(ip), vmThing(v.id), addresses(ipv4s(v.config.IPs)))
			}
			preview := v.preview(fmt.Sprintf("Let %s of %s resolve to %s", bot.Code(ip), titled(c, vmID(v.id)), bot.Code(c.Args.Text("hostname"))))
			preview.Lane += "/rdns"
			return preview, nil
		},
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			ip, host := c.Args.Text("ip"), c.Args.Text("hostname")
			o := outcome(p.SetRDNS(ctx, vmOf(c), ip, host))
			o.Done = fmt.Sprintf("%s resolves to %s as soon as the DNS has it.", bot.Code(ip), bot.Code(host))
			return o
		},
	}
}

func (p *provider) vmDeleteRow() bot.Command {
	return bot.Command{
		Words: "vm delete", Summary: "Delete a VM and its data", Effect: bot.EffectDestroys,
		Params: []bot.Param{
			p.vmParam("VM to delete"),
			{Name: "force", Kind: flagKind, Summary: "Even if it runs"},
		},
		Example: "vm delete 4001 --force",
		Details: "A running VM is deleted only with --force.",
		Preview: p.previewDelete,
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.DeleteVM(ctx, vmOf(c), c.Args.Has("force")))
			o.Done = upper(vmThing(vmOf(c))) + " is deleted."
			return o
		},
		Settle: p.settleDelete, Window: 10 * time.Minute,
	}
}

func (p *provider) previewDelete(ctx context.Context, c *bot.Call) (bot.Preview, error) {
	v, err := p.readVM(ctx, vmOf(c), true)
	if err != nil {
		return bot.Preview{}, err
	}
	if v.running() && !c.Args.Has("force") {
		return bot.Preview{}, bot.Errorf(bot.Conflict, "%s is running, and the provider deletes a running VM only by force.", upper(vmThing(v.id))).
			WithHint("Stop it first: %s. Or pull the plug: %s.",
				bot.Code(fmt.Sprintf("vm shutdown %d", v.id)), bot.Code(fmt.Sprintf("vm delete %d --force", v.id)))
	}
	preview := v.preview("Delete " + titled(c, vmID(v.id)))
	preview.Loses = "All data on its disk, and its IPs."
	preview.Backed = true
	return preview, nil
}

func (p *provider) settleDelete(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	before, err := decode[vmBaseline](c)
	if err != nil {
		return bot.Verdict{}, err
	}
	id := vmOf(c)
	what := upper(vmThing(id))
	isGone, listed, err := gone(ctx,
		func(ctx context.Context) ([]int, error) { return p.vms.fresh(ctx, only) },
		func(ctx context.Context, id int) error {
			_, err := p.statuses.fresh(ctx, id)
			return err
		}, id)
	switch {
	case err != nil:
		return bot.Verdict{}, fmt.Errorf("settle a delete: %w", err)
	case isGone:
		return bot.Verdict{Is: bot.Done, Text: what + " is no longer in the list, and the provider does not know it."}, nil
	case !listed:
		return bot.Verdict{Is: bot.Unclear, Text: what + " is not in the list, but the provider still answers for it."}, nil
	}
	now, err := p.configs.fresh(ctx, id)
	if hoster.IsCode(err, hoster.NotFound) {
		return bot.Verdict{Is: bot.Unclear, Text: what + " is in the list, but the provider does not know it."}, nil
	}
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a delete: %w", err)
	}
	was, is := vmFacts{config: before.config()}, vmFacts{config: now}
	return stillThere(what, before.IPs, now.IPs, was.fingerprint(), is.fingerprint()), nil
}

// stillThere tells by addresses and fingerprint whether a number that is
// listed still means the machine that was to go.
func stillThere(what string, hadIPs, hasIPs []string, was, is []bot.Field) bot.Verdict {
	common := slices.ContainsFunc(hadIPs, func(ip string) bool { return slices.Contains(hasIPs, ip) })
	switch {
	case slices.Equal(was, is):
		return bot.Verdict{Is: bot.NotDone, Text: what + " is still there."}
	case !common && len(hadIPs) > 0 && len(hasIPs) > 0:
		return bot.Verdict{Is: bot.Done, Text: fmt.Sprintf("%s is gone: its number now belongs to another machine with %s.", what, addresses(hasIPs))}
	}
	return bot.Verdict{Is: bot.Person, Text: fmt.Sprintf("%s is in the list, but not as it was: %s.", what, strings.Join(differences(was, is), "; "))}
}

// inside is a label as it stands inside a sentence: IPv4 keeps its capitals.
func inside(label string) string {
	if strings.HasPrefix(label, "IP") {
		return label
	}
	return strings.ToLower(label[:1]) + label[1:]
}
