package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The kinds of target.
const (
	kindVM        = "vm"
	kindDedicated = "dedicated"
	kindIP        = "ip"
)

var targetKinds = []string{kindVM, kindDedicated, kindIP}

// Target is one thing that a command hits.
type Target struct {
	Kind string // "vm", "dedicated", "ip"
	ID   int64  // of a vm or dedicated
	Addr string // of an ip, as netip.Addr prints it
}

// String returns the target as the policy writes it: "vm/4001",
// "ip/203.0.113.5".
func (t Target) String() string {
	if t.Kind == kindIP {
		return t.Kind + "/" + t.Addr
	}
	return t.Kind + "/" + strconv.FormatInt(t.ID, 10)
}

// ParseTarget reads what String prints. The error is a whole sentence.
func ParseTarget(s string) (Target, error) {
	p, err := parseSpan(s)
	if err != nil {
		return Target{}, err
	}
	if p.from != p.to {
		return Target{}, fmt.Errorf("`%s` is a range, not one target", clip(s))
	}
	return Target{Kind: p.kind, ID: p.from, Addr: p.addr}, nil
}

// span is one item of `targets`: a range of IDs, or an address.
type span struct {
	kind     string
	from, to int64 // inclusive; 0 for an address
	addr     string
}

// parseSpan reads "vm/4001", "vm/4000-4999", "ip/203.0.113.5".
func parseSpan(s string) (span, error) {
	kind, rest, ok := strings.Cut(s, "/")
	if !ok {
		return span{}, fmt.Errorf("`%s` is no target: write vm/4001, vm/4000-4999, dedicated/7, ip/203.0.113.5 or a label", clip(s))
	}
	switch kind {
	case kindIP:
		addr, err := netip.ParseAddr(rest)
		if err != nil || addr.Zone() != "" {
			return span{}, fmt.Errorf("`%s` is no address: write ip/203.0.113.5", clip(s))
		}
		return span{kind: kind, addr: addr.Unmap().String()}, nil
	case kindVM, kindDedicated:
	default:
		return span{}, fmt.Errorf("unknown kind of target `%s`: kinds are %s", clip(kind), enumerate(targetKinds, "and"))
	}
	first, last, isRange := strings.Cut(rest, "-")
	from, ok := parseID(first)
	if !ok {
		return span{}, fmt.Errorf("`%s` is no target: an ID is a whole number above 0, as in %s/4001", clip(s), kind)
	}
	if !isRange {
		return span{kind: kind, from: from, to: from}, nil
	}
	to, ok := parseID(last)
	if !ok {
		return span{}, fmt.Errorf("`%s` is no range: write both ends, as in %s/4000-4999", clip(s), kind)
	}
	if to < from {
		return span{}, fmt.Errorf("the range `%s` is reversed: write %s/%d-%d", clip(s), kind, to, from)
	}
	return span{kind: kind, from: from, to: to}, nil
}

// parseID reads an ID: decimal digits, no sign, no leading zero.
func parseID(s string) (int64, bool) {
	if !digits(s) || s[0] == '0' {
		return 0, false
	}
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil
}

// digits tells whether s is one or more decimal digits.
func digits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}

// label is a named set of targets.
type label struct {
	name    string
	at      pos
	targets []Target
	set     int // its bit in a class
	used    bool
	broken  bool
}

// targets is the `targets` of a rule.
type targets struct {
	set    int // its bit in a class
	spans  []span
	labels []int
	shaky  bool // names a label that is itself wrong
}

// allSpans returns everything the rule names, its labels written out.
func (t *targets) allSpans(labels []label) []span {
	spans := t.spans
	for _, l := range t.labels {
		spans = append(spans[:len(spans):len(spans)], labels[l].spans()...)
	}
	return spans
}

func (l *label) spans() []span {
	spans := make([]span, len(l.targets))
	for i, t := range l.targets {
		spans[i] = span{kind: t.Kind, from: t.ID, to: t.ID, addr: t.Addr}
	}
	return spans
}

// labelSection reads `labels`.
func (l *loader) labelSection(n node) {
	for _, f := range l.entries(n, "`labels`") {
		name, ok := l.name(f.key, "a label")
		if !ok {
			continue
		}
		if name == "all" {
			l.errorf(f.key.pos(), "a label cannot be called `all`: that is how a lock names everything")
			continue
		}
		before := len(l.problems)
		lab := label{name: name, at: f.key.pos()}
		m, _ := l.mapping(f.value, "a label", kindVM, kindDedicated)
		seen := make(map[Target]bool)
		for _, kind := range []string{kindVM, kindDedicated} {
			for _, item := range l.list(m.value(kind), "`"+kind+"`") {
				id, ok := l.number(item, "an ID of a label", 1)
				if !ok {
					continue
				}
				t := Target{Kind: kind, ID: id}
				if seen[t] {
					l.errorf(item.pos(), "%s is listed twice", t)
					continue
				}
				seen[t] = true
				lab.targets = append(lab.targets, t)
			}
		}
		lab.broken = len(l.problems) > before
		if len(lab.targets) == 0 && !lab.broken {
			l.errorf(lab.at, "the label `%s` has no targets", name)
			lab.broken = true
		}
		l.snap.labelAt[name] = len(l.snap.labels)
		l.snap.labels = append(l.snap.labels, lab)
		if len(lab.targets) == 1 && l.snap.nameOf[lab.targets[0]] == "" {
			l.snap.nameOf[lab.targets[0]] = name
		}
	}
}

// targetsOf reads `targets`, nil when the rule has none.
func (l *loader) targetsOf(n node) *targets {
	if n.absent() {
		return nil
	}
	t := &targets{}
	for _, item := range l.texts(n, "`targets`") {
		if i, ok := l.snap.labelAt[item.value]; ok {
			l.snap.labels[i].used = true
			t.labels = append(t.labels, i)
			t.shaky = t.shaky || l.snap.labels[i].broken
			continue
		}
		if !strings.Contains(item.value, "/") && !digits(item.value) {
			l.errorf(item.at, "unknown label `%s`%s", clip(item.value), didYouMean(item.value, l.snap.Labels()))
			continue
		}
		s, err := parseSpan(item.value)
		if err != nil {
			l.errorf(item.at, "%v", err)
			continue
		}
		t.spans = append(t.spans, s)
	}
	return t
}
