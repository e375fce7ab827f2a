package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot/fail"
	"hosterbot/bot/policy"
)

// Bounds of what the watch keeps: an account under attack has a few incidents,
// and a provider that sends thousands shall not fill the channel or the store.
const (
	incidentsOfVM  = 20
	incidentsInAll = 1000
	incidentID     = 100 // characters
	incidentTypes  = 20
	incidentText   = 200 // characters of each other text
)

// Incident is a network incident of a VM, such as an attack, as the provider
// tells it.
type Incident struct {
	ID        string   `json:"id"`    // "" from a provider that gives none: its start names it then
	Start     string   `json:"start"` // as sent: the zone is not documented
	Stop      string   `json:"stop,omitempty"`
	Host      string   `json:"host,omitempty"`
	Types     []string `json:"types,omitempty"`
	Impact    int64    `json:"impact,omitempty"`    // the unit is not documented
	Direction int      `json:"direction,omitempty"` // not documented
	Ongoing   bool     `json:"ongoing,omitempty"`
}

// Told is an incident that a channel is told of.
type Told struct {
	VM       int64     `json:"vm"`
	Incident Incident  `json:"incident"`
	Place    Place     `json:"place"`
	Seen     time.Time `json:"seen"` // when the bot first saw it
	Root     Ref       `json:"root,omitzero"`
	Posted   int       `json:"posted,omitempty"` // how often a root was posted: one that was deleted is posted anew
	Ended    time.Time `json:"ended,omitzero"`   // when the bot saw that it is over; zero: it goes on
	Gone     bool      `json:"gone,omitempty"`   // it ended with its VM
}

// watch is what the incident watch knows between two looks. But for wake it is
// touched by watchDue alone.
type watch struct {
	begun  bool
	in     *policy.Incidents // as the last look was made
	next   time.Time         // when the next is due; zero: never
	posted map[string]Ref    // messages that stand in a chat and are not recorded yet, by key
	wake   chan struct{}     // the policy has changed
}

// watchDue looks at the incidents that the policy wants watched, if it is time
// to, and returns when it next is. Another wish of the policy is looked after at
// once. What the provider or a chat did not do is tried again at the next look,
// what the store did not do a little later.
func (b *Bot) watchDue(ctx context.Context) (time.Time, error) {
	snap := b.policy.Current()
	in := snap.Incidents()
	w := &b.watch
	if w.begun && w.in.Equal(in) && (w.next.IsZero() || w.next.After(b.clock.Now())) {
		return w.next, nil
	}
	if err := b.lookAtIncidents(ctx, snap, in); ctx.Err() != nil {
		return time.Time{}, nil
	} else if err != nil {
		b.log.Error("incidents not recorded", "err", b.scrub.Scrub(err.Error()))
		w.begun = false
		return b.clock.Now().Add(b.scaled(pollAfterErr)), nil
	}
	w.begun, w.in, w.next = true, in, time.Time{}
	if in != nil {
		w.next = b.clock.Now().Add(b.scaled(in.Every))
	}
	return w.next, nil
}

