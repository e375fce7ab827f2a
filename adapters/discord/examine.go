package discord

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

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
		once.Do(func() { failed = a.Check(ctx) })
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
			return bot.Clean("is of " + a.self().name), nil
		}},
		{Name: "Discord application", Run: func(ctx context.Context) (string, error) {
			if err := known(ctx); err != nil {
				return "", err
			}
			return a.self().settings(a.opts.PublicKey != nil)
		}},
	}
	for _, id := range a.opts.Guilds {
		checks = append(checks, bot.Check{Name: "Discord server " + id, Run: func(ctx context.Context) (string, error) {
			if err := known(ctx); err != nil {
				return "", err
			}
			if _, err := a.guilds.Refresh(ctx, id, a.lookGuild(id)); err != nil {
				return "", fmt.Errorf("cannot be read (%w): add the bot to it with the link that README shows", adapters.Quiet(err))
			}
			return "the bot is in it", nil
		}})
	}
	checks = append(checks, adapters.PlaceChecks(n, platform, known, a.CanPost)...)
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

// settings says what is wrong with the application itself.
func (s self) settings(overHTTP bool) (string, error) {
	switch {
	case s.public:
		return "", errors.New("anybody may add this bot to a server: switch Public Bot off (Discord Developer Portal, Bot)")
	case overHTTP && !s.endpoint:
		return "", errors.New("it has no Interactions Endpoint URL, so Discord calls nobody: enter the address of HOSTERBOT_CHAT_LISTEN with /discord/interactions (Discord Developer Portal, General Information)")
	}
	return "nobody else can add it", nil
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
