package discord_test

import (
	"strconv"

	"github.com/bwmarrin/discordgo"
)

type user struct {
	id, name string
	bot      bool
	deaf     bool // takes no direct messages
	direct   string
}

type role struct {
	id, name string
	perms    int64
}

type guild struct {
	id, name string
	owner    string
	roles    []role
	members  map[string][]string // roles, by user
	commands []object            // of the application
	absent   bool                // the bot was not added
}

type channel struct {
	id, guild, name  string
	kind             int // 0 text, 1 direct, 11 thread
	parent           string
	overwrites       []overwrite
	archived, locked bool
	person           string // of a direct one
	deleted          bool
}

type overwrite struct {
	id          string
	member      bool
	allow, deny int64
}

const (
	textChannel   = 0
	directChannel = 1
	threadChannel = 11
	forumChannel  = 15

	threadPerms = discordgo.PermissionCreatePublicThreads | discordgo.PermissionSendMessagesInThreads
	botPerms    = discordgo.PermissionViewChannel | discordgo.PermissionSendMessages | discordgo.PermissionEmbedLinks |
		discordgo.PermissionAttachFiles | discordgo.PermissionReadMessageHistory | threadPerms
	everyPerms = discordgo.PermissionViewChannel | discordgo.PermissionSendMessages | discordgo.PermissionUseApplicationCommands | discordgo.PermissionReadMessageHistory
)

// furnish puts the people, guilds and channels there.
func (f *fake) furnish() {
	f.people = make(map[string]*user)
	for _, name := range []string{"ana", "ben", "cho", "dia", "eve", "shy", "rob"} {
		f.people[userID(name)] = &user{id: userID(name), name: name, deaf: name == "shy", bot: name == "rob"}
	}
	f.people[botUser] = &user{id: botUser, name: "hosterbot", bot: true}
	f.guilds = map[string]*guild{
		guildID: {
			id: guildID, name: "Team", owner: userID("ana"),
			roles: []role{{guildID, "@everyone", everyPerms}, {leadsRole, "leads", 0}, {oncallRole, "oncall", 0}, {botRole, "hosterbot", botPerms}},
			members: map[string][]string{
				userID("ana"): {}, userID("ben"): {oncallRole}, userID("cho"): {}, userID("dia"): {leadsRole}, userID("shy"): {}, userID("rob"): {},
				botUser: {botRole},
			},
		},
		otherGuild: {
			id: otherGuild, name: "Others", owner: userID("eve"),
			roles:   []role{{otherGuild, "@everyone", everyPerms}, {leadsThere, "leads", 0}, {oncallThere, "oncall", 0}},
			members: map[string][]string{userID("eve"): {leadsThere, oncallThere}, userID("ana"): {leadsThere}, botUser: {}},
		},
	}
	deny := func(bits int64) []overwrite { return []overwrite{{id: botRole, deny: bits}} }
	f.channels = map[string]*channel{}
	for _, c := range []*channel{
		{id: homeID, guild: guildID, name: "ops"}, {id: leadsID, guild: guildID, name: "leads"},
		{id: closedID, guild: guildID, name: "closed", overwrites: deny(discordgo.PermissionSendMessages)},
		{id: hiddenID, guild: guildID, name: "hidden", overwrites: deny(discordgo.PermissionViewChannel)},
		{id: threadless, guild: guildID, name: "flat", overwrites: deny(discordgo.PermissionCreatePublicThreads)},
		{id: plainID, guild: guildID, name: "plain", overwrites: deny(discordgo.PermissionEmbedLinks)},
		{id: archivedID, guild: guildID, name: "old", kind: threadChannel, parent: homeID, archived: true},
		{id: lockedID, guild: guildID, name: "shut", kind: threadChannel, parent: homeID, archived: true, locked: true},
		{id: openThread, guild: guildID, name: "talk", kind: threadChannel, parent: homeID},
		{id: forumID, guild: guildID, name: "questions", kind: forumChannel},
		{id: forumThread, guild: guildID, name: "a question", kind: threadChannel, parent: forumID},
		{id: besideThread, guild: guildID, name: "talk", kind: threadChannel, parent: threadless},
		{id: elsewhereID, guild: otherGuild, name: "ops"},
	} {
		f.channels[c.id] = c
	}
}

