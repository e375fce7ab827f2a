package policy_test

import (
	"fmt"
	"strconv"
	"strings"

	"hosterbot/bot/policy"
)

// vocabulary is the command table of the design, and a parser for it that is
// just good enough for tests.
type vocabulary struct{}

var _ policy.Vocabulary = vocabulary{}

var (
	onVM     = []string{"vm"}
	onServer = []string{"dedicated"}
	onAny    = []string{"vm", "dedicated", "ip"}
	sizes    = []string{"cores", "mem", "disk", "ips"}
)

func (vocabulary) Commands() []policy.Command {
	commands := []policy.Command{
		{Name: "vm create", Effect: policy.Costs, Whole: true, Facts: sizes},
		{Name: "vm resize", Effect: policy.Costs, Targets: onVM, Facts: sizes},
		{Name: "dedicated order", Effect: policy.Costs, Whole: true, Facts: []string{"price"}},
		{Name: "op resolve", Effect: policy.Controls, Targets: onAny},
		{Name: "lock set", Effect: policy.Controls, Targets: []string{"vm", "dedicated"}},
		{Name: "lock clear", Effect: policy.Controls, Targets: []string{"vm", "dedicated"}},
		{Name: "audit", Effect: policy.Controls, List: true},
	}
	add := func(effect policy.Effect, targets []string, list bool, names ...string) {
		for _, name := range names {
			commands = append(commands, policy.Command{Name: name, Effect: effect, Targets: targets, List: list})
		}
	}
	add(policy.Reads, nil, true, "vm list", "dedicated list", "job list", "job show", "order list", "op list", "op show", "lock list")
	add(policy.Reads, nil, false, "vm templates", "dedicated market", "dedicated templates", "software list", "status", "policy")
	add(policy.Reads, onVM, false, "vm show", "vm incidents", "backup list", "backup status")
	add(policy.Reads, onServer, false, "dedicated show")
	add(policy.Secrets, onVM, false, "vm console", "job reveal")
	add(policy.Secrets, onServer, false, "dedicated console", "dedicated passwords")
	add(policy.Changes, onVM, false, "vm start", "vm set-rdns", "backup create")
	add(policy.Changes, onServer, false, "dedicated start")
	add(policy.Changes, onAny, false, "software install")
	add(policy.Interrupts, onVM, false, "vm shutdown", "vm reboot", "vm stop", "vm reset")
	add(policy.Interrupts, onServer, false, "dedicated shutdown", "dedicated reboot")
	add(policy.Destroys, onVM, false, "vm reinstall", "vm reset-password", "vm delete", "backup restore")
	add(policy.Destroys, onServer, false, "dedicated reinstall", "dedicated terminate")
	add(policy.Destroys, onAny, false, "software uninstall")
	add(policy.Open, nil, false, "op approve", "op deny", "op cancel", "help", "whoami", "can")
	return commands
}

// Parse reads a command, one target if it takes any, and size flags.
func (v vocabulary) Parse(line string) (policy.Parsed, error) {
	words := strings.Fields(line)
	for _, c := range v.Commands() {
		name := strings.Fields(c.Name)
		if len(words) < len(name) || strings.Join(words[:len(name)], " ") != c.Name {
			continue
		}
		return v.arguments(c, words[len(name):])
	}
	return policy.Parsed{}, fmt.Errorf("unknown command %q", line)
}

func (vocabulary) arguments(c policy.Command, words []string) (policy.Parsed, error) {
	p := policy.Parsed{Command: c.Name}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if flag, ok := strings.CutPrefix(word, "--"); ok {
			if flag == "force" {
				continue
			}
			if len(words) == 0 {
				return p, fmt.Errorf("--%s needs a value", flag)
			}
			n, err := strconv.Atoi(words[0])
			if err != nil && flag != "template" {
				return p, fmt.Errorf("--%s needs a number", flag)
			}
			words = words[1:]
			switch flag {
			case "cores":
				p.Facts.Cores, p.Facts.Known = n, p.Facts.Known|policy.FactCores
			case "mem":
				p.Facts.Mem, p.Facts.Known = int64(n), p.Facts.Known|policy.FactMem
			case "disk":
				p.Facts.Disk, p.Facts.Known = int64(n), p.Facts.Known|policy.FactDisk
			case "ips":
				p.Facts.IPs, p.Facts.Known = n, p.Facts.Known|policy.FactIPs
			}
			continue
		}
		if len(c.Targets) == 0 {
			continue
		}
		if !strings.Contains(word, "/") {
			word = c.Targets[0] + "/" + word
		}
		t, err := policy.ParseTarget(word)
		if err != nil {
			return p, err
		}
		p.Targets = append(p.Targets, t)
	}
	if len(c.Targets) > 0 && len(p.Targets) == 0 {
		return p, fmt.Errorf("`%s` needs a target", c.Name)
	}
	return p, nil
}
