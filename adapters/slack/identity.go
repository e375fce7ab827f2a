package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// How long what Slack said of somebody or something is believed.
const (
	usersFor    = 5 * time.Minute
	channelsFor = time.Minute
	hiddenFor   = 5 * time.Second // channels that the bot cannot see: it may be invited any moment
	groupsFor   = time.Minute
	directsFor  = time.Hour
	askFor      = 5 * time.Second
)

// account is who somebody is: by the IDs of workspace and member. Guests,
// bots and members of other workspaces are marked. An error means that Slack
// did not say: whoever it is must be refused.
func (a *Adapter) account(ctx context.Context, team, user string) (bot.Account, error) {
	acc := bot.Account{Platform: platform, Team: team, User: user}
	if team == "" || user == "" {
		return acc, fmt.Errorf("the payload names no account")
	}
	guest, err := a.users.Get(ctx, user, func(ctx context.Context) (bool, error) {
		if err := a.limits.enter(ctx, methodUsers, "", result); err != nil {
			return false, err
		}
		u, err := a.api.GetUserInfoContext(ctx, user)
		if err != nil {
			a.limits.pause(methodUsers, "", retryAfter(err))
			return false, fmt.Errorf("%s %s: %w", methodUsers, user, adapters.Quiet(err))
		}
		return a.outsider(u), nil
	})
	acc.Guest = guest || team != a.team()
	return acc, err
}

// outsider tells whether a user is no full member of the bot's workspace.
func (a *Adapter) outsider(u *slack.User) bool {
	home := a.team()
	return u.IsBot || u.IsWorkflowBot || u.IsConnectorBot || u.IsRestricted || u.IsUltraRestricted || u.IsStranger || u.Deleted ||
		u.TeamID != "" && u.TeamID != home && !slices.Contains(u.Enterprise.Teams, home)
}

// channel is what has to be known of a channel.
type channel struct {
	member   bool // the bot is in it
	archived bool
	shared   bool // people of other companies are in it
	readOnly bool
	hidden   bool // the bot cannot see it
	few      bool // a conversation of a few people, of which the bot needs to know nothing
}

func keepChannel(c channel) time.Duration {
	if c.hidden {
		return hiddenFor
	}
	return channelsFor
}

func (a *Adapter) lookAt(id string) func(context.Context) (channel, error) {
	return func(ctx context.Context) (channel, error) {
		if err := a.limits.enter(ctx, methodChannels, "", result); err != nil {
			return channel{}, err
		}
		c, err := a.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
		switch code(err) {
		case "channel_not_found": // so Slack calls a private channel without the bot
			return channel{hidden: true, shared: true}, nil
		case "missing_scope": // of channels it has them
			return channel{hidden: true, shared: true, few: true}, nil
		}
		if err != nil {
			a.limits.pause(methodChannels, "", retryAfter(err))
			return channel{}, fmt.Errorf("%s %s: %w", methodChannels, id, adapters.Quiet(err))
		}
		return channel{
			member: c.IsMember || c.IsIM || c.IsMpIM, archived: c.IsArchived, readOnly: c.IsReadOnly,
			shared: c.IsExtShared,
		}, nil
	}
}

// place is where a user said something. A channel of which Slack says nothing
// counts as shared with outsiders, and so does a conversation of two people
// that is not with the bot.
func (a *Adapter) place(ctx context.Context, user string, from origin) bot.Place {
	var p bot.Place
	p.Platform, p.Team, p.Channel = platform, a.team(), from.Channel
	if direct(from) {
		own, err := a.directWith(ctx, user)
		p.Direct = err == nil && own == from.Channel
		p.Shared = !p.Direct
		if err != nil {
			a.log.Warn("conversation counts as shared", "channel", from.Channel, "err", err)
		}
		return p
	}
	c, err := a.channels.Get(ctx, from.Channel, a.lookAt(from.Channel))
	p.Shared = err != nil || c.shared
	if err != nil {
		a.log.Warn("channel counts as shared", "channel", from.Channel, "err", err)
	}
	return p
}

// direct tells whether something was said in a conversation of two.
func direct(from origin) bool {
	return strings.HasPrefix(from.Channel, "D") || from.Name == "directmessage"
}