// perms are what somebody may do in a channel.
// Source: https://discord.com/developers/docs/topics/permissions#permission-overwrites
func (f *fake) perms(c *channel, who string) int64 {
	if c.kind == directChannel {
		return everyPerms | botPerms
	}
	g := f.guilds[c.guild]
	roles, there := g.members[who]
	if !there || g.absent && who == botUser {
		return 0
	}
	if who == g.owner {
		return 1<<53 - 1
	}
	if c.kind == threadChannel {
		return f.perms(f.channels[c.parent], who)
	}
	mine := map[string]bool{}
	for _, r := range roles {
		mine[r] = true
	}
	perms := int64(0)
	for _, r := range g.roles {
		if r.id == g.id || mine[r.id] {
			perms |= r.perms
		}
	}
	var allow, deny int64
	for _, o := range c.overwrites {
		if o.id == g.id {
			perms = perms&^o.deny | o.allow
		}
		if !o.member && mine[o.id] {
			allow, deny = allow|o.allow, deny|o.deny
		}
	}
	perms = perms&^deny | allow
	for _, o := range c.overwrites {
		if o.member && o.id == who {
			perms = perms&^o.deny | o.allow
		}
	}
	if perms&discordgo.PermissionViewChannel == 0 {
		return 0
	}
	return perms
}

func bits(n int64) string { return strconv.FormatInt(n, 10) }

func (u *user) json() object {
	return object{"id": u.id, "username": u.name, "global_name": u.name, "discriminator": "0", "avatar": nil, "bot": u.bot, "public_flags": 0}
}

func (f *fake) memberJSON(g *guild, who string, at *channel) object {
	m := object{
		"user": f.people[who].json(), "roles": g.members[who], "joined_at": f.stamp(epoch), "nick": nil, "avatar": nil,
		"deaf": false, "mute": false, "flags": 0, "pending": false, "communication_disabled_until": nil, "premium_since": nil,
	}
	if at != nil {
		m["permissions"] = bits(f.perms(at, who))
	}
	return m
}

func (f *fake) channelJSON(c *channel) object {
	out := object{"id": c.id, "type": c.kind, "flags": 0, "last_message_id": nil}
	if c.kind == directChannel {
		out["recipients"] = []any{f.people[c.person].json()}
		return out
	}
	out["guild_id"], out["name"] = c.guild, c.name
	if c.kind == threadChannel {
		out["parent_id"], out["owner_id"] = c.parent, botUser
		out["thread_metadata"] = object{"archived": c.archived, "locked": c.locked, "auto_archive_duration": 1440, "archive_timestamp": f.stamp(epoch)}
		return out
	}
	overwrites := make([]any, 0, len(c.overwrites))
	for _, o := range c.overwrites {
		kind := 0
		if o.member {
			kind = 1
		}
		overwrites = append(overwrites, object{"id": o.id, "type": kind, "allow": bits(o.allow), "deny": bits(o.deny)})
	}
	out["parent_id"], out["position"], out["permission_overwrites"], out["nsfw"], out["topic"] = nil, 0, overwrites, false, nil
	return out
}

func (f *fake) guildJSON(g *guild) object {
	roles := make([]any, 0, len(g.roles))
	for i, r := range g.roles {
		roles = append(roles, object{"id": r.id, "name": r.name, "permissions": bits(r.perms), "position": i, "color": 0, "hoist": false, "managed": r.id == botRole, "mentionable": false, "flags": 0})
	}
	return object{"id": g.id, "name": g.name, "owner_id": g.owner, "roles": roles, "emojis": []any{}, "features": []any{}, "preferred_locale": "en-US"}
}

// directWith is the conversation of the bot with somebody.
func (f *fake) directWith(u *user) *channel {
	if u.direct == "" {
		u.direct = f.id()
		f.channels[u.direct] = &channel{id: u.direct, kind: directChannel, person: u.id}
	}
	return f.channels[u.direct]
}
