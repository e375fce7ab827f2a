package discord

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/bot"
)

// How long what Discord said of somebody or something is believed.
const (
	membersFor  = time.Minute
	channelsFor = time.Minute
	guildsFor   = time.Minute
	directsFor  = time.Hour
	threadsFor  = 6 * time.Hour
	askFor      = 1500 * time.Millisecond // before an interaction is answered
)

// member is somebody of a guild.
type member struct {
	there bool
	roles []string
}

// channel is what has to be known of a channel.
type channel struct {
	guild, parent string
	kind          discordgo.ChannelType
	perms         int64 // of the bot
	hidden        bool  // the bot cannot see it
	shut          bool  // a thread that is locked; one that sleeps wakes up
}

func (c *channel) thread() bool { return isThread(c.kind) }

func isThread(kind discordgo.ChannelType) bool {
	return kind == discordgo.ChannelTypeGuildPublicThread || kind == discordgo.ChannelTypeGuildPrivateThread || kind == discordgo.ChannelTypeGuildNewsThread
}

// guild is what has to be known of a guild to tell what the bot may do there.
type guild struct {
	owner string
	roles map[string]int64 // permissions, by role
}

// whoWhere says who did something where. refusal is what they are told if the
// bot does not serve them there: whoever is not told apart is refused.
func (a *Adapter) whoWhere(ctx context.Context, c *call) (who bot.Account, where bot.Place, refusal *bot.Card) {
	who = bot.Account{Platform: platform, Team: c.guild, User: c.user, Guest: c.machine}
	where.Platform, where.Team, where.Channel = platform, c.guild, c.channel
	if c.guild != "" {
		if !a.serves(c.guild) {
			return who, where, &bot.Card{Tone: bot.Bad, Title: "This bot does not serve this server", Lines: []string{"Nothing was done. It obeys only in the servers that its settings name."}}
		}
		a.members.Learn(c.guild+"/"+c.user, member{true, c.roles})
		if c.perms != 0 {
			a.places.Learn(c.channel, channel{guild: c.guild, parent: c.parent, kind: c.kind, perms: c.perms})
		}
		if c.parent != "" && isThread(c.kind) {
			a.threads.Learn(c.channel, threadState{there: true})
			where.Channel = c.parent
			if c.on == "" { // what is typed in a thread goes on there
				where.Thread = c.channel
			}
		}
		return who, where, nil
	}
	where.Direct, where.Shared = c.direct, !c.direct
	if c.apart {
		return who, where, &bot.Card{Tone: bot.Bad, Title: "This bot does not serve conversations of others", Lines: []string{"Nothing was done. Type the command in a channel of the team's server."}}
	}
	// In a direct message nobody says which servers somebody belongs to.
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	for _, g := range a.opts.Guilds {
		m, err := a.member(ctx, g, c.user)
		if err != nil {
			a.log.Warn("account not looked up", "err", err)
			return who, where, &bot.Card{Tone: bot.Bad, Title: "Discord does not say who you are", Lines: []string{"So nothing was done. Try again in a minute."}}
		}
		if m.there {
			who.Team = g
			return who, where, nil
		}
	}
	return who, where, &bot.Card{Tone: bot.Bad, Title: "You are not a member of the server that this bot serves", Lines: []string{"Nothing was done."}}
}

// member looks somebody of a guild up.
func (a *Adapter) member(ctx context.Context, guild, user string) (member, error) {
	return a.members.Get(ctx, guild+"/"+user, func(ctx context.Context) (member, error) {
		var m struct {
			Roles []string `json:"roles"`
		}
		err := a.get(ctx, discordgo.EndpointGuildMember(guild, user), &m)
		if status(err) == http.StatusNotFound {
			return member{}, nil
		}
		if err != nil {
			return member{}, fmt.Errorf("member of %s: %w", guild, err)
		}
		return member{true, m.Roles}, nil
	})
}

// Member implements bot.Adapter: who has a role, by the IDs of the role and
// its guild. A role of the same name elsewhere is another one.
func (a *Adapter) Member(ctx context.Context, g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error) {
	if err := a.me.Wait(ctx, waitResult); err != nil {
		return bot.MemberUnknown, err
	}
	guild, role, ok := strings.Cut(g.ID, "/")
	if !ok || g.Platform != platform || !a.serves(guild) || !snowflake.MatchString(role) {
		return bot.MemberUnknown, fmt.Errorf("group %s: not of a served server", g.Name)
	}
	for _, acc := range accounts {
		if acc.Platform != platform || !snowflake.MatchString(acc.ID) {
			continue
		}
		m, err := a.member(ctx, guild, acc.ID)
		if err != nil {
			return bot.MemberUnknown, err
		}
		if m.there && (role == guild || slices.Contains(m.roles, role)) { // the role of everybody has the guild's ID
			return bot.MemberYes, nil
		}
	}
	return bot.MemberNo, nil
}