// directWith is the private conversation of the bot with somebody.
func (a *Adapter) directWith(ctx context.Context, user string) (string, error) {
	return a.directs.Get(ctx, user, func(ctx context.Context) (string, error) {
		if err := a.limits.enter(ctx, methodDirect, "", result); err != nil {
			return "", err
		}
		c, _, _, err := a.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user}})
		if err != nil {
			a.limits.pause(methodDirect, "", retryAfter(err))
			return "", fmt.Errorf("%s: %w", methodDirect, adapters.Quiet(err))
		}
		if c == nil || c.ID == "" {
			return "", fmt.Errorf("%s: the answer names no channel", methodDirect)
		}
		return c.ID, nil
	})
}

// CanPost implements bot.Adapter. A no is asked for again each time, so that
// an invitation works at once.
func (a *Adapter) CanPost(ctx context.Context, p bot.Place) error {
	if err := a.me.Wait(ctx, waitResult); err != nil {
		return bot.Errorf(bot.Unavailable, "The bot is not connected to Slack yet. Try again in a minute.").Because(err)
	}
	if p.Platform != platform || p.Team != "" && p.Team != a.team() && !p.Direct {
		return bot.Errorf(bot.Forbidden, "The bot is not in the Slack workspace of %s.", bot.Code(p.String())).
			WithHint("It is in %s: name that one in the policy, or set the tokens of the other.", bot.Code(a.team()))
	}
	if p.Direct {
		return nil
	}
	c, err := a.channels.Get(ctx, p.Channel, a.lookAt(p.Channel))
	if err == nil && (!c.member || c.archived || c.readOnly) {
		c, err = a.channels.Refresh(ctx, p.Channel, a.lookAt(p.Channel))
	}
	switch {
	case err != nil:
		return bot.Errorf(bot.Unavailable, "Slack does not say whether the bot may post there. Nothing was done: try again in a minute.").Because(err)
	case c.archived:
		return bot.Errorf(bot.Forbidden, "That channel is archived, so nobody can post there.").WithHint("Use another channel, or take this one out of the archive.")
	case c.readOnly:
		return bot.Errorf(bot.Forbidden, "Only some people may post in that channel, and the bot is not one of them.").WithHint("Allow it in the channel's settings, or use another channel.")
	case c.few, !c.member && strings.HasPrefix(p.Channel, "D"):
		return bot.Errorf(bot.Forbidden, "The bot is not part of that conversation, so it cannot post there.").WithHint("Type the command in a channel, or to the bot itself.")
	case !c.member:
		return bot.Errorf(bot.Forbidden, "The bot is not in that channel, so it cannot post there.").WithHint("Type %s in it, and try again.", bot.Code(a.invite()))
	}
	return nil
}

// invite is what somebody types to let the bot into a channel.
func (a *Adapter) invite() string {
	if name := a.me.Get().User; name != "" {
		return "/invite @" + name
	}
	return "/invite @hosterbot"
}

// Member implements bot.Adapter: members of a user group, asked for once a
// minute.
func (a *Adapter) Member(ctx context.Context, g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error) {
	if err := a.me.Wait(ctx, waitResult); err != nil {
		return bot.MemberUnknown, err
	}
	team, id, ok := strings.Cut(g.ID, "/")
	if !ok || g.Platform != platform || team != a.team() {
		return bot.MemberUnknown, fmt.Errorf("group %s: not of this workspace", g.Name)
	}
	members, err := a.groups.Get(ctx, id, func(ctx context.Context) (map[string]bool, error) {
		if err := a.limits.enter(ctx, methodGroups, "", result); err != nil {
			return nil, err
		}
		users, err := a.api.GetUserGroupMembersContext(ctx, id)
		if err != nil {
			a.limits.pause(methodGroups, "", retryAfter(err))
			return nil, fmt.Errorf("%s %s: %w", methodGroups, id, adapters.Quiet(err))
		}
		return set(users...), nil
	})
	if err != nil {
		return bot.MemberUnknown, err
	}
	for _, acc := range accounts {
		if user, ok := strings.CutPrefix(acc.ID, team+"/"); ok && acc.Platform == platform && members[user] {
			return bot.MemberYes, nil
		}
	}
	return bot.MemberNo, nil
}
