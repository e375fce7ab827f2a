package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// What a command can hold.
// Source: https://discord.com/developers/docs/interactions/application-commands
const (
	maxChoices    = 25
	maxOptionHelp = 100
	maxOptionLen  = 6000
	// Source: Int53Type of https://github.com/discord/discord-api-spec
	maxOptionNumber = 1<<53 - 1
)

const commandName = "hoster"

// registerEvery is the pause between tries where Discord does not let the bot
// register: somebody has to invite it first.
const registerEvery = time.Minute

// need is a permission of the bot.
type need struct {
	bit  int64
	name string
}

// missing names the permissions that are not among perms.
func missing(perms int64, needs []need) []string {
	var out []string
	for _, n := range needs {
		if perms&n.bit == 0 {
			out = append(out, n.name)
		}
	}
	return out
}

// named are permissions in a sentence: "the permissions A, B and C".
func named(lack []string) string {
	if len(lack) == 1 {
		return "the permission " + lack[0]
	}
	last := len(lack) - 1
	return "the permissions " + strings.Join(lack[:last], ", ") + " and " + lack[last]
}

// Permissions are what the bot needs, and all that it uses:
//
//   - View Channel, Send Messages, Embed Links: cards and edits
//   - Create Public Threads, Send Messages in Threads: the thread of an operation
//   - Attach Files: tables as files
//   - Read Message History: an answer to a message where there can be no thread,
//     and finding a message whose post had no answer
const Permissions = discordgo.PermissionViewChannel | discordgo.PermissionSendMessages | discordgo.PermissionEmbedLinks |
	discordgo.PermissionCreatePublicThreads | discordgo.PermissionSendMessagesInThreads | discordgo.PermissionAttachFiles | discordgo.PermissionReadMessageHistory

// InviteURL is the address at which an application is added to a server.
func InviteURL(application string) string {
	q := url.Values{"client_id": {application}, "scope": {"bot applications.commands"}, "permissions": {strconv.FormatInt(Permissions, 10)}}
	return "https://discord.com/oauth2/authorize?" + q.Encode()
}

// bits are permissions, which Discord writes as a string.
type bits int64

// UnmarshalJSON takes a number too.
func (b *bits) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	if err != nil {
		return errNoJSON
	}
	*b = bits(n)
	return nil
}

// Command is /hoster as Discord takes it, made of the command table: a noun is
// a group, a verb a subcommand, a parameter a typed option. It fails where the
// table does not fit.
func Command(catalogue *bot.Catalogue) (*discordgo.ApplicationCommand, error) {
	root := &discordgo.ApplicationCommand{Name: commandName, Type: discordgo.ChatApplicationCommand, Description: "Look at servers and change them"}
	groups := make(map[string]*discordgo.ApplicationCommandOption)
	for _, cmd := range catalogue.All() {
		sub := &discordgo.ApplicationCommandOption{
			Type: discordgo.ApplicationCommandOptionSubCommand, Name: cmd.Words, Description: cmd.Summary, Options: options(cmd),
		}
		noun, verb, two := strings.Cut(cmd.Words, " ")
		if !two {
			root.Options = append(root.Options, sub)
			continue
		}
		sub.Name = verb
		g, known := groups[noun]
		if !known {
			g = &discordgo.ApplicationCommandOption{Type: discordgo.ApplicationCommandOptionSubCommandGroup, Name: noun, Description: "Commands about " + noun}
			groups[noun] = g
			root.Options = append(root.Options, g)
		}
		g.Options = append(g.Options, sub)
	}
	return root, check(root)
}

