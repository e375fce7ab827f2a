package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// Bounds on what is taken from a payload.
const (
	maxOptions = 25
	maxParts   = 40
	maxTyped   = 6000 // characters of a value: Discord's own bound of an option
)

// incoming is an interaction. It is not discordgo's: that one does not know
// the parts of today's forms, where something was said, or how to go on after
// a field that it cannot read.
// Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object
type incoming struct {
	ID        string                    `json:"id"`
	App       string                    `json:"application_id"`
	Type      discordgo.InteractionType `json:"type"`
	Token     string                    `json:"token"`
	GuildID   string                    `json:"guild_id"`
	ChannelID string                    `json:"channel_id"`
	Channel   struct {
		ID       string                `json:"id"`
		Type     discordgo.ChannelType `json:"type"`
		ParentID string                `json:"parent_id"`
	} `json:"channel"`
	Context        *discordgo.InteractionContextType `json:"context"`
	AppPermissions string                            `json:"app_permissions"`
	Member         *struct {
		User  person   `json:"user"`
		Roles []string `json:"roles"`
	} `json:"member"`
	User    *person `json:"user"`
	Message *struct {
		ID    string                 `json:"id"`
		Flags discordgo.MessageFlags `json:"flags"`
	} `json:"message"`
	Data struct {
		Name       string                           `json:"name"`
		Type       discordgo.ApplicationCommandType `json:"type"`
		Options    []option                         `json:"options"`
		CustomID   string                           `json:"custom_id"`
		Components []part                           `json:"components"`
	} `json:"data"`
}

type person struct {
	ID  string `json:"id"`
	Bot bool   `json:"bot"`
}

type option struct {
	Name    string                                 `json:"name"`
	Type    discordgo.ApplicationCommandOptionType `json:"type"`
	Value   json.RawMessage                        `json:"value"`
	Options []option                               `json:"options"`
	Focused bool                                   `json:"focused"`
}

// part is a part of a form that was sent.
type part struct {
	CustomID   string   `json:"custom_id"`
	Value      string   `json:"value"`
	Values     []string `json:"values"`
	Component  *part    `json:"component"`
	Components []part   `json:"components"`
}

// sort is what a call is.
type sort int

const (
	ignored sort = iota
	command
	press
	submission
	lookup
)

// call is what a person did, whatever kind of payload told of it.
type call struct {
	sort           sort
	id, app, token string
	key            string
	guild, user    string
	channel        string // where it was said; a thread is a channel too
	parent         string // the channel of that thread
	kind           discordgo.ChannelType
	direct, apart  bool // with the bot alone; in a conversation of others
	machine        bool // no person
	roles          []string
	perms          int64     // of the bot there; 0: not said
	at             time.Time // when it was made
	came           time.Time // here
	on             string    // the message that was pressed, or that led to the form
	public         bool      // everybody sees it
	words          string
	args           []bot.Arg
	code           string
	values         map[string]string
	secrets        map[string]secret.Secret
	param, prefix  string
}

