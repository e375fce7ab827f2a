package discord_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"
)

// deed is something that a person did, on its way through the bot.
type deed struct {
	f    *fake
	in   *interaction
	mark uint64 // what is newer came after it
}

// did makes an interaction and delivers it. The caller holds mu.
func (f *fake) did(kind int, who string, ch *channel, data object, source *message) *deed {
	in := &interaction{id: f.id(), kind: kind, user: who, channel: ch, at: f.clock.Now(), source: source}
	in.token = "interaction-canary-" + in.id
	in.payload = object{
		"id": in.id, "application_id": appID, "type": kind, "token": in.token, "version": 1, "data": data,
		"channel": f.channelJSON(ch), "channel_id": ch.id, "app_permissions": bits(f.perms(ch, botUser)), "locale": "en-US", "entitlements": []any{},
		"attachment_size_limit": maxFile,
	}
	if ch.kind == directChannel {
		in.payload["user"], in.payload["context"], in.payload["authorizing_integration_owners"] = f.people[who].json(), 1, object{"0": "0"}
	} else {
		g := f.guilds[ch.guild]
		in.payload["member"], in.payload["context"], in.payload["guild_id"] = f.memberJSON(g, who, ch), 0, g.id
		in.payload["guild"], in.payload["guild_locale"] = object{"id": g.id, "locale": "en-US", "features": []any{}}, "en-US"
		in.payload["authorizing_integration_owners"] = object{"0": g.id}
	}
	if source != nil {
		in.payload["message"] = f.messageJSON(source)
	}
	f.interactions[in.id] = in
	f.serial++
	d := &deed{f, in, f.serial}
	f.deliver(in)
	f.news.Tell()
	return d
}

// again delivers the same interaction once more.
func (d *deed) again() {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	d.f.deliver(d.in)
}

// acked waits for the first answer.
func (d *deed) acked(within time.Duration) bool {
	return d.f.await(within, func() bool { return d.in.first != 0 })
}

// answered waits until the person sees something of it.
func (d *deed) answered(within time.Duration) bool {
	return d.f.await(within, func() bool { return d.in.shown > 0 })
}

// sees is what the person sees that is new since: copies, that no later edit
// changes.
func (d *deed) sees() []*message {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	var out []*message
	for _, m := range d.f.messages {
		if m.changed > d.mark && d.f.visible(m, d.in.user) {
			seen := *m
			seen.buttons, seen.files = slices.Clone(m.buttons), slices.Clone(m.files)
			out = append(out, &seen)
		}
	}
	return out
}

// text is everything of it in one piece.
func (d *deed) text() string {
	var all []string
	for _, m := range d.sees() {
		all = append(all, m.reading())
	}
	return strings.Join(all, "\n")
}

// visible tells whether somebody sees a message. The caller holds mu.
func (f *fake) visible(m *message, who string) bool {
	if m.deleted || m.to != "" && m.to != who {
		return false
	}
	ch := f.channels[m.channel]
	return ch.kind == directChannel || f.perms(ch, who)&discordgo.PermissionViewChannel != 0
}

// reading is what a person reads in a message.
func (m *message) reading() string {
	if m.thinking {
		return "hosterbot is thinking..."
	}
	parts := []string{m.text}
	for _, e := range m.embeds {
		e := e.(object)
		footer, _ := e["footer"].(object)
		parts = append(parts, str(e["title"]), str(e["description"]))
		for _, field := range list(e["fields"]) {
			parts = append(parts, str(field.(object)["name"]), str(field.(object)["value"]))
		}
		parts = append(parts, str(footer["text"]))
	}
	for _, b := range m.buttons {
		if b.live && b.url != "" {
			parts = append(parts, b.label+" "+b.url)
		}
	}
	for _, one := range m.files {
		parts = append(parts, one.name, one.data)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n")
}

// presses makes a person press a button of a message that he sees.
func (f *fake) presses(who, id, label string) (*deed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.id != id || !f.visible(m, who) {
			continue
		}
		for _, b := range m.buttons {
			if b.label == label && b.live && b.code != "" {
				return f.pressed(who, m, b), nil
			}
		}
		return nil, fmt.Errorf("message %s has no button %q that can be pressed", id, label)
	}
	return nil, fmt.Errorf("the person does not see message %s", id)
}

// pressed is a press on a button that is there, or was: somebody's client may
// still show it. The caller holds mu.
func (f *fake) pressed(who string, m *message, b shownButton) *deed {
	return f.did(aPress, who, f.channels[m.channel], object{"component_type": 2, "custom_id": b.code, "id": 2}, m)
}

// form is the form that is open before a person; nil: none.
func (f *fake) form(who string) *modal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.modals[who]
}

// inputs are the inputs of a form.
func (m *modal) inputs() []object {
	var out []object
	for _, p := range list(m.body["components"]) {
		out = append(out, inputsOf(p.(object))...)
	}
	return out
}

// submits makes a person type into the form that is open before him, and send
// it. Values are named by the custom_id of their input.
func (f *fake) submits(who string, values map[string]string) (*deed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.modals[who]
	if m == nil {
		return nil, errors.New("no form is open")
	}
	for name, v := range values {
		if _, there := m.values[name]; !there {
			return nil, fmt.Errorf("the form has no input %s", name)
		}
		m.values[name] = v
	}
	sent := object{}
	for _, in := range m.inputs() {
		value, err := m.value(in)
		if err != nil {
			return nil, err
		}
		sent[str(in["custom_id"])] = value
	}
	var parts []any
	for i, p := range list(m.body["components"]) {
		p := p.(object)
		part := object{"type": p["type"], "id": i + 1}
		var inputs []any
		for _, in := range inputsOf(p) {
			inputs = append(inputs, sent[str(in["custom_id"])])
		}
		switch p["type"] {
		case 18.0:
			part["component"] = inputs[0]
		case 1.0:
			part["components"] = inputs
		}
		parts = append(parts, part)
	}
	delete(f.modals, who)
	return f.did(aSubmission, who, m.channel, object{"custom_id": m.body["custom_id"], "components": parts}, m.source), nil
}

// value is an input as it is sent; the error is what the client says of it.
func (m *modal) value(in object) (object, error) {
	id := str(in["custom_id"])
	v := m.values[id]
	out := object{"type": in["type"], "custom_id": id, "id": 1}
	if v == "" && in["required"] != false {
		return nil, fmt.Errorf("%s is required", id)
	}
	switch in["type"] {
	case 4.0:
		most, ok := in["max_length"].(float64)
		if !ok {
			most = 4000
		}
		least, _ := in["min_length"].(float64)
		if n := utf8.RuneCountInString(v); n > int(most) || v != "" && n < int(least) {
			return nil, fmt.Errorf("%s has %d characters, %v to %v are allowed", id, n, least, most)
		}
		out["value"] = v
	case 3.0:
		values := []any{}
		if v != "" {
			if !slices.ContainsFunc(list(in["options"]), func(o any) bool { return o.(object)["value"] == v }) {
				return nil, fmt.Errorf("%s: %q is none of the options", id, v)
			}
			values = append(values, v)
		}
		out["values"] = values
	default:
		return nil, fmt.Errorf("inputs of type %v are not known here", in["type"])
	}
	return out, nil
}

// deletes makes somebody who may delete a message.
func (f *fake) deletes(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.id == id && !m.deleted {
			f.drop(m)
			f.news.Tell()
			return true
		}
	}
	return false
}

// says makes a person write an ordinary message.
func (f *fake) says(who, channel, text string) *message {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.news.Tell()
	return f.keep(&message{channel: channel, author: who, text: text})
}
