package commands

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

func (p *provider) softwareRows() []bot.Command {
	return []bot.Command{p.softwareListRow(), p.softwareInstallRow(), p.softwareUninstallRow()}
}

func (p *provider) softwareListRow() bot.Command {
	return bot.Command{
		Words: "software list", Summary: "List the software that can be installed", Effect: bot.EffectReads,
		Example: "software list", List: true,
		Read: func(ctx context.Context, _ *bot.Call) (bot.Card, error) {
			packages, err := p.packages.get(ctx, only)
			if err != nil {
				return bot.Card{}, told(err, "the list of software")
			}
			card := bot.Card{Title: "Software", Table: &bot.Table{
				Columns: []bot.Column{{Name: "Package"}, {Name: "Description"}},
				Empty:   "The provider names none. What is not listed can be installed all the same, if you know what it is called.",
			}}
			for _, pack := range packages {
				card.Table.Rows = append(card.Table.Rows, []string{bot.Code(pack.Name), bot.CleanMax(pack.Description, 200)})
			}
			return card, nil
		},
	}
}

func (p *provider) softwareInstallRow() bot.Command {
	row := p.softwareRow("install", "Install", "is installed on", p.InstallSoftware)
	row.Summary, row.Effect = "Install software on a server", bot.EffectChanges
	row.Preview = func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
		return p.previewSoftware(ctx, c, "Install", "on", false)
	}
	return row
}

func (p *provider) softwareUninstallRow() bot.Command {
	row := p.softwareRow("uninstall", "Uninstall", "is uninstalled from", p.UninstallSoftware)
	row.Summary, row.Effect = "Uninstall software from a server", bot.EffectDestroys
	row.Preview = func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
		preview, err := p.previewSoftware(ctx, c, "Uninstall", "from", true)
		preview.Loses = "The software with the data that it keeps."
		return preview, err
	}
	return row
}

// passwordField is the name under which the form's secret comes.
const passwordField = "password"

// softwareRow is what install and uninstall have in common.
func (p *provider) softwareRow(verb, title, done string, send func(context.Context, hoster.SoftwareCall) (hoster.Result, error)) bot.Command {
	return bot.Command{
		Words: "software " + verb,
		Params: []bot.Param{
			{Name: "server", Kind: p.kinds.server, Summary: "VM, dedicated server or IP", Required: true, Positional: true},
			{Name: "package", Kind: p.kinds.pack, Summary: title + " this package", Required: true, Positional: true},
			{Name: "port", Kind: portKind, Summary: "Its SSH port, if not 22"},
		},
		Example:   "software " + verb + " vm/4001 ts3",
		Details:   "The SSH password of root is asked for in a form as the last step, and is never stored. Do not type it in the command.",
		AskSecret: "SSH password of root",
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			password := c.Secrets[passwordField]
			if password.IsZero() {
				return bot.Outcome{Class: bot.NotSent, Text: "The SSH password is missing.", Means: "Nothing was sent, so nothing was done."}
			}
			o := outcome(send(ctx, hoster.SoftwareCall{
				Server: serverField(c.Args.Text("server")), Package: c.Args.Text("package"),
				Password: password, Port: int(c.Args.Int("port")),
			}))
			o.Done = fmt.Sprintf("%s %s %s.", bot.Code(c.Args.Text("package")), done, thing(c.Target()))
			if o.Job == 0 {
				o.Done = "The provider accepted it and named no job, so nobody can see how it ends."
			}
			return o
		},
		Follow: p.followJob,
	}
}

// serverField is what the provider's field named sid|ip takes: a number or an
// address.
func serverField(server string) string {
	_, id, ok := strings.Cut(server, "/")
	if !ok {
		return server
	}
	return id
}

// previewSoftware reads the server that the call resolved to. readBackups is
// for calls that lose something.
func (p *provider) previewSoftware(ctx context.Context, c *bot.Call, verb, on string, readBackups bool) (bot.Preview, error) {
	typed := c.Args.Text("server")
	t, err := p.resolveServer(ctx, c, typed)
	if err != nil {
		return bot.Preview{}, err
	}
	title := fmt.Sprintf("%s %s %s %s", verb, bot.Code(c.Args.Text("package")), on, titled(c, t))
	var preview bot.Preview
	var ips []string
	switch t.Kind {
	case vmTarget:
		v, err := p.readVM(ctx, int(t.ID), readBackups)
		if err != nil {
			return bot.Preview{}, err
		}
		preview, ips = v.preview(title), v.config.IPs
	case dedicatedTarget:
		d, err := p.readDedicated(ctx, int(t.ID))
		if err != nil {
			return bot.Preview{}, err
		}
		preview, ips = d.preview(title), d.config.IPs
		if readBackups {
			preview.Notes = append(preview.Notes, noBackups)
		}
	default:
		preview = bot.Preview{
			Title:  title,
			Fields: []bot.Field{{Label: "Address", Value: bot.Code(t.Addr)}},
			Notes:  []string{"No VM and no dedicated server of yours has this address."},
			Lane:   t.String(),
		}
	}
	preview.Targets = []bot.Target{t}
	if c.Args.Has("port") {
		preview.Fields = append(preview.Fields, bot.Field{Label: "SSH port", Value: c.Args.Text("port")})
	}
	preview.Args, err = p.unmistakable(ctx, c.Args, t, ips)
	if err != nil {
		return bot.Preview{}, err
	}
	if packages, err := p.packages.get(ctx, only); err == nil && len(packages) > 0 &&
		!slices.ContainsFunc(packages, func(pack hoster.Package) bool { return pack.Name == c.Args.Text("package") }) {
		// What a successful list looks like is not documented, so it forbids nothing.
		preview.Notes = append(preview.Notes, bot.Code(c.Args.Text("package"))+" is not among the packages that the provider lists.")
	}
	return preview, nil
}

