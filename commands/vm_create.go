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

// createLane lets one VM be created at a time, so that a new number can be
// attributed to its operation.
const createLane = "account/create"

// createBefore is how long before this call another create may have begun that
// shows its VM only now.
const createBefore = 24 * time.Hour

// allCreates is more than there can be in that time: to miss one would give its
// VM to another operation.
const allCreates = 100_000

func (p *provider) vmCreateRow() bot.Command {
	return bot.Command{
		Words: "vm create", Summary: "Create a VM", Effect: bot.EffectCosts,
		Params: []bot.Param{
			{Name: "template", Kind: p.kinds.template, Summary: "System to install", Required: true},
			{Name: "cores", Kind: coresKind, Summary: "Number of CPU cores", Required: true},
			{Name: "mem", Kind: memoryKind, Summary: "Memory, such as 2G", Required: true},
			{Name: "disk", Kind: diskKind, Summary: "Root disk, such as 10G", Required: true},
			{Name: "ips", Kind: ipsKind, Summary: "Number of IPs", Required: true},
		},
		Example: "vm create --template Debian12.0 --cores 2 --mem 2G --disk 10G --ips 1",
		Details: "The root password is shown by Reveal when the VM is there, to you alone.",
		Whole:   true,
		Preview: p.previewCreate,
		Run:     p.runCreate,
		Settle:  p.settleCreate, Window: 15 * time.Minute,
		Follow: p.followCreate,
		Reveal: p.revealJob,
	}
}

// createBaseline is what there was before the VM was created.
type createBaseline struct {
	VMs []int `json:"vms"`
}

// wanted is the VM that was asked for.
func wanted(args bot.Args) hoster.CreateVM {
	return hoster.CreateVM{
		Template: args.Text("template"),
		Cores:    int(args.Int("cores")),
		Mem:      int(args.Int("mem")),
		Disk:     args.Text("disk") + "G",
		IPs:      int(args.Int("ips")),
	}
}

func (p *provider) previewCreate(ctx context.Context, c *bot.Call) (bot.Preview, error) {
	name, err := p.freshTemplate(ctx, c.Args.Text("template"))
	if err != nil {
		return bot.Preview{}, err
	}
	vms, err := p.vms.fresh(ctx, only)
	if err != nil {
		return bot.Preview{}, told(err, "the list of VMs")
	}
	args := c.Args.With("template", name)
	vm := wanted(args)
	return bot.Preview{
		Args:  args,
		Title: "Create a VM with " + template(name),
		Fields: []bot.Field{
			{Label: "Template", Value: template(name)},
			{Label: "Cores", Value: strconv.Itoa(vm.Cores)},
			{Label: "Memory", Value: mebibytes(int64(vm.Mem))},
			{Label: "Disk", Value: gibibytes(args.Int("disk"))},
			{Label: "IPs", Value: strconv.Itoa(vm.IPs)},
		},
		Notes:    []string{"It costs money as long as it is there. The provider's API names no price for VMs."},
		Baseline: encode(createBaseline{VMs: sorted(vms)}),
		Lane:     createLane,
		Facts: bot.Facts{
			Cores: vm.Cores, IPs: vm.IPs, Mem: int64(vm.Mem), Disk: args.Int("disk"),
			Known: bot.FactCores | bot.FactIPs | bot.FactMem | bot.FactDisk,
		},
	}, nil
}

func (p *provider) runCreate(ctx context.Context, c *bot.Call) bot.Outcome {
	o := outcome(p.CreateVM(ctx, wanted(c.Args)))
	o.Followed = o.Class == bot.Accepted
	o.Done = "The VM is created."
	return o
}

// settleCreate looks for the VM among those that were not there before. A
// person has to adopt it: nothing in HosterAPI says who ordered a VM.
func (p *provider) settleCreate(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	before, err := decode[createBaseline](c)
	if err != nil {
		return bot.Verdict{}, err
	}
	now, err := p.vms.fresh(ctx, only)
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a create: %w", err)
	}
	taken, err := p.takenVMs(ctx, c)
	if err != nil {
		return bot.Verdict{}, err
	}
	var found []int
	for _, id := range sorted(now) {
		if !slices.Contains(before.VMs, id) && !slices.Contains(taken, id) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return bot.Verdict{Is: bot.Unclear, Text: "No VM has appeared in the list."}, nil
	case 1:
	default:
		shown := make([]string, len(found))
		for i, id := range found {
			shown[i] = number(id)
		}
		return bot.Verdict{Is: bot.Person, Text: "Several VMs have appeared in the list: " + strings.Join(shown, ", ") + "."}, nil
	}
	id := found[0]
	config, err := p.configs.fresh(ctx, id)
	if hoster.IsCode(err, hoster.NotFound) {
		return bot.Verdict{Is: bot.Unclear, Text: upper(vmThing(id)) + " has appeared in the list, and its size cannot be read yet."}, nil
	}
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a create: %w", err)
	}
	if want := wanted(c.Args); !isWanted(config, want) {
		return bot.Verdict{Is: bot.Person, Text: fmt.Sprintf("%s has appeared in the list, but it is not what was asked for: %s, %s, %s.",
			upper(vmThing(id)), template(config.Template), size(config), count(len(ipv4s(config.IPs)), "IP", "IPs"))}, nil
	}
	return bot.Verdict{
		Is: bot.Person, VM: int64(id),
		Text: fmt.Sprintf("It is probably %s: it has appeared in the list, and it is as asked. If it is, reset its password: the first one is lost.", vmThing(id)),
	}, nil
}

