//lint:file-ignore ST1005 an error begins with the name Slack

package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"hosterbot/adapters"
	"hosterbot/bot"
)

var _ bot.Examined = (*Adapter)(nil)

// Checks implements bot.Examined. Each looks for itself; who the bot is, is
// asked once. The address of a socket is asked for and not used.
func (a *Adapter) Checks(n bot.Needs) []bot.Check {
	ask := &introduction{a: a}
	checks := []bot.Check{
		{Name: botSetting, Run: ask.token},
		{Name: "Slack scopes", Run: ask.scopes},
	}
	if a.overHTTP() {
		checks = append(checks, bot.Check{Name: signingSetting, Run: func(context.Context) (string, error) {
			return "is set; only a request from Slack shows whether it is right", nil
		}})
	} else {
		checks = append(checks, bot.Check{Name: appSetting, Run: func(ctx context.Context) (string, error) {
			if _, err := a.openURL(ctx); err != nil {
				return "", unreachable(err)
			}
			return "Slack takes it for Socket Mode", nil
		}})
	}
	checks = append(checks, adapters.PlaceChecks(n, platform, ask.known, a.CanPost)...)
	for _, g := range n.Groups {
		if g.Platform != platform {
			continue
		}
		checks = append(checks, bot.Check{Name: "group " + g.Name, Run: func(ctx context.Context) (string, error) {
			if err := ask.known(ctx); err != nil {
				return "", err
			}
			if _, err := a.Member(ctx, g, nil); err != nil {
				return "", fmt.Errorf("the members of %s cannot be read (%w): the group's ID belongs under groups in the policy, as slack_usergroup: TEAM/GROUP", bot.Clean(g.ID), adapters.Quiet(err))
			}
			return "its members can be read", nil
		}})
	}
	return checks
}

// introduction asks Slack once who the bot is.
type introduction struct {
	a    *Adapter
	once sync.Once
	me   *self
	err  error
}

func (i *introduction) ask(ctx context.Context) (*self, error) {
	i.once.Do(func() {
		if i.me, i.err = i.a.ask(ctx); i.err == nil {
			i.a.me.Meet(i.me)
		}
	})
	return i.me, i.err
}

func (i *introduction) token(ctx context.Context) (string, error) {
	me, err := i.ask(ctx)
	if err != nil {
		return "", unreachable(err)
	}
	return bot.Clean(fmt.Sprintf("is of %s in the workspace %s (%s)", me.User, me.Team, me.TeamID)), nil
}

func (i *introduction) scopes(ctx context.Context) (string, error) {
	me, err := i.ask(ctx)
	if err != nil {
		return "", errFirst
	}
	switch missing := me.lacks(); {
	case len(missing) > 0:
		return "", errors.New("SLACK_BOT_TOKEN " + scopesMissing(missing))
	case me.scopes == nil:
		return "Slack does not say which there are", nil
	case !slices.ContainsFunc(me.scopes, func(s string) bool { return strings.HasSuffix(s, ":history") }):
		return "all that are needed; channels:history and groups:history are optional", nil
	}
	return "all that are needed", nil
}

// known fails where it is no use to ask for more.
func (i *introduction) known(ctx context.Context) error {
	if _, err := i.ask(ctx); err != nil {
		return errFirst
	}
	return nil
}

var errFirst = errors.New("not known while SLACK_BOT_TOKEN does not work: mend that first")

// unreachable says what to do where the fault lies on the way.
func unreachable(err error) error {
	var fatal *adapters.FatalError
	if errors.As(err, &fatal) {
		return errors.New(fatal.Text)
	}
	return fmt.Errorf("Slack cannot be asked (%w): look at the network, a proxy and SLACK_API_URL", adapters.Quiet(err))
}
