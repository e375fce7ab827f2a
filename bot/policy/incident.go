package policy

import (
	"slices"
	"strings"
	"time"
)

// Bounds of the incident watch.
const (
	usualWatch  = 5 * time.Minute
	oftenWatch  = time.Minute
	rareWatch   = 24 * time.Hour
	mostWatched = 1000 // VMs: each is one call a look
)

// Incidents says which VMs' network incidents are told, and where.
type Incidents struct {
	Targets []Target // VMs, in the order of the file, each once
	In      Place    // a channel
	Every   time.Duration
}

// Equal tells whether both say the same; nil is nothing watched.
func (i *Incidents) Equal(o *Incidents) bool {
	if i == nil || o == nil {
		return i == o
	}
	return i.In == o.In && i.Every == o.Every && slices.Equal(i.Targets, o.Targets)
}

// String says it in a few words: "vm/4001, vm/4002 in slack:T/C every 5m".
func (i *Incidents) String() string {
	if i == nil {
		return "nothing is watched"
	}
	names := make([]string, len(i.Targets))
	for n, t := range i.Targets {
		names[n] = t.String()
	}
	return strings.Join(names, ", ") + " in " + i.In.String() + " every " + formatDuration(i.Every)
}

// Incidents returns what the policy wants watched, nil for nothing.
func (s *Snapshot) Incidents() *Incidents { return s.incidents }

// incidentSection reads `incidents`. A label may hold dedicated servers too;
// only VMs have incidents.
func (l *loader) incidentSection(n node) {
	const what = "`incidents`"
	m, ok := l.mapping(n, what, "watch", "in", "every")
	if !ok {
		return
	}
	l.need(m, what, "watch", "in")
	watch := &Incidents{Every: usualWatch}
	for _, item := range l.texts(m.value("watch"), "`watch`") {
		i, ok := l.snap.labelAt[item.value]
		if !ok {
			l.errorf(item.at, "unknown label `%s`%s", clip(item.value), didYouMean(item.value, l.snap.Labels()))
			continue
		}
		lab := &l.snap.labels[i]
		lab.used = true
		vms := 0
		for _, t := range lab.targets {
			if t.Kind != kindVM {
				continue
			}
			vms++
			if !slices.Contains(watch.Targets, t) {
				watch.Targets = append(watch.Targets, t)
			}
		}
		if vms == 0 && !lab.broken {
			l.errorf(item.at, "the label `%s` has no VM, and only VMs have incidents", lab.name)
		}
	}
	if len(watch.Targets) > mostWatched {
		l.errorf(m.keyPos("watch"), "`watch` has %d VMs, and at most %d can be watched", len(watch.Targets), mostWatched)
	}
	if in, ok := l.text(m.value("in"), "`in`"); ok {
		watch.In, _ = l.place(textItem{in, m.value("in").pos()}, "`in` needs a channel: somebody has to see the incidents")
		l.want(watch.In)
	}
	if d := l.duration(m.value("every"), "`every`"); d != 0 {
		watch.Every = d
		if d < oftenWatch || d > rareWatch {
			l.errorf(m.value("every").pos(), "`every` must be from %s to %s, and is %s", formatDuration(oftenWatch), formatDuration(rareWatch), formatDuration(d))
		}
	}
	l.snap.incidents = watch
}

// incidents compares what is watched. Another channel, or another VM in it,
// shows somebody what he did not see, so it grants.
func (d *differ) incidents() {
	was, is := d.was.incidents, d.is.incidents
	if was.Equal(is) {
		return
	}
	grants := is != nil && (was == nil || was.In != is.In)
	if is != nil && !grants {
		grants = slices.ContainsFunc(is.Targets, func(t Target) bool { return !slices.Contains(was.Targets, t) })
	}
	d.changes = append(d.changes, Change{Person: "incidents", Was: was.String(), Is: is.String(), Grants: grants})
}