// parse makes a call of an interaction.
func parse(data []byte) (call, error) {
	var in incoming
	if err := json.Unmarshal(data, &in); err != nil {
		return call{}, fmt.Errorf("interaction: %w", errNoJSON)
	}
	if !snowflake.MatchString(in.ID) || in.Token == "" || strings.ContainsAny(in.Token, "/?#% ") {
		return call{}, errors.New("interaction: it has no ID or no token")
	}
	c := call{
		id: in.ID, app: in.App, token: in.Token, key: platform + "/" + in.ID, guild: in.GuildID,
		channel: in.ChannelID, kind: in.Channel.Type, at: madeAt(in.ID),
	}
	if c.channel == "" {
		c.channel = in.Channel.ID
	}
	if c.kind == discordgo.ChannelTypeGuildPublicThread || c.kind == discordgo.ChannelTypeGuildPrivateThread || c.kind == discordgo.ChannelTypeGuildNewsThread {
		c.parent = in.Channel.ParentID
	}
	c.perms, _ = strconv.ParseInt(in.AppPermissions, 10, 64)
	switch {
	case in.Member != nil && c.guild != "":
		c.user, c.machine, c.roles = in.Member.User.ID, in.Member.User.Bot, in.Member.Roles
	case in.User != nil && c.guild == "":
		c.user, c.machine = in.User.ID, in.User.Bot
		c.direct = in.Context == nil && in.Channel.Type != discordgo.ChannelTypeGroupDM || in.Context != nil && *in.Context == discordgo.InteractionContextBotDM
		c.apart = !c.direct
	}
	if !snowflake.MatchString(c.user) || !snowflake.MatchString(c.channel) {
		return call{}, errors.New("interaction: it names no account or no channel")
	}
	if in.Message != nil {
		c.on, c.public = in.Message.ID, in.Message.Flags&discordgo.MessageFlagsEphemeral == 0
	}
	switch in.Type {
	case discordgo.InteractionApplicationCommand, discordgo.InteractionApplicationCommandAutocomplete:
		if in.Data.Name != commandName || in.Data.Type != discordgo.ChatApplicationCommand && in.Data.Type != 0 {
			return c, nil // another tool's, where the application is shared
		}
		c.sort = command
		if in.Type == discordgo.InteractionApplicationCommandAutocomplete {
			c.sort = lookup
		}
		return c, c.typed(in.Data.Options)
	case discordgo.InteractionMessageComponent:
		c.sort, c.code = press, in.Data.CustomID
	case discordgo.InteractionModalSubmit:
		c.sort, c.code = submission, in.Data.CustomID
		c.values, c.secrets = make(map[string]string), make(map[string]secret.Secret)
		left := maxParts
		c.filled(in.Data.Components, &left)
	}
	return c, nil
}

// typed takes over the command and its options.
func (c *call) typed(options []option) error {
	var words []string
	for len(options) == 1 && len(words) < 2 && (options[0].Type == discordgo.ApplicationCommandOptionSubCommandGroup || options[0].Type == discordgo.ApplicationCommandOptionSubCommand) {
		o := options[0]
		words, options = append(words, o.Name), o.Options
		if o.Type == discordgo.ApplicationCommandOptionSubCommand {
			break
		}
	}
	if len(words) == 0 || len(options) > maxOptions {
		return errors.New("interaction: no command is named")
	}
	c.words = strings.Join(words, " ")
	for _, o := range options {
		value, err := o.text()
		if err != nil {
			return err
		}
		if o.Focused {
			c.param, c.prefix = o.Name, value
			continue
		}
		c.args = append(c.args, bot.Arg{Name: o.Name, Value: value})
	}
	return nil
}

// text is the value of an option as it would be typed.
func (o *option) text() (string, error) {
	if len(o.Value) > 4*maxTyped {
		return "", errors.New("interaction: a value is too long")
	}
	raw := strings.TrimSpace(string(o.Value))
	if strings.HasPrefix(raw, `"`) {
		var text string
		if json.Unmarshal(o.Value, &text) != nil {
			return "", fmt.Errorf("interaction: %w", errNoJSON)
		}
		return plainText.Replace(text), nil
	}
	if strings.HasPrefix(raw, "{") || strings.HasPrefix(raw, "[") || raw == "null" {
		return "", fmt.Errorf("interaction: %w", errNoJSON)
	}
	return raw, nil // a number, true or false
}

// plainText undoes what clients put into a typed text: blanks that are none,
// and characters that nobody sees.
var plainText = strings.NewReplacer("\u00a0", " ", "\u202f", " ", "\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "")

// filled takes over what stands in the form.
func (c *call) filled(parts []part, left *int) {
	for i := range parts {
		if *left--; *left < 0 {
			return
		}
		p := &parts[i]
		if p.Component != nil {
			c.filled([]part{*p.Component}, left)
		}
		if len(p.Components) > 0 {
			c.filled(p.Components, left)
		}
		value := p.Value
		if len(p.Values) > 0 {
			value = p.Values[0]
		}
		if name, ok := strings.CutPrefix(p.CustomID, secretField); ok {
			c.secrets[name] = secret.New(value)
		} else if name, ok := strings.CutPrefix(p.CustomID, valueField); ok {
			c.values[name] = value
		}
	}
}

// madeAt is when something got its ID.
// Source: https://discord.com/developers/docs/reference#snowflakes
func madeAt(id string) time.Time {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(n>>22) + 1420070400000).UTC()
}

// age is how old an interaction is, by Discord's clock.
func (a *Adapter) age(c *call) time.Duration {
	return a.clock.Now().Add(time.Duration(a.skew.Load())).Sub(c.at)
}

