package commands

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// The kinds of target.
const (
	vmTarget        = "vm"
	dedicatedTarget = "dedicated"
	ipTarget        = "ip"
)

// unread stands where something could not be read.
const unread = "?"

// number is an ID as people see it.
func number[T int | int64](id T) string { return bot.Code(strconv.FormatInt(int64(id), 10)) }

// vmThing and dedicatedThing name a thing in the middle of a sentence.
func vmThing(id int) string        { return "VM " + number(id) }
func dedicatedThing(id int) string { return "dedicated server " + number(id) }

// thing names any target in the middle of a sentence.
func thing(t bot.Target) string {
	switch t.Kind {
	case vmTarget:
		return vmThing(int(t.ID))
	case dedicatedTarget:
		return dedicatedThing(int(t.ID))
	}
	return bot.Code(t.Addr)
}

// titled is what a title calls the thing a call is about, with its name:
// "VM `4001` (web-1)".
func titled(c *bot.Call, t bot.Target) string {
	if name := nameOf(c, t); name != "" {
		return thing(t) + " (" + name + ")"
	}
	return thing(t)
}

// nameOf is the label whose one target t is.
func nameOf(c *bot.Call, t bot.Target) string {
	if c.Policy == nil {
		return ""
	}
	return bot.Clean(c.Policy.NameOf(t))
}

// allows tells whether the caller may see a target in a list.
func allows(c *bot.Call, t bot.Target) bool { return c.Allows == nil || c.Allows(t) }

func vmID(id int) bot.Target        { return bot.Target{Kind: vmTarget, ID: int64(id)} }
func dedicatedID(id int) bot.Target { return bot.Target{Kind: dedicatedTarget, ID: int64(id)} }

// count says how many: "1 core", "2 cores".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// mebibytes is a size of memory: "512 MiB", "2 GiB".
func mebibytes(n int64) string { return bytesText(n << 20) }

// bytesText is a size with its binary unit: "2 GiB", "1.5 MiB".
func bytesText(n int64) string {
	return strings.Replace(humanize.IBytes(uint64(max(n, 0))), ".0 ", " ", 1)
}

// disk is the size of a VM's disk; what cannot be read is shown as it came.
func disk(v hoster.VMConfig) string {
	if v.DiskGiB > 0 {
		return gibibytes(int64(v.DiskGiB))
	}
	return orUnread(v.Disk)
}

// gibibytes is a disk of n GiB, never in TiB: people compare it with what they
// typed.
func gibibytes(n int64) string { return strconv.FormatInt(n, 10) + " GiB" }

func orUnread(text string) string {
	if text = bot.Clean(text); text == "" {
		return unread
	}
	return text
}

// size says what a VM is made of in one line.
func size(v hoster.VMConfig) string {
	return count(v.Cores, "core", "cores") + ", " + mebibytes(int64(v.Mem)) + " memory, " + disk(v) + " disk"
}

// template is a template's name as people see it.
func template(name string) string {
	if bot.Clean(name) == "" {
		return unread
	}
	return bot.Code(name)
}

// addresses are IPs in one line.
func addresses(ips []string) string { return inOneLine(ips, bot.Code) }

// plainAddresses are IPs as a fingerprint and a table's cell hold them.
func plainAddresses(ips []string) string { return inOneLine(ips, bot.Clean) }

func inOneLine(words []string, show func(string) string) string {
	if len(words) == 0 {
		return "none"
	}
	shown := make([]string, len(words))
	for i, word := range words {
		shown[i] = show(word)
	}
	return strings.Join(shown, ", ")
}

// ipv4s are the IPv4 addresses among ips.
func ipv4s(ips []string) []string {
	var four []string
	for _, ip := range ips {
		if a, err := netip.ParseAddr(ip); err == nil && a.Unmap().Is4() {
			four = append(four, a.Unmap().String())
		}
	}
	return four
}

// sorted is a copy in order.
func sorted[T int | int64 | string](items []T) []T { return slices.Sorted(slices.Values(items)) }

// cpu is a load as HosterAPI gives it. Its unit is not documented; the
// documented figures and those seen are shares of 1.
func cpu(load float64) string {
	return strconv.FormatFloat(load*100, 'f', 0, 64) + " %"
}