// adoptable tells why a VM cannot be the one that an operation made: it was
// there before, another operation made it, or it is not as asked.
func (p *provider) adoptable(ctx context.Context, c *bot.Call, op *bot.Operation, vm int) error {
	of := *c
	of.Op, of.Args = op, op.Args
	before, err := decode[createBaseline](&of)
	if err != nil {
		return bot.Errorf(bot.Conflict, "What was there before operation %d is not known, so no VM can be named for it.", op.ID).Because(err)
	}
	now, err := p.vms.fresh(ctx, only)
	if err != nil {
		return told(err, "the list of VMs")
	}
	taken, err := p.takenVMs(ctx, &of)
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(now, vm):
		return bot.Errorf(bot.Missing, "%s is not in the provider's list.", upper(vmThing(vm)))
	case slices.Contains(before.VMs, vm):
		return bot.Errorf(bot.Conflict, "%s was there before operation %d.", upper(vmThing(vm)), op.ID)
	case slices.Contains(taken, vm):
		return bot.Errorf(bot.Conflict, "%s was made by another operation.", upper(vmThing(vm)))
	}
	config, err := p.configs.fresh(ctx, vm)
	if err != nil {
		return told(err, vmThing(vm))
	}
	if !isWanted(config, wanted(op.Args)) {
		return bot.Errorf(bot.Conflict, "%s is not what operation %d asked for: %s, %s, %s.", upper(vmThing(vm)), op.ID,
			template(config.Template), size(config), count(len(ipv4s(config.IPs)), "IP", "IPs"))
	}
	return nil
}

func isWanted(is hoster.VMConfig, want hoster.CreateVM) bool {
	return is.Template == want.Template && is.Cores == want.Cores && is.Mem == want.Mem &&
		strconv.Itoa(is.DiskGiB)+"G" == want.Disk && len(ipv4s(is.IPs)) == want.IPs
}

// takenVMs are the VMs that other operations have made.
func (p *provider) takenVMs(ctx context.Context, c *bot.Call) ([]int, error) {
	ops, err := c.Bot.Operations(ctx, bot.OperationFilter{Command: "vm create", Since: sent(c).Add(-createBefore), Limit: allCreates})
	if err != nil {
		return nil, fmt.Errorf("list operations that create: %w", err)
	}
	var taken []int
	for _, op := range ops {
		if c.Op != nil && op.ID == c.Op.ID {
			continue
		}
		for _, t := range targetsOf(&op) {
			taken = append(taken, int(t.ID))
		}
	}
	return taken, nil
}

// followCreate follows the job. If the provider named none, the VM itself is
// looked for.
func (p *provider) followCreate(ctx context.Context, c *bot.Call) (bot.Progress, error) {
	if jobOf(c.Op) != 0 {
		at, err := p.followJob(ctx, c)
		if err == nil && at.Phase == bot.Finished && len(at.Targets) > 0 {
			at.Text = upper(thing(at.Targets[0])) + " is created."
		}
		return at, err
	}
	v, err := p.settleCreate(ctx, c)
	if err != nil {
		return bot.Progress{}, err
	}
	at := bot.Progress{Phase: bot.Running, Fraction: -1, Text: v.Text}
	if v.VM != 0 {
		at.Phase, at.Text = bot.Finished, "The provider named no job. "+v.Text
		at.Targets = []bot.Target{{Kind: vmTarget, ID: v.VM}}
		at.Result = []bot.Field{{Label: "VM", Value: number(v.VM)}}
	}
	return at, nil
}

// revealJob reads the password in the output of the operation's job, live.
func (p *provider) revealJob(ctx context.Context, c *bot.Call) (bot.Card, error) {
	id := jobOf(c.Op)
	if id == 0 {
		return bot.Card{}, bot.Errorf(bot.Missing, "The provider named no job, so its password cannot be read.").
			WithHint("Set a new one: `vm reset-password VM`.")
	}
	job, err := p.Job(ctx, id)
	if err != nil {
		return bot.Card{}, told(err, "job "+number(id))
	}
	return jobPassword(id, job)
}

func jobPassword(id int64, job hoster.Job) (bot.Card, error) {
	switch {
	case job.Status != finished:
		return bot.Card{}, bot.Errorf(bot.Conflict, "Job %s is %s: a password comes at its end.", number(id), bot.Code(job.Status))
	case job.Output.Password.IsZero():
		return bot.Card{}, bot.Errorf(bot.Missing, "There is no password in the output of job %s.", number(id))
	}
	title := "Password from job " + number(id)
	if job.Output.VM != 0 {
		title = "Password of " + vmThing(job.Output.VM)
	}
	card := passwordCard(title, job.Output.User, job.Output.Password)
	if len(job.Output.IPs) > 0 {
		card.Fields = []bot.Field{{Label: "IPs", Value: addresses(job.Output.IPs)}}
	}
	return card, nil
}
