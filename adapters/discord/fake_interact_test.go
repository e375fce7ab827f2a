package discord_test

import (
	"net/http"
	"strings"
	"time"
)

// How long an interaction can be answered.
// Source: https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages
const (
	firstFor = 3 * time.Second
	tokenFor = 15 * time.Minute
)

// Kinds of interaction, and of first answers.
const (
	aPing       = 1
	aCommand    = 2
	aPress      = 3
	aLookup     = 4
	aSubmission = 5

	ackPong    = 1
	ackMessage = 4
	ackLater   = 5
	ackSilent  = 6
	ackUpdate  = 7
	ackChoices = 8
	ackModal   = 9
)

// interaction is something that a person did.
type interaction struct {
	id, token      string
	kind           int
	user           string
	channel        *channel
	at             time.Time
	first          int      // the type of the first answer; 0: none yet
	source         *message // that was pressed, or led to the form
	original       *message // what @original is; nil: nothing
	followed       bool     // the deferral was filled in
	private        bool     // of a deferral: one person sees what comes
	choices        []any
	shown          int // answers that were taken
	modal          *modal
	payload        object
	answers, tries int    // first answers that were taken, and that came
	unheard        bool   // the person was told that nobody responds
	said           string // the newest message in answer to it
}

// modal is a form that is open before somebody.
type modal struct {
	user    string
	body    object
	values  map[string]string // what was typed, by custom_id
	source  *message
	channel *channel
}

func (f *fake) interactionOf(c *call) *interaction {
	for _, in := range f.interactions {
		if c.ids["interaction_id"] == in.id && c.ids["interaction_token"] == in.token || c.ids["webhook_token"] == in.token {
			return in
		}
	}
	return nil
}

// mayAnswer are the types of first answer that an interaction can have.
func (in *interaction) mayAnswer(kind int) bool {
	switch in.kind {
	case aPing:
		return kind == ackPong
	case aCommand:
		return kind == ackMessage || kind == ackLater || kind == ackModal
	case aLookup:
		return kind == ackChoices
	case aPress:
		return kind == ackMessage || kind == ackLater || kind == ackSilent || kind == ackUpdate || kind == ackModal
	case aSubmission: // a form opens no form
		return kind == ackMessage || kind == ackLater || in.source != nil && (kind == ackSilent || kind == ackUpdate)
	}
	return false
}

// callback is the first answer to an interaction.
func (f *fake) callback(c *call) answer {
	in := f.interactionOf(c)
	if in == nil || f.clock.Now().Sub(in.at) > firstFor {
		return no(http.StatusNotFound, 10062, "Unknown interaction")
	}
	a := f.firstAnswer(in, c)
	if a.status == 0 {
		if c.URL.Query().Get("with_response") != "true" {
			return noContent
		}
		out := object{"interaction": object{"id": in.id, "type": in.kind, "response_message_ephemeral": in.private}, "resource": object{"type": in.first}}
		if in.original != nil {
			out["resource"].(object)["message"] = f.messageJSON(in.original)
		}
		return yes(out)
	}
	return a
}

// firstAnswer does what the first answer says; its status is 0 if it was taken.
func (f *fake) firstAnswer(in *interaction, c *call) answer {
	kind, _ := c.body["type"].(float64)
	data, _ := c.body["data"].(object)
	in.tries++
	if in.first != 0 {
		return no(http.StatusBadRequest, 40060, "Interaction has already been acknowledged.")
	}
	if !in.mayAnswer(int(kind)) {
		f.tb.Errorf("an interaction of type %d answered with type %v", in.kind, kind)
		return invalid([]string{"type: Interaction cannot be answered so"})
	}
	said := *c
	said.body = data
	flags, _ := data["flags"].(float64)
	switch int(kind) {
	case ackMessage:
		if problems := f.check(&said, true); len(problems) > 0 {
			return invalid(problems)
		}
		if bare(data, c.files) {
			return no(http.StatusBadRequest, 50006, "Cannot send an empty message")
		}
		in.private = int(flags)&ephemeral != 0
		in.original = f.answerIn(in, in.private)
		f.write(in.original, &said)
		in.said = f.keep(in.original).reading()
	case ackLater:
		in.private = int(flags)&ephemeral != 0
		in.original = f.answerIn(in, in.private)
		in.original.thinking = true
		f.keep(in.original)
	case ackSilent:
		in.original = in.source
	case ackUpdate:
		if problems := f.check(&said, true); len(problems) > 0 {
			return invalid(problems)
		}
		if f.mayUpdate(in.source) {
			in.original = in.source
			f.write(in.source, &said)
			in.source.edited = f.clock.Now()
			f.touched(in.source)
			in.said = in.source.reading()
		}
	case ackChoices:
		in.choices = list(data["choices"])
		f.checkChoices(in)
	case ackModal:
		problems := checkModal(data)
		for _, p := range problems {
			f.tb.Errorf("form refused: %s", p)
		}
		if len(problems) > 0 {
			return invalid(problems)
		}
		in.modal = &modal{user: in.user, body: data, values: startValues(data), source: in.source, channel: in.channel}
		f.modals[in.user] = in.modal
	}
	in.first = int(kind)
	in.answers++
	if in.first != ackLater && in.first != ackSilent {
		in.shown++
	}
	return answer{}
}