// overwrite changes permissions in a channel.
type overwrite struct {
	ID    string                            `json:"id"`
	Type  discordgo.PermissionOverwriteType `json:"type"`
	Allow bits                              `json:"allow"`
	Deny  bits                              `json:"deny"`
}

// look asks Discord about a channel, and counts what the bot may do in it.
func (a *Adapter) look(id string) func(context.Context) (channel, error) {
	return func(ctx context.Context) (channel, error) {
		var c struct {
			GuildID    string                `json:"guild_id"`
			ParentID   string                `json:"parent_id"`
			Type       discordgo.ChannelType `json:"type"`
			Overwrites []overwrite           `json:"permission_overwrites"`
			Meta       struct {
				Locked bool `json:"locked"`
			} `json:"thread_metadata"`
		}
		err := a.get(ctx, discordgo.EndpointChannel(id), &c)
		switch {
		case code(err) == codeNoAccess, status(err) == http.StatusNotFound, status(err) == http.StatusForbidden:
			return channel{hidden: true}, nil
		case err != nil:
			return channel{}, fmt.Errorf("channel %s: %w", id, err)
		}
		out := channel{guild: c.GuildID, kind: c.Type, shut: c.Meta.Locked}
		if out.thread() { // it has the permissions of its channel
			out.parent = c.ParentID
			if !snowflake.MatchString(c.ParentID) || c.ParentID == id {
				return channel{hidden: true}, nil
			}
			above, err := a.places.Get(ctx, c.ParentID, a.look(c.ParentID))
			out.perms, out.hidden = above.perms, above.hidden
			return out, err
		}
		if c.GuildID == "" || !a.serves(c.GuildID) {
			return out, nil
		}
		g, err := a.guilds.Get(ctx, c.GuildID, a.lookGuild(c.GuildID))
		if err != nil {
			return channel{}, err
		}
		me, err := a.member(ctx, c.GuildID, a.me.Get().user)
		if err != nil {
			return channel{}, err
		}
		out.perms = permissions(g, me.roles, c.GuildID, a.me.Get().user, c.Overwrites)
		return out, nil
	}
}

func (a *Adapter) lookGuild(id string) func(context.Context) (guild, error) {
	return func(ctx context.Context) (guild, error) {
		var g struct {
			OwnerID string `json:"owner_id"`
			Roles   []struct {
				ID          string `json:"id"`
				Permissions bits   `json:"permissions"`
			} `json:"roles"`
		}
		if err := a.get(ctx, discordgo.EndpointGuild(id), &g); err != nil {
			return guild{}, fmt.Errorf("guild %s: %w", id, err)
		}
		out := guild{owner: g.OwnerID, roles: make(map[string]int64, len(g.Roles))}
		for _, r := range g.Roles {
			out.roles[r.ID] = int64(r.Permissions)
		}
		return out, nil
	}
}

// permissions are what somebody may do in a channel.
// Source: https://discord.com/developers/docs/topics/permissions#permission-overwrites
func permissions(g guild, roles []string, guildID, user string, overwrites []overwrite) int64 {
	if user == g.owner {
		return discordgo.PermissionAll | threadPermissions
	}
	perms := g.roles[guildID]
	for _, r := range roles {
		perms |= g.roles[r]
	}
	if perms&discordgo.PermissionAdministrator != 0 {
		return discordgo.PermissionAll | threadPermissions
	}
	var allow, deny int64
	for _, o := range overwrites {
		if o.ID == guildID {
			perms = perms&^int64(o.Deny) | int64(o.Allow)
		}
	}
	for _, o := range overwrites {
		if o.Type == discordgo.PermissionOverwriteTypeRole && o.ID != guildID && slices.Contains(roles, o.ID) {
			allow, deny = allow|int64(o.Allow), deny|int64(o.Deny)
		}
	}
	perms = perms&^deny | allow
	for _, o := range overwrites {
		if o.Type == discordgo.PermissionOverwriteTypeMember && o.ID == user {
			perms = perms&^int64(o.Deny) | int64(o.Allow)
		}
	}
	return perms
}

const threadPermissions = discordgo.PermissionCreatePublicThreads | discordgo.PermissionSendMessagesInThreads

