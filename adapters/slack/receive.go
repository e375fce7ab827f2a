package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// tooLate is how old a click may be when it arrives. Slack told the person
// long ago that it failed, so it must not run any more. It leaves room for a
// clock that is wrong.
const tooLate = 2 * time.Minute

// envelope is a frame of Socket Mode.
// Source: https://docs.slack.dev/apis/events-api/using-socket-mode
type envelope struct {
	Type       string   `json:"type"`
	EnvelopeID string   `json:"envelope_id"`
	Reason     string   `json:"reason"`  // of a disconnect
	Payload    *payload `json:"payload"` // nil: none, or none that is understood
}

// payload is what a person did: a typed command, or an interaction, which is a
// click, a form that was sent, or a question for choices. It is one type, so
// that a frame is read in one go.
type payload struct {
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`

	// Of a typed command.
	TeamID      string `json:"team_id"`
	ChannelID   string `json:"channel_id"`
	ChannelName string `json:"channel_name"`
	UserID      string `json:"user_id"`
	Text        string `json:"text"`

	// Of an interaction.
	Type string `json:"type"`
	Team struct {
		ID string `json:"id"`
	} `json:"team"`
	User struct {
		ID     string `json:"id"`
		TeamID string `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"channel"`
	Container struct {
		ChannelID   string `json:"channel_id"`
		MessageTS   string `json:"message_ts"`
		ThreadTS    string `json:"thread_ts"`
		IsEphemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Actions []struct {
		ActionID string `json:"action_id"`
		Type     string `json:"type"`
		Value    string `json:"value"`
		ActionTS string `json:"action_ts"`
	} `json:"actions"`
	View struct {
		ID              string `json:"id"`
		Hash            string `json:"hash"`
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values map[string]map[string]inputState `json:"values"`
		} `json:"state"`
	} `json:"view"`
	ActionID string `json:"action_id"` // of a question for choices
	BlockID  string `json:"block_id"`
	Value    string `json:"value"`
}

type inputState struct {
	Value          string `json:"value"`
	SelectedOption *struct {
		Value string `json:"value"`
	} `json:"selected_option"`
}

// sort is what a call is.
type sort int

const (
	ignored sort = iota // acknowledged, and nothing else
	command
	press
	submission
	lookup
)

// call is what a person did, whatever kind of payload told of it.
type call struct {
	sort       sort
	key        string
	team, user string
	from       origin
	public     bool      // a press on what everybody sees
	at         time.Time // of a press; zero: unknown
	came       time.Time // here
	line       string
	code       string
	trigger    string
	url        string // response_url
	view       string // ID of the form
	values     map[string]string
	secrets    map[string]secret.Secret
	fields     []string // all of the form
	param      string
	prefix     string
}

// frame does what a frame asks for. It never waits.
func (a *Adapter) frame(serving context.Context, h bot.Handler, c *conn, data []byte) {
	e, err := decode(data)
	if err != nil {
		a.log.Warn("slack frame not understood", "err", err)
	}
	switch e.Type {
	case "hello":
	case "disconnect":
		c.leave(e.Reason)
	case "slash_commands", "interactive":
		if !a.calls.Call(e.Type != "slash_commands", func(since time.Time) bot.Rest { return a.take(serving, h, c, e.EnvelopeID, since, e.call()) }) {
			a.overloaded(serving, c, e.EnvelopeID, e.call())
		}
	default:
		if e.EnvelopeID != "" { // it means nothing here
			_ = c.acknowledge(e.EnvelopeID, nil)
		}
	}
}

// decode reads a frame. Of one that is broken it returns what it could read,
// without its payload.
func decode(data []byte) (envelope, error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		e.Payload = nil
		return e, fmt.Errorf("frame of %d bytes of type %q: %w", len(data), bot.CleanMax(e.Type, 40), errNoJSON)
	}
	return e, nil
}

// errNoJSON stands for the errors of encoding/json, which quote what they read.
var errNoJSON = errors.New("not what Slack documents")

// call is the call of an envelope: one without a payload is ignored.
func (e envelope) call() call {
	switch {
	case e.Payload == nil:
		return call{}
	case e.Type == "slash_commands":
		return e.Payload.typed(e.EnvelopeID)
	}
	return e.Payload.done(e.EnvelopeID)
}

// done is what a person did; envelope names the delivery where Slack gave no
// trigger.
func (p *payload) done(envelope string) call {
	c := call{team: p.User.TeamID, user: p.User.ID, trigger: p.TriggerID, url: p.ResponseURL, key: key(p.Team.ID, p.TriggerID, envelope)}
	if c.team == "" {
		c.team = p.Team.ID
	}
	switch p.Type {
	case "block_actions":
		p.pressed(&c)
	case "view_submission":
		c.sort, c.code, c.view = submission, p.View.CallbackID, p.View.ID
		c.key = key(p.Team.ID, "view/"+p.View.ID+"/"+p.View.Hash, envelope)
		c.from = parseOrigin(p.View.PrivateMetadata)
		p.filled(&c)
	case "block_suggestion":
		c.sort, c.code, c.param, c.prefix = lookup, p.View.CallbackID, p.BlockID, unescape(p.Value)
		c.from = parseOrigin(p.View.PrivateMetadata)
	}
	return c
}

// typed is what was typed; envelope names the delivery where Slack gave no
// trigger.
func (p *payload) typed(envelope string) call {
	return call{
		sort: command, key: key(p.TeamID, p.TriggerID, envelope), team: p.TeamID, user: p.UserID,
		from: origin{Channel: p.ChannelID, Name: p.ChannelName}, line: unescape(p.Text), trigger: p.TriggerID, url: p.ResponseURL,
	}
}

// key names a delivery for ever. A redelivery has the trigger of the first;
// where Slack gave none, the envelope has to do.
func key(team, trigger, envelope string) string {
	if trigger == "" {
		trigger = "envelope/" + envelope
	}
	return platform + "/" + team + "/" + trigger
}

// pressed takes over the button. A click in a thread counts as one in the
// channel, where commands are typed; answers to it go to the thread.
func (p *payload) pressed(c *call) {
	c.from = origin{Channel: p.Channel.ID, Name: p.Channel.Name, Thread: p.Container.ThreadTS}
	if c.from.Channel == "" {
		c.from.Channel = p.Container.ChannelID
	}
	if c.from.Thread == p.Container.MessageTS { // a root stands in the channel: who presses there does not see the thread
		c.from.Thread = ""
	}
	if len(p.Actions) == 0 || p.Actions[0].Type != "button" || !strings.HasPrefix(p.Actions[0].ActionID, pressAction) {
		return // a link, or a choice in a form that is not sent yet
	}
	c.sort, c.code, c.public = press, p.Actions[0].Value, !p.Container.IsEphemeral
	if sec, err := strconv.ParseFloat(p.Actions[0].ActionTS, 64); err == nil && sec > 0 && sec < 1e11 {
		c.at = time.UnixMilli(int64(sec * 1000))
	}
}

// filled takes over what stands in the form.
func (p *payload) filled(c *call) {
	c.values, c.secrets = make(map[string]string), make(map[string]secret.Secret)
	for name, inputs := range p.View.State.Values {
		c.fields = append(c.fields, name)
		for action, in := range inputs {
			value := in.Value
			if in.SelectedOption != nil {
				value = in.SelectedOption.Value
			}
			if strings.HasPrefix(action, secretAction) {
				c.secrets[name] = secret.New(value)
				continue
			}
			c.values[name] = value
		}
	}
}

// take makes the bot do what a call asks for, and returns what is left to do
// then; id is that of its envelope, which came at since.
func (a *Adapter) take(ctx context.Context, h bot.Handler, on source, id string, since time.Time, c call) (rest bot.Rest) {
	if c.sort == ignored {
		_ = on.acknowledge(id, nil)
		return rest
	}
	var late any
	if c.sort == lookup { // Slack shows an error where there is no list
		late = noOptions
	}
	d, first := a.calls.begin(c.key, on, id, since, late)
	if !first {
		return rest
	}
	defer func() {
		if rest.Run == nil {
			d.end()
		}
	}()
	defer adapters.Recovered(a.log)
	c.came = since
	if left := a.do(ctx, h, d, c); left.Run != nil {
		return bot.Rest{Asks: left.Asks, Run: func() {
			defer d.end()
			defer adapters.Recovered(a.log)
			left.Run()
		}}
	}
	return rest
}

func (a *Adapter) do(ctx context.Context, h bot.Handler, d *delivery, c call) (rest bot.Rest) {
	later := func(left bot.Rest) { rest = left }
	ans := a.answerTo(d, c)
	who, where, err := a.whoWhere(ctx, c)
	if err != nil {
		a.log.Warn("account not looked up", "err", err)
		if c.sort == lookup {
			_ = d.ack(noOptions)
			return rest
		}
		ans.say(ctx, bot.Card{Tone: bot.Bad, Title: "Slack does not say who you are",
			Lines: []string{"So nothing was done. Try again in a minute."}})
		return rest
	}
	switch c.sort {
	case command:
		h.Handle(ctx, bot.Request{Key: c.key, Account: who, Place: where, Line: c.line, Came: c.came, Answer: ans, Later: later})
	case press:
		if late := a.clock.Now().Sub(c.at); !c.at.IsZero() && late > tooLate {
			ans.say(ctx, bot.Card{Tone: bot.Warn, Title: "That click came too late",
				Lines: []string{"It reached the bot " + bot.Duration(late) + " after you pressed, so nothing was done. Press again."}})
			return rest
		}
		form, code, kept := a.formOf(c.code, c.user)
		if kept {
			if err := ans.Form(ctx, form); err != nil {
				a.log.Warn("form not opened", "err", err)
				ans.say(ctx, bot.Card{Tone: bot.Warn, Title: "The form could not be opened", Lines: []string{"Nothing was done. Press again."},
					Buttons: []bot.Button{{Label: "Open it again", Style: bot.Primary, Code: c.code}}})
			}
			return rest
		}
		h.Press(ctx, bot.Press{Key: c.key, Account: who, Place: where, Code: code, Came: c.came, Answer: ans, Later: later})
	case submission:
		h.Submit(ctx, bot.Submission{Key: c.key, Account: who, Place: where, Code: c.code, Values: c.values, Secrets: c.secrets, Came: c.came, Answer: ans, Later: later})
	case lookup:
		_ = d.ack(options(h.Complete(ctx, bot.Completion{Account: who, Place: where, Code: c.code, Param: c.param, Prefix: c.prefix})))
	}
	return rest
}

// whoWhere looks up the account and the place, both at once where the place is
// not known.
func (a *Adapter) whoWhere(ctx context.Context, c call) (who bot.Account, where bot.Place, err error) {
	if _, known := a.channels.Recall(c.from.Channel); known {
		where = a.place(ctx, c.user, c.from)
		who, err = a.account(ctx, c.team, c.user)
		return who, where, err
	}
	found := make(chan bot.Place, 1)
	go func() { found <- a.place(ctx, c.user, c.from) }()
	who, err = a.account(ctx, c.team, c.user)
	return who, <-found, err
}

// overloaded says at once that there is too much to do.
func (a *Adapter) overloaded(ctx context.Context, on source, id string, c call) {
	var answer any
	switch {
	case c.sort == ignored:
	case c.sort == lookup:
		answer = noOptions
	case c.sort == submission && len(c.fields) > 0: // it stays open, with what was typed
		answer = formErrors(map[string]string{c.fields[0]: adapters.Busy().Title + ". " + adapters.Busy().Lines[0]})
	}
	_ = on.acknowledge(id, answer)
	if answer == nil && c.url != "" {
		a.calls.Busy(func() {
			u := &replyURL{url: c.url, public: true, until: a.clock.Now().Add(urlFor)}
			if _, err := a.respond(ctx, u, origin{}, render(adapters.Busy(), "", a.clock.Now()), true); err != nil {
				a.log.Debug("overload not told", "err", err)
			}
		})
	}
}

// link is what Slack makes of names, channels and addresses in a text.
var link = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)

var plainText = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "\u00a0", " ", "\u202f", " ",
	"\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "")

// unescape undoes what Slack does to a typed text: "<@U1|ana>" is U1 again,
// "<http://web-1.example|web-1.example>" is web-1.example, "&amp;" is "&".
func unescape(text string) string {
	if strings.Contains(text, "<") {
		text = link.ReplaceAllStringFunc(text, func(token string) string {
			m := link.FindStringSubmatch(token)
			target, shown := m[1], m[2]
			if target == "" {
				return token
			}
			switch target[0] {
			case '@', '#': // people and channels have IDs
				return target[1:]
			case '!':
				if id, ok := strings.CutPrefix(target, "!subteam^"); ok {
					return id
				}
				if shown != "" {
					return shown
				}
				return "@" + target[1:]
			}
			if shown != "" {
				return shown
			}
			return strings.TrimPrefix(target, "mailto:")
		})
	}
	return plainText.Replace(text)
}