// mayUpdate tells whether what was pressed is still there. A private answer has
// no business in the place of what everybody sees.
func (f *fake) mayUpdate(m *message) bool {
	if m != nil && m.to == "" {
		f.tb.Errorf("an answer replaced a message for all")
	}
	return m != nil && !m.deleted
}

// answerIn is a message of the bot in answer to an interaction.
func (f *fake) answerIn(in *interaction, private bool) *message {
	m := &message{channel: in.channel.id, author: botUser}
	if private {
		m.to, m.flags = in.user, ephemeral
	}
	if in.channel.kind == directChannel {
		m.to = in.channel.person
	}
	return m
}

func (f *fake) checkChoices(in *interaction) {
	kind := in.focusedType()
	for _, c := range in.choices {
		v := c.(object)["value"]
		_, text := v.(string)
		if text != (kind == 3) {
			f.tb.Errorf("a choice of value %v for an option of type %d", v, kind)
		}
	}
}

// focusedType is the type of the option that is being typed.
func (in *interaction) focusedType() int {
	options := list(in.payload["data"].(object)["options"])
	for len(options) > 0 {
		var next []any
		for _, o := range options {
			o := o.(object)
			if o["focused"] == true {
				return o["type"].(int)
			}
			next = append(next, list(o["options"])...)
		}
		options = next
	}
	return 0
}

// startValues is what stands in a form before anything is typed.
func startValues(data object) map[string]string {
	out := make(map[string]string)
	for _, p := range list(data["components"]) {
		for _, in := range inputsOf(p.(object)) {
			out[str(in["custom_id"])] = str(in["value"])
			for _, o := range list(in["options"]) {
				if o := o.(object); o["default"] == true {
					out[str(in["custom_id"])] = str(o["value"])
				}
			}
		}
	}
	return out
}

// webhook is what comes after the first answer.
func (f *fake) webhook(c *call) answer {
	in := f.interactionOf(c)
	switch {
	case c.ids["webhook_id"] != appID:
		return no(http.StatusNotFound, 10015, "Unknown Webhook")
	case in == nil, f.clock.Now().Sub(in.at) > tokenFor:
		return no(http.StatusUnauthorized, 50027, "Invalid Webhook Token")
	case in.first == 0, in.first == ackChoices:
		return no(http.StatusNotFound, 10015, "Unknown Webhook")
	}
	if c.Method == http.MethodPost {
		return f.followUp(in, c)
	}
	m := in.original
	if id := c.ids["message_id"]; id != "" {
		m = nil
		for _, o := range f.messages {
			if o.id == id && o.author == botUser && o.channel == in.channel.id {
				m = o
			}
		}
	}
	if m == nil || m.deleted {
		return no(http.StatusNotFound, 10008, "Unknown Message")
	}
	switch c.Method {
	case http.MethodPatch:
		if problems := f.check(c, true); len(problems) > 0 {
			return invalid(problems)
		}
		if m.thinking && bare(c.body, c.files) {
			return no(http.StatusBadRequest, 50006, "Cannot send an empty message")
		}
		if m == in.source {
			f.mayUpdate(m)
		}
		in.followed = in.followed || m == in.original
		f.write(m, c)
		m.edited = f.clock.Now()
		f.touched(m)
		in.shown++
		in.said = m.reading()
	case http.MethodDelete:
		f.drop(m)
		return noContent
	}
	return yes(f.messageJSON(m))
}