// lacks names the permissions that the bot needs to post and does not have.
func (c *channel) lacks() []string {
	send := need{discordgo.PermissionSendMessages, "Send Messages"}
	if c.thread() {
		send = need{discordgo.PermissionSendMessagesInThreads, "Send Messages in Threads"}
	}
	return missing(c.perms, []need{{discordgo.PermissionViewChannel, "View Channel"}, send, {discordgo.PermissionEmbedLinks, "Embed Links"}})
}

// wordless tells whether a channel is of a kind that holds no messages itself:
// a category, a directory, or a forum, which is made of threads.
func (c *channel) wordless() bool {
	switch c.kind {
	case discordgo.ChannelTypeGuildCategory, discordgo.ChannelTypeGuildDirectory, discordgo.ChannelTypeGuildForum, discordgo.ChannelTypeGuildMedia:
		return true
	}
	return false
}

// threads tells whether a channel is of a kind that has threads.
func (c *channel) threads() bool {
	return c.kind == discordgo.ChannelTypeGuildText || c.kind == discordgo.ChannelTypeGuildNews
}

// threadNeeds are what the thread of a message needs.
func threadNeeds() []need {
	return []need{{discordgo.PermissionCreatePublicThreads, "Create Public Threads"}, {discordgo.PermissionSendMessagesInThreads, "Send Messages in Threads"}}
}

// noThread says why no thread can be begun at a message; "" if one can.
func (c *channel) noThread() string {
	if !c.threads() {
		return "Discord has no threads in this kind of channel"
	}
	lack := missing(c.perms, threadNeeds())
	if len(lack) == 0 {
		return ""
	}
	return "the bot lacks " + named(lack)
}

// CanPost implements bot.Adapter. A no is asked for again each time, so that
// a permission works at once.
func (a *Adapter) CanPost(ctx context.Context, p bot.Place) error {
	if err := a.me.Wait(ctx, waitResult); err != nil {
		return bot.Errorf(bot.Unavailable, "The bot is not connected to Discord yet. Try again in a minute.").Because(err)
	}
	if p.Platform != platform || !p.Direct && !a.serves(p.Team) {
		return bot.Errorf(bot.Forbidden, "The bot does not serve the Discord server of %s.", bot.Code(p.String()))
	}
	if p.Direct {
		return nil
	}
	at := p.Channel
	if p.Thread != "" {
		at = p.Thread
	}
	c, err := a.places.Get(ctx, at, a.look(at))
	if err == nil && (c.hidden || c.shut || len(c.lacks()) > 0) {
		c, err = a.places.Refresh(ctx, at, a.look(at))
	}
	lack := c.lacks()
	switch {
	case err != nil:
		return bot.Errorf(bot.Unavailable, "Discord does not say whether the bot may post there. Nothing was done: try again in a minute.").Because(err)
	case c.hidden || slices.Contains(lack, "View Channel"):
		return bot.Errorf(bot.Forbidden, "The bot does not see that channel, so it cannot post there.").WithHint("Add it in the channel's settings under Permissions, with View Channel, Send Messages and Embed Links, and try again.")
	case c.wordless():
		return bot.Errorf(bot.Forbidden, "Discord takes no messages in that kind of channel.").WithHint("Name a text channel of the server.")
	case c.guild != p.Team:
		return bot.Errorf(bot.Forbidden, "That channel is not in the Discord server of %s.", bot.Code(p.String()))
	case c.shut:
		return bot.Errorf(bot.Forbidden, "That thread is locked, so nobody can post there.").WithHint("Type the command in the channel.")
	case len(lack) > 0:
		return bot.Errorf(bot.Forbidden, "The bot may not post in that channel: it lacks %s.", named(lack)).WithHint("Grant it in the channel's settings under Permissions, and try again.")
	}
	return nil
}

// directWith is the private conversation of the bot with somebody.
func (a *Adapter) directWith(ctx context.Context, user string) (string, error) {
	return a.directs.Get(ctx, user, func(ctx context.Context) (string, error) {
		var c struct {
			ID string `json:"id"`
		}
		err := a.do(ctx, request{method: http.MethodPost, url: discordgo.EndpointUserChannels("@me"), body: map[string]string{"recipient_id": user}, urgency: result, out: &c})
		if err != nil {
			return "", fmt.Errorf("open a direct message: %w", err)
		}
		if !snowflake.MatchString(c.ID) {
			return "", fmt.Errorf("open a direct message: the answer names no channel")
		}
		return c.ID, nil
	})
}