// unmistakable makes sure that the provider means the server we mean: where a
// number is that of a VM and of a dedicated server, its address is sent.
func (p *provider) unmistakable(ctx context.Context, args bot.Args, t bot.Target, ips []string) (bot.Args, error) {
	if _, err := netip.ParseAddr(args.Text("server")); err == nil {
		return args, nil
	}
	vms, servers, err := p.numbers(ctx)
	if err != nil {
		return args, err
	}
	id := int(t.ID)
	if !slices.Contains(vms, id) || !slices.Contains(servers, id) {
		return args.With("server", t.String()), nil
	}
	four := ipv4s(ips)
	if len(four) == 0 {
		return args, bot.Errorf(bot.Conflict, "%s is the number of a VM and of a dedicated server, and this one has no IPv4 address to name it by.", number(id))
	}
	return args.With("server", four[0]), nil
}

// numbers lists the numbers of all VMs and of all dedicated servers, as of now.
func (p *provider) numbers(ctx context.Context) (vms, servers []int, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		all, err := p.vms.fresh(gctx, only)
		vms = all
		return told(err, "the list of VMs")
	})
	g.Go(func() error {
		all, err := p.ownedIDs(gctx)
		servers = all
		return told(err, "the list of dedicated servers")
	})
	err = g.Wait()
	return vms, servers, err
}

// resolveServer finds whose number or address it is. An address of none of
// ours stays an address. Its error is for people.
func (p *provider) resolveServer(ctx context.Context, _ *bot.Call, value string) (bot.Target, error) {
	if strings.Contains(value, "/") {
		return bot.ParseTarget(value)
	}
	vms, servers, err := p.numbers(ctx)
	if err != nil {
		return bot.Target{}, err
	}
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return owner(value, vms, servers)
	}
	owners, err := p.ownersOf(ctx, addr, vms, servers)
	if err != nil {
		return bot.Target{}, err
	}
	switch len(owners) {
	case 0:
		return bot.ParseTarget(ipTarget + "/" + addr.String())
	case 1:
		return owners[0], nil
	}
	return bot.Target{}, several(value, owners)
}

// owner is the one machine with a number.
func owner(value string, vms, servers []int) (bot.Target, error) {
	id, err := strconv.Atoi(value)
	if err != nil {
		return bot.Target{}, errUnexpected
	}
	isVM, isServer := slices.Contains(vms, id), slices.Contains(servers, id)
	switch {
	case isVM && isServer:
		return bot.Target{}, several(value, []bot.Target{vmID(id), dedicatedID(id)})
	case isVM:
		return vmID(id), nil
	case isServer:
		return dedicatedID(id), nil
	}
	return bot.Target{}, bot.Errorf(bot.Missing, "There is no VM and no dedicated server %s.", bot.Code(value)).
		WithHint("`vm list` and `dedicated list` show what is there.")
}

func several(value string, owners []bot.Target) error {
	shown := make([]string, len(owners))
	for i, t := range owners {
		shown[i] = bot.Code(t.String())
	}
	return bot.Errorf(bot.Invalid, "%s could be %s.", bot.Code(value), strings.Join(shown, " or ")).WithHint("Write the one that you mean, such as %s.", shown[0])
}

// ownersOf are the machines that have an address, by their configs as of now.
// One that has vanished since the list has none; any other failed read is an
// error, since it could be the owner.
func (p *provider) ownersOf(ctx context.Context, addr netip.Addr, vms, servers []int) ([]bot.Target, error) {
	targets := make([]bot.Target, 0, len(vms)+len(servers))
	for _, id := range vms {
		targets = append(targets, vmID(id))
	}
	for _, id := range servers {
		targets = append(targets, dedicatedID(id))
	}
	has := make([]bool, len(targets))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(callsAtOnce)
	for i, t := range targets {
		g.Go(func() error {
			ips, err := p.ipsOf(gctx, t)
			has[i] = slices.ContainsFunc(ips, func(ip string) bool {
				a, err := netip.ParseAddr(ip)
				return err == nil && a.Unmap() == addr
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var owners []bot.Target
	for i, t := range targets {
		if has[i] {
			owners = append(owners, t)
		}
	}
	return owners, nil
}

func (p *provider) ipsOf(ctx context.Context, t bot.Target) (ips []string, err error) {
	if t.Kind == vmTarget {
		config, configErr := p.configs.fresh(ctx, int(t.ID))
		ips, err = config.IPs, configErr
	} else {
		config, configErr := p.DedicatedConfig(ctx, int(t.ID))
		ips, err = config.IPs, configErr
	}
	if hoster.IsCode(err, hoster.NotFound) { // gone, or an order that is not complete
		return nil, nil
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		err = told(err, thing(t))
	}
	return ips, err
}