// followUp is another message. The first one after a deferral takes its place,
// whatever it says of who may see it.
func (f *fake) followUp(in *interaction, c *call) answer {
	if problems := f.check(c, true); len(problems) > 0 {
		return invalid(problems)
	}
	if bare(c.body, c.files) {
		return no(http.StatusBadRequest, 50006, "Cannot send an empty message")
	}
	in.shown++
	if in.first == ackLater && !in.followed && in.original != nil && !in.original.deleted {
		in.followed = true
		f.write(in.original, c)
		f.touched(in.original)
		in.said = in.original.reading()
		return yes(f.messageJSON(in.original))
	}
	flags, _ := c.body["flags"].(float64)
	m := f.answerIn(in, int(flags)&ephemeral != 0)
	f.write(m, c)
	in.said = f.keep(m).reading()
	return yes(f.messageJSON(m))
}

// commandCall is about the application's commands.
func (f *fake) commandCall(c *call) answer {
	if c.ids["application_id"] != appID {
		return no(http.StatusForbidden, 20012, "You are not authorized to perform this action on this application")
	}
	g := f.guilds[c.ids["guild_id"]]
	if g == nil {
		if c.Method != http.MethodGet {
			f.tb.Errorf("%s: commands are registered in guilds alone", c.route)
		}
		return yes([]any{})
	}
	if g.absent {
		return no(http.StatusForbidden, 50001, "Missing Access")
	}
	at := -1
	for i, cmd := range g.commands {
		if cmd["id"] == c.ids["command_id"] || c.ids["command_id"] == "" && cmd["name"] == c.body["name"] {
			at = i
		}
	}
	if c.ids["command_id"] != "" && at < 0 {
		return no(http.StatusNotFound, 10063, "Unknown application command")
	}
	switch c.Method {
	case http.MethodGet:
		if at >= 0 && c.ids["command_id"] != "" {
			return yes(g.commands[at])
		}
		out := []any{}
		for _, cmd := range g.commands {
			out = append(out, cmd)
		}
		return yes(out)
	case http.MethodDelete:
		g.commands = append(g.commands[:at:at], g.commands[at+1:]...)
		return noContent
	}
	given := []any{c.body}
	if c.Method == http.MethodPut {
		given = c.items
	}
	var made []object
	for _, cmd := range given {
		cmd := cmd.(object)
		problems := checkCommand(cmd)
		for _, p := range problems {
			f.tb.Errorf("command refused: %s", p)
		}
		if len(problems) > 0 {
			return invalid(problems)
		}
		made = append(made, f.register(g, cmd))
	}
	switch {
	case c.Method == http.MethodPut:
		g.commands = made
		out := []any{}
		for _, cmd := range made {
			out = append(out, cmd)
		}
		return yes(out)
	case at >= 0:
		made[0]["id"] = g.commands[at]["id"]
		g.commands[at] = made[0]
		return yes(made[0])
	}
	g.commands = append(g.commands, made[0])
	return answer{http.StatusCreated, made[0]}
}

// register is a command as Discord keeps it.
func (f *fake) register(g *guild, cmd object) object {
	out := object{
		"id": f.id(), "application_id": appID, "guild_id": g.id, "version": f.id(), "type": 1.0, "default_member_permissions": nil, "nsfw": false,
		"name": cmd["name"], "description": cmd["description"], "name_localizations": nil, "description_localizations": nil, "dm_permission": true,
		"contexts": nil, "integration_types": []any{0},
	}
	if options := list(cmd["options"]); len(options) > 0 {
		out["options"] = kept(options)
	}
	return out
}

// kept are options as Discord keeps them: what says nothing is left out.
func kept(options []any) []any {
	var out []any
	for _, o := range options {
		to := object{}
		for name, v := range o.(object) {
			switch {
			case name == "options" && len(list(v)) > 0:
				to[name] = kept(list(v))
			case name == "type", name == "name", name == "description", name == "min_value", name == "min_length":
				to[name] = v
			case v == nil, v == false, v == 0.0, len(list(v)) == 0 && strings.HasPrefix(encoded(v), "["):
			default:
				to[name] = v
			}
		}
		out = append(out, to)
	}
	return out
}