// options are the parameters of a command, those first that are needed.
// Secrets are asked for in a form.
func options(cmd *bot.Command) []*discordgo.ApplicationCommandOption {
	var out []*discordgo.ApplicationCommandOption
	for i := range cmd.Params {
		p := &cmd.Params[i]
		if p.Secret || p.Kind == nil {
			continue
		}
		o := &discordgo.ApplicationCommandOption{Type: discordgo.ApplicationCommandOptionString, Name: p.Name, Description: p.Summary, Required: p.Required}
		switch p.Kind.Type {
		case bot.Flag:
			o.Type = discordgo.ApplicationCommandOptionBoolean
		case bot.Integer:
			o.Type = discordgo.ApplicationCommandOptionInteger
			if p.Kind.Min != 0 || p.Kind.Max != 0 {
				least := float64(p.Kind.Min)
				o.MinValue, o.MaxValue = &least, min(float64(p.Kind.Max), maxOptionNumber)
			}
		case bot.Number:
			o.Type = discordgo.ApplicationCommandOptionNumber
		default:
			o.MaxLength = 100
			if p.Kind.MaxLen > 0 {
				o.MaxLength = min(p.Kind.MaxLen, maxOptionLen)
			}
		}
		switch {
		case p.Kind.Type == bot.Flag:
		case p.Kind.Complete != nil:
			o.Autocomplete = true
		default:
			for _, c := range p.Kind.Choices {
				if choice, ok := optionChoice(c, p.Kind.Type); ok {
					o.Choices = append(o.Choices, choice)
				}
			}
		}
		out = append(out, o)
	}
	slices.SortStableFunc(out, func(a, b *discordgo.ApplicationCommandOption) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

// number is a number as JSON writes it.
func number(text string) (any, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// Characters is how many characters Discord counts of a command: all names,
// descriptions and values, of which 8,000 are allowed.
func Characters(cmd *discordgo.ApplicationCommand) int {
	n := size(cmd.Name) + size(cmd.Description)
	var count func([]*discordgo.ApplicationCommandOption)
	count = func(options []*discordgo.ApplicationCommandOption) {
		for _, o := range options {
			n += size(o.Name) + size(o.Description)
			for _, c := range o.Choices {
				n += size(c.Name) + size(fmt.Sprint(c.Value))
			}
			count(o.Options)
		}
	}
	count(cmd.Options)
	return n
}

// maxCharacters is what Characters may give.
const maxCharacters = 8000

// check tells what Discord would refuse of a command.
func check(cmd *discordgo.ApplicationCommand) error {
	var problems []error
	if n := Characters(cmd); n > maxCharacters {
		problems = append(problems, fmt.Errorf("%d characters in all, of %d", n, maxCharacters))
	}
	var look func(path string, options []*discordgo.ApplicationCommandOption)
	look = func(path string, options []*discordgo.ApplicationCommandOption) {
		names := make(map[string]bool)
		if len(options) > maxOptions {
			problems = append(problems, fmt.Errorf("%s has %d options, of %d", path, len(options), maxOptions))
		}
		for _, o := range options {
			at := path + " " + o.Name
			switch {
			case names[o.Name]:
				problems = append(problems, fmt.Errorf("%s stands twice", at))
			case !optionName(o.Name):
				problems = append(problems, fmt.Errorf("%s is no name for Discord", at))
			case size(o.Description) < 1 || size(o.Description) > maxOptionHelp:
				problems = append(problems, fmt.Errorf("%s: a description has 1 to %d characters", at, maxOptionHelp))
			case len(o.Choices) > maxChoices:
				problems = append(problems, fmt.Errorf("%s has %d choices, of %d", at, len(o.Choices), maxChoices))
			}
			names[o.Name] = true
			look(at, o.Options)
		}
	}
	look("/"+cmd.Name, cmd.Options)
	return errors.Join(problems...)
}

func optionName(name string) bool {
	if name == "" || len(name) > 32 {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return true
}

// shape is a command as far as we have a say in it, to be compared.
func shape(cmd *discordgo.ApplicationCommand) any {
	type mine struct {
		Description string
		Options     any
	}
	var of func([]*discordgo.ApplicationCommandOption) []any
	of = func(options []*discordgo.ApplicationCommandOption) []any {
		out := make([]any, len(options))
		for i, o := range options {
			choices := make([]any, len(o.Choices))
			for i, c := range o.Choices {
				choices[i] = []string{c.Name, plainNumber(c.Value)}
			}
			least, shortest := "", 0
			if o.MinValue != nil {
				least = plainNumber(*o.MinValue)
			}
			if o.MinLength != nil {
				shortest = *o.MinLength
			}
			out[i] = []any{o.Type, o.Name, o.Description, o.Required, o.Autocomplete, choices, least, o.MaxValue, shortest, o.MaxLength, of(o.Options)}
		}
		return out
	}
	return mine{cmd.Description, of(cmd.Options)}
}

// plainNumber is a choice's value, the same before and after JSON.
func plainNumber(v any) string {
	if n, ok := v.(int64); ok {
		v = float64(n)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// register sees to it that every guild has /hoster as it is now, until ctx
// ends.
func (a *Adapter) register(ctx context.Context) {
	wanted, err := Command(a.opts.Catalogue)
	if err != nil {
		a.log.Error("/hoster does not fit into a command of Discord", "err", err)
		return
	}
	var all sync.WaitGroup
	for _, g := range a.opts.Guilds {
		all.Go(func() { a.registerIn(ctx, g, wanted) })
	}
	all.Wait()
}

func (a *Adapter) registerIn(ctx context.Context, guild string, wanted *discordgo.ApplicationCommand) {
	for failures := 0; ctx.Err() == nil; failures++ {
		changed, err := a.registerOnce(ctx, guild, wanted)
		if err == nil {
			a.lack(guild, "")
			if changed {
				a.log.Info("/hoster is registered", "guild", guild, "characters", Characters(wanted))
			}
			return
		}
		wait := max(adapters.Backoff(failures+1), retryAfter(err))
		why := "Discord did not take it"
		if forbiddenCodes[code(err)] || status(err) == http.StatusForbidden || status(err) == http.StatusNotFound {
			wait, why = registerEvery, "the bot was not added to it: open "+InviteURL(a.me.Get().app)
		}
		if ctx.Err() == nil {
			a.lack(guild, why)
			a.log.Warn("/hoster is not registered", "guild", guild, "why", why, "err", err)
		}
		if a.clock.Sleep(ctx, wait) != nil {
			return
		}
	}
}

// lack notes why a guild does not have /hoster; "": it has.
func (a *Adapter) lack(guild, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.lacking, guild)
	if why != "" {
		a.lacking[guild] = why
	}
}

// registerOnce writes /hoster where it is not as it should be. Other commands
// of the application are left alone.
func (a *Adapter) registerOnce(ctx context.Context, guild string, wanted *discordgo.ApplicationCommand) (changed bool, err error) {
	c, same, err := a.registered(ctx, guild, wanted)
	switch {
	case err != nil:
		return false, err
	case same:
		return false, nil
	case c != nil:
		if !snowflake.MatchString(c.ID) {
			return false, errors.New("list commands: the answer names no command")
		}
		edit := *wanted
		edit.Type = 0 // an edit has none
		err := a.do(ctx, request{method: http.MethodPatch, url: discordgo.EndpointApplicationGuildCommand(a.me.Get().app, guild, c.ID), body: &edit, urgency: result})
		if err != nil {
			return false, fmt.Errorf("edit the command: %w", err)
		}
		return true, nil
	}
	if err := a.do(ctx, request{method: http.MethodPost, url: discordgo.EndpointApplicationGuildCommands(a.me.Get().app, guild), body: wanted, urgency: result}); err != nil {
		return false, fmt.Errorf("create the command: %w", err)
	}
	return true, nil
}

// registered is /hoster as a guild has it, nil for not at all, and whether that
// is as it should be.
func (a *Adapter) registered(ctx context.Context, guild string, wanted *discordgo.ApplicationCommand) (there *discordgo.ApplicationCommand, same bool, err error) {
	var all []*discordgo.ApplicationCommand
	if err := a.get(ctx, discordgo.EndpointApplicationGuildCommands(a.me.Get().app, guild), &all); err != nil {
		return nil, false, fmt.Errorf("list commands: %w", err)
	}
	for _, c := range all {
		if c != nil && c.Name == wanted.Name && (c.Type == wanted.Type || c.Type == 0) {
			return c, reflect.DeepEqual(shape(c), shape(wanted)), nil
		}
	}
	return nil, false, nil
}