// memory draws how full the memory is: "██░░░░░░░░ 434 MiB of 985 MiB (44 %)".
func memory(s hoster.VMStatus) string {
	all := s.Mem + s.MemFree
	if all <= 0 {
		return unread
	}
	share := float64(s.Mem) / float64(all)
	full := min(max(int(share*10+0.5), 0), 10)
	return strings.Repeat("█", full) + strings.Repeat("░", 10-full) +
		fmt.Sprintf(" %s of %s (%.0f %%)", bytesText(s.Mem), bytesText(all), share*100)
}

// state is a machine's state with the time it has been up.
func state(s hoster.VMStatus) string {
	if s.State == running && s.Uptime > 0 {
		return running + ", up " + bot.Duration(s.Uptime)
	}
	return bot.Clean(s.State)
}

// running is the documented state of a machine that runs; "halted" is the
// other one.
const running = "running"

// backupAge is a backup as people see it, or "none".
func backupAge(taken time.Time) string {
	if taken.IsZero() {
		return "none"
	}
	return bot.At(taken)
}

// price is an amount. HosterAPI names no currency, so none is shown.
func price(amount float64) string {
	if amount == float64(int64(amount)) {
		return strconv.FormatInt(int64(amount), 10)
	}
	return strconv.FormatFloat(amount, 'f', 2, 64)
}

// hardware says what a dedicated server is made of in one line.
func hardware(o hoster.Offer) string {
	var parts []string
	if o.CPU != "" {
		cpus := bot.Clean(o.CPU)
		if o.CPUCount > 0 {
			cpus = fmt.Sprintf("%d × %s", o.CPUCount, cpus)
		}
		parts = append(parts, cpus)
	}
	for _, part := range []string{o.RAM, o.Storage} {
		if part != "" {
			parts = append(parts, bot.Clean(part))
		}
	}
	if len(parts) == 0 {
		return unread
	}
	return strings.Join(parts, ", ")
}

// list is a table of one column.
func list(column string, names []string, empty string) *bot.Table {
	t := &bot.Table{Columns: []bot.Column{{Name: column}}, Empty: empty}
	for _, name := range names {
		t.Rows = append(t.Rows, []string{bot.Code(name)})
	}
	return t
}

// vmFacts is a VM as it was read a moment ago.
type vmFacts struct {
	id      int
	status  hoster.VMStatus
	config  hoster.VMConfig
	backups []int64
	backed  bool // backups were read
}

// lastBackup is when the youngest backup was taken, zero if there is none.
func (v *vmFacts) lastBackup() time.Time { return youngest(v.backups) }

func youngest(backups []int64) time.Time {
	if len(backups) == 0 {
		return time.Time{}
	}
	return time.Unix(slices.Max(backups), 0).UTC()
}

// running tells whether it runs.
func (v *vmFacts) running() bool { return v.status.State == running }

// fields show the VM as it is.
func (v *vmFacts) fields() []bot.Field {
	fields := []bot.Field{
		{Label: "State", Value: state(v.status)},
		{Label: "Size", Value: size(v.config)},
		{Label: "Template", Value: template(v.config.Template)},
		{Label: "IPs", Value: addresses(v.config.IPs)},
	}
	if v.backed {
		fields = append(fields, bot.Field{Label: "Last backup", Value: backupAge(v.lastBackup())})
	}
	return fields
}

// fingerprint tells this VM from another one under the same number.
func (v *vmFacts) fingerprint() []bot.Field {
	return []bot.Field{
		{Label: "IPs", Value: plainAddresses(sorted(v.config.IPs))},
		{Label: "Template", Value: template(v.config.Template)},
		{Label: "Disk", Value: disk(v.config)},
		{Label: "Cores", Value: strconv.Itoa(v.config.Cores)},
		{Label: "Memory", Value: mebibytes(int64(v.config.Mem))},
	}
}

// preview begins the preview of what would happen to the VM.
func (v *vmFacts) preview(title string) bot.Preview {
	p := bot.Preview{
		Title:       title,
		Fields:      v.fields(),
		Fingerprint: v.fingerprint(),
		Baseline:    v.baseline(),
		Lane:        vmID(v.id).String(),
	}
	if v.backed {
		p.LastBackup = v.lastBackup()
	}
	return p
}

// differences lists fields whose values are not the same in both.
func differences(before, after []bot.Field) []string {
	var out []string
	for _, b := range before {
		for _, a := range after {
			if a.Label == b.Label && a.Value != b.Value {
				out = append(out, fmt.Sprintf("%s was %s, is %s", strings.ToLower(b.Label[:1])+b.Label[1:], b.Value, a.Value))
			}
		}
	}
	return out
}
