package discord

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
)

var _ bot.Examined = (*Adapter)(nil)

var errFirst = errors.New("not known while DISCORD_BOT_TOKEN does not work: mend that first")

// Checks implements bot.Examined. Who the bot is, is asked once; the Gateway is
// left alone.
func (a *Adapter) Checks(n bot.Needs) []bot.Check {
	var once sync.Once
	var failed error
	ask := func(ctx context.Context) error {
		once.Do(func() {
			var me *self
			if me, failed = a.ask(ctx); failed == nil {
				a.me.Meet(me)
			}
		})
		return failed
	}
	known := func(ctx context.Context) error {
		if ask(ctx) != nil {
			return errFirst
		}
		return nil
	}
	checks := []bot.Check{
		{Name: "DISCORD_BOT_TOKEN", Run: func(ctx context.Context) (string, error) {
			if err := ask(ctx); err != nil {
				return "", unreachable(err)
			}
			return bot.Clean("is of " + a.me.Get().name), nil
		}},
		{Name: "Discord application", Run: func(ctx context.Context) (string, error) {
			if err := known(ctx); err != nil {
				return "", err
			}
			return a.me.Get().settings(a.opts.PublicKey)
		}},
	}
	for _, id := range a.opts.Guilds {
		checks = append(checks, bot.Check{Name: "Discord server " + id, Run: func(ctx context.Context) (string, error) {
			if err := known(ctx); err != nil {
				return "", err
			}
			return a.examineServer(ctx, id)
		}})
	}
	checks = append(checks, adapters.PlaceChecks(n, platform, known, a.canAll)...)
	for _, g := range n.Groups {
		if g.Platform != platform {
			continue
		}
		checks = append(checks, bot.Check{Name: "group " + g.Name, Run: func(ctx context.Context) (string, error) {
			if err := known(ctx); err != nil {
				return "", err
			}
			return "its server has the role", a.hasRole(ctx, g)
		}})
	}
	return checks
}

// settings says what is wrong with the application itself. key is that of the
// HTTP mode.
func (s self) settings(key ed25519.PublicKey) (string, error) {
	switch {
	case key == nil && s.endpoint:
		return "", errors.New(endpointSet)
	case s.public:
		return "", errors.New("anybody may add this bot to a server: switch Public Bot off (Discord Developer Portal, Bot)")
	case s.otherKey(key):
		return "", errors.New("DISCORD_PUBLIC_KEY is not its public key, so the bot refuses all that Discord sends: copy it anew (Discord Developer Portal, General Information, Public Key)")
	case key != nil && !s.endpoint:
		return "", errors.New("it has no Interactions Endpoint URL, so Discord calls nobody: enter the address of HOSTERBOT_CHAT_LISTEN with /discord/interactions (Discord Developer Portal, General Information)")
	}
	return "nobody else can add it, and no intent is needed", nil
}

// examineServer looks whether the bot was added to a server with both scopes.
func (a *Adapter) examineServer(ctx context.Context, id string) (string, error) {
	if _, err := a.guilds.Refresh(ctx, id, a.lookGuild(id)); err != nil {
		return "", fmt.Errorf("cannot be read (%w): add the bot to it: %s", adapters.Quiet(err), InviteURL(a.me.Get().app))
	}
	wanted, err := Command(a.opts.Catalogue)
	if err != nil {
		return "", err
	}
	there, same, err := a.registered(ctx, id, wanted)
	switch {
	case status(err) == http.StatusForbidden:
		return "", fmt.Errorf("the bot is in it without the scope applications.commands, so it can have no /%s: open %s", commandName, InviteURL(a.me.Get().app))
	case err != nil:
		return "", fmt.Errorf("its commands cannot be read: %w", adapters.Quiet(err))
	case there == nil:
		return "the bot is in it; hosterbot run registers /" + commandName, nil
	case !same:
		return "the bot is in it; hosterbot run brings /" + commandName + " up to date", nil
	}
	return "the bot is in it, and has /" + commandName, nil
}

// canAll is CanPost for all that the bot does in a channel, not the least of
// it.
func (a *Adapter) canAll(ctx context.Context, p bot.Place) error {
	if err := a.CanPost(ctx, p); err != nil {
		return err
	}
	c, err := a.places.Get(ctx, p.Channel, a.look(p.Channel))
	if err != nil {
		return fmt.Errorf("cannot be looked at: %w", adapters.Quiet(err))
	}
	needs := []need{{discordgo.PermissionAttachFiles, "Attach Files"}, {discordgo.PermissionReadMessageHistory, "Read Message History"}}
	if c.threads() {
		needs = append(threadNeeds(), needs...)
	}
	if lack := missing(c.perms, needs); len(lack) > 0 {
		return bot.Errorf(bot.Forbidden, "The bot may post there, and lacks %s.", named(lack)).
			WithHint("Grant it in the channel's settings under Permissions; README says what each is for.")
	}
	return nil
}

// hasRole fails where a group is no role of a served guild.
func (a *Adapter) hasRole(ctx context.Context, g bot.Group) error {
	id, role, ok := strings.Cut(g.ID, "/")
	if !ok || !a.serves(id) {
		return fmt.Errorf("%s is of no server in DISCORD_GUILD_ID: it belongs under groups in the policy, as discord_role: SERVER/ROLE", bot.Clean(g.ID))
	}
	at, err := a.guilds.Get(ctx, id, a.lookGuild(id))
	if err != nil {
		return adapters.Quiet(err)
	}
	if _, there := at.roles[role]; !there {
		return fmt.Errorf("server %s has no role %s: copy the role's ID anew (Developer Mode, right click on the role, Copy Role ID)", id, bot.Clean(role))
	}
	return nil
}

// unreachable says what to do where the fault lies on the way.
func unreachable(err error) error {
	var fatal *adapters.FatalError
	if errors.As(err, &fatal) {
		return errors.New(fatal.Text)
	}
	return fmt.Errorf("no answer from Discord (%w): look at the network, a proxy and DISCORD_API_URL", adapters.Quiet(err))
}