// lookAtIncidents looks once at every watched VM, one after the other. What is
// no longer watched is forgotten without a word. An error is of the store alone.
func (b *Bot) lookAtIncidents(ctx context.Context, snap *policy.Snapshot, in *policy.Incidents) error {
	known, err := b.store.Incidents(ctx)
	if err != nil {
		return err
	}
	of := make(map[int64][]Told)
	room := incidentsInAll
	for _, t := range known {
		if in != nil && slices.ContainsFunc(in.Targets, func(vm policy.Target) bool { return vm.ID == t.VM }) {
			of[t.VM] = append(of[t.VM], t)
			room--
			continue
		}
		if err := b.store.DropIncident(ctx, b.clock.Now(), t.VM, t.Incident.ID); err != nil {
			return err
		}
		b.log.Info("incident no longer watched", "vm", t.VM, "incident", t.Incident.ID)
	}
	if in == nil {
		return nil
	}
	for _, vm := range in.Targets {
		err := b.survived(0, func() error {
			now, changed, err := b.readIncidents(ctx, vm.ID, of[vm.ID], in, &room)
			if err != nil {
				return err
			}
			for _, t := range now {
				if err := b.tellIncident(ctx, snap, in, t, changed[t.Incident.ID]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errPanic) { // a VM that panics holds up no other
			return err
		}
	}
	return nil
}

// readIncidents brings what is known of a VM's incidents up to date, in the
// store too, and returns all that has to be told or followed. Those in changed,
// by ID, go on and are no longer as they were told; the store learns of that
// when the chat has. A VM that cannot be read changes nothing.
func (b *Bot) readIncidents(ctx context.Context, vm int64, known []Told, in *policy.Incidents, room *int) (all []Told, changed map[string]bool, err error) {
	list, err := b.provider.Incidents(ctx, vm)
	gone := IsKind(err, Missing)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if err != nil && !gone {
		b.log.Info("incidents not read", "vm", vm, "err", b.scrub.Scrub(err.Error()))
		return known, nil, nil
	}
	if gone {
		list = nil
	}
	now := b.clock.Now()
	found := make(map[string]Incident, len(list))
	var begun []string // new ones, in the provider's order
	for _, i := range list {
		i = bounded(i)
		if _, twice := found[i.ID]; twice {
			continue
		}
		found[i.ID] = i
		if i.Ongoing && !slices.ContainsFunc(known, func(t Told) bool { return t.Incident.ID == i.ID }) {
			begun = append(begun, i.ID)
		}
	}
	changed = make(map[string]bool)
	for n := range known {
		t := &known[n]
		is, there := found[t.Incident.ID]
		if !t.Ended.IsZero() {
			continue
		}
		if there {
			changed[is.ID] = !is.looks(&t.Incident)
			t.Incident = is
		}
		if !gone && there && is.Ongoing {
			continue
		}
		t.Ended, t.Gone = now, gone
		if err := b.store.SaveIncident(ctx, now, *t); err != nil {
			return nil, nil, err
		}
		b.log.Info("incident is over", "vm", vm, "incident", t.Incident.ID, "vm_gone", gone)
	}
	for _, id := range begun {
		if len(known) >= incidentsOfVM || *room <= 0 {
			b.log.Warn("too many incidents: this one is not told", "vm", vm, "incident", id)
			continue
		}
		// Stored before it is posted, so that after a crash its key is the same.
		t := Told{VM: vm, Incident: found[id], Place: Place{Place: in.In}, Seen: now}
		if err := b.store.SaveIncident(ctx, now, t); err != nil {
			return nil, nil, err
		}
		known = append(known, t)
		*room--
		b.log.Info("incident begins", "vm", vm, "incident", id)
	}
	return known, changed, nil
}

// looks tells whether a card of the incident, while it goes on, looks like one
// of o: its end, as the provider sends it, is then the moment of the read.
func (i *Incident) looks(o *Incident) bool {
	return i.Start == o.Start && i.Host == o.Host && slices.Equal(i.Types, o.Types) && i.Impact == o.Impact && i.Direction == o.Direction
}

// bounded is an incident whose texts are fit for a card, and that has an ID.
func bounded(i Incident) Incident {
	i.ID = CleanMax(i.ID, incidentID)
	i.Start, i.Stop, i.Host = CleanMax(i.Start, incidentText), CleanMax(i.Stop, incidentText), CleanMax(i.Host, incidentText)
	i.Types = slices.Clone(i.Types[:min(len(i.Types), incidentTypes)])
	for n := range i.Types {
		i.Types[n] = CleanMax(i.Types[n], incidentText)
	}
	if i.ID == "" {
		i.ID = "since " + CleanMax(i.Start, incidentID)
	}
	return i
}

// tellIncident brings the channel up to date: a root for one that is new; the
// root is edited for one that has changed; for one that is over, the root shows
// it, one line in the thread says it, and it is forgotten. A chat that refuses
// is asked again at the next look.
func (b *Bot) tellIncident(ctx context.Context, snap *policy.Snapshot, in *policy.Incidents, t Told, changed bool) error {
	if t.Root.IsZero() {
		t.Place = Place{Place: in.In} // the policy may have another since it refused
	}
	a, ok := b.adapters[t.Place.Platform]
	if !ok {
		b.log.Warn("incident not told: no chat serves the place", "vm", t.VM, "incident", t.Incident.ID, "place", t.Place.String())
		return nil
	}
	refused := func(err error) error {
		b.log.Warn("incident not told", "vm", t.VM, "incident", t.Incident.ID, "place", t.Place.String(), "err", b.scrub.Scrub(err.Error()))
		return nil
	}
	over := !t.Ended.IsZero()
	// What stands in the chat is recorded, also at the end.
	record := context.WithoutCancel(ctx)
	root := incidentCard(snap, &t)
	if !t.Root.IsZero() && (over || changed) {
		err := a.Edit(ctx, t.Root, root)
		var post *PostError
		gone := errors.As(err, &post) && post.Gone
		switch {
		case err != nil && !gone:
			return refused(err)
		case !over: // whoever deleted the message of one that goes on has seen it
			return b.store.SaveIncident(record, b.clock.Now(), t)
		case gone:
			t.Root = Ref{}
		}
	}
	if t.Root.IsZero() {
		key := fmt.Sprintf("%s/%s/%d", t.key(), t.Place, t.Posted)
		root.Again = t.Posted == 0 && t.Seen.Before(b.started)
		ref, err := b.postOnce(ctx, a, t.Place, key, root)
		if err != nil {
			return refused(err)
		}
		t.Root = ref
		t.Posted++
		if err := b.store.SaveIncident(record, b.clock.Now(), t); err != nil {
			return err
		}
		fail.Point("after_post_ack")
		delete(b.watch.posted, key)
	}
	if !over {
		return nil
	}
	thread := t.Place
	thread.Thread = t.Root.ID
	line := Card{Tone: Good, Title: "The incident is over", Lines: []string{"Seen " + At(t.Seen) + ", over " + At(t.Ended) + "."}, Again: t.Ended.Before(b.started)}
	if t.Gone {
		line.Tone, line.Title = Warn, "The VM is gone, and its incident with it"
	}
	key := t.key() + "/end"
	if _, err := b.postOnce(ctx, a, thread, key, line); err != nil {
		return refused(err)
	}
	if err := b.store.DropIncident(record, b.clock.Now(), t.VM, t.Incident.ID); err != nil {
		return err
	}
	fail.Point("after_post_ack")
	delete(b.watch.posted, key)
	return nil
}

// postOnce posts a message, unless it stands there already and only could not be
// recorded.
func (b *Bot) postOnce(ctx context.Context, a Adapter, p Place, key string, c Card) (Ref, error) {
	if ref, ok := b.watch.posted[key]; ok {
		return ref, nil
	}
	ref, err := a.Post(ctx, p, key, c)
	if err == nil {
		fail.Point("after_post")
		b.watch.posted[key] = ref
	}
	return ref, err
}

// key names the messages of an incident. One that begins again under its old ID
// was seen at another time.
func (t *Told) key() string {
	return fmt.Sprintf("incident/%d/%s/%d", t.VM, t.Incident.ID, t.Seen.Unix())
}

// incidentCard is an incident's root message.
func incidentCard(snap *policy.Snapshot, t *Told) Card {
	vm := "VM " + Code(strconv.FormatInt(t.VM, 10))
	if name := snap.NameOf(policy.Target{Kind: "vm", ID: t.VM}); name != "" {
		vm += " (" + Clean(name) + ")"
	}
	i := &t.Incident
	c := Card{
		Tone: Warn, Title: "Network incident of " + vm,
		Byline: "Incident " + Code(i.ID) + " of VM " + Code(strconv.FormatInt(t.VM, 10)) + ", seen since " + At(t.Seen) + ".",
	}
	if !t.Gone {
		c.Notes = []string{"Times, impact and direction are as the provider sends them: it documents no time zone and no unit. All of them: " + Code(fmt.Sprintf("vm incidents %d", t.VM)) + "."}
	}
	c.Notes = append(c.Notes, c.Byline)
	for _, f := range []Field{{"Types", strings.Join(i.Types, ", ")}, {"Host", i.Host}, {"Start", i.Start}} {
		if f.Value != "" {
			c.Fields = append(c.Fields, Field{f.Label, Clean(f.Value)})
		}
	}
	c.Fields = append(c.Fields, Field{"Impact", strconv.FormatInt(i.Impact, 10)}, Field{"Direction", strconv.Itoa(i.Direction)})
	switch {
	case t.Ended.IsZero():
		c.Lines = []string{"It goes on."}
		return c
	case t.Gone:
		c.Lines = []string{"The VM has been gone since " + At(t.Ended) + ", and the incident with it."}
		return c
	}
	c.Tone, c.Title = Good, c.Title+": over"
	c.Lines = []string{"It has been over since " + At(t.Ended) + "."}
	if i.Stop != "" && !i.Ongoing {
		c.Fields = append(c.Fields, Field{"Stop", Clean(i.Stop)})
	}
	return c
}