// interaction does what an interaction asks for. It never waits. The first
// answer goes to sink; nil: to the API. It is false for what is not answered.
func (a *Adapter) interaction(ctx context.Context, h bot.Handler, data []byte, sink sink) bool {
	c, err := parse(data)
	switch {
	case err != nil:
		a.log.Warn("discord payload not understood", "err", err)
		return false
	case c.sort == ignored, c.app != a.me.Get().app:
		return false
	case !a.calls.first(c.id):
		return false
	}
	if a.age(&c).Abs() > strangeAge {
		c.at = a.clock.Now().Add(time.Duration(a.skew.Load()))
	}
	if late := a.age(&c); late > firstWithin {
		// Discord has told the person long ago that it failed, and takes no
		// answer any more: so it must not run either.
		a.log.Warn("an interaction came too late and does not run", "late", late.Round(time.Millisecond))
		return false
	}
	if sink == nil {
		sink = a.callback(&c)
	}
	if !a.calls.Call(c.sort != command, func(since time.Time) bot.Rest { return a.take(ctx, h, c, since, sink) }) {
		return a.calls.Busy(func() { a.overloaded(ctx, c, sink) })
	}
	return true
}

// take makes the bot do what an interaction asks for that came at since, and
// returns what is left to do then.
func (a *Adapter) take(ctx context.Context, h bot.Handler, c call, since time.Time, sink sink) (rest bot.Rest) {
	s := a.answerTo(c, since, sink)
	defer func() {
		if rest.Run == nil {
			s.end(ctx)
		}
	}()
	defer adapters.Recovered(a.log)
	c.came = since
	if left := a.handle(ctx, h, c, s); left.Run != nil {
		return bot.Rest{Asks: left.Asks, Run: func() {
			defer s.end(ctx)
			defer adapters.Recovered(a.log)
			left.Run()
		}}
	}
	return rest
}

func (a *Adapter) handle(ctx context.Context, h bot.Handler, c call, s *answer) (rest bot.Rest) {
	later := func(left bot.Rest) { rest = left }
	who, where, refusal := a.whoWhere(ctx, &c)
	if c.sort == lookup {
		var found []bot.Choice
		if refusal == nil {
			found = h.Complete(ctx, bot.Completion{Account: who, Place: where, Words: c.words, Param: c.param, Prefix: c.prefix, Args: c.args})
		}
		s.choices(ctx, a.choices(&c, found))
		return rest
	}
	if refusal != nil {
		s.say(ctx, *refusal)
		return rest
	}
	switch c.sort {
	case command:
		h.Handle(ctx, bot.Request{Key: c.key, Account: who, Place: where, Words: c.words, Args: c.args, Came: c.came, Answer: s, Later: later})
	case press:
		if key, ok := strings.CutPrefix(c.code, formButton); ok {
			s.formAgain(ctx, key)
			return rest
		}
		h.Press(ctx, bot.Press{Key: c.key, Account: who, Place: where, Code: c.code, Came: c.came, Answer: s, Later: later})
	case submission:
		h.Submit(ctx, bot.Submission{Key: c.key, Account: who, Place: where, Code: c.code, Values: c.values, Secrets: c.secrets, Came: c.came, Answer: s, Later: later})
	}
	return rest
}

// overloaded says at once that there is too much to do.
func (a *Adapter) overloaded(ctx context.Context, c call, sink sink) {
	s := a.answerTo(c, a.clock.Now(), sink)
	defer s.end(ctx)
	if c.sort == lookup {
		s.choices(ctx, []*discordgo.ApplicationCommandOptionChoice{})
		return
	}
	s.say(ctx, adapters.Busy())
}

// choices are choices as Discord takes them: numbers for an option that is
// one.
func (a *Adapter) choices(c *call, found []bot.Choice) []*discordgo.ApplicationCommandOptionChoice {
	kind := bot.Text
	if cmd, ok := a.opts.Catalogue.Find(c.words); ok {
		if p, ok := cmd.Param(c.param); ok && p.Kind != nil {
			kind = p.Kind.Type
		}
	}
	out := make([]*discordgo.ApplicationCommandOptionChoice, 0, min(len(found), maxChoices))
	for _, f := range found {
		if len(out) == maxChoices {
			break
		}
		if choice, ok := optionChoice(f, kind); ok {
			out = append(out, choice)
		}
	}
	return out
}
